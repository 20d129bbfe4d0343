//! Connections whose bytes are passed on as they come.

use super::{
    clock::Unused,
    connect::{Way, connect},
    failure::Failure,
    record::{Record, Subject},
};
use crate::{
    context::Context,
    flags::Flags,
    io::{Conn, Io},
    live::{EndpointLive, Room, Seat, Seating, TlsName},
    metrics::{Destination, Ended},
    view::{Reporter, Serving, Target},
};
use edgeway_core::{id::ClusterIx, outlier::Outcome, pick::Wish, table::TcpRoute};
use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

/// Nothing more is read for a side that has this much pending.
const HIGH: usize = 64 * 1024;

/// Room made for each read.
const READ: usize = 32 * 1024;

/// Passes a connection on to an endpoint of a route, and logs its end.
pub(crate) async fn pass(
    io: Box<Io>,
    conn: &Arc<Conn>,
    route: &TcpRoute,
    serving: &Serving,
    context: &Context,
) {
    let mut record = Record::new();
    let passing = Passing { io, conn, serving, context };
    if let Err(flags) = passing.run(route, &mut record).await {
        record.flags |= flags;
        conn.reset();
    }
    count(&record, context);
    write(&record, conn, context);
}

/// Counts a connection that has ended; one that reached nobody was not counted before.
fn count(record: &Record<'_>, context: &Context) {
    let Reporter { metrics, gateway, .. } = &context.reporter;
    let destination = destination(record, context);
    if record.upstream.is_none() {
        metrics.tcp.open(gateway, &destination);
    }
    metrics.tcp.close(gateway, &destination, &record.flags.text());
}

fn destination(record: &Record<'_>, context: &Context) -> Destination {
    let of = |target: &Target| target.destination(record.endpoint, &context.reporter);
    record.target.map_or_else(Destination::unknown, of)
}

/// Logs a connection that nobody serves.
pub(crate) fn log(conn: &Conn, flags: Flags, context: &Context) {
    let mut record = Record::new();
    record.flags |= flags;
    write(&record, conn, context);
}

fn write(record: &Record<'_>, conn: &Conn, context: &Context) {
    if context.access.wants(record.flags == Flags::NONE, &context.chance) {
        let subject =
            Subject { parts: None, asked: None, remote: conn.peer(), local: conn.local() };
        record.log(subject, context);
    }
}

struct Passing<'c> {
    io: Box<Io>,
    conn: &'c Arc<Conn>,
    serving: &'c Serving,
    context: &'c Context,
}

impl<'c> Passing<'c> {
    async fn run(mut self, route: &TcpRoute, record: &mut Record<'c>) -> Result<(), Flags> {
        let drawn = draw(route, self.context.chance.draw());
        let target = drawn.and_then(|ix| self.serving.view.target(ix)).ok_or(Flags::NO_CLUSTER)?;
        record.cluster = Some(target.cluster().id.as_str());
        record.target = Some(target);
        let key = route.hash.connection_key(self.conn.peer().ip());
        let wish = Wish { key, ..Wish::default() };
        let at = target.pick(&self.context.chance, wish).ok_or(Flags::NO_ENDPOINT)?;
        record.endpoint = Some(at);
        record.attempts = 1;
        let endpoint = target.endpoint(at).ok_or(Flags::NO_ENDPOINT)?;
        let (Some(_in_flight), Some(_room)) =
            (target.begin(endpoint), self.room(target, endpoint).await)
        else {
            return Err(self.overflow(target));
        };
        let connected = self.connect(target, endpoint).await;
        let outcome = connected.as_ref().map_or(Outcome::NoAnswer, |_| Outcome::Status(200));
        target.note(at, outcome);
        let (mut far, far_conn) = connected.map_err(Failure::flags)?;
        record.upstream = Some(Arc::clone(&far_conn));
        let Reporter { metrics, gateway, .. } = &self.context.reporter;
        let opened = metrics.tcp.open(gateway, &destination(record, self.context));
        let mut up = Direction::default();
        let mut down = Direction::default();
        let mut silence = Unused::new(target.cluster().policy.tcp_idle_timeout);
        let near = &mut self.io;
        let conn = self.conn;
        let ended = poll_fn(|cx| {
            let before = (up.bytes, down.bytes);
            let over = (up.poll(near, &far_conn, cx), down.poll(&mut far, conn, cx));
            let moved = (up.bytes - before.0, down.bytes - before.1);
            opened.add(moved.0, moved.1);
            let over = (over.0?, over.1?);
            if over.0.is_ready() && over.1.is_ready() {
                return Poll::Ready(Ok(()));
            }
            if moved != (0, 0) {
                silence.restart();
            }
            ready!(silence.poll(cx));
            metrics.clients.ended(Ended::TcpIdle);
            Poll::Ready(Ok(()))
        });
        let ended: std::io::Result<()> = ended.await;
        (record.request_bytes, record.response_bytes) = (up.bytes, down.bytes);
        ended.map_err(|_| Flags::TERMINATED)
    }

