//! gRPC through the gateway, with client and server that others wrote: every way of streaming, errors,
//! trailers, deadlines. Skipped, and said so, where Python has no grpcio.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

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

/// A client of gRPC-Web that writes its frames by hand: binary over HTTP/1.1, then text.
const WEB: &str = r#"
import base64, http.client, struct, sys
connection = http.client.HTTPConnection(sys.argv[1], timeout=60)

def frames(body):
    while body:
        flag, length = struct.unpack(">BI", body[:5])
        yield flag, body[5:5 + length]
        body = body[5 + length:]

def pieces(text):
    # Each piece is padded by itself.
    return b"".join(base64.b64decode(text[at:at + 4]) for at in range(0, len(text), 4))

def call(method, message, kind):
    text = kind.endswith("text")
    body = struct.pack(">BI", 0, len(message)) + message
    headers = {"Host": "grpc.example.com", "Content-Type": kind, "Accept": kind, "X-Grpc-Web": "1"}
    body = base64.b64encode(body) if text else body
    connection.request("POST", "/test.Service/" + method, body, headers)
    answer = connection.getresponse()
    body = answer.read()
    return answer, list(frames(pieces(body) if text else body))

for kind in ("application/grpc-web+proto", "application/grpc-web-text"):
    answer, all = call("Unary", b"hi", kind)
    trailers = all[-1][1].decode().split("\r\n")
    print("unary", answer.status, answer.getheader("content-type"), all[0], all[-1][0],
        "grpc-status:0" in trailers, "x-trailer:1" in trailers)
    _, all = call("Down", b"x" * 999, kind)
    print("down", sum(len(part) for flag, part in all if flag == 0), len(all))
    answer, all = call("Fail", b"", kind)
    print("fail", answer.status, answer.getheader("grpc-status"), all)
"#;

const MANIFESTS: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: PROTOCOL}, hosts: ['*']}]
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

/// A server, and a gateway of this protocol before it; `None` where Python has no grpcio.
fn scene(protocol: &str) -> Option<(Process, Gateway)> {
    let probe = Command::new("python3").args(["-c", "import grpc"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        edgeway_tests::skipped("this machine's Python has no grpcio");
        return None;
    }
    let port = free_port().to_string();
    let server = Process::spawn("the server", Command::new("python3").args(["-c", SERVER, &port]));
    wait_for("the server", || TcpStream::connect(format!("127.0.0.1:{port}")).ok());
    let manifests = MANIFESTS.replace("PORT", &port).replace("PROTOCOL", protocol);
    Some((server, Gateway::start(&manifests)))
}

/// What a client prints.
fn run(client: &str, gateway: &Gateway) -> String {
    let address = gateway.address().to_string();
    let output = Command::new("python3").args(["-c", client, &address]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn grpc_web_reaches_a_server_that_speaks_grpc() {
    let Some((_server, gateway)) = scene("GRPC-WEB") else { return };
    let text = run(WEB, &gateway);
    let lines = |kind: &str| {
        [
            format!("unary 200 {kind} (0, b'hi!') 128 True True"),
            "down 999000 1001".to_owned(),
            "fail 200 5 []".to_owned(),
        ]
    };
    let both = ["application/grpc-web+proto", "application/grpc-web-text+proto"].map(lines);
    assert_eq!(text.lines().collect::<Vec<_>>(), both.concat());
    // What is gRPC stays gRPC.
    assert!(run(CLIENT, &gateway).starts_with("unary hi! 1\n"));
}

#[test]
fn grpc_passes_in_every_streaming_mode() {
    let Some((_server, gateway)) = scene("HTTP") else { return };
    let text = run(CLIENT, &gateway);
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
