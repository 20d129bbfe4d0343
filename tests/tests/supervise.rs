//! The gateway under a parent that keeps its listening sockets: crashes, drains, and the end.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use edgeway_tests::{Ask, Gateway, Process, free_port, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const NAME: &str = "shop.example.com";

const MANIFESTS: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ['*']
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: ['*']
    tls: {mode: SIMPLE, credentialName: cert}
  - port: {number: 8080, name: tcp, protocol: TCP}
    hosts: ['*']
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: default}
spec:
  hosts: ['*']
  gateways: [istio-system/gw]
  http:
  - route: [{destination: {host: echo}}]
  tcp:
  - match: [{port: 8080}]
    route: [{destination: {host: echo, port: {number: 80}}}]
---
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: default}
spec:
  ports: [{name: http, port: 80}]
";

/// A gateway of two workers under its parent, in front of an echo.
struct Rig {
    gateway: Gateway,
    trust: Arc<ClientConfig>,
    _echo: Process,
}

impl Rig {
    fn start() -> Self {
        let port = free_port();
        let listen = format!("--listen=127.0.0.1:{port}");
        let echo = Process::start("edgeway", &["echo", &listen, "--name=default/echo"]);
        wait_for("the echo", || TcpStream::connect(("127.0.0.1", port)).ok());
        let key = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
        let [certificate, secret] =
            [key.cert.pem(), key.signing_key.serialize_pem()].map(|pem| STANDARD.encode(pem));
        let objects = format!(
            "---\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\n\
             metadata: {{name: cert, namespace: istio-system}}\n\
             data: {{tls.crt: {certificate}, tls.key: {secret}}}\n\
             ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: e, namespace: default, labels: {{kubernetes.io/service-name: echo}}}}\n\
             addressType: IPv4\nports: [{{name: http, port: {port}}}]\n\
             endpoints: [{{addresses: [127.0.0.1]}}]\n"
        );
        let mut roots = RootCertStore::empty();
        roots.add(key.cert.der().clone()).expect("a root");
        let trust = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let options = ["--workers", "2", "--access-log", "off", "--supervise"];
        let gateway = Gateway::start_with(&format!("{MANIFESTS}{objects}"), &options);
        Self { gateway, trust: Arc::new(trust), _echo: echo }
    }

    fn at(&self, port: u16) -> SocketAddr {
        (self.gateway.bind, port + self.gateway.offset).into()
    }

    fn ask(&self) -> Ask {
        Ask::get(self.gateway.url("/")).host(NAME)
    }

    /// The parent's process.
    fn parent(&self) -> Pid {
        pid(self.gateway.process.id())
    }

    /// The process that serves, if there is one.
    fn child(&self) -> Option<Pid> {
        let id = self.gateway.process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        children.split_whitespace().next()?.parse::<i32>().ok().map(pid)
    }

    /// Kills the process that serves, and waits for another that does.
    fn crash(&self, signal: Signal) {
        let child = self.child().expect("there is a child");
        let before = self.restarts();
        kill_process(child, signal).expect("it can be killed");
        wait_for("another child", || self.child().filter(|other| *other != child));
        self.gateway.wait_ready();
        assert_eq!(self.restarts(), before + 1);
    }

    fn restarts(&self) -> u64 {
        let metrics = self.gateway.metrics();
        let line = metrics.lines().find(|it| it.starts_with("edgeway_gateway_restarts_total "));
        let count = line.and_then(|line| line.rsplit(' ').next());
        count.and_then(|count| count.parse().ok()).expect("restarts are counted")
    }

    /// Connects to a port and sends a request; the result reads the answer.
    fn begin(&self, port: u16) -> Box<dyn Read> {
        let words = format!("GET / HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(self.at(port)).expect("it is not refused");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        if port != 443 {
            stream.write_all(words.as_bytes()).expect("it takes a request");
            return Box::new(stream);
        }
        let name = NAME.try_into().expect("a name");
        let tls = ClientConnection::new(Arc::clone(&self.trust), name).expect("a client");
        let mut tls = StreamOwned::new(tls, stream);
        // Goes out with the handshake, which takes the server.
        tls.conn.writer().write_all(words.as_bytes()).expect("there is room");
        Box::new(tls)
    }
}

fn pid(id: impl TryInto<i32>) -> Pid {
    id.try_into().ok().and_then(Pid::from_raw).expect("a process id")
}

fn is_alive(process: Pid) -> bool {
    rustix::process::test_kill_process(process).is_ok()
}

/// What `stream` says until it ends or it is an answer.
fn answer(mut stream: Box<dyn Read>) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn connections_that_come_while_nobody_accepts_are_served_by_the_next_process() {
    let mut rig = Rig::start();
    let dead = rig.child().expect("there is a child");
    // It cannot start another before it goes on.
    kill_process(rig.parent(), Signal::STOP).expect("it can be stopped");
    kill_process(dead, Signal::KILL).expect("it can be killed");
    wait_for("its end", || {
        let state = fs::read_to_string(format!("/proc/{}/stat", dead.as_raw_nonzero())).ok()?;
        state.contains(") Z ").then_some(())
    });
    // Several of each, so that every worker's socket gets one.
    let ports = [80, 443, 8080].repeat(8);
    let waiting: Vec<_> = ports.iter().map(|port| (*port, rig.begin(*port))).collect();
    kill_process(rig.parent(), Signal::CONT).expect("it can go on");
    for (port, stream) in waiting {
        let text = answer(stream);
        assert!(text.starts_with("HTTP/1.1 200"), "{port}: {text}");
    }
    rig.gateway.wait_ready();
    assert_eq!(rig.restarts(), 1);
    rig.gateway.process.wait_line("what it died of", |line| {
        (line.contains("WARN") && line.contains("ended by signal 9")).then_some(())
    });
}

