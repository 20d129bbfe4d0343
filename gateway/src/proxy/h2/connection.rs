//! A client's connection over HTTP/2: many requests at once.

use super::{
    server::{Server, Shared},
    wire::Wire,
};
use crate::{
    context::{Context, Entered},
    edge::{Http2Limits, Limits},
    io::{Conn, Io},
    metrics::{Clients, Ended},
    proxy::{clock::Unused, exchange::Exchange, grpc_web, message::Downstream},
};
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use h2::{
    Reason, RecvStream,
    server::{Builder, Connection, SendResponse},
};
use std::{
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{self, Poll},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Sleep, sleep, timeout},
};

/// What is written and not yet sent, on one stream.
const SEND_BUFFER: usize = 64 * 1024;

/// Streams that we reset for the client's errors before the connection ends.
const MOST_ERRORS: usize = 100;

/// A client that takes its leave is waited for so long.
const FAREWELL: Duration = Duration::from_secs(5);

/// A stream that the client resets within this time has been asked for in vain.
const IN_VAIN: Duration = Duration::from_secs(1);

/// Serves a connection to its end.
pub(crate) async fn serve(io: Box<Io>, conn: &Arc<Conn>, client: &Entered<'_>, context: &Context) {
    session(Wire::to_client(io, conn, client), conn, client, context).await;
}

/// The same on whatever a client's bytes come from.
pub(crate) async fn session<T: AsyncRead + AsyncWrite + Unpin>(
    wire: T,
    conn: &Arc<Conn>,
    client: &Entered<'_>,
    context: &Context,
) {
    let limits = &context.settings.edge.limits;
    let handshake = builder(limits).handshake(wire);
    let Ok(Ok(mut h2)) = timeout(limits.head_timeout, handshake).await else { return };
    let shared = Shared::new(conn, client);
    let mut streams = FuturesUnordered::new();
    let mut keeper = Keeper::new(&shared, context);
    poll_fn(|cx| {
        client.wake_to_leave(cx.waker());
        loop {
            // Streams go first, so that what they write leaves with this poll.
            while let Poll::Ready(Some(in_vain)) = streams.poll_next_unpin(cx) {
                keeper.note(in_vain);
            }
            if keeper.poll(&mut h2, streams.is_empty(), cx).is_ready() {
                return Poll::Ready(());
            }
            match h2.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    streams.push(exchange(request, respond, &shared, context));
                }
                Poll::Ready(Some(Err(error))) => {
                    keeper.failed(&error);
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                // What all of them wrote leaves together.
                Poll::Pending => return poll_sent(conn, cx),
            }
        }
    })
    .await;
    // Those that are left learn that the client has gone.
    drop(h2);
    while streams.next().await.is_some() {}
}

/// Sends what the session has written; ready only when that fails.
pub(super) fn poll_sent(conn: &Conn, cx: &mut task::Context<'_>) -> Poll<()> {
    match conn.poll_flush(cx) {
        Poll::Ready(Err(_)) => Poll::Ready(()),
        Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
    }
}

fn builder(limits: &Limits) -> Builder {
    let Http2Limits { streams, stream_window, connection_window, .. } = limits.http2;
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(streams)
        .max_header_list_size(u32::try_from(limits.head.bytes).unwrap_or(u32::MAX))
        .initial_window_size(stream_window)
        .initial_connection_window_size(connection_window)
        .max_send_buffer_size(SEND_BUFFER)
        .max_local_error_reset_streams(Some(MOST_ERRORS))
        .enable_connect_protocol();
    builder
}

/// Serves a stream; whether that was in vain, since the client reset it soon after it began.
async fn exchange(
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
    shared: &Shared<'_>,
    context: &Context,
) -> bool {
    let begun = Instant::now();
    let serving = Rc::clone(&shared.client.port().serving.borrow());
    let mut server = Server::new(request, respond, shared);
    if grpc_web::is_meant(server.request(), shared.client, &serving) {
        grpc_web::exchange(context, shared.client, &serving, &mut server).await;
    } else {
        Exchange::new(context, shared.client, &serving, &mut server).run().await;
    }
    let reset = server.end().await;
    reset && begun.elapsed() < IN_VAIN
}