    /// Leave to make a connection; waits for it where connections are limited.
    async fn room(&self, target: &Target, endpoint: &EndpointLive) -> Option<Room> {
        let seat = match target.seat(endpoint, &TlsName::default()) {
            Seating::Now(seat) => seat,
            Seating::Later(waiting) => waiting.turn().await?,
            Seating::Full => return None,
        };
        // What was used for other protocols is of no use here.
        let (Seat::New(room) | Seat::Used(_, room)) = seat;
        Some(room)
    }

    fn overflow(&self, target: &Target) -> Flags {
        let service = &*target.cluster().service.host;
        let overflows = &self.context.reporter.metrics.overflows;
        overflows.with_label_values(&[service, "connections"]).inc();
        Flags::OVERFLOW
    }

    async fn connect(
        &self,
        target: &Target,
        endpoint: &EndpointLive,
    ) -> Result<(Box<Io>, Arc<Conn>), Failure> {
        let name = target.tls_name(|| None).map_err(|_| Failure::Refused)?;
        let ends = (self.conn.peer(), self.conn.local());
        let way = Way { target, endpoint, ends, name: &name };
        connect(way, false, &self.context.reporter.metrics).await
    }
}

/// The cluster that `ticket` falls on.
fn draw(route: &TcpRoute, ticket: u64) -> Option<ClusterIx> {
    let total: u64 = route.clusters.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut left = ticket.checked_rem(total)?;
    route.clusters.iter().find_map(|(cluster, weight)| {
        match left.checked_sub(u64::from(*weight)) {
            None => Some(*cluster),
            Some(rest) => {
                left = rest;
                None
            }
        }
    })?
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Direction {
    bytes: u64,
    over: bool,
}

impl Direction {
    /// Passes on what has come; ready when all of it has and the far side knows that it is the end.
    fn poll(&mut self, from: &mut Io, to: &Conn, cx: &mut Task<'_>) -> Poll<std::io::Result<()>> {
        loop {
            if self.over || to.pending() >= HIGH {
                ready!(to.poll_flush(cx))?;
            }
            if self.over {
                return Poll::Ready(Ok(()));
            }
            if from.unread().is_empty() {
                match from.poll_fill(READ, cx)? {
                    Poll::Ready(0) => {
                        to.finish();
                        self.over = true;
                        continue;
                    }
                    Poll::Ready(_) => {}
                    Poll::Pending => {
                        // Whether it can be sent at once or not: there is nothing to add to it.
                        let _ = to.poll_flush(cx)?;
                        return Poll::Pending;
                    }
                }
            }
            self.bytes += from.unread().len() as u64;
            to.send(from.unread());
            from.unread().clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_core::{action::HashPolicy, id::ObjectName};

    #[test]
    fn tickets_fall_by_weight() {
        let clusters = vec![(Some(ClusterIx(7)), 1), (None, 0), (Some(ClusterIx(8)), 3)];
        let route = TcpRoute {
            virtual_service: ObjectName::new("a", "b"),
            clusters,
            hash: HashPolicy::default(),
        };
        let drawn: Vec<_> = (0..4).map(|ticket| draw(&route, ticket)).collect();
        assert_eq!(drawn[0], Some(ClusterIx(7)));
        assert_eq!(drawn[1..], [Some(ClusterIx(8)); 3]);
        let empty = TcpRoute { clusters: Vec::new(), ..route };
        assert_eq!(draw(&empty, 5), None);
    }
}
