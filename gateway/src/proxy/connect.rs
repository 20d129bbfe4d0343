//! New connections to endpoints.

use super::{failure::Failure, h2};
use crate::{
    io::{self, Conn, Io},
    live::{EndpointLive, Stream, TlsName},
    metrics::Metrics,
    view::Target,
};
use edgeway_core::cluster::{Keepalive, ProxyProtocol};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::{net::TcpStream, time::timeout};

/// The signature that a PROXY head of version 2 begins with.
const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// A way to an endpoint.
#[derive(Clone, Copy)]
pub(super) struct Way<'t> {
    /// The cluster.
    pub(super) target: &'t Target,
    /// The endpoint.
    pub(super) endpoint: &'t EndpointLive,
    /// The client's address and ours towards it, for endpoints that want to know.
    pub(super) ends: (SocketAddr, Option<SocketAddr>),
    /// Its TLS.
    pub(super) name: &'t TlsName,
}

/// Connects to an endpoint as its cluster's policy says, handshake included, to speak HTTP/2 on the
/// connection or anything else.
pub(super) async fn connect(
    way: Way<'_>,
    http2: bool,
    metrics: &Metrics,
) -> Result<(Box<Io>, Arc<Conn>), Failure> {
    let cluster = way.target.cluster();
    let opening = open(way, http2);
    let (failure, reason) = match timeout(cluster.policy.connect_timeout, opening).await {
        Ok(Ok(connection)) => {
            metrics.upstream_connections.inc();
            return Ok(connection);
        }
        Ok(Err(Stage::Connect)) => (Failure::Refused, "refused"),
        Ok(Err(Stage::Handshake)) => (Failure::Refused, "tls"),
        Err(_) => (Failure::ConnectTimeout, "timeout"),
    };
    metrics.connect_failures.with_label_values(&[&*cluster.service.host, reason]).inc();
    Err(failure)
}

/// A stream on a connection that carries many, which is made if none has room. Others wait for the
/// one that is being made instead of making one each.
pub(super) async fn stream(way: Way<'_>, metrics: &Metrics) -> Result<Stream, Failure> {
    let sessions = way.endpoint.sessions();
    let policy = &way.target.cluster().policy;
    let _making = sessions.making.lock().await;
    if let Some(stream) = sessions.stream(policy, way.name) {
        return Ok(stream);
    }
    let connection = connect(way, true, metrics).await?;
    let session = h2::open(connection, policy.http2, sessions, way.name.clone()).await?;
    Ok(session.stream())
}

/// Where it failed.
enum Stage {
    Connect,
    Handshake,
}

async fn open(way: Way<'_>, http2: bool) -> Result<(Box<Io>, Arc<Conn>), Stage> {
    let Way { target, endpoint, ends, name } = way;
    let (policy, address) = (&target.cluster().policy, endpoint.address());
    let stream = TcpStream::connect(address).await.map_err(|_| Stage::Connect)?;
    // Without it, requests are late, but they are served.
    let _ = stream.set_nodelay(true);
    if let Some(keepalive) = policy.keepalive {
        keep_alive(&stream, keepalive);
    }
    let (mut io, conn) = io::open(stream, address);
    if let Some(version) = policy.proxy_protocol {
        let (client, ours) = ends;
        conn.send(&proxy_head(version, client, ours.unwrap_or(address)));
    }
    if let Some(tls) = &name.tls {
        let asked = match &name.host {
            // Bytes are for no host: the endpoint is asked for by its address, which names nothing.
            None if !tls.has_name() => ServerName::IpAddress(address.ip().into()),
            host => tls.name_for(host.as_deref().unwrap_or_default()).ok_or(Stage::Handshake)?,
        };
        io.secure(tls.begin(asked, http2).map_err(|_| Stage::Handshake)?);
        conn.handshake().await.map_err(|error| {
            let cluster = target.cluster().id.as_str();
            tracing::debug!(cluster, %address, %error, "no TLS with an endpoint");
            Stage::Handshake
        })?;
    }
    Ok((io, conn))
}

fn keep_alive(stream: &TcpStream, keepalive: Keepalive) {
    let Keepalive { probes, time, interval } = keepalive;
    let mut settings = TcpKeepalive::new();
    if let Some(probes) = probes {
        settings = settings.with_retries(probes);
    }
    if let Some(time) = time {
        settings = settings.with_time(time);
    }
    if let Some(interval) = interval {
        settings = settings.with_interval(interval);
    }
    // A kernel that refuses a value keeps its own.
    let _ = SockRef::from(stream).set_tcp_keepalive(&settings);
}

/// What tells an endpoint who the client is (haproxy: `proxy-protocol.txt`, 2.1 and 2.2).
fn proxy_head(version: ProxyProtocol, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let ends = match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => Ok((from, to)),
        (IpAddr::V4(from), IpAddr::V6(to)) => Err((from.to_ipv6_mapped(), to)),
        (IpAddr::V6(from), IpAddr::V4(to)) => Err((from, to.to_ipv6_mapped())),
        (IpAddr::V6(from), IpAddr::V6(to)) => Err((from, to)),
    };
    let ports = (from.port(), to.port());
    match (version, ends) {
        (ProxyProtocol::V1, Ok((from, to))) => {
            format!("PROXY TCP4 {from} {to} {} {}\r\n", ports.0, ports.1).into_bytes()
        }
        (ProxyProtocol::V1, Err((from, to))) => {
            format!("PROXY TCP6 {from} {to} {} {}\r\n", ports.0, ports.1).into_bytes()
        }
        (ProxyProtocol::V2, Ok((from, to))) => second(0x11, &from.octets(), &to.octets(), ports),
        (ProxyProtocol::V2, Err((from, to))) => second(0x21, &from.octets(), &to.octets(), ports),
    }
}

fn second(family: u8, from: &[u8], to: &[u8], ports: (u16, u16)) -> Vec<u8> {
    let length = u16::try_from(from.len() + to.len() + 4).unwrap_or(0);
    // Version 2, command PROXY.
    let start = [0x21, family];
    let ports = [ports.0.to_be_bytes(), ports.1.to_be_bytes()];
    [&V2_SIGNATURE, &start[..], &length.to_be_bytes(), from, to, &ports[0], &ports[1]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_told_who_the_client_is() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let head = |version, from, to| proxy_head(version, at(from), at(to));
        assert_eq!(
            head(ProxyProtocol::V1, "10.1.2.3:4567", "10.0.0.1:80"),
            b"PROXY TCP4 10.1.2.3 10.0.0.1 4567 80\r\n"
        );
        assert_eq!(
            head(ProxyProtocol::V1, "[2001:db8::1]:4567", "10.0.0.1:80"),
            b"PROXY TCP6 2001:db8::1 ::ffff:10.0.0.1 4567 80\r\n"
        );
        assert_eq!(
            head(ProxyProtocol::V2, "10.1.2.3:4567", "10.0.0.1:80"),
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\x01\x02\x03\x0a\0\0\x01\x11\xd7\0\x50"
        );
        let v6 = head(ProxyProtocol::V2, "[2001:db8::1]:1", "[::1]:2");
        assert_eq!((v6.len(), v6[13], v6[15]), (16 + 36, 0x21, 36));
    }
}
