//! Runs the pairs of `testdata/compile`: `NAME.in.yaml` holds manifests, `NAME.out.yaml` what became
//! of them. `UPDATE_GOLDEN=1` rewrites the second.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway_api::{Objects, manifest};
use edgeway_core::{Workload, compile};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn inputs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/compile");
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let is_input = |path: &PathBuf| path.to_string_lossy().ends_with(".in.yaml");
    let mut inputs: Vec<_> = entries.filter(is_input).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no pair in {}", folder.display());
    inputs
}

fn objects(input: &Path) -> Objects {
    let mut objects = Objects::default();
    let name = input.file_name().unwrap().to_string_lossy().into_owned();
    manifest::read(&fs::read_to_string(input).unwrap(), &name, &mut objects);
    objects
}

fn outcome(objects: &Objects) -> String {
    let compiled = compile(objects, &Workload::default());
    let rejected: Vec<_> = compiled.rejected.iter().map(ToString::to_string).collect();
    serde_saphyr::to_string(&serde_json::json!({
        "table": compiled.table,
        "problems": compiled.problems,
        "rejected": rejected,
    }))
    .unwrap()
}

#[test]
fn every_pair_agrees() {
    for input in inputs() {
        let output = input.to_string_lossy().replace(".in.yaml", ".out.yaml");
        let found = outcome(&objects(&input));
        #[expect(clippy::disallowed_methods, reason = "the switch that rewrites what is expected")]
        if std::env::var("UPDATE_GOLDEN").is_ok() {
            fs::write(&output, &found).unwrap();
        }
        let expected = fs::read_to_string(&output).unwrap_or_default();
        let name = input.display();
        assert_eq!(found, expected, "{name}: UPDATE_GOLDEN=1 accepts what was found");
    }
}

#[test]
fn the_order_of_objects_means_nothing_in_any_of_them() {
    for input in inputs() {
        let mut turned = objects(&input);
        turned.gateways.reverse();
        turned.virtual_services.reverse();
        turned.destination_rules.reverse();
        turned.service_entries.reverse();
        turned.workload_entries.reverse();
        turned.services.reverse();
        turned.endpoint_slices.reverse();
        turned.pods.reverse();
        turned.nodes.reverse();
        turned.secrets.reverse();
        turned.ingresses.reverse();
        turned.ingress_classes.reverse();
        assert_eq!(outcome(&turned), outcome(&objects(&input)), "{}", input.display());
    }
}
