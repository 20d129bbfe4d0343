//! Every reply read by a client that is not ours: boto3, which knows AWS's shapes.

use std::{io::Write, process::Command};

use crate::alb::Alb;
use crate::mutual::authority;
use crate::target::Target;

#[tokio::test(flavor = "multi_thread")]
async fn boto3_understands_every_reply() {
    let there = Command::new("python3").args(["-c", "import boto3"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        let _ = writeln!(std::io::stderr(), "skipped: python3 with boto3 is not installed");
        return;
    }
    let buckets = tempfile::tempdir().unwrap();
    fill(&buckets.path().join("bucket"));
    let alb = Alb::with(|config| config.buckets = Some(buckets.path().into())).await;
    let target = Target::start("a").await;
    let made = rcgen::generate_simple_self_signed(vec!["imported.example.com".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pem = |label: &str, der: &[u8]| {
        use base64::Engine;
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    };
    std::fs::write(folder.path().join("cert.pem"), pem("CERTIFICATE", made.cert.der())).unwrap();
    let key = pem("PRIVATE KEY", &made.signing_key.serialize_der());
    std::fs::write(folder.path().join("key.pem"), key).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/conformance.py");
    let mut command = Command::new("python3");
    command
        .arg(script)
        .arg(format!("http://{}", alb.running.api))
        .arg(target.address.port().to_string())
        .arg(folder.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.ends_with("done\n"), "{out}\n{err}");
}

/// A bucket with an authority and a list of what it has revoked.
fn fill(bucket: &std::path::Path) {
    let ours = authority("Ours");
    std::fs::create_dir(bucket).unwrap();
    std::fs::write(bucket.join("ca.pem"), &ours.pem).unwrap();
    std::fs::write(bucket.join("revoked.crl"), ours.revokes(7)).unwrap();
}
