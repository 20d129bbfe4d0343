//! Counts beside those of requests: of routes that ask for some, of connections passed on.

use crate::{
    client::Client,
    rig::{Made, Rig, dead, direct},
    streams::{ask, echo, passing},
};

pub(crate) async fn lines(rig: &Rig, family: &str) -> Vec<String> {
    let metrics = Rig::ask(rig.running.metrics, "/stats/prometheus").await;
    let lines = metrics.text().lines().filter(|line| line.starts_with(family));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_route_with_a_prefix_has_counts_of_its_own() {
    let mut made = Made::default();
    made.route("/counted", direct(404, "no")).stat_prefix("mine");
    made.route("/", direct(200, "yes"));
    let rig = Rig::new(made.table()).await;
    let mut client = Client::connect(rig.address()).await;
    for path in ["/counted", "/counted/2", "/"] {
        client.get(path).await;
    }
    let requests = lines(&rig, "edgeway_route_requests_total").await;
    let of = |class: &str| {
        let labels = format!(
            "{{response_code_class=\"{class}\",stat_prefix=\"mine\",virtual_service=\"default/vs\"}} "
        );
        requests.iter().find_map(|line| line.split_once(&labels)).map(|(_, count)| count.to_owned())
    };
    assert_eq!(
        (of("4xx").as_deref(), of("2xx").as_deref()),
        (Some("2"), Some("0")),
        "{requests:?}"
    );
    let durations = lines(&rig, "edgeway_route_request_duration_milliseconds_count").await;
    assert!(durations.len() == 1 && durations[0].ends_with(" 2"), "{durations:?}");
}

#[tokio::test]
async fn connections_and_their_bytes_are_counted() {
    let mut made = Made::default();
    let cluster = made.cluster("a", &[echo("a:").await]);
    let rig = Rig::new(passing(made, cluster)).await;
    assert_eq!(ask(rig.address(), b"hello").await.unwrap(), b"a:hello");
    rig.log(1).await;
    for (family, count) in [
        ("istio_tcp_connections_opened_total", 1),
        ("istio_tcp_connections_closed_total", 1),
        ("istio_tcp_received_bytes_total", 5),
        ("istio_tcp_sent_bytes_total", 7),
    ] {
        let lines = lines(&rig, family).await;
        assert!(lines.len() == 1 && lines[0].ends_with(&format!(" {count}")), "{lines:?}");
        assert!(lines[0].contains("destination_service=\"a.default.svc.cluster.local\""));
        assert!(lines[0].contains("request_protocol=\"tcp\",response_flags=\"-\""));
        assert!(!lines[0].contains("response_code"));
    }
}

#[tokio::test]
async fn a_connection_that_reaches_nobody_is_counted_with_the_reason() {
    let mut made = Made::default();
    let cluster = made.cluster("a", &[dead().await]);
    let rig = Rig::new(passing(made, cluster)).await;
    ask(rig.address(), b"hello").await;
    rig.log(1).await;
    let closed = lines(&rig, "istio_tcp_connections_closed_total").await;
    assert!(closed.len() == 1 && closed[0].contains("response_flags=\"UF\""), "{closed:?}");
    assert_eq!(lines(&rig, "istio_tcp_connections_opened_total").await.len(), 1);
}
