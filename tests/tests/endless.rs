//! Bodies without an end, and clients and backends that stop reading them: the gateway holds little of
//! it, and goes on when they do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway_tests::{Ask, Gateway};
use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

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
  hosts: ['*']
  gateways: [istio-system/gw]
  http:
  - match: [{uri: {exact: /}}]
    directResponse: {status: 200, body: {string: fine}}
  - route: [{destination: {host: backend.ext.test}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec:
  hosts: [backend.ext.test]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1, ports: {http: PORT}}]
";

/// Clients of each kind.
const CLIENTS: usize = 24;

/// What the gateway may need for all of them, in MiB: 1 for each body that might have to be sent
/// again, and a few buffers.
const MOST: u64 = 80;

/// A backend that reads nothing behind a head. It sends without an end to who wants to GET.
fn backend() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || speak(stream.unwrap()));
        }
    });
    port
}

fn speak(mut stream: TcpStream) {
    let mut first = [0; 4];
    if stream.read_exact(&mut first).is_err() {
        return;
    }
    if first == *b"GET " {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 16384]).is_ok() {}
    } else {
        // Until the other end is gone.
        thread::sleep(Duration::from_secs(600));
    }
}

/// A client that reads a part of what comes, and then no more.
fn reads_a_part(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    read(&mut stream, 1 << 20);
    stream
}

/// Reads so much, and throws it away.
fn read(stream: &mut TcpStream, size: u64) {
    stream.set_read_timeout(Some(edgeway_tests::PATIENCE)).unwrap();
    assert_eq!(std::io::copy(&mut stream.take(size), &mut std::io::sink()).unwrap(), size);
}

/// A client that sends until nobody takes more, in chunks.
fn sends_without_end(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = b"POST /endless HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head).unwrap();
    let chunk = [&b"4000\r\n"[..], &[b'y'; 16384], b"\r\n"].concat();
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    // More than all buffers on the way can hold.
    for _ in 0..16384 {
        match stream.write_all(&chunk) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return stream;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("nothing stops the client");
}

fn memory(gateway: &Gateway, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<u64>().unwrap() / 1024
}

#[test]
fn what_nobody_reads_is_not_held() {
    let manifests = MANIFESTS.replace("PORT", &backend().to_string());
    let gateway = Gateway::start_with(&manifests, &["--workers", "2", "--drain-deadline", "1"]);
    let before = memory(&gateway, "VmRSS");
    let address = gateway.address();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| thread::spawn(move || (reads_a_part(address), sends_without_end(address))))
        .collect();
    let clients: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let most = memory(&gateway, "VmHWM");
    assert!(most - before < MOST, "{before} MiB before, {most} at most");
    assert_eq!(Ask::get(gateway.url("/")).send().unwrap().body, "fine");
    for (mut reader, sender) in clients {
        read(&mut reader, 4 << 20);
        drop(sender);
    }
    let most = memory(&gateway, "VmHWM");
    assert!(most - before < MOST, "{before} MiB before, {most} at most");
    assert!(gateway.process.stop().success());
}
