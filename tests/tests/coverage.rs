//! Every field of Istio's objects, and every rule that is easily got wrong, is shown by a case of
//! `tests/conformance` or by a test that is named in `tests/conformance/coverage.yaml`.

use edgeway_tests::{
    conformance::{Named, cases},
    root,
    shapes::{Field, Shapes},
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Cases put together by chance show everything, and nothing in particular.
const BY_CHANCE: &str = "random/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Coverage {
    /// Fields that no case uses: the tests that show them.
    fields: BTreeMap<String, Vec<String>>,
    /// Fields that change nothing: what becomes of them.
    idle: BTreeMap<String, String>,
    /// What is easily got wrong.
    rules: Vec<Rule>,
    /// By the name of a scenario that was measured: the tests that repeat it.
    scenarios: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// In a sentence.
    rule: String,
    /// Cases as `topic/name`, tests and golden input as a file and what is in it.
    shown: Vec<String>,
}

fn coverage() -> Coverage {
    let file = root().join("tests/conformance/coverage.yaml");
    let text = fs::read_to_string(file).unwrap_or_default();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("coverage.yaml: {error}"))
}

/// The shape of a kind's specification.
fn shape_of(kind: &str) -> Option<String> {
    let ours = ["Gateway", "VirtualService", "DestinationRule", "ServiceEntry", "WorkloadEntry"];
    ours.contains(&kind).then(|| format!("{kind}Spec"))
}

fn used(shapes: &Shapes, case: &Named) -> BTreeSet<Field> {
    let mut used = BTreeSet::new();
    for document in case.manifests.split("\n---\n") {
        let Ok(object) = serde_saphyr::from_str::<serde_json::Value>(document) else { continue };
        let kind = object.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
        if let (Some(shape), Some(spec)) = (shape_of(kind), object.get("spec")) {
            shapes.note(&shape, spec, &mut used);
        }
    }
    used
}

/// Whether a test of this name is in the file, or a field where it is a manifest.
fn is_there(reference: &str) -> bool {
    let Some((file, name)) = reference.split_once(' ') else { return false };
    let text = fs::read_to_string(root().join(file)).unwrap_or_default();
    let is_source = Path::new(file).extension().is_some_and(|extension| extension == "rs");
    text.contains(&if is_source { format!("fn {name}(") } else { format!("{name}:") })
}

#[test]
fn every_field_is_shown() {
    let (shapes, coverage) = (Shapes::read(), coverage());
    let fields = shapes.fields();
    assert!(fields.len() > 200, "{} fields", fields.len());
    let cases = cases();
    let told = cases.iter().filter(|case| !case.name.starts_with(BY_CHANCE));
    let in_cases: BTreeSet<Field> = told.flat_map(|case| used(&shapes, case)).collect();
    let mut wrong = Vec::new();
    for field in &fields {
        let name = field.to_string();
        let elsewhere = coverage.fields.contains_key(&name);
        let idle = coverage.idle.contains_key(&name);
        match (in_cases.contains(field), elsewhere, idle) {
            (false, false, false) => wrong.push(format!("{name}: shown by nothing")),
            (_, true, true) => wrong.push(format!("{name}: shown, and yet idle")),
            _ => {}
        }
    }
    let known: BTreeSet<String> = fields.iter().map(ToString::to_string).collect();
    let listed = coverage.fields.keys().chain(coverage.idle.keys());
    wrong.extend(listed.filter(|name| !known.contains(*name)).map(|it| format!("{it}: no field")));
    for (name, tests) in &coverage.fields {
        let missing = tests.iter().filter(|test| !is_there(test));
        wrong.extend(missing.map(|test| format!("{name}: there is no {test}")));
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_is_shown() {
    let names: BTreeSet<String> = cases().into_iter().map(|case| case.name).collect();
    let rules = coverage().rules;
    assert!(rules.len() > 60, "{} rules", rules.len());
    let mut wrong = Vec::new();
    for Rule { rule, shown } in rules {
        assert!(!shown.is_empty(), "{rule}: shown by nothing");
        let missing = shown.iter().filter(|one| !names.contains(*one) && !is_there(one));
        wrong.extend(missing.map(|one| format!("{rule}: there is no {one}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_scenario_is_repeated() {
    let scenarios = coverage().scenarios;
    assert!(scenarios.len() > 70, "{} scenarios", scenarios.len());
    let mut wrong = Vec::new();
    for (name, tests) in scenarios {
        assert!(!tests.is_empty(), "{name}: repeated by nothing");
        let missing = tests.iter().filter(|test| !is_there(test));
        wrong.extend(missing.map(|test| format!("{name}: there is no {test}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_says_which_field_it_covers() {
    let shapes = Shapes::read();
    for Named { name, case, .. } in cases() {
        let covers = case.covers.as_str();
        let by_chance = name.starts_with(BY_CHANCE) && covers == "everything together";
        let of_kubernetes = covers.starts_with("Service.");
        assert!(by_chance || of_kubernetes || shapes.knows(covers), "{name}: no field `{covers}`");
    }
}
