//! Reads one object and tells what is wrong with it, for the tables of the tests beside.

use super::super::report::{Ledger, Rejected};
use edgeway_api::{Objects, manifest};

/// `field: message` of everything that is wrong with the object, sorted; an object of this `kind`
/// in namespace `default`, with `spec` in YAML's flow form.
pub(super) fn problems(kind: &str, spec: &str) -> Vec<String> {
    problems_of(kind, "a", spec)
}

/// The same of an object of this name.
pub(super) fn problems_of(kind: &str, name: &str, spec: &str) -> Vec<String> {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: \
         default}}\nspec: {spec}\n"
    );
    let mut objects = Objects::default();
    manifest::read(&text, "f.yaml", &mut objects);
    assert_eq!(objects.defects, [], "{text}");
    let (mut ledger, mut rejected) = (Ledger::default(), Rejected::default());
    let mut told = super::Told { ledger: &mut ledger, rejected: &mut rejected };
    super::Verdicts::default().all(&objects, &mut told);
    let problems = ledger.problems(&objects);
    problems
        .into_iter()
        // What is valid and merely not acted on.
        .filter(|problem| !matches!(problem.code, "field-not-supported" | "tls-not-served"))
        .map(|problem| format!("[{}] {}: {}", problem.code, problem.field, problem.message))
        .collect()
}

/// Each row: a spec, and what must stand in its one problem (empty: there is none).
pub(super) fn table(kind: &str, rows: &[(&str, &str)]) {
    for (spec, expected) in rows {
        let found = problems(kind, spec);
        match (expected.is_empty(), found.as_slice()) {
            (true, []) => {}
            (false, [one]) => assert!(one.contains(expected), "{spec}\n{one}\nnot {expected}"),
            _ => panic!("{spec}\n{found:#?}\nnot {expected}"),
        }
    }
}
