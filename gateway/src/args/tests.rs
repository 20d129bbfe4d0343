//! What can be typed.

use super::*;
use crate::edge::{Edge, ForwardedFor, Limits, MemoryLimit, Underscores};
use edgeway_core::table::ProxyHeader;

fn args(text: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(["edgeway-gateway"].into_iter().chain(text.split_whitespace()))
}

#[test]
fn little_needs_to_be_said() {
    let config = args("--source files:/x").unwrap().config(std::io::sink());
    assert_eq!(config.workload, edgeway_core::Workload::default());
    assert_eq!(
        (config.status.port(), config.metrics.port(), config.admin.port()),
        (15021, 15020, 15000)
    );
    assert!(config.admin.ip().is_loopback() && config.bind.is_none());
    assert!(config.access_log.is_some_and(|log| log.sample >= 1.0));
    let limits = Limits { memory: MemoryLimit::OfGroup, ..Limits::default() };
    assert_eq!(config.edge, Edge { limits, ..Edge::default() });
}

#[test]
fn everything_can_be_said() {
    let config = args(
        "--source files:/x --namespace edge --labels app=gw,istio=public --bind 127.0.0.1 \
         --port-offset 8000 --workers 3 --access-log 0.01 --drain-seconds 1 \
         --locality eu/eu-1 --pod-name gw-1 --node-name n1 --last-good-dir /kept \
         --fips --tls-ticket-rotation 20m --dns-server 10.0.0.10 --dns-server [::1]:5353",
    )
    .unwrap()
    .config(std::io::sink());
    assert_eq!(config.workload.namespace, "edge");
    assert_eq!(config.workload.labels["istio"], "public");
    assert_eq!(config.workload.locality.to_string(), "eu/eu-1/");
    assert_eq!(config.workload.node, "n1");
    assert_eq!(config.workload.pod, "gw-1");
    assert_eq!(config.status.to_string(), "127.0.0.1:15021");
    assert_eq!((config.port_offset, config.workers), (8000, 3));
    assert_eq!((config.drain.as_secs(), config.fips), (1, true));
    assert_eq!(config.ticket_rotation.as_secs(), 1200);
    assert_eq!(config.keep.stand_ins, Some(PathBuf::from("/kept")));
    assert_eq!(config.keep.whole, None, "files are there");
    let servers: Vec<String> = config.dns_servers.iter().map(SocketAddr::to_string).collect();
    assert_eq!(servers, ["10.0.0.10:53", "[::1]:5353"]);
    assert!(
        args("--source files:/x --access-log off")
            .unwrap()
            .config(std::io::sink())
            .access_log
            .is_none()
    );
}

#[test]
fn clients_are_met_as_is_said() {
    let config = args(
        "--source files:/x --trusted-hops 1 --trusted-proxies 10.0.0.0/8,fd00::1 \
         --forwarded-for preserve --proxy-protocol 80=optional,443 \
         --proxy-header-timeout 2s \
         --path-normalization MERGE_SLASHES --headers-with-underscores drop --http10 \
         --max-connections 9 --max-requests-per-connection 7 --max-uri-bytes 100 \
         --header-timeout 500ms --write-timeout 0 --max-streams 3 --memory-limit 1Gi --retry-body-limit 4096",
    )
    .unwrap()
    .config(std::io::sink());
    let Edge { trust, proxy_protocol, paths, underscores, http10, limits } = &config.edge;
    assert!(http10);
    assert_eq!(*paths, edgeway_core::path::Normalisation::MergeSlashes);
    assert_eq!(*underscores, Underscores::Drop);
    assert_eq!((trust.hops, trust.proxies.len()), (1, 2));
    assert_eq!(trust.forwarded_for, ForwardedFor::Preserve);
    assert_eq!((limits.connections, limits.requests_per_connection), (Some(9), Some(7)));
    assert_eq!((limits.head.target, limits.http2.streams), (100, 3));
    assert_eq!((limits.head_timeout.as_millis(), limits.write_timeout), (500, None));
    assert_eq!((limits.memory, limits.retry_body), (MemoryLimit::Bytes(1 << 30), 4096));
    let headers = [80, 443, 81].map(|port| proxy_protocol.at(port));
    assert_eq!(headers, [Some(ProxyHeader::Optional), Some(ProxyHeader::Required), None]);
    assert_eq!(limits.proxy_header_timeout.as_secs(), 2);
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_word_on_what_can() {
    for (text, word) in [
        ("--source nowhere", "files:PATH"),
        ("--source files:/x --labels a", "key=value"),
        ("--source files:/x --dns-server dns.example.com", "write 10.0.0.10"),
        ("--source files:/x --access-log 2", "between 0 and 1"),
        ("--source files:/x --bind localhost", "--bind"),
        ("--source files:/x --trusted-proxies vpc", "write 10.0.0.0/8"),
        ("--source files:/x --forwarded-for strip", "write append"),
        ("--source files:/x --proxy-protocol http", "write off, all"),
        ("--source files:/x --memory-limit much", "write auto"),
        ("--source files:/x --path-normalization all", "write NONE"),
        ("--source files:/x --headers-with-underscores keep", "write allow"),
        ("--source files:/x --header-timeout soon", "write 300"),
        ("--source files:/x --max-header-bytes 0", "at least 1"),
        ("--source files:/x --tls-ticket-rotation 7h", "1s to 6h"),
        ("--source files:/x --tls-ticket-rotation 0", "1s to 6h"),
    ] {
        let error = args(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
