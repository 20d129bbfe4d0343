//! gRPC through the gateway, with client and server that others wrote: every way of streaming, errors,
//! trailers, deadlines. Skipped, and said so, where Python has no grpcio.

use edgeway_tests::{Gateway, Process, free_port, wait_for};
use std::{net::TcpStream, process::Command};

/// A server without generated code: messages are bytes.
const SERVER: &str = r#"
import grpc, sys, time
from concurrent import futures

def unary(request, context):
    context.set_trailing_metadata((("x-trailer", "1"),))
    return request + b"!"

def fail(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no \u00fc")

def slow(request, context):
    time.sleep(5)
    return b""

METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Slow": grpc.unary_unary_rpc_method_handler(slow),
    "Down": grpc.unary_stream_rpc_method_handler(lambda request, _: (request for _ in range(1000))),
    "Up": grpc.stream_unary_rpc_method_handler(lambda parts, _: str(sum(map(len, parts))).encode()),
    "Chat": grpc.stream_stream_rpc_method_handler(lambda parts, _: (part + b"?" for part in parts)),
}

server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", METHODS),))
server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start()
server.wait_for_termination()
"#;

/// Calls everything, and prints a line for each call.
const CLIENT: &str = r#"
import grpc, sys
options = [("grpc.default_authority", "grpc.example.com")]
channel = grpc.insecure_channel(sys.argv[1], options=options)
path = "/test.Service/"

def ends(name, path, timeout):
    try:
        channel.unary_unary(path)(b"", timeout=timeout)
    except grpc.RpcError as error:
        print(name, error.code().name, error.details().encode("ascii", "backslashreplace").decode())

answer, call = channel.unary_unary(path + "Unary").with_call(b"hi", timeout=30)
print("unary", answer.decode(), dict(call.trailing_metadata()).get("x-trailer"))
print("down", sum(map(len, channel.unary_stream(path + "Down")(b"x" * 1000, timeout=30))))
print("up", channel.stream_unary(path + "Up")((b"y" * 50000 for _ in range(200)), timeout=60).decode())
print("chat", sum(map(len, channel.stream_stream(path + "Chat")((b"z" for _ in range(500)), timeout=30))))
ends("fail", path + "Fail", 30)
ends("slow", path + "Slow", 1)
ends("unknown", "/test.Nobody/Call", 30)
"#;

const MANIFESTS: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: default}
spec:
  hosts: [grpc.example.com]
  gateways: [istio-system/gw]
  http: [{route: [{destination: {host: grpc.ext.test}}]}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec:
  hosts: [grpc.ext.test]
  ports: [{number: 80, name: grpc, protocol: GRPC}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1, ports: {grpc: PORT}}]
";

#[test]
fn grpc_passes_in_every_streaming_mode() {
    let probe = Command::new("python3").args(["-c", "import grpc"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        edgeway_tests::skipped("this machine's Python has no grpcio");
        return;
    }
    let port = free_port().to_string();
    let _server = Process::spawn("the server", Command::new("python3").args(["-c", SERVER, &port]));
    wait_for("the server", || TcpStream::connect(format!("127.0.0.1:{port}")).ok());
    let gateway = Gateway::start(&MANIFESTS.replace("PORT", &port));
    let output = Command::new("python3")
        .args(["-c", CLIENT, &gateway.address().to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let [.., slow, unknown] = lines.as_slice() else { panic!("{text}") };
    assert_eq!(
        lines.get(..5).expect("five calls are answered"),
        ["unary hi! 1", "down 1000000", "up 10000000", "chat 1000", "fail NOT_FOUND no \\xfc"]
    );
    // Who notices first, client or gateway, is a matter of luck.
    assert!(
        slow.starts_with("slow DEADLINE_EXCEEDED") || slow.starts_with("slow UNAVAILABLE"),
        "{slow}"
    );
    assert!(unknown.starts_with("unknown UNIMPLEMENTED"), "{unknown}");
    let metrics = gateway.metrics();
    let counted = metrics.lines().any(|line| {
        line.starts_with("istio_requests_total") && line.contains("grpc_response_status=\"5\"")
    });
    assert!(counted, "{metrics}");
}