/// Decides when a connection ends.
struct Keeper<'c> {
    shared: &'c Shared<'c>,
    unused: Unused,
    idle: bool,
    streams: u64,
    in_vain: u64,
    leaving: Leaving,
    limits: &'c Limits,
    counts: &'c Clients,
}

/// How far a connection is on its way to its end.
enum Leaving {
    /// It is not.
    No,
    /// The client was told to open no more streams, and is given this time.
    Asked(Pin<Box<Sleep>>),
    /// It was told that the connection ends.
    Told(Pin<Box<Sleep>>),
}

impl<'c> Keeper<'c> {
    fn new(shared: &'c Shared<'c>, context: &'c Context) -> Self {
        let limits = &context.settings.edge.limits;
        Self {
            shared,
            unused: Unused::new(limits.idle_timeout),
            idle: true,
            streams: 0,
            in_vain: 0,
            leaving: Leaving::No,
            limits,
            counts: &context.reporter.metrics.clients,
        }
    }

    fn note(&mut self, in_vain: bool) {
        self.streams += 1;
        self.in_vain += u64::from(in_vain);
    }

    /// Counts what the session itself has noticed: requests called off before we saw them.
    fn failed(&self, error: &h2::Error) {
        if !error.is_remote() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM) {
            self.counts.ended(Ended::Resets);
        }
    }

    fn is_under_attack(&self) -> bool {
        self.streams >= self.limits.http2.resets && self.in_vain * 2 > self.streams
    }

    /// Ready when the connection must be dropped; an orderly end comes from the session.
    fn poll<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        h2: &mut Connection<T, Bytes>,
        idle: bool,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        if idle != self.idle {
            self.idle = idle;
            self.shared.client.set_idle(idle);
            self.unused.restart();
            if idle {
                self.shared.rest();
            }
        }
        if self.is_under_attack() {
            if !matches!(self.leaving, Leaving::Told(_)) {
                self.counts.ended(Ended::Resets);
            }
            self.tell(h2, Reason::ENHANCE_YOUR_CALM);
        } else if self.shared.leave.get() || (idle && self.is_over(cx)) {
            self.ask(h2);
        }
        match &mut self.leaving {
            Leaving::Asked(timer) if idle => {
                task::ready!(timer.as_mut().poll(cx));
                self.tell(h2, Reason::NO_ERROR);
                // It is waited for in turn.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Leaving::Told(timer) => timer.as_mut().poll(cx),
            Leaving::No | Leaving::Asked(_) => Poll::Pending,
        }
    }

    /// Whether a connection without streams is to end.
    fn is_over(&mut self, cx: &mut task::Context<'_>) -> bool {
        if self.shared.client.must_go() {
            return true;
        }
        let unused = self.unused.poll(cx).is_ready();
        if unused && matches!(self.leaving, Leaving::No) {
            self.counts.ended(Ended::Idle);
        }
        unused
    }

    /// Asks the client to open no more streams: once it has seen that, what it began meanwhile is
    /// served, and the connection ends when everything has been sent.
    fn ask<T: AsyncRead + AsyncWrite + Unpin>(&mut self, h2: &mut Connection<T, Bytes>) {
        if matches!(self.leaving, Leaving::No) {
            h2.graceful_shutdown();
            self.leaving = Leaving::Asked(Box::pin(sleep(FAREWELL)));
        }
    }

    /// Ends the connection, whatever is still to be sent.
    fn tell<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        h2: &mut Connection<T, Bytes>,
        reason: Reason,
    ) {
        if !matches!(self.leaving, Leaving::Told(_)) {
            h2.abrupt_shutdown(reason);
            self.leaving = Leaving::Told(Box::pin(sleep(FAREWELL)));
        }
    }
}
