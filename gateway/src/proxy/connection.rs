//! A client's connection: one request after the other.

use super::{
    answer::Answer,
    clock::{Stall, Unused},
    exchange::{Exchange, Fate, sign},
    grpc_web,
    h1::{Server, write_head},
    h2,
    head::{self, Progress, Scan},
    headers,
    message::Downstream,
    record::{Record, Subject},
    refusal::Refusal,
};
use crate::{
    context::{Context, Entered, Phase},
    edge::Limits,
    io::{Conn, Io},
    metrics::Ended,
};
use bytes::BytesMut;
use http::request::Parts;
use std::{
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep, timeout};

/// How long a client may take to read the last response of a connection that we end.
const LINGER: Duration = Duration::from_secs(1);

/// Room made for each read of a head.
const READ: usize = 4096;

/// Serves a connection to its end.
pub(crate) async fn serve(io: Box<Io>, conn: &Arc<Conn>, client: &Entered<'_>, context: &Context) {
    let limits = &context.settings.edge.limits;
    let (unused, stall) =
        (Unused::new(limits.idle_timeout), Stall::new(limits.stream_idle_timeout));
    let mut connection = Connection { context, client, conn, unused, stall, fresh: true };
    let mut next = Some(io);
    while let Some(io) = next {
        next = connection.request(io).await;
    }
}

struct Connection<'c> {
    context: &'c Context,
    client: &'c Entered<'c>,
    conn: &'c Arc<Conn>,
    unused: Unused,
    /// Of each request in turn: a timer lasts longer than nearly every one.
    stall: Stall,
    /// Nothing was asked on it yet.
    fresh: bool,
}

/// Why there is no head.
enum NoHead {
    Refused(Refusal),
    /// The client speaks HTTP/2.
    Http2,
    Closed,
}

/// What both ends agreed to speak; a client that then speaks something else is up to no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreed {
    Http1,
    Http2,
}

impl From<Refusal> for NoHead {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Connection<'_> {
    /// Waits for a request and serves it; the connection, if another can follow.
    async fn request(&mut self, mut io: Box<Io>) -> Option<Box<Io>> {
        let head = match self.head(&mut io).await {
            Ok(head) => head,
            Err(NoHead::Refused(refusal)) => {
                self.refuse(refusal);
                linger(self.conn, io).await;
                return None;
            }
            Err(NoHead::Http2) => {
                Box::pin(h2::serve(io, self.conn, self.client, self.context)).await;
                return None;
            }
            Err(NoHead::Closed) => return None,
        };
        self.fresh = false;
        self.client.set_idle(false);
        // A future of its own size only while there is a request.
        let outcome = Box::pin(self.exchange(io, head)).await;
        self.client.set_idle(true);
        self.unused.restart();
        match outcome {
            (Fate::Keep, io) if self.client.phase() != Phase::Closing => io,
            (Fate::Linger, Some(io)) => {
                linger(self.conn, io).await;
                None
            }
            (Fate::Cut, _) => {
                self.conn.reset();
                None
            }
            _ => None,
        }
    }

    async fn exchange(&mut self, io: Box<Io>, head: Parts) -> (Fate, Option<Box<Io>>) {
        let mut server = Server::new(io, Arc::clone(self.conn), head, &mut self.stall);
        let serving = Rc::clone(&self.client.port().serving.borrow());
        let fate = if grpc_web::is_meant(server.request(), self.client, &serving) {
            grpc_web::exchange(self.context, self.client, &serving, &mut server).await
        } else {
            Exchange::new(self.context, self.client, &serving, &mut server).run().await
        };
        match fate {
            Fate::Keep => (Fate::Keep, server.reuse()),
            fate @ (Fate::Close | Fate::Cut | Fate::Linger) => (fate, Some(server.into_io())),
        }
    }

