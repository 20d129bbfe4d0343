//! `edgeway routes -f`: what is printed, word for word.

use std::{fs, path::Path, process::Command};

#[test]
fn routes_tell_why_a_destination_answers_503() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/routes");
    let manifests = folder.join("shop.yaml").display().to_string();
    for (output, golden) in [("table", "shop.txt"), ("json", "shop.json")] {
        let told = Command::new(env!("CARGO_BIN_EXE_edgeway"))
            .args(["routes", "-f", &manifests, "-o", output])
            .output()
            .unwrap();
        assert_eq!(told.status.code(), Some(1), "a route cannot be answered: {told:?}");
        assert!(told.stderr.is_empty(), "{told:?}");
        let (told, file) = (String::from_utf8(told.stdout).unwrap(), folder.join(golden));
        #[expect(clippy::disallowed_methods, reason = "the name is that of all golden files")]
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&file, &told).unwrap();
        }
        let kept = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(kept, told, "{} is old: UPDATE_GOLDEN=1 writes it anew", file.display());
    }
}
