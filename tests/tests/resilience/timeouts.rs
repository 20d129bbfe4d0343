//! How long connections and requests may take.

use crate::scene::{Scene, Script};
use edgeway_tests::{crowd::Does, wait_for};
use socket2::{Domain, Socket, Type};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// An endpoint to which no connection can be made: its queue is full, so that the kernel drops what
/// comes.
struct Deaf {
    _listener: Socket,
    _waiting: Vec<Socket>,
}

impl Deaf {
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 88, 255, 9);

    fn new(port: u16) -> Self {
        let address = SocketAddr::from((Self::ADDRESS, port));
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets");
        let listener = socket();
        listener.bind(&address.into()).expect("nobody else has it");
        listener.listen(0).expect("it can listen");
        let connect = |_| {
            let socket = socket();
            socket.set_nonblocking(true).expect("it can");
            // Those that find room are made at once; the others wait for ever.
            let _ = socket.connect(&address.into());
            socket
        };
        Self { _listener: listener, _waiting: (0..4).map(connect).collect() }
    }
}

/// `cb-connecttimeout`: each try has the connect timeout, whatever `perTryTimeout` says; the route's
/// bounds them all.
#[test]
fn connections_are_made_in_time() {
    let rules = "  - match: [{uri: {prefix: /once}}]
    route: [{destination: {host: a.default.svc.cluster.local}}]
    retries: {attempts: 0}
  - match: [{uri: {prefix: /try}}]
    route: [{destination: {host: a.default.svc.cluster.local}}]
    retries: {attempts: 1, perTryTimeout: 0.1s, retryOn: connect-failure}
  - match: [{uri: {prefix: /all}}]
    route: [{destination: {host: a.default.svc.cluster.local}}]
    timeout: 0.2s";
    let policy = "trafficPolicy: {connectionPool: {tcp: {connectTimeout: 0.4s}}}";
    let scene = Scene::new(Script { policy, rules, ..Script::default() });
    let _deaf = Deaf::new(scene.crowd.port());
    let alive = scene.crowd.addresses()[0].to_string();
    scene.gateway.edit(|text| text.replace(&alive, &Deaf::ADDRESS.to_string()));
    wait_for("the edit", || (scene.get("/all").status == 504).then_some(()));
    let late = "upstream connect error or disconnect/reset before headers. ";
    let once = format!("{late}reset reason: connection timeout");
    let again = format!("{late}retried and the latest reset reason: connection timeout");
    for (path, status, tries, body) in [
        ("/once", 503, 1, once.as_str()),
        ("/", 503, 3, &again),
        ("/try", 503, 2, &again),
        ("/all", 504, 0, "upstream request timeout"),
    ] {
        let start = Instant::now();
        let answer = scene.get(path);
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{path}");
        let least = Duration::from_millis(if tries == 0 { 200 } else { 400 * tries });
        assert!(start.elapsed() >= least, "{path}: {:?}", start.elapsed());
    }
}

/// `timeout-start`: the time of a route begins when the request is there, and a delay that was injected
/// is not part of it.
#[test]
fn time_begins_with_the_whole_request() {
    let rules = "  - match: [{uri: {prefix: /f}}]
    route: [{destination: {host: a.default.svc.cluster.local}}]
    timeout: 0.5s
    fault: {delay: {fixedDelay: 1s, percentage: {value: 100}}}";
    let scene = Scene::new(Script { rules, route: "timeout: 0.5s", ..Script::default() });
    let mut slow = Slow::connect(&scene);
    slow.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\na");
    std::thread::sleep(Duration::from_secs(1));
    slow.send("b");
    assert_eq!(slow.status(), 200);

    let start = Instant::now();
    assert_eq!(scene.get("/f").status, 200);
    assert!(start.elapsed() >= Duration::from_secs(1));
    scene.crowd.tell(0, Does::Late(200, Duration::from_secs(1)));
    assert_eq!(scene.get("/f").status, 504);
    assert!(start.elapsed() >= Duration::from_millis(2500));
}

/// `timeouts-downstream`: who pauses in a request is waited for (here two seconds in each place).
#[test]
fn pauses_are_no_failure() {
    let pause = || std::thread::sleep(Duration::from_secs(2));
    let scene = Scene::new(Script::default());
    scene.crowd.tell(0, Does::Late(200, Duration::from_secs(2)));
    let mut slow = Slow::connect(&scene);
    pause();
    slow.send("POST / HTTP/1.1\r\nHost: a.t");
    pause();
    slow.send("est\r\nContent-Length: 2\r\n\r\na");
    pause();
    slow.send("b");
    assert_eq!(slow.status(), 200);
}

/// `timeouts-downstream-idle`: connections that are not used end in time, after a request as before
/// one; a request that is under way is no idleness. Envoy takes five seconds more to drain and one to
/// close.
#[test]
fn unused_connections_of_clients_end() {
    let options = &["--workers", "1", "--idle-timeout", "1s"];
    let scene = Scene::new(Script { options, ..Script::default() });
    let mut fresh = Slow::connect(&scene);
    assert_eq!(fresh.rest(), "");
    scene.crowd.tell(0, Does::Late(200, Duration::from_secs(2)));
    let mut used = Slow::connect(&scene);
    used.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let start = Instant::now();
    assert!(used.rest().starts_with("HTTP/1.1 200"));
    assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
}

/// A client that takes its time.
struct Slow(TcpStream);

impl Slow {
    fn connect(scene: &Scene) -> Self {
        let stream = TcpStream::connect(scene.gateway.address()).expect("the gateway listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("it can");
        Self(stream)
    }

    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("the gateway reads");
    }

    fn status(&mut self) -> u16 {
        let mut start = [0; 12];
        self.0.read_exact(&mut start).expect("the gateway answers");
        let start = String::from_utf8_lossy(&start);
        start.rsplit(' ').next().and_then(|word| word.parse().ok()).expect("a status")
    }

    /// All that comes until the connection ends.
    fn rest(&mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).expect("the gateway ends the connection");
        text
    }
}
