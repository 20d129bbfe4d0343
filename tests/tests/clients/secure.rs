//! TLS as those see it who look for its weak places.

use crate::scene::{Scene, has, output, scene};
use edgeway_tests::free_port;

fn secured() -> Option<Scene> {
    has("openssl").then(|| scene(free_port()))
}

#[test]
fn nothing_weak_is_offered() {
    if !has("sslscan") {
        return;
    }
    let Some(scene) = secured() else { return };
    let said = output("sslscan", &["--no-colour", &scene.secure()]);
    let state = |version: &str| {
        let line = said.lines().find(|line| line.starts_with(version) && line.ends_with("abled"));
        line.unwrap_or_else(|| panic!("nothing on {version}: {said}")).ends_with(" enabled")
    };
    for version in ["SSLv2 ", "SSLv3 ", "TLSv1.0 ", "TLSv1.1 "] {
        assert!(!state(version), "{said}");
    }
    assert!(state("TLSv1.2 ") && state("TLSv1.3 "), "{said}");
    let is_suite = |line: &&str| line.starts_with("Accepted ") || line.starts_with("Preferred ");
    let suites: Vec<_> = said.lines().filter(is_suite).collect();
    assert!(suites.len() >= 6, "{said}");
    for suite in suites {
        let sealed = suite.contains("GCM") || suite.contains("CHACHA20");
        let forward = suite.contains(" TLS_") || suite.contains(" ECDHE-");
        assert!(sealed && forward, "{suite}");
    }
    assert!(said.contains("Session renegotiation not supported"), "{said}");
    assert!(!said.contains("  vulnerable to heartbleed"), "{said}");
}

#[test]
fn sessions_are_taken_up_again_by_any_worker() {
    let Some(scene) = secured() else { return };
    let folder = tempfile::tempdir().unwrap();
    let ticket = folder.path().join("ticket.pem").display().to_string();
    let address = scene.secure();
    let ask = |more: &[&str]| {
        let common = ["s_client", "-connect", &address, "-servername", "a.example.com"];
        output("openssl", &[&common, more].concat())
    };
    let first = ask(&["-tls1_2", "-alpn", "h2,http/1.1", "-sess_out", &ticket]);
    assert!(first.contains("New, TLSv1.2") && first.contains("ALPN protocol: h2"), "{first}");
    // The kernel deals connections out to both workers.
    for _ in 0..8 {
        let again = ask(&["-tls1_2", "-sess_in", &ticket]);
        assert!(again.contains("Reused, TLSv1.2"), "{again}");
    }
    let old = ask(&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert!(old.contains("Cipher is (NONE)"), "{old}");
}
