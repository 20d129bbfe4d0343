//! The pages of `docs/problems` are true: what they show gives the problem that they explain.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway_alb_core::{
    Lookups, Settings, desired,
    settings::{AWS, EDGEWAY},
};
use edgeway_api::{Objects, manifest};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Pages without manifests, and why they have none.
const WITHOUT_MANIFESTS: &[(&str, &str)] = &[
    ("add-on-switched-off", "the controller is started with a flag"),
    ("attached-without-effect", "the example needs a load balancer that is there"),
    ("group-name-not-allowed", "the controller is started with a flag"),
    ("limit-exceeded", "the example would have 1001 pods"),
    ("limit-near", "the example would have 80 rules"),
    ("tag-not-allowed", "the controller is started with a flag"),
    ("target-type-not-allowed", "the controller is started with a flag"),
    ("too-many-certificates", "the example would have 27 certificates"),
    ("too-many-rules", "the example would have 101 rules"),
];

/// Codes that manifests give beside an account where nothing was looked up, and beside an empty one.
fn codes(text: &str) -> [BTreeSet<&'static str>; 2] {
    let mut objects = Objects::default();
    manifest::read(text, "example.yaml", &mut objects);
    let controllers = BTreeSet::from([AWS.to_owned(), EDGEWAY.to_owned()]);
    let settings = Settings { controllers, ..Settings::new("example", "vpc-1") };
    let empty = Lookups {
        subnets: Some(Vec::new()),
        certificates: Some(Vec::new()),
        security_groups: Some(Vec::new()),
        target_groups: Some(BTreeMap::new()),
        hosts: Some(BTreeMap::new()),
        trust_stores: Some(BTreeMap::new()),
        web_acls: Some(BTreeMap::new()),
        ..Lookups::default()
    };
    [Lookups::default(), empty].map(|lookups| {
        let desired = desired(&objects, &settings, &lookups);
        let all = desired.problems.iter().chain(&objects.defects);
        all.map(|problem| problem.code).collect()
    })
}

fn pages() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems");
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        if text.contains(", from the ALB controller.") {
            pages.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), text);
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
    for (code, page) in pages() {
        let Some(example) = example(&page) else { continue };
        let [unasked, empty] = codes(example);
        let alone = BTreeSet::from([code.as_str()]);
        // What only AWS knows is missed only in an account that was looked at.
        let with_account = unasked.is_empty() && empty.contains(code.as_str());
        assert!(unasked == alone || with_account, "{code}: {unasked:?}, {empty:?}");
        found += 1;
    }
    assert!(found > 15, "{found} pages with an example");
}

#[test]
fn a_page_shows_manifests_if_it_can() {
    let pages = pages().into_iter();
    let without: BTreeSet<String> =
        pages.filter(|(_, page)| example(page).is_none()).map(|(code, _)| code).collect();
    let expected = WITHOUT_MANIFESTS.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert_eq!(without, expected);
}
