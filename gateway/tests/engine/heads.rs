//! Odd and malformed messages, byte by byte, and the statuses that Istio's gateway gives them
//! (`heads.jsonl`, measured), except where ours is stricter on purpose.

use crate::{
    backend::{Backend, Seen, Step},
    client::Client,
    rig::{Made, Rig},
};
use serde::Deserialize;
use std::time::Duration;

/// Where we refuse what Envoy lets pass, or say it differently, and why.
const STRICTER: &[(&str, u16)] = &[
    // Bare line feeds and folded lines are how requests are hidden in others.
    ("leading-lf", 400),
    ("bare-lf-all", 400),
    ("bare-lf-header", 400),
    ("bare-lf-end", 400),
    ("obs-fold-sp", 400),
    ("fold-host", 400),
    // Two hosts are no host.
    ("host-dup-diff", 400),
];

/// So much of a request line tells which it is.
const LONG: usize = 60;

#[derive(Deserialize)]
struct Row {
    id: String,
    #[serde(default)]
    bytes: String,
    #[serde(default)]
    parts: Vec<(String, usize)>,
    status: Vec<u16>,
    closed: bool,
    /// The requests that the backend sees, the start of their first lines, and how long their
    /// bodies are.
    saw: Vec<(String, usize)>,
}

impl Row {
    fn bytes(&self) -> Vec<u8> {
        let one = [(self.bytes.clone(), 1)];
        let parts = if self.parts.is_empty() { &one[..] } else { &self.parts };
        parts.iter().flat_map(|(text, count)| unescaped(text).repeat(*count)).collect()
    }
}

/// `\r`, `\n`, `\t`, `\\` and `\xNN`; other characters are bytes of Latin-1.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        out.push(match character {
            '\\' => match rest.next().unwrap() {
                'r' => b'\r',
                'n' => b'\n',
                't' => b'\t',
                'x' => u8::from_str_radix(&rest.by_ref().take(2).collect::<String>(), 16).unwrap(),
                other => other as u8,
            },
            other => u8::try_from(u32::from(other)).unwrap(),
        });
    }
    out
}

fn script(seen: &Seen) -> Vec<Step> {
    let answer = |text: &str| vec![Step::Send(text.as_bytes().to_vec())];
    match seen.field("x-echo") {
        Some("action=close") => vec![Step::Close],
        Some("action=garbage") => answer("garbage\r\n\r\n"),
        Some("info=103") => {
            answer("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        }
        Some("trailers=1") => answer(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n\
             2\r\nhi\r\n0\r\nx-t: 1\r\n\r\n",
        ),
        Some(other) => {
            let status = other.strip_prefix("status=").unwrap();
            let bodiless = matches!(status, "204" | "304");
            let length = if bodiless { "" } else { "content-length: 0\r\n" };
            answer(&format!("HTTP/1.1 {status} X\r\n{length}\r\n"))
        }
        None => answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    }
}

#[tokio::test]
async fn odd_messages_are_answered_as_measured() {
    let backend = Backend::new(script).await;
    let rig = Rig::new(Made::forwarding(&[backend.address]).table()).await;
    let mut wrong = Vec::new();
    for line in include_str!("heads.jsonl").lines() {
        let mut row: Row = serde_json::from_str(line).unwrap();
        if let Some((_, status)) = STRICTER.iter().find(|(id, _)| *id == row.id) {
            (row.status, row.closed) = (vec![*status], true);
            row.saw.clear();
        }
        let before = backend.seen().len();
        let asking = tokio::time::timeout(Duration::from_secs(5), ask(&rig, &row));
        let Ok((statuses, closed)) = asking.await else {
            wrong.push(format!("{}: no answer", row.id));
            continue;
        };
        if (&statuses, closed) != (&row.status, row.closed) {
            let expected = (&row.status, row.closed);
            wrong.push(format!("{}: {statuses:?} {closed}, not {expected:?}", row.id));
        }
        let seen = backend.seen().split_off(before);
        wrong.extend(seen.iter().filter_map(|seen| flaw(&row.id, seen)));
        let saw: Vec<(String, usize)> = seen
            .iter()
            .filter(|seen| seen.field("x-echo") != Some("status=299"))
            .map(|seen| (seen.line().chars().take(LONG).collect(), seen.body.len()))
            .collect();
        if saw != row.saw {
            wrong.push(format!("{}: the backend saw {saw:?}, not {:?}", row.id, row.saw));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a strict reader would not take in a request that the gateway has sent.
fn flaw(id: &str, seen: &Seen) -> Option<String> {
    let flaw = |what: &str| Some(format!("{id}: the backend got {what}: {:?}", seen.head));
    let token = |text: &str| {
        let mark = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || mark(byte))
    };
    let Some(head) = seen.head.strip_suffix("\r\n\r\n") else { return flaw("no whole head") };
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, path, "HTTP/1.1"] = words[..] else { return flaw("an odd request line") };
    let plain =
        path.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte));
    if !token(method) || !path.starts_with('/') || !plain {
        return flaw("an odd request line");
    }
    for line in lines {
        let Some((name, value)) = line.split_once(": ") else { return flaw("no field") };
        if !token(name) || value.contains(|c: char| c.is_control() && c != '\t') {
            return flaw("an odd field");
        }
    }
    let names = seen.names();
    let count = |name: &str| names.iter().filter(|other| *other == name).count();
    if count("host") != 1 {
        return flaw("not one host");
    }
    if count("content-length") + count("transfer-encoding") > 1 {
        return flaw("two framings");
    }
    None
}

/// The statuses that come back, and whether the gateway ends the connection.
async fn ask(rig: &Rig, row: &Row) -> (Vec<u16>, bool) {
    let mut client = Client::connect(rig.address()).await;
    // What follows a whole message shows whether the connection is still in step.
    let probe: &[u8] = b"GET /probe HTTP/1.1\r\nHost: a.example.com\r\nX-Echo: status=299\r\n\r\n";
    client.try_send(&row.bytes()).await;
    let method = if row.bytes.starts_with("HEAD") { "HEAD" } else { "GET" };
    let mut statuses = Vec::new();
    if row.status.is_empty() {
        // It waits for more; when there is none, it says nothing.
        client.end().await;
        let rest = client.rest().await;
        // Who greets in HTTP/2 is greeted in HTTP/2, with a frame of settings.
        let greeted = row.bytes.starts_with("PRI ") && rest.get(3) == Some(&4);
        assert!(rest.is_empty() || greeted, "{}: {rest:?}", row.id);
        return (statuses, false);
    }
    while statuses.len() < row.status.len() {
        match client.response_to(method).await {
            Some(response) if response.status < 200 => {}
            Some(response) => statuses.push(response.status),
            None => return (statuses, true),
        }
    }
    if row.id == "cl-extra" {
        // What is left over is the start of something that is not a request.
        return (statuses, false);
    }
    client.try_send(probe).await;
    let next = client.response_to("GET").await;
    (statuses, next.is_none_or(|response| response.status != 299))
}
