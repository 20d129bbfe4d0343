//! TLS as clients that others wrote see it: openssl, curl and Python.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use edgeway_tests::{Gateway, Process, free_port, skipped, wait_for};
use std::{
    fmt::Write as _,
    fs,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// One server for each way to end TLS; all of them on one port but the last.
const GATEWAY: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: new, protocol: HTTPS}
    hosts: [new.example.com]
    tls: {mode: SIMPLE, credentialName: ec, minProtocolVersion: TLSV1_3}
  - port: {number: 443, name: old, protocol: HTTPS}
    hosts: [old.example.com]
    tls:
      mode: SIMPLE
      credentialNames: [ec, rsa]
      maxProtocolVersion: TLSV1_2
      cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES128-GCM-SHA256]
  - port: {number: 443, name: curves, protocol: HTTPS}
    hosts: [curves.example.com]
    tls: {mode: SIMPLE, credentialName: ec, ecdhCurves: [P-384]}
  - port: {number: 443, name: mutual, protocol: HTTPS}
    hosts: [mutual.example.com]
    tls: {mode: MUTUAL, credentialName: ec}
  - port: {number: 443, name: optional, protocol: HTTPS}
    hosts: [optional.example.com]
    tls: {mode: OPTIONAL_MUTUAL, credentialName: ec}
  - port: {number: 443, name: any, protocol: HTTPS}
    hosts: ['*']
    tls: {mode: SIMPLE, credentialName: ec}
  - port: {number: 8080, name: bytes, protocol: TLS}
    hosts: ['bytes.example.com']
    tls: {mode: SIMPLE, credentialName: ec}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: hello, namespace: default}
spec:
  hosts: ['*.example.com']
  gateways: [istio-system/gw]
  http:
  - match: [{port: 443}]
    directResponse: {status: 200, body: {string: hello}}
  tcp:
  - match: [{port: 8080}]
    route: [{destination: {host: echo, port: {number: 80}}}]
---
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: default}
spec:
  ports: [{name: tcp, port: 80}]
";

/// Makes `ca`, and with it `ec`, `rsa` and `client`, each `.crt` and `.key`.
const MAKE: &str = "
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt \
    -days 30 -subj /CN=authority
sign() {
    openssl req -newkey $2 -nodes -keyout $1.key -out $1.csr -subj /CN=$1
    printf 'subjectAltName=DNS:*.example.com\\n' > $1.ext
    openssl x509 -req -in $1.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out $1.crt \
        -days 30 -extfile $1.ext
}
sign ec 'ec -pkeyopt ec_paramgen_curve:P-256'
sign rsa rsa:2048
sign client 'ec -pkeyopt ec_paramgen_curve:P-256'
";

struct Rig {
    gateway: Gateway,
    folder: TempDir,
    _echo: Process,
}

/// Runs a program to its end: whether it was content, and all that it said.
fn run(folder: &Path, command: &[&str]) -> (bool, String) {
    let (program, arguments) = command.split_first().expect("a command has a first word");
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the program is there");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn has(program: &str, flag: &str) -> bool {
    Command::new(program).arg(flag).output().is_ok_and(|output| output.status.success())
}

impl Rig {
    /// `None` where the programs are missing.
    fn start() -> Option<Self> {
        let wanted = [("openssl", "version"), ("curl", "--version"), ("python3", "--version")];
        if let Some((missing, _)) = wanted.iter().find(|(program, flag)| !has(program, flag)) {
            skipped(&format!("there is no {missing}"));
            return None;
        }
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let (made, said) = run(folder.path(), &["sh", "-c", MAKE]);
        assert!(made, "{said}");
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let echo =
            Process::start("edgeway", &["echo", "--listen", &address, "--name", "default/echo"]);
        wait_for("the echo", || TcpStream::connect(("127.0.0.1", port)).ok());
        let mut manifests = GATEWAY.to_owned();
        write!(
            manifests,
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: e, namespace: default, labels: {{kubernetes.io/service-name: echo}}}}\n\
             addressType: IPv4\nports: [{{name: tcp, port: {port}}}]\n\
             endpoints: [{{addresses: [127.0.0.1]}}]\n"
        )
        .expect("a string has room");
        for name in ["ec", "rsa"] {
            manifests.push_str(&secret(folder.path(), name));
        }
        let gateway = Gateway::start(&manifests);
        Some(Self { gateway, folder, _echo: echo })
    }

    fn port(&self) -> u16 {
        443 + self.gateway.offset
    }

    /// What `openssl s_client` says to `name` with options of its own.
    fn openssl(&self, name: &str, options: &[&str]) -> (bool, String) {
        let at = format!("127.0.0.1:{}", self.port());
        let mut command = vec!["openssl", "s_client", "-connect", &at, "-servername", name];
        command.extend(["-CAfile", "ca.crt", "-verify_return_error", "-verify_hostname", name]);
        command.extend(options);
        run(self.folder.path(), &command)
    }

    /// What curl gets of `https://name/`.
    fn curl(&self, name: &str, options: &[&str]) -> (bool, String) {
        let port = self.port();
        let (at, url) = (format!("{name}:{port}:127.0.0.1"), format!("https://{name}:{port}/"));
        let mut command = vec!["curl", "-sS", "--cacert", "ca.crt", "--resolve", &at, &url];
        command.extend(options);
        run(self.folder.path(), &command)
    }
}

