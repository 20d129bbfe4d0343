//! Clients of HTTP/1.0, where they are served.

use crate::{
    backend::{Backend, Seen, Step, ok},
    client::Client,
    rig::{Made, Rig, config},
};
use edgeway_gateway::{Config, edge::Edge};

/// Says what the path asks for.
fn script(seen: &Seen) -> Vec<Step> {
    let answer = match seen.line().split(' ').nth(1).unwrap() {
        "/sized" => ok("sized"),
        "/early" => {
            let early = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
            [&early[..], &ok("late")].concat()
        }
        _ => {
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                .to_vec()
        }
    };
    vec![Step::Send(answer)]
}

async fn rig(backend: &Backend) -> Rig {
    let edge = Edge { http10: true, ..Edge::default() };
    let table = Made::forwarding(&[backend.address]).table();
    Rig::with(table, Config { edge, ..config() }).await
}

#[tokio::test]
async fn a_request_of_http10_is_the_last_and_its_answer_needs_no_framing() {
    let backend = Backend::new(script).await;
    let rig = rig(&backend).await;
    for (path, body, is_sized) in
        [("/sized", "sized", true), ("/chunked", "abcde", false), ("/early", "late", true)]
    {
        let request = format!(
            "GET {path} HTTP/1.0\r\nHost: a.example.com\r\nConnection: keep-alive, upgrade\r\n\
             Upgrade: websocket\r\nExpect: 100-continue\r\n\r\n"
        );
        let mut client = Client::connect(rig.address()).await;
        client.send(request).await;
        // Until the gateway ends the connection.
        let all = client.rest().await;
        let text = String::from_utf8(all).unwrap();
        let (head, rest) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && rest == body, "{text}");
        assert!(head.contains("connection: close"), "{text}");
        assert!(!head.contains("transfer-encoding"), "{text}");
        assert_eq!(head.contains("content-length"), is_sized, "{text}");
        let seen = backend.seen().pop().unwrap();
        assert!(seen.line().ends_with(" HTTP/1.1"), "{}", seen.head);
        for name in ["upgrade", "connection", "expect"] {
            assert_eq!(seen.field(name), None, "{}", seen.head);
        }
    }
    assert_eq!(backend.seen().len(), 3);
    let lines = rig.log(3).await;
    assert!(lines.iter().all(|line| line["protocol"] == "HTTP/1.0"), "{lines:?}");
}

#[tokio::test]
async fn a_body_of_http10_has_a_length() {
    let backend = Backend::new(script).await;
    let rig = rig(&backend).await;
    let host = "Host: a.example.com\r\n";
    for (fields, status, body) in [
        (format!("{host}Content-Length: 3\r\n"), "200", Some("abc")),
        (host.to_owned(), "200", Some("")),
        (format!("{host}Transfer-Encoding: chunked\r\n"), "501", None),
        (format!("{host}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), "400", None),
        (String::new(), "400", None),
    ] {
        let before = backend.seen().len();
        let sent = if fields.contains("Content-Length") { "abc" } else { "" };
        let request = format!("POST /sized HTTP/1.0\r\n{fields}\r\n{sent}");
        let mut client = Client::connect(rig.address()).await;
        client.send(request).await;
        let text = client.response().await.head;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {text}");
        let seen = backend.seen().into_iter().nth(before);
        assert_eq!(seen.map(|seen| seen.body), body.map(|body| body.as_bytes().to_vec()));
    }
}
