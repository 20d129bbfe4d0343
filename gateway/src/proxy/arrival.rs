//! Who a new connection comes from: the peer of its socket, or whom the proxy there names.

use crate::{
    context::{Context, Port},
    edge::proxy_protocol::{self, BadHeader, Progress},
    io::{self, Conn, Io},
    metrics::Turned,
};
use bytes::BytesMut;
use socket2::SockRef;
use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// Room made for each read of a PROXY header.
const READ: usize = 4096;

/// How long a proxy may take for its header, which it sends with the connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The connection, once it is known who it comes from; `None` if nobody will say.
pub(super) async fn arrive(
    stream: TcpStream,
    peer: SocketAddr,
    port: &Port,
    context: &Context,
) -> Option<(Box<Io>, Arc<Conn>)> {
    if !port.proxied {
        return Some(io::open(stream, peer));
    }
    // It counts among those that may come while the gateway goes down.
    context.clients.begin_accepting();
    let header = timeout(HEADER_TIMEOUT, read(&stream)).await;
    context.clients.end_accepting();
    let turned = match header {
        Ok(Ok((ends, rest))) => {
            let source = ends.map_or(peer, |ends| ends.source);
            let destination = ends.map(|ends| ends.destination);
            return Some(io::open_behind(stream, source, destination, rest));
        }
        // Somebody looked whether the port is open.
        Ok(Err(Missing::Closed)) => return None,
        Ok(Err(Missing::Bad(error))) => {
            tracing::debug!(%peer, %error, "connection refused");
            Turned::ProxyHeader
        }
        Err(_) => Turned::ProxyTimeout,
    };
    context.reporter.metrics.clients.turned(turned);
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    None
}

/// Why there is no header.
enum Missing {
    Bad(BadHeader),
    /// The connection ended before a byte came.
    Closed,
}

/// Reads a header; what came behind it is left to be read.
async fn read(stream: &TcpStream) -> Result<(Option<proxy_protocol::Ends>, BytesMut), Missing> {
    let mut bytes = BytesMut::new();
    loop {
        if stream.readable().await.is_err() {
            return Err(Missing::Closed);
        }
        bytes.reserve(READ);
        match stream.try_read_buf(&mut bytes) {
            Ok(read) if read > 0 => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Ok(_) | Err(_) if bytes.is_empty() => return Err(Missing::Closed),
            Ok(_) | Err(_) => return Err(Missing::Bad(BadHeader)),
        }
        match proxy_protocol::parse(&bytes).map_err(Missing::Bad)? {
            Progress::More => {}
            Progress::Complete(length, ends) => {
                let rest = bytes.split_off(length);
                return Ok((ends, rest));
            }
        }
    }
}
