//! A watch that is too old (410 Gone) is begun anew, and nothing is lost or there twice.
//!
//! An API server forgets its past only after minutes, so that here is one that answers by a script.

use super::Watch;
use crate::source::kube::{collection::Collection, feed::Feed, kinds::GATEWAY};
use edgeway_api::k8s_openapi::api::core::v1::Service;
use kube::{Client, Config};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

/// Status code and body of an answer.
type Answer = (u16, String);

fn service(name: &str, version: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "resourceVersion": version.to_string()},
        "spec": {"ports": [{"name": "http", "port": version}]},
    })
}

/// Lines of a watch that tells of `services`, which are all if there is a version for the end.
fn told(services: &[(&str, u32)], end: Option<u32>) -> Answer {
    let added = services
        .iter()
        .map(|(name, version)| json!({"type": "ADDED", "object": service(name, *version)}));
    let end = end.map(|version| {
        let annotations = json!({"k8s.io/initial-events-end": "true"});
        let metadata = json!({"resourceVersion": version.to_string(), "annotations": annotations});
        json!({"type": "BOOKMARK", "object": {"metadata": metadata}})
    });
    let lines: Vec<String> = added.chain(end).map(|line| line.to_string() + "\n").collect();
    (200, lines.concat())
}

fn listed(services: &[(&str, u32)], version: u32, next: &str) -> Answer {
    let items: Vec<Value> =
        services.iter().map(|(name, version)| service(name, *version)).collect();
    let metadata = json!({"resourceVersion": version.to_string(), "continue": next});
    (200, json!({"metadata": metadata, "items": items}).to_string())
}

fn failure(code: u16) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": "Expired", "message": "too old resource version: 10 (15)",
    })
}

fn refused(code: u16) -> Answer {
    (code, failure(code).to_string())
}

/// Gives the answers in turn, each on a connection of its own, and tells what was asked for. The
/// last connection stays open if it is a watch's.
async fn serve(listener: TcpListener, answers: Vec<Answer>, asked: mpsc::Sender<String>) {
    let mut last = None;
    for (code, body) in answers {
        drop(last.take());
        let (mut stream, _) = listener.accept().await.unwrap();
        let target = target(&mut stream).await;
        let length = if target.contains("watch=true") && code == 200 {
            String::new()
        } else {
            format!("content-length: {}\r\n", body.len())
        };
        let head = format!("HTTP/1.1 {code} Word\r\nconnection: close\r\n{length}\r\n");
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        asked.send(target).await.unwrap();
        last = Some(stream);
    }
    std::future::pending::<()>().await;
}

/// The target of a request without a body.
async fn target(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    head.split(' ').nth(1).unwrap().to_owned()
}

/// Names and ports of the Services that are known.
fn known(collection: &Collection) -> Vec<(String, i32)> {
    let services = collection.objects().services;
    let port = |it: &Service| Some(it.spec.as_ref()?.ports.as_ref()?.first()?.port);
    let mut known: Vec<_> = services
        .iter()
        .map(|it| (it.metadata.name.clone().unwrap_or_default(), port(it).unwrap_or_default()))
        .collect();
    known.sort();
    known
}

/// Follows Services until all answers were given and `wanted` is known, each a name and a port;
/// gives what was asked for. What was there all the time must be known all the time.
async fn follow(row: &str, answers: Vec<Answer>, wanted: &[(&str, i32)]) -> Vec<String> {
    let many = answers.len();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
    let (asked, mut questions) = mpsc::channel(many);
    let server = tokio::spawn(serve(listener, answers, asked));
    let kind = GATEWAY.iter().find(|it| it.name == "Service").unwrap();
    let feed = Arc::new(Feed::all(kind, &[]).remove(0));
    let mut collection = Collection::default();
    collection.expect(Arc::clone(&feed));
    let (notes, mut told) = mpsc::channel(16);
    let watch = tokio::spawn(Watch::new(client, feed, "".into(), notes).run());
    let wanted: Vec<_> = wanted.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
    let mut all = Vec::new();
    while known(&collection) != wanted || all.len() < many {
        let note = timeout(Duration::from_secs(10), told.recv()).await;
        let note =
            note.unwrap_or_else(|_| panic!("{row}: {:?} after {all:#?}", known(&collection)));
        let was_whole = collection.is_whole();
        collection.take(note.unwrap());
        let stays = known(&collection).iter().any(|(name, _)| name == "stays");
        assert!(stays || !was_whole, "{row}: lost after {all:#?}");
        all.extend(std::iter::from_fn(|| questions.try_recv().ok()));
    }
    watch.abort();
    server.abort();
    all
}

const BEFORE: &[(&str, u32)] = &[("goes", 1), ("stays", 2), ("turns", 3)];
const AFTER: &[(&str, u32)] = &[("comes", 12), ("stays", 2), ("turns", 13)];
const KNOWN: &[(&str, i32)] = &[("comes", 12), ("later", 21), ("stays", 2), ("turns", 13)];

#[tokio::test]
async fn a_watch_that_is_too_old_begins_anew() {
    let later = || told(&[("later", 21)], None);
    let line = || (200, format!("{}\n", json!({"type": "ERROR", "object": failure(410)})));
    for (row, gone) in [("the answer says it", refused(410)), ("a line says it", line())] {
        let answers = vec![told(BEFORE, Some(10)), gone, told(AFTER, Some(20)), later()];
        let asked = follow(row, answers, KNOWN).await;
        let from = |at: usize, what: &str| assert!(asked[at].contains(what), "{row}: {asked:#?}");
        from(0, "sendInitialEvents=true");
        from(1, "&resourceVersion=10");
        from(2, "sendInitialEvents=true");
        from(3, "&resourceVersion=20");
    }
}

#[tokio::test]
async fn where_nothing_is_streamed_it_is_listed_anew() {
    let later = || told(&[("later", 21)], None);
    // The server has no streaming lists; a watch is too old, and then the list's second page is, too.
    let answers = vec![
        refused(422),
        listed(BEFORE, 10, ""),
        refused(410),
        listed(&AFTER[..1], 14, "page-2"),
        refused(410),
        listed(&AFTER[..2], 20, "page-2"),
        listed(&AFTER[2..], 20, ""),
        later(),
    ];
    let asked = follow("lists", answers, KNOWN).await;
    let wanted = [
        "sendInitialEvents=true",
        "limit=500",
        "&resourceVersion=10",
        "limit=500",
        "continue=page-2",
        "limit=500",
        "continue=page-2",
        "&resourceVersion=20",
    ];
    for (question, what) in asked.iter().zip(wanted) {
        assert!(question.contains(what), "{what}: {asked:#?}");
    }
    assert!(!asked[5].contains("continue"), "{asked:#?}");
}
