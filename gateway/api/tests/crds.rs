//! The definitions of our kinds in the chart are those of the types.

use edgeway_api::edge_status;
use std::{fs, path::Path};

/// Set to write the files anew.
const UPDATE: &str = "UPDATE_GOLDEN";

#[test]
#[expect(clippy::disallowed_methods, reason = "how a test is told to write what it compares")]
fn the_files_are_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy/charts/edgeway-crds/files/edgestatuses.edgeway.dev.yaml");
    let text = serde_saphyr::to_string(&edge_status::crd()).unwrap();
    let text = format!("# Made by `edgeway crds`.\n{text}");
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, text, "write it anew: {UPDATE}=1 cargo test -p edgeway-api --test crds");
    let read: serde_json::Value = serde_saphyr::from_str(&written).unwrap();
    assert_eq!(read, edge_status::crd());
}
