//! The gateway as a process: serves a folder, tells its state, follows edits, drains.

use edgeway_tests::{Ask, Gateway, Process, free_port, wait_for};
use std::net::TcpStream;

const MANIFESTS: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ['*']
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: hello, namespace: default}
spec:
  hosts: [hello.example.com]
  gateways: [istio-system/gw]
  http:
  - match: [{uri: {prefix: /echo}}]
    route: [{destination: {host: echo}}]
  - match: [{uri: {prefix: /gone}}]
    route: [{destination: {host: nobody}}]
  - match: [{uri: {exact: /}}]
    directResponse: {status: 200, body: {string: first}}
---
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: default}
spec:
  ports: [{name: http, port: 80}]
";

fn body(gateway: &Gateway, path: &str) -> Option<String> {
    let answer = Ask::get(gateway.url(path)).host("hello.example.com").send().ok()?;
    (answer.status == 200).then_some(answer.body)
}

#[test]
fn it_serves_counts_and_ends() {
    let echo_port = free_port();
    let mut echo = Process::start(
        "edgeway",
        &["echo", "--listen", &format!("127.0.0.1:{echo_port}"), "--name", "default/echo"],
    );
    wait_for("the echo", || TcpStream::connect(("127.0.0.1", echo_port)).ok());
    let slice = format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: echo-1, namespace: default, labels: {{kubernetes.io/service-name: echo}}}}\n\
         addressType: IPv4\nports: [{{name: http, port: {echo_port}}}]\n\
         endpoints: [{{addresses: [127.0.0.1]}}]\n"
    );
    let gateway = Gateway::start(&format!("{MANIFESTS}{slice}"));
    let ask = |path: &str| Ask::get(gateway.url(path)).host("hello.example.com");

    let answer = ask("/echo?a=1").header("x-request-id", "mine").send().unwrap();
    assert_eq!((answer.status, answer.header("server")), (200, Some("istio-envoy")));
    let seen = answer.json();
    assert_eq!((&seen["path"], &seen["query"]), (&"/echo".into(), &"a=1".into()));
    let header = |name: &str| {
        let pairs = seen["headers"].as_array().unwrap().iter();
        pairs.filter(|pair| pair[0] == *name).map(|pair| pair[1].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(header("x-forwarded-for"), ["\"127.0.0.1\""]);
    assert_eq!(header("x-forwarded-proto"), ["\"http\""]);
    assert_ne!(header("x-request-id"), ["\"mine\""], "an edge makes its own request ids");

    assert_eq!(ask("/gone").send().unwrap().status, 503);
    assert_eq!(ask("/nothing").send().unwrap().status, 404);
    assert_eq!(Ask::get(gateway.url("/")).host("other.example.com").send().unwrap().status, 404);
    let health = Ask::get(gateway.url("/.well-known/edgeway/health")).send().unwrap();
    assert_eq!(health.status, 200);

    let metrics = gateway.metrics();
    for (code, service) in [("200", "echo.default.svc.cluster.local"), ("404", "unknown")] {
        let counted = metrics.lines().any(|line| {
            line.starts_with("istio_requests_total")
                && line.contains(&format!("response_code=\"{code}\""))
                && line.contains(&format!("destination_service=\"{service}\""))
                && line.contains("reporter=\"source\"")
        });
        assert!(counted, "no {code} of {service} in:\n{metrics}");
    }
    assert!(metrics.contains("istio_request_duration_milliseconds_bucket"), "{metrics}");

    let problems = gateway.problems();
    assert_eq!(problems[0]["code"], "destination-not-found", "{problems}");
    assert_eq!(Ask::get(gateway.admin("/config")).send().unwrap().status, 200);

    let url = gateway.url("/");
    assert!(gateway.process.stop().success());
    assert!(Ask::get(url).send().is_err(), "its port is closed");
    echo.signal(rustix::process::Signal::TERM);
    assert!(echo.wait().success());
}

#[test]
fn an_edit_shows_and_a_broken_one_changes_nothing() {
    let mut gateway = Gateway::start(MANIFESTS);
    assert_eq!(body(&gateway, "/").as_deref(), Some("first"));

    gateway.edit(|text| text.replace("first", "second"));
    wait_for("the edit", || body(&gateway, "/").filter(|body| body == "second"));

    for (good, broken, hint) in [
        ("string: second", "string: [second", "all.yaml"),
        ("status: 200", "status: nine", "spec.http[2].directResponse.status"),
        ("exact: /", "regex: '('", "spec.http[2].match[0].uri.regex"),
    ] {
        let seen = gateway.process.lines().len();
        gateway.edit(|text| text.replace(good, broken));
        gateway.process.wait_line_after(seen, hint, |line| line.contains(hint).then_some(()));
        assert_eq!(body(&gateway, "/").as_deref(), Some("second"), "after {broken}");
        gateway.edit(|text| text.replace(broken, good));
    }

    gateway.edit(|text| text.replace("number: 80", "number: 81"));
    wait_for("the new port", || TcpStream::connect(("127.0.0.1", 81 + gateway.offset)).ok());
    wait_for("the end of the old port", || {
        TcpStream::connect(("127.0.0.1", 80 + gateway.offset)).is_err().then_some(())
    });
}

#[test]
fn a_bad_start_says_what_is_wrong() {
    let output =
        edgeway_tests::process::run("edgeway-gateway", &["--source", "files:/no/such/folder"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("/no/such/folder"), "{said}");
}

#[test]
fn a_broken_object_is_served_as_it_was_even_after_a_restart() {
    let kept = tempfile::tempdir().unwrap();
    let folder = kept.path().display().to_string();
    let options = ["--last-good-dir", folder.as_str()];
    let broken = MANIFESTS.replace("status: 200", "status: 9");
    let first = Gateway::start_with(MANIFESTS, &options);
    assert_eq!(body(&first, "/").as_deref(), Some("first"));
    first.edit(|_| broken.clone());
    let says_so = |gateway: &Gateway| {
        let problems = gateway.problems().to_string();
        problems.contains("the version before keeps serving").then_some(())
    };
    wait_for("the problem", || says_so(&first));
    assert_eq!(body(&first, "/").as_deref(), Some("first"));
    wait_for("what is kept", || {
        let text = std::fs::read_to_string(kept.path().join("last-good.yaml")).ok()?;
        text.contains("hello.example.com").then_some(())
    });
    drop(first);

    let second = Gateway::start_with(&broken, &options);
    assert_eq!(body(&second, "/").as_deref(), Some("first"));
    wait_for("the problem", || says_so(&second));
    second.edit(|_| MANIFESTS.replace("string: first", "string: second"));
    wait_for("the repaired object", || body(&second, "/").filter(|text| text == "second"));
    wait_for("nothing to be kept", || {
        let text = std::fs::read_to_string(kept.path().join("last-good.yaml")).ok()?;
        (!text.contains("hello.example.com")).then_some(())
    });
}
