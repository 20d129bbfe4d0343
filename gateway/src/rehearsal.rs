//! What the engine makes of a client's bytes, without a socket or a thread: for those who feed it with
//! nonsense.

use crate::{
    access::Lines,
    chance::Chance,
    context::{Clients, Context, Port, Seldom, Settings},
    edge::Edge,
    io,
    live::{Live, Registry},
    load::{Crowd, Load},
    metrics::{Metrics, Workload},
    proxy::{self, Plain, Response},
    tls::Prepared,
    view::{Reporter, Serving, View},
};
use bytes::BytesMut;
use edgeway_core::table::{ProxyHeader, Table};
use http::HeaderMap;
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context as Task, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Runtime,
    task::LocalSet,
    time::timeout,
};

/// A client that has nothing more to say is gone after so many looks: time for what it asked for to
/// be answered.
const LOOKS: usize = 64;

/// Longer than anything takes that ends at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// One worker of a gateway, and one of its ports.
pub struct Rehearsal {
    runtime: Runtime,
    context: Rc<Context>,
    port: Rc<Port>,
}

/// The head of an endpoint's response, where it is so plain that no session is asked.
#[derive(Debug)]
pub struct Heard {
    /// Its status: 200 to 599.
    pub status: u16,
    /// All its fields, in their order.
    pub headers: HeaderMap,
    /// Size of its body in bytes.
    pub length: u64,
    /// Whether the connection can be used again.
    pub keeps: bool,
}

/// Reads an endpoint's response as far as it is plain, an answer to HEAD if `is_head`; and what is
/// left of `bytes`: all of them if it is not plain.
pub fn hear(bytes: &[u8], is_head: bool) -> (Option<Heard>, Vec<u8>) {
    let mut left = BytesMut::from(bytes);
    let heard = proxy::take_plain(&mut left, is_head).map(|plain| {
        let Plain { response: Response { status, headers, .. }, length, keeps } = plain;
        Heard { status: status.as_u16(), headers, length, keeps }
    });
    (heard, left.to_vec())
}

/// Why nothing can be rehearsed.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    /// The table serves nothing.
    #[error("the table has no listener")]
    NoListener,
    /// Metrics contradict one another.
    #[error("cannot set up metrics")]
    Metrics(#[from] prometheus::Error),
    /// There is no runtime.
    #[error("cannot start a runtime")]
    Runtime(#[from] std::io::Error),
}

/// The client has left, and its session goes on for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session does not end when its client is gone")]
pub struct Endless;

impl Rehearsal {
    /// A worker that serves the first listener of a table.
    pub fn new(table: &Table) -> Result<Self, CannotStart> {
        let listener = Arc::clone(table.listeners.first().ok_or(CannotStart::NoListener)?);
        let metrics = Arc::new(Metrics::new()?);
        let reporter = Reporter {
            gateway: Arc::new(Workload::new("gateway", "", &BTreeMap::new(), "")),
            cluster: "".into(),
            metrics: Arc::clone(&metrics),
        };
        let load = Load { crowd: Arc::new(Crowd::new(None, None)), memory: Arc::default() };
        let mut live = Live::new(Arc::new(Registry::new(Arc::clone(&metrics))));
        let (chance, tls) = (Chance::new(), Prepared::default());
        let view = Rc::new(View::new(table, &tls, &mut live, &View::empty(), &chance));
        let context = Context {
            settings: Settings { edge: Edge::default(), load },
            chance,
            reporter,
            access: Lines::new(None, metrics.access_log_dropped.clone()),
            live: RefCell::new(live),
            phase: Cell::default(),
            clients: Clients::default(),
            copies: Rc::default(),
            seldom: Seldom::default(),
        };
        let serving = Serving { view, tls: tls.servers(listener.id), listener };
        let port = Port {
            serving: RefCell::new(Rc::new(serving)),
            phase: Cell::default(),
            proxy_header: Cell::new(ProxyHeader::Off),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        Ok(Self { runtime, context: Rc::new(context), port: Rc::new(port) })
    }

    /// What a session of HTTP/2 answers to a client that says this, piece by piece, and leaves.
    pub fn http2<'b>(
        &self,
        pieces: impl IntoIterator<Item = &'b [u8]>,
    ) -> Result<Vec<u8>, Endless> {
        let said = Rc::new(RefCell::new(Vec::new()));
        let client = Client {
            pieces: pieces.into_iter().map(<[u8]>::to_vec).collect(),
            waits: false,
            looks: LOOKS,
            said: Rc::clone(&said),
        };
        let conn = io::detached(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        let entered = self.context.enter(Arc::clone(&conn), Rc::clone(&self.port));
        let session = proxy::http2(client, &conn, &entered, &self.context);
        let ended = async { timeout(PATIENCE, session).await };
        LocalSet::new().block_on(&self.runtime, ended).map_err(|_| Endless)?;
        Ok(said.take())
    }
}

impl std::fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rehearsal").finish_non_exhaustive()
    }
}

/// The client's end of a connection, all of whose words are known before.
struct Client {
    pieces: VecDeque<Vec<u8>>,
    /// A piece was taken: before the next there is time to act on it.
    waits: bool,
    looks: usize,
    said: Rc<RefCell<Vec<u8>>>,
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Task<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let silent = self.pieces.is_empty();
        if self.waits || (silent && self.looks > 0) {
            self.looks -= usize::from(silent);
            self.waits = false;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(mut piece) = self.pieces.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if rest.is_empty() {
                self.waits = true;
            } else {
                self.pieces.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Task<'_>,
        data: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.said.borrow_mut().extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_api::{Objects, manifest};

    const MANIFESTS: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all, namespace: istio-system}
spec:
  hosts: ['*']
  gateways: [gw]
  http:
  - directResponse: {status: 200, body: {string: fine}}
";

    fn rehearsal() -> Rehearsal {
        let mut objects = Objects::default();
        manifest::read(MANIFESTS, "test", &mut objects);
        let compiled = edgeway_core::compile(&objects, &edgeway_core::Workload::default());
        Rehearsal::new(&compiled.table).unwrap()
    }

    #[test]
    fn a_request_is_answered_however_it_arrives() {
        // GET http://a/ with HPACK's static table.
        let request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
                        \0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01a";
        let rehearsal = rehearsal();
        for size in [1, 7, 1000] {
            let said = rehearsal.http2(request.chunks(size)).unwrap();
            assert!(said.windows(4).any(|part| part == b"fine"), "{size}: {said:?}");
        }
        // The same worker serves on.
        assert!(rehearsal.http2([&b"nonsense"[..]]).is_ok());
        assert!(rehearsal.http2([]).is_ok());
    }

    #[test]
    fn there_must_be_something_to_serve() {
        let error = Rehearsal::new(&Table::default()).unwrap_err();
        assert!(matches!(error, CannotStart::NoListener), "{error}");
    }
}
