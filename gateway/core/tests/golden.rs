//! Runs the pairs of `testdata/compile`: `NAME.in.yaml` holds manifests, `NAME.out.yaml` what became
//! of them. `UPDATE_GOLDEN=1` rewrites the second.

use edgeway_api::{Objects, manifest};
use edgeway_core::{Workload, compile};
use std::{fs, path::Path};

#[test]
fn every_pair_agrees() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/compile");
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".in.yaml"))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no pair in {}", folder.display());
    for input in inputs {
        let output = input.to_string_lossy().replace(".in.yaml", ".out.yaml");
        let mut objects = Objects::default();
        let name = input.file_name().unwrap().to_string_lossy().into_owned();
        manifest::read(&fs::read_to_string(&input).unwrap(), &name, &mut objects);
        let compiled = compile(&objects, &Workload::default());
        let rejected: Vec<_> = compiled.rejected.iter().map(ToString::to_string).collect();
        let found = serde_saphyr::to_string(&serde_json::json!({
            "table": compiled.table,
            "problems": compiled.problems,
            "rejected": rejected,
        }))
        .unwrap();
        #[expect(clippy::disallowed_methods, reason = "the switch that rewrites what is expected")]
        if std::env::var("UPDATE_GOLDEN").is_ok() {
            fs::write(&output, &found).unwrap();
        }
        let expected = fs::read_to_string(&output).unwrap_or_default();
        assert_eq!(found, expected, "{name}: UPDATE_GOLDEN=1 accepts what was found");
    }
}
