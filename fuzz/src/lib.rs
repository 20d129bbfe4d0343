//! What is fuzzed, and what must hold whatever comes: one function per target, which panics if it
//! does not.
//!
//! The ordinary tests replay the seeds through the same functions (`gateway/tests/fuzz.rs`).

use edgeway_api::{Objects, manifest};
use edgeway_core::{
    Workload, compile as compiled, path as paths,
    request::{Request, Scheme},
    table::{App, Decision, Listener},
};
use edgeway_gateway::{
    edge::proxy_protocol as header,
    greeting::Peek,
    preview::{Preview, Refused, Whole},
    rehearsal::{Heard, Rehearsal, hear},
    tls::{client_certificate, x509::Certificate},
};

/// What is done with bytes.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const ALL: &[(&str, Target)] = &[
    ("head", head),
    ("greeting", greeting),
    ("proxy_protocol", proxy_protocol),
    ("http2", http2),
    ("response", response),
    ("path", path),
    ("certificate", certificate),
    ("yaml", yaml),
    ("compile", compile),
];

/// Everything of a request that anybody acts on.
type Seen = Option<(String, String, Option<String>, Vec<u8>, Vec<u8>)>;

fn seen<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Result<Seen, Refused> {
    let whole = Whole::read(pieces)?;
    Ok(whole.map(|Whole { preview, body, rest }| {
        let Request { authority, path, query, .. } = preview.request();
        (authority.to_owned(), path.to_owned(), query.map(str::to_owned), body, rest)
    }))
}

/// A request, whose first byte says in what pieces it arrives: what is read does not depend on it.
pub fn head(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let at_once = seen([bytes]);
    let in_pieces = seen(bytes.chunks(usize::from(*cut).max(1)));
    assert_eq!(at_once, in_pieces);
    let Ok(Some((authority, path, _, body, rest))) = at_once else { return };
    assert!(path.starts_with('/') && !path.contains(['\0', '?', '#', ' ']), "{path:?}");
    assert!(!authority.contains(['\r', '\n', '/', ' ', '@']), "{authority:?}");
    assert!(body.len() + rest.len() < bytes.len());
    // The head alone is the same request.
    let local = [127, 0, 0, 1].into();
    let alone = Preview::new(bytes, Scheme::Http, local, 0).map(|it| it.request().path.to_owned());
    assert_eq!(alone, Ok(path));
}

/// The first bytes of a connection: what is seen does not depend on how they arrive.
pub fn greeting(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let at_once = Peek::default().advance(bytes);
    let (mut peek, step) = (Peek::default(), usize::from(*cut).max(1));
    let ends = (1..=bytes.len().div_ceil(step)).map(|count| (count * step).min(bytes.len()));
    let mut all = ends.filter_map(|end| peek.advance(bytes.get(..end)?));
    let in_pieces = all.next();
    assert_eq!(at_once, in_pieces);
}

/// A connection that a proxy begins: a header ends where it ends, whatever follows and however it
/// arrives.
pub fn proxy_protocol(data: &[u8]) {
    let read = header::parse(data);
    let Ok(header::Progress::Complete(end, ends)) = read else { return };
    assert!(end <= data.len());
    let whole = data.get(..end).unwrap_or_default();
    assert_eq!(header::parse(whole), read);
    for cut in 0..end {
        let part = whole.get(..cut).unwrap_or_default();
        assert_eq!(header::parse(part), Ok(header::Progress::More), "{cut}");
    }
    let is_canonical = |ip: std::net::IpAddr| ip == ip.to_canonical();
    assert!(ends.is_none_or(|it| is_canonical(it.source.ip())));
}

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Serves what answers without an endpoint: small, large, elsewhere, after a while, and not at all.
const SERVED: &str = include_str!("served.yaml");

/// A client of HTTP/2, whose first byte says in what pieces it speaks, and whether it leaves the
/// beginning to us: it gets whole frames, no stream ends twice, and the session ends with it.
pub fn http2(data: &[u8]) {
    thread_local! {
        static REHEARSAL: Rehearsal = rehearsal();
    }
    let Some((how, bytes)) = data.split_first() else { return };
    let bytes = if how & 1 == 0 { [PREFACE, bytes].concat() } else { bytes.to_vec() };
    let size = usize::from(how >> 1).pow(2).max(1);
    let said = REHEARSAL.with(|it| it.http2(bytes.chunks(size)));
    frames(&said.unwrap_or_else(|error| panic!("{error}")));
}

fn rehearsal() -> Rehearsal {
    let table = compiled(&objects(SERVED.as_bytes()), &Workload::default()).table;
    Rehearsal::new(&table).unwrap_or_else(|error| panic!("{error}"))
}

