//! TLS on a connection: records in, bytes out, and the other way round.
//!
//! Rustls works on our buffers: what is sent is sealed straight into the write buffer, as late as
//! possible so that a response becomes one record, and an idle connection owns no read buffer.

mod side;
#[cfg(test)]
mod tests;

pub(crate) use side::Side;

use bytes::BytesMut;
use rustls::CommonState;
use side::{Plain, Step};
use std::{
    fmt, io,
    task::{Context, Poll, ready},
};
use tokio::{io::Interest, net::TcpStream};

/// Room made for each read of records.
const READ: usize = 4096;

/// With so much waiting to be sealed, it is.
const LARGEST_PLAIN: usize = 16 * 1024;

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

impl Tls {
    /// A connection of which `records` have been read already.
    pub(super) fn new(side: Side, records: BytesMut) -> Self {
        let (received, unsealed) = (BytesMut::new(), Vec::new());
        Self { side, records, received, unsealed, ended: false, failed: false, closed: false }
    }

    /// What was agreed upon, once it was.
    pub(super) fn state(&self) -> &CommonState {
        self.side.state()
    }

    /// How much waits to be sealed.
    pub(super) fn unsealed(&self) -> usize {
        self.unsealed.len()
    }

    /// Appends to what is to be sent.
    pub(super) fn write<T>(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        fill(&mut self.unsealed)
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
        self.say(Plain::End, out);
    }

    fn seal_all(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.say(Plain::Bytes(plain), out);
    }

    /// Seals `plain` if bytes can be sent. They cannot be on a broken connection, where they are lost
    /// as they would be on a broken socket.
    fn say(&mut self, plain: Plain<'_>, out: &mut Vec<u8>) {
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
        // Keys that are worn out seal nothing more: what is lost must not go unnoticed.
        if !self.side.seal(&mut self.records, plain, out) {
            (self.ended, self.failed) = (true, true);
        }
    }

    /// Goes one step with the records at hand.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, rustls::Error> {
        self.side.step(&mut self.records, &mut self.received, out)
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
        // What was to be sent comes first, the alert is the last of it. Rustls must not look at the
        // records again: those that it could not read are not what they were.
        while self.state().wants_write() && self.step(out).is_ok() {}
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
            match self.read(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }

    /// Reads records once. What leaves room free has taken all that was there, so that the socket
    /// counts as empty until more comes, as with tokio's own reads: to ask it again would cost a call.
    fn read(&mut self, stream: &TcpStream) -> io::Result<usize> {
        self.records.reserve(READ);
        let room = self.records.capacity() - self.records.len();
        let mut outcome = Err(io::ErrorKind::WouldBlock.into());
        // What comes while this goes on is not forgotten: tokio asks what it knew before.
        let _ = stream.try_io(Interest::READABLE, || {
            outcome = stream.try_read_buf(&mut self.records);
            match outcome {
                Ok(read) if (1..room).contains(&read) => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        });
        outcome
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
