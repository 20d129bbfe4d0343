//! Who a new connection comes from: the peer of its socket, or whom the proxy there names.

use crate::{
    context::{Context, Port},
    edge::proxy_protocol::{self, Progress},
    io::{self, Conn, Io},
    load::{Admitted, Full},
    metrics::Turned,
};
use bytes::BytesMut;
use edgeway_core::table::ProxyHeader;
use socket2::SockRef;
use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// Room made for each read of a PROXY header.
const READ: usize = 4096;

/// A connection that is served.
pub(super) struct Arrived {
    pub(super) io: Box<Io>,
    pub(super) conn: Arc<Conn>,
    /// It counts while this lives.
    pub(super) admitted: Admitted,
}

/// The connection, once it is known who it comes from; `None` if nobody will say, or there are
/// enough.
pub(super) async fn arrive(
    stream: TcpStream,
    peer: SocketAddr,
    port: &Port,
    context: &Context,
) -> Option<Arrived> {
    let admitted = match context.settings.load.crowd.admit() {
        Ok(admitted) => admitted,
        Err(full) => return turn_away(&stream, of_full(full), context),
    };
    let ends = match port.proxy_header.get() {
        ProxyHeader::Off => Behind { client: peer, local: None, rest: BytesMut::new() },
        header @ (ProxyHeader::Optional | ProxyHeader::Required) => {
            match behind(&stream, peer, header, context).await {
                Ok(ends) => ends,
                Err(Missing::Closed) => return None,
                Err(Missing::Bad(turned)) => return turn_away(&stream, turned, context),
            }
        }
    };
    let Behind { client, local, rest } = ends;
    let admitted = if context.settings.edge.trust.believes(client.ip()) {
        // A proxy brings many.
        admitted
    } else {
        match admitted.of(client.ip()) {
            Ok(admitted) => admitted,
            Err(full) => return turn_away(&stream, of_full(full), context),
        }
    };
    let (io, conn) = io::open_behind(stream, client, local, rest);
    Some(Arrived { io, conn, admitted })
}

fn of_full(full: Full) -> Turned {
    match full {
        Full::All => Turned::Connections,
        Full::Client => Turned::ConnectionsPerClient,
    }
}

/// Ends a connection at once: what would be said politely costs what there is too little of.
fn turn_away<T>(stream: &TcpStream, turned: Turned, context: &Context) -> Option<T> {
    tracing::debug!(?turned, "connection refused");
    context.reporter.metrics.clients.turned(turned);
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    None
}

/// Both ends of a connection to a proxy, and what came behind its header.
struct Behind {
    client: SocketAddr,
    local: Option<SocketAddr>,
    rest: BytesMut,
}

/// Waits for a PROXY header; without one where it is optional, the client is the peer.
async fn behind(
    stream: &TcpStream,
    peer: SocketAddr,
    header: ProxyHeader,
    context: &Context,
) -> Result<Behind, Missing> {
    let mut bytes = BytesMut::new();
    // It counts among those that may come while the gateway goes down.
    context.clients.begin_accepting();
    let limit = context.settings.edge.limits.proxy_header_timeout;
    let read = timeout(limit, read(stream, &mut bytes)).await;
    context.clients.end_accepting();
    match read.unwrap_or(Err(Missing::Bad(Turned::ProxyTimeout))) {
        Ok((length, ends)) => Ok(Behind {
            client: ends.map_or(peer, |ends| ends.source),
            local: ends.map(|ends| ends.destination),
            rest: bytes.split_off(length),
        }),
        // Whatever it is that came, it is the client's own.
        Err(Missing::Bad(_)) if header == ProxyHeader::Optional => {
            Ok(Behind { client: peer, local: None, rest: bytes })
        }
        Err(missing) => Err(missing),
    }
}

/// Why there is no header.
enum Missing {
    /// It is malformed, or too late.
    Bad(Turned),
    /// The connection ended before a byte came: somebody looked whether the port is open.
    Closed,
}

/// Reads a header, and perhaps what came behind it; how long it is, and what it says.
async fn read(
    stream: &TcpStream,
    bytes: &mut BytesMut,
) -> Result<(usize, Option<proxy_protocol::Ends>), Missing> {
    loop {
        if stream.readable().await.is_err() {
            return Err(Missing::Closed);
        }
        bytes.reserve(READ);
        match stream.try_read_buf(bytes) {
            Ok(read) if read > 0 => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Ok(_) | Err(_) if bytes.is_empty() => return Err(Missing::Closed),
            Ok(_) | Err(_) => return Err(Missing::Bad(Turned::ProxyHeader)),
        }
        let malformed = |_| Missing::Bad(Turned::ProxyHeader);
        match proxy_protocol::parse(bytes).map_err(malformed)? {
            Progress::More => {}
            Progress::Complete(length, ends) => return Ok((length, ends)),
        }
    }
}
