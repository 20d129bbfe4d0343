//! TLS on a connection: records in, bytes out, and the other way round.
//!
//! Rustls works on our buffers: what is sent is sealed straight into the write buffer, as late as
//! possible so that a response becomes one record, and an idle connection owns no read buffer.

use bytes::{Buf, BytesMut};
use rustls::{
    CommonState,
    client::UnbufferedClientConnection,
    server::UnbufferedServerConnection,
    unbuffered::{
        ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
        WriteTraffic,
    },
};
use std::{
    fmt, io,
    task::{Context, Poll, ready},
};
use tokio::net::TcpStream;

/// Room made for each read of records.
const READ: usize = 4096;

/// With so much waiting to be sealed, it is.
const LARGEST_PLAIN: usize = 16 * 1024;

/// More than a record costs beside what is in it.
const OVERHEAD: usize = 64;

/// Plain bytes of the largest record.
const RECORD: usize = 16 * 1024;

/// Our side of a TLS connection.
pub(crate) enum Side {
    /// A client connected to us.
    Server(UnbufferedServerConnection),
    /// We connected to an endpoint.
    Client(UnbufferedClientConnection),
}

/// A TLS connection.
pub(super) struct Tls {
    side: Side,
    /// Records that have come and are not complete.
    records: BytesMut,
    /// What they brought, not yet asked for.
    received: BytesMut,
    /// What is to be sent, not yet sealed.
    unsealed: Vec<u8>,
    /// The other side said that nothing more comes.
    ended: bool,
    /// Something was wrong: the connection is of no use any more.
    failed: bool,
    /// We said so.
    closed: bool,
}

/// Where a handshake stands.
enum Step {
    /// Something was received.
    Received,
    /// There is something to send, the connection can wait.
    Send,
    /// The other side has to go on.
    Wait,
    /// Bytes can be sent; nothing has come.
    Open,
    /// Nothing more comes.
    Ended,
}

impl Tls {
    /// A connection of which `records` have been read already.
    pub(super) fn new(side: Side, records: BytesMut) -> Self {
        let (received, unsealed) = (BytesMut::new(), Vec::new());
        Self { side, records, received, unsealed, ended: false, failed: false, closed: false }
    }

    /// What was agreed upon, once it was.
    pub(super) fn state(&self) -> &CommonState {
        match &self.side {
            Side::Server(server) => server,
            Side::Client(client) => client,
        }
    }

    /// How much waits to be sealed.
    pub(super) fn unsealed(&self) -> usize {
        self.unsealed.len()
    }

    /// Appends to what is to be sent.
    pub(super) fn write(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        fill(&mut self.unsealed);
    }

    /// Appends `data` to what is to be sent; much of it is sealed at once, without a copy.
    pub(super) fn push(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if self.unsealed.len() + data.len() < LARGEST_PLAIN {
            self.unsealed.extend_from_slice(data);
        } else {
            self.seal(out);
            self.seal_all(data, out);
        }
    }

    /// Seals what waits for it.
    pub(super) fn seal(&mut self, out: &mut Vec<u8>) {
        if !self.unsealed.is_empty() {
            let mut plain = std::mem::take(&mut self.unsealed);
            self.seal_all(&plain, out);
            if plain.capacity() <= LARGEST_PLAIN {
                plain.clear();
                self.unsealed = plain;
            }
        }
    }

