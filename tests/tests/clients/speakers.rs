//! Clients that mean well.

use crate::scene::{Scene, has, output, python, python_has, scene, scene_with};
use edgeway_tests::{Process, free_port, wait_for};
use std::{net::TcpStream, process::Command};

#[test]
fn websockets_pass_as_their_makers_speak_them() {
    if !python_has("websockets") {
        return;
    }
    let port = free_port();
    let script = include_str!("sockets.py");
    let mut server = Command::new("python3");
    server.args(["-c", script, "serve", &port.to_string()]);
    let _server = Process::spawn("the server", &mut server);
    wait_for("the server", || TcpStream::connect(("127.0.0.1", port)).ok());
    let scene = scene(port);
    let said = python(script, &["ask", &scene.plain()]);
    let expected = "subprotocol one
text hi
binary b'\\x00\\xff'
fragments abc
large True
our ping True
their ping ponged
compression True
their close 4001 enough
our close 4002
refused 403 bytearray(b'no\\n')
";
    assert_eq!(said, expected);
}

#[test]
fn many_streams_at_once_are_all_answered() {
    if !has("h2load") || !has("openssl") {
        return;
    }
    let scene = scene(free_port());
    for url in [format!("http://{}/", scene.plain()), format!("https://{}/", scene.secure())] {
        let said = output("h2load", &["-n", "20000", "-c", "16", "-m", "32", &url]);
        let all = "20000 total, 20000 started, 20000 done, 20000 succeeded, 0 failed, 0 errored";
        assert!(said.contains(all), "{url}: {said}");
    }
}

#[test]
fn clients_are_told_twice_before_a_connection_ends() {
    if !python_has("hyperframe, hpack") {
        return;
    }
    let Scene { gateway, .. } = scene_with(free_port(), &["--drain-seconds", "3"]);
    let mut command = Command::new("python3");
    let address = gateway.address().to_string();
    command.args(["-c", include_str!("frames.py"), &address, "leave"]);
    let mut client = Process::spawn("the client", &mut command);
    client.wait_line("an answer", |line| (line == "answer 200").then_some(()));
    let status = gateway.process.stop();
    assert!(client.wait().success());
    // First that it should open no more streams, then which was the last.
    assert_eq!(client.lines(), ["answer 200", "told 0x7fffffff 0", "late 200", "end None True"]);
    assert!(status.success());
}

#[test]
fn settings_are_what_we_say_they_are() {
    if !has("nghttp") {
        return;
    }
    let scene = scene(free_port());
    let said = output("nghttp", &["-nv", &format!("http://{}/", scene.plain())]);
    for line in [
        ":status: 200",
        "SETTINGS_ENABLE_CONNECT_PROTOCOL(0x08):1",
        "SETTINGS_MAX_CONCURRENT_STREAMS(0x03):1024",
        "SETTINGS_INITIAL_WINDOW_SIZE(0x04):1048576",
        "SETTINGS_MAX_HEADER_LIST_SIZE(0x06):61440",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
}
