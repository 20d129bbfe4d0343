//! Connections to targets: kept while they are good, never used for a second try.
//!
//! A request that meets a connection just being closed by its target fails, as it does at AWS:
//! whoever closes idle connections before the load balancer does has to see it here.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::body::Watched;
use super::desync::Alone;
use super::tls;

/// How long connecting, and a TLS handshake, may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Where a target is reached, and whether over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
}

/// Why a target gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// There was no connection within the time for it.
    #[error("no connection within {} s", CONNECT.as_secs())]
    Timeout,
    /// It refused, or cannot be reached.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    /// The connection broke before an answer, or the answer was none.
    #[error("no answer: {0}")]
    Broken(#[source] hyper::Error),
}

struct Idle {
    sender: http1::SendRequest<Watched>,
    since: Instant,
}

/// The connections of one data plane.
pub(crate) struct Clients {
    idle: Arc<Mutex<HashMap<Door, Vec<Idle>>>>,
    shared: Mutex<HashMap<Door, http2::SendRequest<Watched>>>,
    http1: TlsConnector,
    http2: TlsConnector,
}

impl fmt::Debug for Clients {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Clients")
    }
}

/// A byte stream to a target.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Clients {
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        Ok(Self {
            idle: Arc::default(),
            shared: Mutex::default(),
            http1: TlsConnector::from(Arc::new(tls::client(false)?)),
            http2: TlsConnector::from(Arc::new(tls::client(true)?)),
        })
    }

    /// Sends a request over HTTP/1.1.
    pub(crate) async fn send1(
        &self,
        door: Door,
        request: Request<Watched>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let mut sender = match self.kept(door).await {
            Some(sender) => sender,
            None => self.open1(door).await?,
        };
        let alone = request.extensions().get::<Alone>().is_some();
        let response = sender.send_request(request).await.map_err(Unanswered::Broken)?;
        if alone {
            return Ok(response);
        }
        let idle = Arc::clone(&self.idle);
        tokio::spawn(async move {
            // Ready again when the response is through; never, if the connection ends with it.
            if sender.ready().await.is_ok() {
                let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.entry(door).or_default().push(Idle { sender, since: Instant::now() });
            }
        });
        Ok(response)
    }

    /// Sends a request over HTTP/2, all to one target over one connection.
    pub(crate) async fn send2(
        &self,
        door: Door,
        request: Request<Watched>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let known = {
            let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.get(&door).filter(|sender| !sender.is_closed()).cloned()
        };
        let mut sender = if let Some(sender) = known {
            sender
        } else {
            let sender = self.open2(door).await?;
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.insert(door, sender.clone());
            sender
        };
        sender.send_request(request).await.map_err(Unanswered::Broken)
    }

    /// An idle connection that is still good.
    async fn kept(&self, door: Door) -> Option<http1::SendRequest<Watched>> {
        loop {
            let mut sender = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                let Idle { sender, since } = idle.get_mut(&door)?.pop()?;
                if sender.is_closed() || since.elapsed() > IDLE {
                    continue;
                }
                sender
            };
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    async fn open1(&self, door: Door) -> Result<http1::SendRequest<Watched>, Unanswered> {
        let stream = self.dial(door, false).await?;
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Unanswered::Broken)?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    async fn open2<B>(&self, door: Door) -> Result<http2::SendRequest<B>, Unanswered>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = self.dial(door, true).await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Unanswered::Broken)?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Sends a request over a connection of its own, for a health check.
    pub(crate) async fn once<B>(
        &self,
        door: Door,
        http2: bool,
        request: Request<B>,
    ) -> Result<Response<Incoming>, Unanswered>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if http2 {
            let mut sender = self.open2(door).await?;
            return sender.send_request(request).await.map_err(Unanswered::Broken);
        }
        let stream = self.dial(door, false).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(Unanswered::Broken)?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(Unanswered::Broken)
    }

    async fn dial(&self, door: Door, http2: bool) -> Result<Box<dyn Stream>, Unanswered> {
        let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(door.address));
        let stream =
            connecting.await.map_err(|_| Unanswered::Timeout)?.map_err(Unanswered::Connect)?;
        // Small writes should not wait for one another; without it all works, only slower.
        let _ = stream.set_nodelay(true);
        if !door.tls {
            return Ok(Box::new(stream));
        }
        let connector = if http2 { &self.http2 } else { &self.http1 };
        let name = ServerName::from(door.address.ip());
        let shaking = tokio::time::timeout(CONNECT, connector.connect(name, stream));
        let stream =
            shaking.await.map_err(|_| Unanswered::Timeout)?.map_err(Unanswered::Connect)?;
        Ok(Box::new(stream))
    }

    /// Closes what is idle for too long and forgets what is closed.
    pub(crate) fn prune(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, list| {
            list.retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() <= IDLE);
            !list.is_empty()
        });
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, sender| !sender.is_closed());
    }
}
