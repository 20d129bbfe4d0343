//! The pages of `docs/problems` are true: what they show gives the problem that they explain.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway_api::{Objects, Problem, manifest};
use edgeway_core::{Workload, analyze, compile};
use edgeway_gateway::tls;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Pages without manifests, and why they have none.
const WITHOUT_MANIFESTS: &[(&str, &str)] = &[
    ("body-large", "the example would be 100 kB"),
    ("certificate-expired", "it takes a key, too"),
    ("certificate-expires", "it is true for 14 days"),
    ("configuration-kept", "it takes an API server that is away"),
    ("dns-not-resolved", "it takes DNS"),
    ("listener-bind", "it takes a port that is in use"),
    ("missing-file", "it takes a file that goes away"),
    ("permission-missing", "it takes an API server that refuses"),
    ("unreadable-file", "it takes a file that cannot be read"),
    ("unreadable-object", "it takes an API server"),
];

/// What is wrong with some manifests, as `edgeway check` would find it.
fn problems(text: &str) -> Vec<Problem> {
    let mut objects = Objects::default();
    manifest::read(text, "example.yaml", &mut objects);
    let workload = Workload::default();
    let compiled = compile(&objects, &workload);
    objects.retain(|object| !compiled.rejected.contains(object));
    let mut all = compiled.problems;
    all.extend(analyze(&objects, &workload));
    all.extend(tls::problems(&compiled.table, std::time::SystemTime::now()));
    all
}

/// The pages by code that say that the gateway, or reading manifests, reports the problem.
fn pages() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/problems");
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let code = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        if code != "README" && !text.contains(", from the ALB controller.") {
            pages.insert(code, text);
        }
    }
    pages
}

/// The manifests that a page shows.
fn example(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("## Example\n\n```yaml\n")?;
    rest.split_once("\n```").map(|(example, _)| example)
}

#[test]
fn an_example_has_the_problem_of_its_page_and_no_other() {
    let mut found = 0;
    let mut untrue = Vec::new();
    for (code, page) in pages() {
        let Some(example) = example(&page) else { continue };
        found += 1;
        let problems = problems(example);
        let mut codes: BTreeSet<&str> = problems.iter().map(|problem| problem.code).collect();
        // A page shows no private key, and what it shows may not be acted on yet.
        for beside in ["credential-not-found", "field-not-supported"] {
            if code != beside {
                codes.remove(beside);
            }
        }
        if codes != BTreeSet::from([code.as_str()]) {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            untrue.push(format!("{code}:\n{}", lines.join("\n")));
        }
    }
    assert!(untrue.is_empty(), "{}", untrue.join("\n"));
    assert!(found > 60, "{found} pages with an example");
}

#[test]
fn a_page_shows_manifests_if_it_can() {
    let without: BTreeSet<String> = pages()
        .into_iter()
        .filter(|(_, page)| example(page).is_none())
        .map(|(code, _)| code)
        .collect();
    let expected = WITHOUT_MANIFESTS.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert_eq!(without, expected);
}
