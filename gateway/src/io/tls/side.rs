//! Rustls, one step at a time, whichever side of the connection we are.

use bytes::{Buf, BytesMut};
use rustls::{
    CommonState,
    client::UnbufferedClientConnection,
    server::UnbufferedServerConnection,
    unbuffered::{
        ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
    },
};

/// Plain bytes of the largest record.
const RECORD: usize = 16 * 1024;

/// More than a record costs beside what is in it.
const OVERHEAD: usize = 64;

/// Our side of a TLS connection.
pub(crate) enum Side {
    /// A client connected to us.
    Server(UnbufferedServerConnection),
    /// We connected to an endpoint.
    Client(UnbufferedClientConnection),
}

/// Where a step led.
pub(super) enum Step {
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

/// What is to be sealed.
#[derive(Clone, Copy)]
pub(super) enum Plain<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// That no more follow.
    End,
}

impl Side {
    /// What was agreed upon, once it was.
    pub(super) fn state(&self) -> &CommonState {
        match self {
            Self::Server(server) => server,
            Self::Client(client) => client,
        }
    }

    /// Goes one step with the records at hand. Rustls keeps track of messages that are not complete
    /// by their place among them: it must be shown the same ones again, less what it used up.
    pub(super) fn step(
        &mut self,
        records: &mut BytesMut,
        received: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Step, rustls::Error> {
        let (used, step) = match self {
            Self::Server(server) => step(server.process_tls_records(records), received, out),
            Self::Client(client) => step(client.process_tls_records(records), received, out),
        };
        records.advance(used.min(records.len()));
        step
    }

    /// Seals `plain` after a step that said that bytes can be sent; whether that was possible.
    pub(super) fn seal(
        &mut self,
        records: &mut BytesMut,
        plain: Plain<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let (used, sealed) = match self {
            Self::Server(server) => seal(server.process_tls_records(records), plain, out),
            Self::Client(client) => seal(client.process_tls_records(records), plain, out),
        };
        records.advance(used.min(records.len()));
        sealed
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

fn seal<D>(
    status: UnbufferedStatus<'_, '_, D>,
    plain: Plain<'_>,
    out: &mut Vec<u8>,
) -> (usize, bool) {
    let UnbufferedStatus { discard, state } = status;
    let sealed = match (state, plain) {
        (Ok(ConnectionState::WriteTraffic(mut traffic)), Plain::Bytes(bytes)) => {
            let guess = bytes.len() + bytes.len().div_ceil(RECORD) * OVERHEAD;
            append(out, guess, |room| traffic.encrypt(bytes, room))
        }
        (Ok(ConnectionState::WriteTraffic(mut traffic)), Plain::End) => {
            append(out, OVERHEAD, |room| traffic.queue_close_notify(room))
        }
        _ => false,
    };
    (discard, sealed)
}

/// Lets `write` append to `out`; `guess` is how much room it probably needs. Whether it did.
fn append<E: Shortage>(
    out: &mut Vec<u8>,
    guess: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> bool {
    let start = out.len();
    let mut room = guess;
    loop {
        out.resize(start + room, 0);
        match write(out.get_mut(start..).unwrap_or_default()) {
            Ok(written) => {
                out.truncate(start + written);
                return true;
            }
            Err(error) => match error.required() {
                Some(required) if required > room => room = required,
                _ => {
                    out.truncate(start);
                    return false;
                }
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