    /// Seals all, and says that nothing follows.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        self.seal(out);
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.with_traffic(out, |traffic, out| {
            append(out, OVERHEAD, |room| traffic.queue_close_notify(room));
        });
    }

    fn seal_all(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.with_traffic(out, |traffic, out| {
            let records = plain.len().div_ceil(RECORD);
            append(out, plain.len() + records * OVERHEAD, |room| traffic.encrypt(plain, room));
        });
    }

    /// Does `work` if bytes can be sent. They cannot be on a broken connection, where they are lost
    /// as they would be on a broken socket.
    fn with_traffic(&mut self, out: &mut Vec<u8>, work: impl FnOnce(&mut dyn Seal, &mut Vec<u8>)) {
        if self.failed {
            return;
        }
        loop {
            match self.step(out) {
                Ok(Step::Open) => break,
                Ok(Step::Send | Step::Received) => {}
                Ok(Step::Ended) if !self.ended => self.ended = true,
                Ok(Step::Ended | Step::Wait) => return,
                Err(error) => return drop(self.fail(error, out)),
            }
        }
        match &mut self.side {
            Side::Server(server) => {
                let state = server.process_tls_records(&mut []).state;
                if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
                    work(&mut traffic, out);
                }
            }
            Side::Client(client) => {
                let state = client.process_tls_records(&mut []).state;
                if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
                    work(&mut traffic, out);
                }
            }
        }
    }

    /// Goes one step with the records at hand.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, rustls::Error> {
        let Self { side, records, received, .. } = self;
        match side {
            Side::Server(server) => {
                let status = server.process_tls_records(records);
                let (discard, step) = step(status, received, out);
                records.advance(discard.min(records.len()));
                step
            }
            Side::Client(client) => {
                let status = client.process_tls_records(records);
                let (discard, step) = step(status, received, out);
                records.advance(discard.min(records.len()));
                step
            }
        }
    }

    /// Ready when something was received, nothing more comes, or the connection is broken. What it
    /// takes to get there is put into `out`.
    fn poll_step(
        &mut self,
        stream: &TcpStream,
        out: &mut Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.step(out) {
                Ok(Step::Received) => return Poll::Ready(Ok(())),
                Ok(Step::Ended) => {
                    self.ended = true;
                    return Poll::Ready(Ok(()));
                }
                Ok(Step::Send) => {}
                Ok(Step::Wait | Step::Open) => {
                    if ready!(self.poll_records(stream, cx))? == 0 {
                        self.ended = true;
                        return Poll::Ready(Ok(()));
                    }
                }
                Err(error) => return Poll::Ready(Err(self.fail(error, out))),
            }
        }
    }

    /// Tells the other side what it did wrong.
    fn fail(&mut self, error: rustls::Error, out: &mut Vec<u8>) -> io::Error {
        (self.ended, self.failed) = (true, true);
        // One step: the alert comes first. Rustls must not look at the records again, which it
        // counts on to be as they were.
        let _ = self.step(out);
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    fn poll_records(
        &mut self,
        stream: &TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if stream.poll_read_ready(cx)?.is_pending() {
                if self.records.is_empty() {
                    self.records = BytesMut::new();
                }
                return Poll::Pending;
            }
            self.records.reserve(READ);
            match stream.try_read_buf(&mut self.records) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }

    /// Ready when bytes have come (`true`) or nothing more does.
    pub(super) fn poll_received(
        &mut self,
        stream: &TcpStream,
        out: &mut Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        while self.received.is_empty() && !self.ended {
            ready!(self.poll_step(stream, out, cx))?;
        }
        Poll::Ready(Ok(!self.received.is_empty()))
    }

    /// What has come.
    pub(super) fn received(&mut self) -> &mut BytesMut {
        &mut self.received
    }

    /// Goes on with the handshake; ready when it is over, unless something must be sent first
    /// (`false`).
    pub(super) fn poll_handshake(
        &mut self,
        stream: &TcpStream,
        out: &mut Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        loop {
            match self.step(out) {
                Ok(Step::Send) => {}
                Ok(Step::Open | Step::Received) if !self.state().is_handshaking() => {
                    return Poll::Ready(Ok(true));
                }
                Ok(Step::Received) => {}
                Ok(Step::Ended) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(Step::Wait | Step::Open) if !out.is_empty() => return Poll::Ready(Ok(false)),
                Ok(Step::Wait | Step::Open) => {
                    if ready!(self.poll_records(stream, cx))? == 0 {
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                }
                Err(error) => return Poll::Ready(Err(self.fail(error, out))),
            }
        }
    }
}

/// Never what is secret.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// What can be done with a connection on which bytes can be sent, ours or the other side.
trait Seal {
    fn encrypt(&mut self, plain: &[u8], room: &mut [u8]) -> Result<usize, EncryptError>;
    fn queue_close_notify(&mut self, room: &mut [u8]) -> Result<usize, EncryptError>;
}

impl<D> Seal for WriteTraffic<'_, D> {
    fn encrypt(&mut self, plain: &[u8], room: &mut [u8]) -> Result<usize, EncryptError> {
        WriteTraffic::encrypt(self, plain, room)
    }

    fn queue_close_notify(&mut self, room: &mut [u8]) -> Result<usize, EncryptError> {
        WriteTraffic::queue_close_notify(self, room)
    }
}

/// One step: how many bytes of records are used up, and where that leads.
fn step<D>(
    status: UnbufferedStatus<'_, '_, D>,
    received: &mut BytesMut,
    out: &mut Vec<u8>,
) -> (usize, Result<Step, rustls::Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let mut read = Ok(Step::Received);
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        received.extend_from_slice(record.payload);
                    }
                    Err(error) => {
                        read = Err(error);
                        break;
                    }
                }
            }
            read
        }
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            append(out, OVERHEAD, |room| data.encode(room));
            Ok(Step::Send)
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::Send)
        }
        Ok(ConnectionState::WriteTraffic(_)) => Ok(Step::Open),
        Ok(ConnectionState::BlockedHandshake) => Ok(Step::Wait),
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Step::Ended),
        // Early data is not accepted: it can be replayed.
        Ok(_) => Err(rustls::Error::General("unexpected state of TLS".into())),
    };
    (discard, step)
}

/// Lets `write` append to `out`; `guess` is how much room it probably needs.
fn append<E: Shortage>(
    out: &mut Vec<u8>,
    guess: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) {
    let start = out.len();
    let mut room = guess;
    loop {
        out.resize(start + room, 0);
        match write(out.get_mut(start..).unwrap_or_default()) {
            Ok(written) => return out.truncate(start + written),
            Err(error) => match error.required() {
                Some(required) if required > room => room = required,
                _ => return out.truncate(start),
            },
        }
    }
}

/// Errors that say how much room was missing.
trait Shortage {
    fn required(&self) -> Option<usize>;
}

impl Shortage for EncryptError {
    fn required(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
            Self::EncryptExhausted => None,
        }
    }
}

impl Shortage for EncodeError {
    fn required(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
            Self::AlreadyEncoded => None,
        }
    }
}