#[test]
fn a_crash_under_load_costs_what_was_in_flight_and_the_third_early_one_ends_all() {
    const CLIENTS: usize = 6;
    let mut rig = Rig::start();
    let (over, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (over, asked, ask) = (Arc::clone(&over), Arc::clone(&asked), rig.ask());
            thread::spawn(move || {
                let mut failures = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    asked.fetch_add(1, Ordering::Relaxed);
                    match ask.send() {
                        Ok(answer) if answer.status == 200 => {}
                        other => failures.push(format!("{other:?}")),
                    }
                }
                failures
            })
        })
        .collect();
    let go_on = || {
        let enough = asked.load(Ordering::Relaxed) + 100;
        wait_for("requests", || (asked.load(Ordering::Relaxed) > enough).then_some(()));
    };
    let crashes = [Signal::KILL, Signal::ABORT];
    for signal in crashes {
        go_on();
        rig.crash(signal);
    }
    go_on();
    over.store(true, Ordering::Relaxed);
    for client in clients {
        let failures = client.join().expect("it has counted");
        // Each has one in flight at most.
        assert!(failures.len() <= crashes.len(), "{failures:?}");
    }
    kill_process(rig.child().expect("there is a child"), Signal::KILL).expect("it is killed");
    assert_eq!(rig.gateway.process.wait().code(), Some(128 + 9));
    assert!(TcpStream::connect(rig.at(80)).is_err(), "nobody listens");
}

#[test]
fn told_to_end_it_finishes_what_has_begun_and_leaves_nobody() {
    let mut rig = Rig::start();
    let child = rig.child().expect("there is a child");
    let slow = rig.ask().header("x-echo", "delay=1500ms");
    let slow = thread::spawn(move || slow.send());
    wait_for("a request in flight", || {
        rig.gateway
            .metrics()
            .lines()
            .any(|line| line.starts_with("edgeway_connections_active") && line.ends_with(" 1"))
            .then_some(())
    });
    rig.gateway.process.signal(Signal::TERM);
    wait_for("closed ports", || {
        [80, 443, 8080].iter().all(|port| TcpStream::connect(rig.at(*port)).is_err()).then_some(())
    });
    assert_eq!(slow.join().expect("it has asked").expect("an answer").status, 200);
    assert!(rig.gateway.process.wait().success());
    assert!(!is_alive(child));
}

#[test]
fn a_parent_that_is_killed_takes_its_child_along() {
    let mut rig = Rig::start();
    let child = rig.child().expect("there is a child");
    rig.gateway.process.signal(Signal::KILL);
    rig.gateway.process.wait();
    wait_for("the child's end", || (!is_alive(child)).then_some(()));
    assert!(TcpStream::connect(rig.at(80)).is_err());
}

#[test]
fn a_listener_that_goes_is_closed_for_good_and_may_come_back() {
    let rig = Rig::start();
    let refused = |what: &str| {
        wait_for(what, || TcpStream::connect(rig.at(8080)).is_err().then_some(()));
    };
    let tcp = "  - port: {number: 8080, name: tcp, protocol: TCP}\n    hosts: ['*']\n";
    rig.gateway.edit(|text| text.replace(tcp, ""));
    refused("the port to close");
    rig.crash(Signal::KILL);
    assert!(TcpStream::connect(rig.at(8080)).is_err(), "it is not kept");

    rig.gateway.edit(|text| {
        text.replace(
            "\n---\napiVersion: networking.istio.io/v1\nkind: V",
            &format!("\n{tcp}---\napiVersion: networking.istio.io/v1\nkind: V"),
        )
    });
    wait_for("the port to open", || TcpStream::connect(rig.at(8080)).ok());
    assert!(answer(rig.begin(8080)).starts_with("HTTP/1.1 200"));

    // What is gone from the configuration while nobody runs is closed by the next.
    let child = rig.child().expect("there is a child");
    kill_process(rig.parent(), Signal::STOP).expect("it can be stopped");
    kill_process(child, Signal::KILL).expect("it can be killed");
    rig.gateway.edit(|text| text.replace(tcp, ""));
    kill_process(rig.parent(), Signal::CONT).expect("it can go on");
    wait_for("another child", || rig.child().filter(|other| *other != child));
    refused("what is left over to close");
    assert!(answer(rig.begin(80)).starts_with("HTTP/1.1 200"));
}

#[test]
fn what_cannot_start_ends_with_its_own_code() {
    let bad = ["--supervise", "--source=files:/nowhere/at/all", "--log-level=a=b=c"];
    let mut process = Process::start("edgeway-gateway", &bad);
    assert_eq!(process.wait().code(), Some(1));
}
