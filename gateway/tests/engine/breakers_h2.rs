//! Limits towards endpoints that speak HTTP/2, where many requests share a connection.

use crate::{
    h2_backend::{Backend, Does},
    h2_clients::{Client, get},
    rig::{Made, Rig, forward},
};
use edgeway_core::{
    action::Action,
    cluster::{Limits, UpstreamProtocol},
};
use tokio::sync::watch;

/// Eight at once, of which so many get through; how many connections that took.
async fn eight_at_once(limits: Limits, through: usize) -> usize {
    let (open, gate) = watch::channel(false);
    let backend = Backend::doing(Does::Waits(gate, "x")).await;
    let mut made = Made::default();
    let cluster = made.cluster_with("a", &[backend.address], |policy| {
        policy.protocol = UpstreamProtocol::Http2;
        policy.limits = limits;
    });
    made.route("/", Action::Forward(Box::new(forward(&[(1, Some(cluster))]))));
    let rig = Rig::new(made.table()).await;
    let mut client = Client::connect(rig.address()).await;
    let mut passed = Vec::new();
    for count in 1..=8 {
        let response = client.send(get("/"), false).await.0;
        if count <= through {
            passed.push(response);
            while backend.seen().len() < count {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        } else {
            let refused = response.await.unwrap();
            assert_eq!(refused.status(), 503);
            assert_eq!(refused.headers()["x-envoy-overloaded"], "true");
        }
    }
    open.send_replace(true);
    for response in passed {
        assert_eq!(response.await.unwrap().status(), 200);
    }
    backend.accepted()
}

/// As measured of Envoy (`cb-scope`): a request that shares a connection waits for none.
#[tokio::test]
async fn connections_and_queues_bound_no_streams() {
    let one = Limits { connections: Some(1), ..Limits::default() };
    assert_eq!(eight_at_once(one, 8).await, 1);
    let one = Limits { pending: Some(1), ..Limits::default() };
    assert_eq!(eight_at_once(one, 8).await, 1);
}

/// As measured of Envoy (`cb-scope`).
#[tokio::test]
async fn requests_are_counted_over_shared_connections() {
    let three = Limits { requests: Some(3), ..Limits::default() };
    assert_eq!(eight_at_once(three, 3).await, 1);
}
