//! What becomes of paths and names that two servers could read in two ways.

use crate::{
    backend::Backend,
    client::Client,
    h2_clients,
    rig::{Made, Rig, config, direct},
};
use edgeway_core::path::Normalisation;
use edgeway_gateway::{
    Config,
    edge::{Edge, Underscores},
};

fn met(paths: Normalisation, underscores: Underscores) -> Config {
    Config { edge: Edge { paths, underscores, ..Edge::default() }, ..config() }
}

#[tokio::test]
async fn paths_are_matched_and_forwarded_in_the_form_that_was_asked_for() {
    let backend = Backend::saying("").await;
    for (mode, path, expected) in [
        (Normalisation::None, "/a/../%2fadmin//x", "/a/../%2fadmin//x"),
        (Normalisation::Base, "/a/../%2fadmin//x", "/%2fadmin//x"),
        (Normalisation::MergeSlashes, "/a/../%2fadmin//x", "/%2fadmin/x"),
        (Normalisation::DecodeAndMergeSlashes, "/a/../%2fadmin//x", "/admin/x"),
    ] {
        let table = Made::forwarding(&[backend.address]).table();
        let rig = Rig::with(table, met(mode, Underscores::Allow)).await;
        assert_eq!(Client::connect(rig.address()).await.get(path).await.status, 200);
        assert_eq!(backend.seen().pop().unwrap().line(), format!("GET {expected} HTTP/1.1"));
        assert_eq!(rig.log(1).await[0]["path"], expected, "{mode:?}");

        let mut made = Made::default();
        made.route("/admin", direct(403, "")).route("/", direct(200, ""));
        let rig = Rig::with(made.table(), met(mode, Underscores::Allow)).await;
        let status = if expected.starts_with("/admin") { 403 } else { 200 };
        assert_eq!(Client::connect(rig.address()).await.get(path).await.status, status, "{mode:?}");
    }
}

#[tokio::test]
async fn fields_with_underscores_are_treated_as_was_asked_for() {
    let request = "GET / HTTP/1.1\r\nHost: a.example.com\r\nX_A: 1\r\nx-b: 1\r\n\r\n";
    let over_http2 = || {
        let mut request = h2_clients::get("/");
        request.headers_mut().insert("x_a", "1".parse().unwrap());
        request
    };
    let backend = Backend::saying("").await;
    for (policy, status, passes) in [
        (Underscores::Allow, 200, true),
        (Underscores::Drop, 200, false),
        (Underscores::Reject, 400, false),
    ] {
        let table = Made::forwarding(&[backend.address]).table();
        let rig = Rig::with(table, met(Normalisation::Base, policy)).await;
        let before = backend.seen().len();
        let mut client = Client::connect(rig.address()).await;
        assert_eq!(client.exchange(request).await.status, status, "{policy:?}");
        let mut client = h2_clients::Client::connect(rig.address()).await;
        let (response, _) = client.send(over_http2(), false).await;
        assert_eq!(response.await.unwrap().status(), status, "{policy:?}");
        let seen = backend.seen().split_off(before);
        assert_eq!(seen.len(), if status == 200 { 2 } else { 0 });
        assert!(seen.iter().all(|seen| seen.field("x_a").is_some() == passes), "{policy:?}");
        let dropped = rig.metric("edgeway_dropped_fields_total").await.to_string();
        assert_eq!(dropped, if policy == Underscores::Drop { "2" } else { "0" });
    }
}