    /// What the client said in its TLS handshake that it would speak.
    fn agreed(&self) -> Option<Agreed> {
        let alpn = |state: &rustls::CommonState| match state.alpn_protocol() {
            Some(b"h2") => Some(Agreed::Http2),
            Some(_) => Some(Agreed::Http1),
            None => None,
        };
        self.conn.agreed(alpn).flatten()
    }

    fn limits(&self) -> &Limits {
        &self.context.settings.edge.limits
    }

    /// The next head, complete and in its one form.
    async fn head(&mut self, io: &mut Io) -> Result<Parts, NoHead> {
        let mut scan = Scan::new(self.context.settings.edge.http10);
        let mut deadline: Option<Pin<Box<Sleep>>> = None;
        loop {
            let perhaps_http2 = self.fresh && h2::may_be_preface(io.unread());
            if perhaps_http2 && io.unread().len() >= h2::PREFACE.len() {
                let other = self.agreed().is_some_and(|agreed| agreed == Agreed::Http1);
                return Err(if other { NoHead::Closed } else { NoHead::Http2 });
            }
            if self.fresh && !perhaps_http2 && !io.unread().is_empty() {
                if self.agreed() == Some(Agreed::Http2) {
                    return Err(NoHead::Closed);
                }
                self.fresh = false;
            }
            if !perhaps_http2
                && let Progress::Complete(end) = scan.advance(io.unread(), self.limits().head)?
            {
                let head = head::canonical(take(io.unread(), end), &scan)?;
                let mut head = head::parse(head)?;
                headers::screen(&mut head.headers, self.client)?;
                return Ok(head);
            }
            let begun = scan.has_begun(io.unread());
            if begun && deadline.is_none() {
                self.client.set_idle(false);
                deadline = Some(Box::pin(sleep(self.limits().head_timeout)));
            }
            let (conn, unused) = (self.conn, &mut self.unused);
            let read = poll_fn(|cx| {
                let passed = match &mut deadline {
                    Some(deadline) => deadline.as_mut().poll(cx),
                    None => unused.poll(cx),
                };
                if passed.is_ready() {
                    return Poll::Ready(None);
                }
                if io.unread().is_empty() {
                    ready!(conn.poll_readable(cx));
                }
                io.poll_fill(READ, cx).map(Some)
            });
            match read.await {
                Some(Ok(read)) if read > 0 => {}
                None if begun => return Err(Refusal::HeadTimeout.into()),
                Some(_) => return Err(NoHead::Closed),
                None => {
                    self.context.reporter.metrics.clients.ended(Ended::Idle);
                    return Err(NoHead::Closed);
                }
            }
        }
    }

    /// Answers a head that could not even be parsed.
    fn refuse(&self, refusal: Refusal) {
        let mut record = Record::new();
        record.refused(refusal, self.context);
        let answer = Answer::refused(refusal);
        let mut response = answer.response(None, false);
        sign(&mut response);
        self.conn.write(|out| write_head(out, &response, true));
        self.conn.send(answer.body(false));
        record.response_bytes = answer.body(false).len() as u64;
        record.count(false, self.context, &self.client.port().serving.borrow().view);
        if self.context.access.wants(false, &self.context.chance) {
            let remote = self.conn.peer();
            let subject = Subject { parts: None, asked: None, remote, local: self.conn.local() };
            record.log(subject, self.context);
        }
    }
}

/// Ends our direction, and takes what still comes for a moment: closing at once would reset the
/// connection and could cost the client the response.
pub(super) async fn linger(conn: &Conn, mut io: Box<Io>) {
    conn.finish();
    let rest = async {
        let _ = poll_fn(|cx| conn.poll_flush(cx)).await;
        poll_fn(|cx| io.poll_discard(cx)).await;
    };
    let _ = timeout(LINGER, rest).await;
}

/// The first `end` bytes; the common case, that this is all, costs nothing.
fn take(unread: &mut BytesMut, end: usize) -> BytesMut {
    if end == unread.len() { std::mem::take(unread) } else { unread.split_to(end) }
}