/// A Secret of a certificate with its key, and whom to believe.
fn secret(folder: &Path, name: &str) -> String {
    let mut text = format!(
        "---\napiVersion: v1\nkind: Secret\n\
         metadata: {{name: {name}, namespace: istio-system}}\nstringData:\n"
    );
    let files = [("tls.crt", format!("{name}.crt")), ("tls.key", format!("{name}.key"))];
    for (key, file) in files.into_iter().chain([("ca.crt", "ca.crt".to_owned())]) {
        let content = fs::read_to_string(folder.join(file)).expect("it was made");
        writeln!(text, "  {key}: |").expect("a string has room");
        for line in content.lines() {
            writeln!(text, "    {line}").expect("a string has room");
        }
    }
    text
}

#[test]
fn settings_of_servers_are_what_clients_see() {
    let Some(rig) = Rig::start() else { return };
    for (name, options, served, said) in [
        ("new.example.com", &["-tls1_3"][..], true, "TLSv1.3"),
        ("new.example.com", &["-tls1_2"], false, "alert protocol version"),
        ("old.example.com", &["-tls1_2"], true, "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("old.example.com", &["-tls1_3"], false, "alert protocol version"),
        ("old.example.com", &["-cipher", "aRSA"], true, "ECDHE-RSA-AES128-GCM-SHA256"),
        (
            "old.example.com",
            &["-cipher", "ECDHE-RSA-AES256-GCM-SHA384"],
            false,
            "alert handshake failure",
        ),
        ("curves.example.com", &["-groups", "P-384:P-256"], true, "secp384r1"),
        ("curves.example.com", &["-groups", "P-256"], false, "alert handshake failure"),
        ("any.example.com", &["-alpn", "http/1.1,h2"], true, "ALPN protocol: h2"),
        ("any.example.com", &["-alpn", "foo"], true, "No ALPN negotiated"),
        ("any.example.com", &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], false, ""),
    ] {
        let (ok, text) = rig.openssl(name, options);
        assert!(ok == served && text.contains(said), "{name} {options:?}: {text}");
    }
}

#[test]
fn curl_is_served_with_and_without_a_name() {
    let Some(rig) = Rig::start() else { return };
    let certificate = ["--cert", "client.crt", "--key", "client.key"];
    for (name, options, expected) in [
        ("any.example.com", &[][..], "hello"),
        ("any.example.com", &["--http1.1"], "hello"),
        ("old.example.com", &["--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"], "hello"),
        ("mutual.example.com", &certificate, "hello"),
        ("mutual.example.com", &[], "alert"),
        ("mutual.example.com", &["--tls-max", "1.2"], "alert"),
        ("optional.example.com", &certificate, "hello"),
        ("optional.example.com", &[], "hello"),
    ] {
        let (_, text) = rig.curl(name, options);
        assert!(text.contains(expected), "{name} {options:?}: {text}");
    }
    // A load balancer names no host: the server for all, and then the route by Host.
    let url = format!("https://127.0.0.1:{}/", rig.port());
    let host = ["curl", "-sSk", &url, "-H", "Host: new.example.com"];
    let (ok, text) = run(rig.folder.path(), &host);
    assert!(ok && text == "hello", "{text}");
    // Bytes inside of TLS.
    let port = 8080 + rig.gateway.offset;
    let (at, url) = (
        format!("bytes.example.com:{port}:127.0.0.1"),
        format!("https://bytes.example.com:{port}/path"),
    );
    let (ok, text) = run(
        rig.folder.path(),
        &["curl", "-sS", "--http1.1", "--cacert", "ca.crt", "--resolve", &at, &url],
    );
    assert!(ok && text.contains("/path"), "{text}");
}

/// Resumes a session, and reads what it is told without a certificate.
const PYTHON: &str = r#"
import socket, ssl, sys
port = int(sys.argv[1])

def ask(name, session=None, maximum=None, own=False):
    context = contexts.setdefault((maximum, own), ssl.create_default_context(cafile="ca.crt"))
    if maximum:
        context.maximum_version = maximum
    if own:
        context.load_cert_chain("client.crt", "client.key")
    raw = socket.create_connection(("127.0.0.1", port))
    with context.wrap_socket(raw, server_hostname=name, session=session) as tls:
        tls.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"hello"):
            part = tls.recv(4096)
            assert part, answer
            answer += part
        return tls.session, tls.session_reused, tls.version()

contexts = {}
for maximum in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    session, reused, version = ask("any.example.com", maximum=maximum)
    assert not reused
    for _ in range(8):
        session, reused, again = ask("any.example.com", session, maximum)
        assert reused and again == version, (reused, again)
    for name in ("mutual.example.com",):
        ask(name, maximum=maximum, own=True)
        try:
            ask(name, maximum=maximum)
        except ssl.SSLError as error:
            assert "CERTIFICATE_REQUIRED" in str(error), error
        else:
            raise AssertionError("let in without a certificate")
print("content")
"#;

#[test]
fn python_resumes_sessions_and_is_told_what_is_missing() {
    let Some(rig) = Rig::start() else { return };
    let port = rig.port().to_string();
    let (ok, text) = run(rig.folder.path(), &["python3", "-c", PYTHON, &port]);
    assert!(ok && text.contains("content"), "{text}");
}
