//! The direction of a stream in which we write.

use crate::proxy::message::Fault;
use bytes::{Bytes, BytesMut};
use h2::SendStream;
use http::HeaderMap;
use std::task::{Context, Poll, ready};

/// What is written and not yet taken by the session, which takes what the other end lets it send.
pub(super) struct Writing {
    /// Once the head is written.
    stream: Option<SendStream<Bytes>>,
    data: BytesMut,
    ending: Ending,
}

/// How far the end is.
enum Ending {
    /// More may follow.
    Open,
    /// Nothing follows what is written but these fields.
    Written(Option<HeaderMap>),
    /// The session knows.
    Told,
}

impl Writing {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self { stream: None, data: BytesMut::new(), ending: Ending::Open }
    }

    /// The head is written; nothing follows it if it was the end.
    pub(super) fn begin(&mut self, stream: SendStream<Bytes>, ended: bool) {
        self.stream = Some(stream);
        if ended {
            self.ending = Ending::Told;
        }
    }

    /// Writes a part of the body.
    pub(super) fn send(&mut self, data: &[u8]) {
        if matches!(self.ending, Ending::Open) {
            self.data.extend_from_slice(data);
        }
    }

    /// Ends the body.
    pub(super) fn finish(&mut self, trailers: Option<HeaderMap>) {
        if matches!(self.ending, Ending::Open) {
            self.ending = Ending::Written(trailers);
        }
    }

    /// Bytes that the session has not taken.
    pub(super) fn pending(&self) -> usize {
        self.data.len()
    }

    /// Whether the session has all of it, and knows that it is all.
    pub(super) fn is_told(&self) -> bool {
        matches!(self.ending, Ending::Told)
    }

    /// The stream, once the head is written.
    pub(super) fn stream(&mut self) -> Option<&mut SendStream<Bytes>> {
        self.stream.as_mut()
    }

    /// Hands the session as much as the other end takes; what nobody will take is forgotten.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let flushed = ready!(self.poll_hand_over(cx));
        if flushed.is_err() {
            self.data.clear();
        }
        Poll::Ready(flushed)
    }

    fn poll_hand_over(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        while !self.data.is_empty() {
            stream.reserve_capacity(self.data.len());
            let room = match stream.capacity() {
                0 => match ready!(stream.poll_capacity(cx)) {
                    Some(Ok(room)) => room,
                    Some(Err(_)) | None => return Poll::Ready(Err(Fault::Gone)),
                },
                room => room,
            };
            let part = self.data.split_to(room.min(self.data.len())).freeze();
            let last = self.data.is_empty() && matches!(self.ending, Ending::Written(None));
            stream.send_data(part, last).map_err(|_| Fault::Gone)?;
            if last {
                self.ending = Ending::Told;
            }
        }
        if let Ending::Written(trailers) = &mut self.ending {
            let told = match trailers.take() {
                Some(trailers) => stream.send_trailers(trailers),
                None => stream.send_data(Bytes::new(), true),
            };
            self.ending = Ending::Told;
            told.map_err(|_| Fault::Gone)?;
        }
        Poll::Ready(Ok(()))
    }
}
