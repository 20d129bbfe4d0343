//! One TCP connection, shared by a session that speaks on it and by the exchange that paces it.
//!
//! Writing only ever *fills* a buffer: a write never waits, so no write can be cut short by a timer or
//! dead-lock with a peer that does not read. The exchange decides when bytes leave
//! ([`Conn::poll_flush`]) and stops reading from one side while the other has too much pending
//! ([`Conn::pending`]). An idle connection owns no read buffer. Whether there is TLS on the socket,
//! none of them has to know.

mod out;
mod stream;
mod tls;

pub(crate) use tls::Side;

use self::{
    out::{Out, Writing},
    tls::Tls,
};
use bytes::{Buf, BytesMut};
use http::HeaderValue;
use pingora_core::protocols::Stream;
use rustls::CommonState;
use socket2::SockRef;
use std::{
    future::poll_fn,
    io,
    net::{Shutdown, SocketAddr},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::{TcpStream, tcp::OwnedReadHalf},
};

/// The pacing side of a connection.
#[derive(Debug)]
pub(crate) struct Conn {
    peer: SocketAddr,
    /// Our address, once somebody wanted to know: the kernel is asked once.
    local: OnceLock<Option<SocketAddr>>,
    peer_text: OnceLock<HeaderValue>,
    /// Set once, when TLS is there: who the other end is.
    vouched: OnceLock<Option<HeaderValue>>,
    received: AtomicU64,
    out: Mutex<Out>,
}

/// The speaking side of a connection: what a session reads from.
#[derive(Debug)]
pub(crate) struct Io {
    socket: OwnedReadHalf,
    /// Whether the bytes on the socket are TLS.
    secure: bool,
    /// Read, but not yet asked for: the start of a head, or what a client sent behind one.
    unread: BytesMut,
    conn: Arc<Conn>,
}

/// What the other end of a connection does while nobody reads from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// It closed its direction, or the connection broke.
    Gone,
    /// It sent something.
    Talking,
}

/// Both sides of a new connection.
pub(crate) fn open(stream: TcpStream, peer: SocketAddr) -> (Box<Io>, Arc<Conn>) {
    open_behind(stream, peer, None, BytesMut::new())
}

/// Both sides of a connection of which `unread` has been read, and to which the peer, at the other
/// end of a proxy, came by another address.
pub(crate) fn open_behind(
    stream: TcpStream,
    peer: SocketAddr,
    local: Option<SocketAddr>,
    unread: BytesMut,
) -> (Box<Io>, Arc<Conn>) {
    let (read, write) = stream.into_split();
    let conn = Arc::new(Conn::new(peer, local, Writing(Some(write))));
    let io = Io { socket: read, secure: false, unread, conn: Arc::clone(&conn) };
    (Box::new(io), conn)
}

/// The pacing side of a connection without a socket: nothing waits for it, and nothing comes.
pub(crate) fn detached(peer: SocketAddr) -> Arc<Conn> {
    Arc::new(Conn::new(peer, None, Writing(None)))
}

impl Conn {
    fn new(peer: SocketAddr, local: Option<SocketAddr>, socket: Writing) -> Self {
        let out = Out { socket, tls: None, data: Vec::new(), at: 0, finish: false, broken: None };
        Self {
            peer,
            local: local.map_or_else(OnceLock::new, |local| Some(local).into()),
            peer_text: OnceLock::new(),
            vouched: OnceLock::new(),
            received: AtomicU64::new(0),
            out: Mutex::new(out),
        }
    }

    /// The other end's address.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Its IP as text.
    pub(crate) fn peer_text(&self) -> &HeaderValue {
        self.peer_text.get_or_init(|| {
            let text = HeaderValue::try_from(self.peer.ip().to_string());
            text.unwrap_or_else(|_| HeaderValue::from_static("-"))
        })
    }

