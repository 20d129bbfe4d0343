//! A gateway in plain text and in TLS, and what stands behind it.

use edgeway_tests::{Crowd, Gateway, skipped};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    process::{Command, Output},
    thread,
};

/// Everything that the tests here need; `PLACE` names are filled in.
const MANIFESTS: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: cert}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all, namespace: default}
spec:
  hosts: ['*']
  gateways: [istio-system/gw]
  http:
  - match: [{uri: {exact: /}}]
    directResponse: {status: 200, body: {string: fine}}
  - match: [{uri: {exact: /large}}]
    directResponse: {status: 200, body: {string: LARGE}}
  - match: [{uri: {exact: /read}}]
    route: [{destination: {host: read.ext.test}}]
  - match: [{uri: {exact: /held}}]
    route: [{destination: {host: held.ext.test}}]
  - route: [{destination: {host: other.ext.test}}]
---
apiVersion: v1
kind: Secret
metadata: {name: cert, namespace: istio-system}
type: kubernetes.io/tls
stringData:
  tls.crt: |
CERTIFICATE
  tls.key: |
KEY
";

const BACKEND: &str = "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: NAME, namespace: default}
spec:
  hosts: [NAME.ext.test]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: ADDRESS, ports: {http: PORT}}]
";

/// A gateway, and its backends.
pub(crate) struct Scene {
    pub(crate) gateway: Gateway,
    _read: Crowd,
}

/// A gateway; what no other route takes goes to this port.
pub(crate) fn scene(other: u16) -> Scene {
    scene_with(other, &[])
}

/// The same with more options.
pub(crate) fn scene_with(other: u16, more: &[&str]) -> Scene {
    let read = Crowd::start(1);
    let (certificate, key) = certificate();
    let indented =
        |text: &str| text.lines().fold(String::new(), |all, line| all + "    " + line + "\n");
    let mut manifests = MANIFESTS
        .replace("LARGE", &"x".repeat(65536))
        .replace("CERTIFICATE\n", &indented(&certificate))
        .replace("KEY\n", &indented(&key));
    let here = Ipv4Addr::LOCALHOST;
    for (name, address, port) in
        [("read", read.addresses()[0], read.port()), ("held", here, sink()), ("other", here, other)]
    {
        let backend = BACKEND.replace("NAME", name).replace("PORT", &port.to_string());
        manifests += &backend.replace("ADDRESS", &address.to_string());
    }
    let options = [&["--workers", "2", "--access-log", "off"], more].concat();
    Scene { gateway: Gateway::start_with(&manifests, &options), _read: read }
}

/// A port where connections are taken and nothing is ever said.
fn sink() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut kept = std::collections::VecDeque::new();
        for stream in listener.incoming() {
            kept.push_back(stream);
            if kept.len() > 64 {
                kept.pop_front();
            }
        }
    });
    port
}

/// A certificate that nobody trusts, and its key.
fn certificate() -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
                     -subj /CN=a.example.com -addext subjectAltName=DNS:a.example.com";
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .args(["-keyout", &key, "-out", &certificate])
        .output();
    // Without it there is no port in TLS, and no test that would miss it.
    let made = output.is_ok_and(|output| output.status.success());
    let read = |path| if made { fs::read_to_string(path).unwrap() } else { String::new() };
    (read(certificate), read(key))
}

impl Scene {
    pub(crate) fn plain(&self) -> String {
        self.gateway.address().to_string()
    }

    pub(crate) fn secure(&self) -> String {
        self.gateway.secure().to_string()
    }

    /// The most memory that the gateway ever had, in MiB.
    pub(crate) fn most_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.gateway.process.id()));
        let status = status.unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

/// Whether Python has these modules.
pub(crate) fn python_has(modules: &str) -> bool {
    let probe = Command::new("python3").args(["-c", &format!("import {modules}")]).output();
    let there = probe.is_ok_and(|output| output.status.success());
    if !there {
        skipped(&format!("this machine's Python has no {modules}"));
    }
    there
}

/// Whether this machine has a program.
pub(crate) fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        skipped(&format!("this machine has no {program}"));
    }
    there
}

/// What a program says on both its outputs.
pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let Output { stdout, stderr, .. } =
        command.args(arguments).stdin(std::process::Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr)
}

/// What a script in Python prints; it must not fail.
pub(crate) fn python(script: &str, arguments: &[&str]) -> String {
    let output = Command::new("python3").args(["-c", script]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
