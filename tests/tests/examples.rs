//! Every example: its manifests are clean, and its requests answer as its `expect.yaml` says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway_tests::{
    Process,
    expect::{self, Via},
    free_offset,
    process::run,
};
use std::{fs, path::PathBuf};

fn examples() -> Vec<PathBuf> {
    let folders = fs::read_dir(edgeway_tests::root().join("examples")).unwrap();
    let mut found: Vec<_> = folders.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    assert!(!found.is_empty());
    found
}

#[test]
fn examples_have_no_problem() {
    for folder in examples() {
        let output = run("edgeway", &["check", "-f", folder.to_str().unwrap(), "-o", "json"]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.trim() == "[]", "{}: {said}", folder.display());
    }
}

#[test]
fn examples_answer_as_they_say() {
    for folder in examples() {
        let cases = expect::read(&folder.join("expect.yaml"));
        let offset = free_offset();
        let mut up = Process::start(
            "edgeway",
            &["up", "-f", folder.to_str().unwrap(), "--port-offset", &offset.to_string()],
        );
        up.wait_line("ready", |line| line.contains("ready http://").then_some(()));
        let mut wrong = Vec::new();
        for case in cases.requests {
            let vias = if case.via.is_empty() { &[Via::Alb][..] } else { &case.via };
            for via in vias {
                let port = case.request.port;
                let base = match via {
                    Via::Alb => format!("http://127.0.0.1:{}", port + offset),
                    Via::Gateway => gateway(&mut up, port),
                };
                let differences = case.differences(&base);
                let place = folder.file_name().unwrap().to_string_lossy();
                wrong.extend(
                    differences.iter().map(|d| format!("{place}, {via:?}, {}: {d}", case.name)),
                );
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(up.stop().success());
    }
}

/// Where `up` says that the gateway's server `port` is reached.
fn gateway(up: &mut Process, port: u16) -> String {
    up.wait_line("the gateway's address", |line| {
        let (_, rest) = line.split_once("gateway")?;
        let rest = rest.split_once("http://").map(|(before, url)| (before.to_owned(), url))?;
        let own =
            rest.0.contains(&format!(" {port} ")) || rest.0.trim().ends_with(&port.to_string());
        own.then(|| format!("http://{}", rest.1.split_whitespace().next().unwrap_or_default()))
    })
}