/// Looks at what a server says, frame by frame.
fn frames(mut said: &[u8]) {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    let mut ended = std::collections::BTreeSet::new();
    let mut is_first = true;
    while let Some((head, rest)) = said.split_first_chunk::<9>() {
        let [a, b, c, kind, flags, stream @ ..] = *head;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        let stream = u32::from_be_bytes(stream);
        assert!(!is_first || (kind, stream) == (4, 0), "SETTINGS come first");
        assert!(stream < 1 << 31, "a reserved bit is set");
        // A head that is malformed has its stream reset, whichever it names.
        assert!(stream == 0 || stream % 2 == 1 || kind == RESET, "nothing was promised");
        if matches!(kind, DATA | HEADERS) {
            assert!(!ended.contains(&stream), "stream {stream} goes on after its end");
            if flags & 1 == 1 {
                ended.insert(stream);
            }
        }
        is_first = false;
        said = rest.get(length..).unwrap_or_else(|| panic!("a frame is cut short"));
    }
    assert!(said.is_empty(), "a frame is cut short");
}

/// An endpoint's response, whose first byte says what was asked: what is read in one pass is what a
/// parser that others wrote reads, and what is not plain is left as it came.
pub fn response(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    let is_head = how & 1 == 1;
    let (heard, left) = hear(bytes, is_head);
    let Some(Heard { status, headers, length, keeps }) = heard else {
        assert_eq!(left, bytes);
        return;
    };
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut theirs = httparse::Response::new(&mut fields);
    let size = theirs.parse(bytes).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(size, httparse::Status::Complete(bytes.len() - left.len()));
    assert_eq!((theirs.version, theirs.code), (Some(1), Some(status)));
    assert_eq!(theirs.headers.len(), headers.len());
    for name in headers.keys() {
        let of_name =
            theirs.headers.iter().filter(|it| it.name.eq_ignore_ascii_case(name.as_str()));
        let values = headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
        assert!(of_name.map(|it| it.value.trim_ascii()).eq(values), "{name}");
    }
    // Nobody could find another end of it.
    let only = |name: http::HeaderName| {
        let mut all = headers.get_all(name).iter();
        (all.next().map(http::HeaderValue::as_bytes), all.next().is_some())
    };
    let (told, is_twice) = only(http::header::CONTENT_LENGTH);
    let has_body = !is_head && !matches!(status, 204 | 304);
    let told = told.map(|it| String::from_utf8_lossy(it).parse().unwrap_or(u64::MAX));
    assert!(!is_twice && !headers.contains_key(http::header::TRANSFER_ENCODING));
    assert_eq!(length, told.filter(|_| has_body).unwrap_or_default());
    assert!(!has_body || told.is_some());
    let (connection, is_twice) = only(http::header::CONNECTION);
    assert!(!is_twice && keeps != connection.is_some_and(|it| it.eq_ignore_ascii_case(b"close")));
}

/// A path: what is normal stays as it is, and has no dot segments.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = format!("/{text}");
    let Ok(normal) = paths::normalise(&path) else { return };
    assert!(normal.starts_with('/') && !normal.contains(['\\', '\0', ' ']), "{normal:?}");
    assert!(!normal.split('/').any(|part| part == "." || part == ".."), "{normal:?}");
    assert_eq!(paths::normalise(&normal).as_deref(), Ok(&*normal));
}

/// A client's certificate, as far as it is read after it was verified.
pub fn certificate(data: &[u8]) {
    let read = Certificate::read(data);
    let names = read.iter().flat_map(Certificate::names).count();
    let told = client_certificate(data);
    assert!(told.is_none() || read.is_some());
    assert!(names <= data.len());
}

/// Manifests.
pub fn yaml(data: &[u8]) {
    objects(data);
}

fn objects(data: &[u8]) -> Objects {
    let mut objects = Objects::default();
    manifest::read(&String::from_utf8_lossy(data), "fuzz.yaml", &mut objects);
    objects
}

/// Manifests that become a table, which answers: the same each time.
pub fn compile(data: &[u8]) {
    let objects = objects(data);
    if objects.count() == 0 {
        return;
    }
    let workload = Workload {
        namespace: "istio-system".into(),
        labels: [("istio".to_owned(), "ingressgateway".to_owned())].into(),
        ..Workload::default()
    };
    let first = compiled(&objects, &workload);
    let again = compiled(&objects, &workload);
    assert_eq!(first.problems, again.problems);
    let text = |table| serde_json::to_string(table).ok();
    assert!(text(&first.table).is_some());
    assert_eq!(text(&first.table), text(&again.table));
    for listener in &first.table.listeners {
        ask(listener);
    }
}

fn ask(listener: &Listener) {
    let _ = listener.server(Some("a.example.com"));
    let apps = listener.tls.iter().map(|server| &server.app).chain(&listener.plain);
    for app in apps {
        let App::Http(hosts) = app else { continue };
        for host in hosts.all() {
            for path in ["/", "/productpage", "/a%2Fb/.."] {
                let request = Request {
                    method: "GET",
                    scheme: Scheme::Https,
                    authority: &host.domain,
                    path,
                    query: Some("a=b"),
                    headers: &http::HeaderMap::new(),
                    made: None,
                    claims: None,
                };
                let decided = hosts.route(&request);
                assert!(!matches!(decided, Decision::NoHost) || host.domain.starts_with('*'));
            }
        }
    }
}