    /// Our address, which the kernel knows or a proxy has told.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        *self.local.get_or_init(|| self.out().socket.stream()?.local_addr().ok())
    }

    /// Bytes read so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes that wait to be written.
    pub(crate) fn pending(&self) -> usize {
        let out = self.out();
        out.data.len() - out.at + out.tls.as_ref().map_or(0, |tls| tls.unsealed())
    }

    /// Appends to what waits to be written.
    pub(crate) fn write<T>(&self, fill: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut out = self.out();
        match &mut out.tls {
            None => fill(&mut out.data),
            Some(tls) => tls.write(fill),
        }
    }

    /// Appends `data`, without a copy if it is large and the socket takes it.
    pub(crate) fn send(&self, data: &[u8]) {
        self.out().push(data);
    }

    /// Closes our direction once everything is written.
    pub(crate) fn finish(&self) {
        self.out().finish = true;
    }

    /// Writes what waits; ready when nothing does.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.out().poll_flush(cx)
    }

    /// Ready when there may be something to read.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut out = self.out();
        match (out.socket.stream(), &out.tls) {
            (Some(stream), None) => stream.poll_read_ready(cx).map(|_| ()),
            (None, _) => Poll::Ready(()),
            (Some(_), Some(_)) => out.poll_received(cx).map(|_| ()),
        }
    }

    /// Ready when the peer closed or sends; a connection in use must only be asked once its request
    /// is complete. Costs no system call while nothing happens.
    pub(crate) fn poll_peer(&self, cx: &mut Context<'_>) -> Poll<Peer> {
        let mut out = self.out();
        if out.tls.is_some() {
            return match ready!(out.poll_received(cx)) {
                Ok(false) | Err(_) => Poll::Ready(Peer::Gone),
                Ok(true) => Poll::Ready(Peer::Talking),
            };
        }
        let Some(stream) = out.socket.stream() else { return Poll::Ready(Peer::Gone) };
        let mut byte = [0];
        match ready!(stream.poll_peek(cx, &mut ReadBuf::new(&mut byte))) {
            Ok(0) | Err(_) => Poll::Ready(Peer::Gone),
            Ok(_) => Poll::Ready(Peer::Talking),
        }
    }

    /// Whether an unused connection can be used: open, and nothing unexpected arrived.
    pub(crate) fn is_quiet(&self) -> bool {
        self.poll_peer(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Lets reads end as if the peer had closed, after what has already arrived.
    pub(crate) fn stop_reading(&self) {
        let out = self.out();
        if let Some(stream) = out.socket.stream() {
            // An error means that the connection is broken, which reading will tell.
            let _ = SockRef::from(stream).shutdown(Shutdown::Read);
        }
    }

    /// Lets the connection end with a reset instead of an orderly close.
    pub(crate) fn reset(&self) {
        let out = self.out();
        if let Some(stream) = out.socket.stream() {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Ends the handshake of a connection that was made [`Io::secure`].
    pub(crate) async fn handshake(&self) -> io::Result<()> {
        poll_fn(|cx| self.out().poll_handshake(cx)).await
    }

    /// Ends our direction as far as that can be done at once: in TLS, an end without a word looks
    /// as if somebody had cut the connection.
    pub(crate) fn take_leave(&self) {
        self.finish();
        let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()));
    }

    /// What the two ends agreed upon, if they speak TLS.
    pub(crate) fn agreed<T>(&self, ask: impl FnOnce(&CommonState) -> T) -> Option<T> {
        self.out().tls.as_ref().map(|tls| ask(tls.state()))
    }

    /// Notes that the connection is secure, and what its certificate says of the other end, in the
    /// words of `x-forwarded-client-cert`.
    pub(crate) fn vouch(&self, client: Option<HeaderValue>) {
        let _ = self.vouched.set(client);
    }

    /// Whether TLS ends here.
    pub(crate) fn is_secure(&self) -> bool {
        self.vouched.get().is_some()
    }

    /// What the other end's certificate says.
    pub(crate) fn client_certificate(&self) -> Option<&HeaderValue> {
        self.vouched.get()?.as_ref()
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Io {
    /// Takes a stream back from a session that was given one of ours.
    pub(crate) fn from_stream(stream: Stream) -> Option<Box<Self>> {
        stream.into_any().downcast().ok()
    }

    /// What was read and not yet asked for.
    pub(crate) fn unread(&mut self) -> &mut BytesMut {
        &mut self.unread
    }

    /// Gives back the room for reading, unless something is in it.
    pub(crate) fn give_room_back(&mut self) {
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
    }

    /// Reads once more into [`Self::unread`], for which `room` is made; 0 at the end.
    pub(crate) fn poll_fill(
        &mut self,
        room: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.secure {
            return self.poll_fill_from_tls(cx);
        }
        self.unread.reserve(room);
        let read = ready!(pin!(self.socket.read_buf(&mut self.unread)).poll(cx))?;
        self.count(read);
        Poll::Ready(Ok(read))
    }

    /// Throws away what comes, TLS or not; ready when nothing more does.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut room = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut room);
            let read = ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }

    /// Puts TLS on the connection; what was read of it so far is the start of it.
    pub(crate) fn secure(&mut self, side: Side) {
        let records = std::mem::take(&mut self.unread);
        self.secure = true;
        self.conn.out().tls = Some(Box::new(Tls::new(side, records)));
    }

    fn poll_fill_from_tls(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut out = self.conn.out();
        ready!(out.poll_received(cx))?;
        let Some(tls) = &mut out.tls else { return Poll::Ready(Ok(0)) };
        let received = std::mem::take(tls.received());
        drop(out);
        let read = received.len();
        if self.unread.is_empty() {
            self.unread = received;
        } else {
            self.unread.extend_from_slice(&received);
        }
        self.count(read);
        Poll::Ready(Ok(read))
    }

    fn count(&self, read: usize) {
        self.conn.received.fetch_add(read as u64, Ordering::Relaxed);
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.secure && self.unread.is_empty() {
            ready!(self.poll_fill_from_tls(cx))?;
        }
        if self.secure || !self.unread.is_empty() {
            let length = self.unread.len().min(buf.remaining());
            buf.put_slice(self.unread.get(..length).unwrap_or_default());
            self.unread.advance(length);
            if self.unread.is_empty() {
                self.unread = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        self.count(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

/// Sessions only read: what they would write, whoever reads with them has written to the [`Conn`].
impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.conn.finish();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
