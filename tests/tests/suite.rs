//! One suite of API calls against local-alb and moto, read by boto3: a mistake that our two sides share
//! shows. Skipped, and said so, where Python has no moto.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway_tests::{Process, free_offset, free_port, root, skipped, wait_for};
use std::{net::TcpStream, process::Command};

/// Runs the suite and gives what it said, and whether all was as written.
fn suite(port: u16, cloud: &str) -> (bool, String) {
    wait_for(cloud, || TcpStream::connect(("127.0.0.1", port)).ok());
    let program = root().join("alb-controller/local-alb/tests/api/suite.py");
    let endpoint = format!("http://127.0.0.1:{port}");
    let output = Command::new("python3").arg(program).args([&endpoint, cloud]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn local_alb_and_moto_answer_as_written() {
    let probe = Command::new("python3").args(["-c", "import moto.server, boto3, yaml"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        skipped("this machine's Python has no moto");
        return;
    }
    let (ours, theirs, offset) = (free_port(), free_port(), free_offset().to_string());
    let api = format!("127.0.0.1:{ours}");
    let _alb = Process::start("edgeway", &["local-alb", "--api", &api, "--port-offset", &offset]);
    let mut server = Command::new("python3");
    server.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &theirs.to_string()]);
    let _moto = Process::spawn("moto", &mut server);
    let (ours, theirs) = (suite(ours, "local-alb"), suite(theirs, "moto"));
    assert!(ours.0 && theirs.0, "{}{}", ours.1, theirs.1);
}
