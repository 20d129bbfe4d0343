//! What Istio's ingress gateway did on the wire, asked of our gateway: the cases of `tests/conformance`
//! whose both ends were recorded, each with a gateway of its own and backends at all its endpoints.

use edgeway_tests::{
    Gateway,
    conformance::{Exchange, Named, Wire, cases},
    echo::Echo,
    message::Message,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// Of the network in which the cases' endpoints are.
const RECORDED: &str = "127.10.";
/// No backend listens in this part of it.
const DEAD: &str = "66.";
/// Port of endpoints.
const PORT: u16 = 9080;

/// Header fields that are ours to choose, or tell the time.
const UNCOMPARED: [&str; 17] = [
    "connection",
    "content-length",
    "content-type",
    "date",
    "host",
    "server",
    "set-cookie",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "vary",
    "x-echo",
    "x-echo-at",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];

#[test]
fn every_recorded_exchange_looks_the_same_at_both_ends() {
    let network = Network::free();
    let mut echo = Echo::default();
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for case in cases() {
        if !case.case.requests.iter().any(|exchange| exchange.wire.is_some()) {
            continue;
        }
        let _gateway = network.serve(&case, &mut echo);
        for (number, exchange) in (1..).zip(&case.case.requests) {
            let Some(wire) = &exchange.wire else { continue };
            asked += 1;
            let address = (network.gateway, exchange.ask.port).into();
            let differences = network.differences(exchange, wire, ask(address, exchange).as_ref());
            if !differences.is_empty() {
                wrong.push(format!("{} {number}: {}", case.name, differences.join("; ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 800, "{asked} requests");
}

/// A part of the loopback network that no other process uses.
struct Network {
    prefix: String,
    gateway: Ipv4Addr,
    /// Keeps others away.
    _taken: TcpListener,
}

impl Network {
    fn free() -> Self {
        let bind =
            |number: u8| TcpListener::bind((Ipv4Addr::new(127, number, 254, 254), PORT)).ok();
        let found = (100..=250).find_map(|number| Some((number, bind(number)?)));
        let Some((number, taken)) = found else { panic!("no loopback network is free") };
        Self {
            prefix: format!("127.{number}."),
            gateway: Ipv4Addr::new(127, number, 254, 1),
            _taken: taken,
        }
    }

    /// The case in this network.
    fn serve(&self, case: &Named, echo: &mut Echo) -> Gateway {
        let addresses = case.manifests.split(RECORDED).skip(1).filter_map(|rest| {
            let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
            rest.get(..end).filter(|host| !host.starts_with(DEAD))
        });
        let known =
            case.case.requests.iter().filter_map(|exchange| exchange.wire.as_ref()?.at.as_ref());
        let ports = known.filter_map(|at| at.rsplit(':').next()?.parse().ok());
        let ports: BTreeSet<u16> = ports.chain([PORT]).collect();
        for host in addresses.collect::<BTreeSet<_>>() {
            let Ok(ip) = format!("{}{host}", self.prefix).parse() else { continue };
            for port in &ports {
                echo.listen(SocketAddr::new(ip, *port));
            }
        }
        Gateway::start_on(self.gateway, &case.manifests.replace(RECORDED, &self.prefix))
    }

    fn differences(&self, asked: &Exchange, wire: &Wire, got: Option<&Message>) -> Vec<String> {
        let Some(answer) = got.filter(|_| !wire.closed) else {
            let same = wire.closed && got.is_none();
            return if same { Vec::new() } else { vec![format!("{wire:?}, not {got:?}")] };
        };
        let mut differences = Vec::new();
        let mut compare = |what: &str, wanted: Option<String>, got: Option<String>| {
            if wanted != got {
                differences.push(format!("{what} {wanted:?}, not {got:?}"));
            }
        };
        let status = wire.status.map(|status| status.to_string());
        compare("status", status, Some(answer.word(1).to_owned()));
        let here = |text: &String| text.replace(RECORDED, &self.prefix);
        let at = answer.header("x-echo-at").filter(|_| asked.ask.method != "HEAD");
        compare("endpoint", wire.at.as_ref().map(here), at.clone());
        let mut headers = |what: &str, wanted: &BTreeMap<String, String>, got: &Message| {
            let names: BTreeSet<_> =
                wanted.keys().chain(got.headers.iter().map(|(name, _)| name)).collect();
            for name in names.into_iter().filter(|name| compared(name)) {
                compare(&format!("{what} {name}"), wanted.get(name).cloned(), got.header(name));
            }
        };
        headers("answer", &wire.answer, answer);
        let seen = Message::read_head(&mut answer.body.as_slice()).ok().flatten();
        if let (Some(seen), Some(_)) = (seen, at) {
            headers("seen", &wire.seen, &seen);
            let request = &asked.ask;
            compare(
                "method",
                Some(wire.method.as_ref().unwrap_or(&request.method).clone()),
                Some(seen.word(0).to_owned()),
            );
            compare(
                "path",
                Some(wire.path.as_ref().unwrap_or(&request.path).clone()),
                Some(seen.word(1).to_owned()),
            );
            compare("host", wire.host.clone().or(request.host.clone()), seen.header("host"));
        }
        differences
    }
}

/// Envoy's own fields differ by what it was built with; those that keep what was rewritten do not.
fn compared(name: &str) -> bool {
    let own = name.starts_with("x-envoy-") && !name.starts_with("x-envoy-original-");
    !own && !UNCOMPARED.contains(&name)
}

/// Asks over a connection of its own; `None` if there is no answer.
fn ask(gateway: SocketAddr, exchange: &Exchange) -> Option<Message> {
    let ask = &exchange.ask;
    let mut stream = TcpStream::connect(gateway).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let mut lines = vec![format!("{} {} HTTP/1.1", ask.method, ask.path)];
    let host = ask.host.iter().map(|host| ("host", host.as_str()));
    let given = ask.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let length = (!ask.body.is_empty()).then(|| ask.body.len().to_string());
    let length = length.iter().map(|length| ("content-length", length.as_str()));
    lines.extend(host.chain(given).chain(length).map(|(name, value)| format!("{name}: {value}")));
    let text = lines.join("\r\n") + "\r\n\r\n";
    // Header values are Latin-1.
    let mut bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
    bytes.extend(ask.body.as_bytes());
    stream.write_all(&bytes).ok()?;
    let mut reader = BufReader::new(stream);
    let head = if ask.method == "HEAD" {
        Message::read_head(&mut reader)
    } else {
        Message::read(&mut reader)
    };
    head.ok().flatten()
}
