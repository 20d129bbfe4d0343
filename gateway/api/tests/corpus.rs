//! Manifests and schemas of others, read from a folder beside the repository where there is one.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use edgeway_api::{
    DestinationRule, Gateway, Objects, Problem, ServiceEntry, Severity, VirtualService,
    WorkloadEntry, manifest, objects::Held,
};
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

fn corpus(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus").join(part);
    if !path.exists() {
        let _ = writeln!(std::io::stderr(), "skipped: there is no {}", path.display());
        return None;
    }
    Some(path)
}

/// All manifests below `folder`.
fn manifests(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(manifests(&path));
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Objects {
    let mut objects = Objects::default();
    let text = fs::read_to_string(path).unwrap();
    manifest::read(&text, &path.display().to_string(), &mut objects);
    objects
}

/// Errors, but for kinds that are not supported and for objects that a file does give twice.
fn errors(objects: &Objects) -> Vec<&Problem> {
    let is_meant = |problem: &&Problem| {
        problem.severity == Severity::Error
            && !matches!(problem.code, "kind-not-supported" | "duplicate-object")
    };
    objects.defects.iter().filter(is_meant).collect()
}

#[test]
fn the_samples_of_istio_are_read() {
    let Some(samples) = corpus("istio/samples") else { return };
    let mut count = 0;
    for path in manifests(&samples) {
        let objects = read(&path);
        assert_eq!(errors(&objects), Vec::<&Problem>::new());
        count += objects.count();
    }
    assert!(count > 100, "{count} objects");
}

#[test]
fn our_own_examples_are_read_without_a_word() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut count = 0;
    for path in manifests(&examples) {
        let objects = read(&path);
        assert_eq!(objects.defects, []);
        count += objects.count();
    }
    assert!(count > 20, "{count} objects");
}

#[test]
fn what_istio_calls_valid_is_read() {
    let Some(validation) = corpus("istio/validation") else { return };
    let ours = ["destinationrule", "serviceentry", "workloadentry"];
    for kind in ours {
        let objects = read(&validation.join(format!("{kind}-valid.yaml")));
        assert_eq!(errors(&objects), Vec::<&Problem>::new());
        assert!(objects.count() > 0, "{kind}");
    }
}

#[test]
fn every_field_of_istios_schemas_is_read_and_written() {
    let Some(schemas) = corpus("istio/crd-all.gen.yaml") else { return };
    let text = fs::read_to_string(schemas).unwrap();
    let schemas: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    for schema in &schemas {
        let kind = schema.pointer("/spec/names/kind").and_then(Value::as_str).unwrap();
        for version in schema.pointer("/spec/versions").and_then(Value::as_array).unwrap() {
            match kind {
                "Gateway" => covers::<Gateway>(kind, version),
                "VirtualService" => covers::<VirtualService>(kind, version),
                "DestinationRule" => covers::<DestinationRule>(kind, version),
                "ServiceEntry" => covers::<ServiceEntry>(kind, version),
                "WorkloadEntry" => covers::<WorkloadEntry>(kind, version),
                _ => {}
            }
        }
    }
}

/// Writes every field of the schema (each word of an enum once), reads it, and writes it again.
fn covers<K: Held + serde::Serialize>(kind: &str, version: &Value) {
    let spec = version.pointer("/schema/openAPIV3Schema/properties/spec").unwrap();
    let version = version.pointer("/name").and_then(Value::as_str).unwrap();
    for round in 0..7 {
        let spec = sample(spec, round);
        let document = json!({
            "apiVersion": format!("networking.istio.io/{version}"),
            "kind": kind,
            "metadata": {"name": "a"},
            "spec": spec,
        });
        let mut objects = Objects::default();
        manifest::read(&document.to_string(), "sample", &mut objects);
        assert_eq!(objects.defects, [], "{kind} {version}");
        let [object] = K::of(&objects) else { panic!("{kind} {version}") };
        let written = serde_json::to_value(&**object).unwrap();
        assert_eq!(written.pointer("/spec"), Some(&spec), "{kind} {version}");
    }
}

/// A value of `schema` in which nothing is left out.
fn sample(schema: &Value, round: usize) -> Value {
    let word = |name: &str| schema.get(name).and_then(Value::as_str).unwrap_or_default();
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().cycle().nth(round).cloned().unwrap();
    }
    match word("type") {
        "object" => object(schema, round),
        "array" => json!([sample(&schema["items"], round)]),
        "integer" => json!(200 + round),
        "number" => json!(1.5),
        "boolean" => json!(true),
        "string" if word("format") == "byte" => json!("aGVsbG8="),
        "string" => json!("1.5s"),
        other => panic!("a schema of type `{other}`: {schema}"),
    }
}

fn object(schema: &Value, round: usize) -> Value {
    let mut fields = Map::new();
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        // The older spelling of a field that is there too.
        if name != "mirror_percent" {
            fields.insert(name.clone(), sample(field, round));
        }
    }
    if let Some(values) = schema.get("additionalProperties") {
        fields.insert("any".into(), sample(values, round));
    }
    Value::Object(fields)
}

#[test]
fn an_older_spelling_is_read() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n\
                spec: {http: [{mirror_percent: 5}]}\n";
    let mut objects = Objects::default();
    manifest::read(text, "sample", &mut objects);
    assert_eq!(objects.defects, []);
    assert_eq!(objects.virtual_services[0].spec.http[0].mirror_percent, Some(5));
}
