//! One connection of a client: TLS if the listener wants it, then HTTP until it ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ProtocolVersion;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Plane;
use super::exchange::{Front, respond};
use super::headers::{Peer, TlsFacts};
use super::mutual::client_headers;
use super::tap::Tap;
use super::tls;
use crate::state::load_balancer::Protocol;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Streams at a time on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// Headers of one request; what is beyond is refused by size, not by number.
const MOST_HEADERS: usize = 1000;

/// A port that is open.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) plane: Arc<Plane>,
    /// The port of the listener.
    pub(crate) port: u16,
    /// Where it is really open.
    pub(crate) address: SocketAddr,
    /// Tells when to stop.
    pub(crate) stop: CancellationToken,
}

/// Serves a connection to its end.
pub(crate) async fn serve(open: Arc<Open>, stream: TcpStream, peer: SocketAddr) {
    // Small answers should not wait for more; without it all works, only slower.
    let _ = stream.set_nodelay(true);
    let peer = Peer { address: peer.ip().to_canonical(), port: peer.port() };
    let front = Front {
        plane: Arc::clone(&open.plane),
        port: open.port,
        open_port: open.address.port(),
        peer,
        tls: None,
        since: Instant::now(),
    };
    let protocol = first_setting(&open, |site| site.protocol).unwrap_or(Protocol::Http);
    if protocol == Protocol::Http {
        return http(&open, stream, front, false).await;
    }
    let http2 = first_setting(&open, |site| site.settings.http2).unwrap_or(true);
    let config = match tls::server(Arc::clone(&open.plane), open.port, http2) {
        Ok(config) => config,
        Err(why) => return tracing::error!(port = open.port, "cannot speak TLS: {why}"),
    };
    let accepting = TlsAcceptor::from(Arc::new(config)).accept(stream);
    let stream = match tokio::time::timeout(HANDSHAKE, accepting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(why)) => return tracing::debug!(port = open.port, "TLS handshake: {why}"),
        Err(_) => return tracing::debug!(port = open.port, "TLS handshake took too long"),
    };
    let session = stream.get_ref().1;
    let mutual = first_setting(&open, |site| site.mutual.clone()).flatten();
    let chain = session.peer_certificates().filter(|_| mutual.is_some());
    let verified = mutual.is_some_and(|mutual| mutual.trust.is_some());
    let facts = TlsFacts {
        client: chain.map(|chain| client_headers(chain, verified)),
        version: match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        },
        cipher: session
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .map(cipher_name)
            .unwrap_or_default(),
    };
    let http2 = session.alpn_protocol() == Some(b"h2");
    http(&open, stream, Front { tls: Some(facts), ..front }, http2).await;
}

/// A cipher suite as AWS writes it: those of TLS 1.3 start with TLS, not with TLS13.
fn cipher_name(name: &str) -> String {
    name.replacen("TLS13_", "TLS_", 1)
}

async fn http<S>(open: &Open, stream: S, front: Front, http2: bool)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let idle = first_setting(open, |site| site.settings.idle).unwrap_or(Duration::from_secs(60));
    let builder = builder(idle, http2);
    let (stream, sent) = Tap::new(stream);
    let service = service_fn(|mut request: Request<Incoming>| {
        let front = front.clone();
        let framing = (!http2).then(|| sent.framing(request.method().as_str())).flatten();
        request.extensions_mut().insert(framing.unwrap_or_default());
        async move { Ok::<_, Infallible>(respond(&front, request).await) }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = open.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(why) = ended {
        tracing::debug!(port = open.port, "connection ended: {why}");
    }
}

fn builder(idle: Duration, http2: bool) -> auto::Builder<TokioExecutor> {
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    // The time for a head also is the time that a connection may be idle between requests.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .preserve_header_case(true)
        .max_headers(MOST_HEADERS);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
    builder
}

/// A setting of the oldest load balancer on the port.
fn first_setting<T>(open: &Open, read: impl Fn(&super::table::Site) -> T) -> Option<T> {
    let table = open.plane.table.load();
    table.ports.get(&open.port)?.first().map(|site| read(site))
}
