//! Connections of one worker to one endpoint that carry many requests at once.

use super::{Life, TlsName};
use crate::io::Conn;
use bytes::Bytes;
use edgeway_core::cluster::ClusterPolicy;
use h2::client::SendRequest;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Instant,
};
use tokio::sync::{Mutex, Notify};

/// The connections.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: RefCell<Vec<Rc<Session>>>,
    /// Whoever holds it makes the next: others wait for that one instead of making one each.
    pub(crate) making: Mutex<()>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Session {
    sender: SendRequest<Bytes>,
    conn: Arc<Conn>,
    name: TlsName,
    life: Cell<Life>,
    /// Requests on it now.
    streams: Cell<u32>,
    /// Since when there are none.
    unused_since: Cell<Instant>,
    /// It takes no more requests.
    closed: Cell<bool>,
    /// The endpoint has said what it can do.
    settled: Cell<bool>,
    settling: Notify,
}

/// Counts a request on a connection while it lives.
#[derive(Debug)]
pub(crate) struct Stream {
    session: Rc<Session>,
}

impl Sessions {
    /// A stream on the connection with most room; `None` if there is no connection, or if all are
    /// full and another may be made.
    pub(crate) fn stream(&self, policy: &ClusterPolicy, name: &TlsName) -> Option<Stream> {
        let now = Instant::now();
        let mut open = self.open.borrow_mut();
        open.retain(|session| session.takes_more(policy, now));
        let named = open.iter().filter(|session| session.name == *name);
        let session = named.min_by_key(|session| session.streams.get())?;
        let limited = policy.limits.connections.is_some();
        (session.has_room(policy) || limited).then(|| session.stream())
    }

    /// Keeps a connection that was made just now.
    pub(crate) fn keep(
        &self,
        sender: SendRequest<Bytes>,
        conn: Arc<Conn>,
        name: TlsName,
    ) -> Rc<Session> {
        let now = Instant::now();
        let session = Rc::new(Session {
            sender,
            conn,
            name,
            life: Cell::new(Life { born: now, uses: 0 }),
            streams: Cell::new(0),
            unused_since: Cell::new(now),
            closed: Cell::new(false),
            settled: Cell::new(false),
            settling: Notify::new(),
        });
        self.open.borrow_mut().push(Rc::clone(&session));
        session
    }

    /// Closes connections that have been unused for too long.
    pub(crate) fn sweep(&self, policy: &ClusterPolicy, now: Instant) {
        self.open.borrow_mut().retain(|session| {
            let unused = now.saturating_duration_since(session.unused_since.get());
            session.takes_more(policy, now)
                && (session.streams.get() > 0 || unused < policy.idle_timeout)
        });
    }
}

impl Session {
    /// Another request on it.
    pub(crate) fn stream(self: &Rc<Self>) -> Stream {
        self.streams.set(self.streams.get() + 1);
        let life = self.life.get();
        self.life.set(Life { uses: life.uses.saturating_add(1), ..life });
        Stream { session: Rc::clone(self) }
    }

    /// Notes that it takes no more requests.
    pub(crate) fn close(&self) {
        self.closed.set(true);
    }

    /// Notes that the endpoint has said what it can do.
    pub(crate) fn settle(&self) {
        self.settled.set(true);
        self.settling.notify_waiters();
    }

    fn takes_more(&self, policy: &ClusterPolicy, now: Instant) -> bool {
        let Life { born, uses } = self.life.get();
        let most = policy.max_requests_per_connection;
        let oldest = policy.max_connection_duration;
        !self.closed.get()
            && (most == 0 || uses < most)
            && oldest.is_none_or(|oldest| now.saturating_duration_since(born) < oldest)
    }

    fn has_room(&self, policy: &ClusterPolicy) -> bool {
        let streams = self.streams.get();
        (streams as usize) < self.sender.current_max_send_streams()
            && policy.http2.max_concurrent_streams.is_none_or(|most| streams < most)
    }
}

impl Stream {
    /// Where requests are given to the session.
    pub(crate) fn sender(&self) -> SendRequest<Bytes> {
        self.session.sender.clone()
    }

    /// Returns once the endpoint has said what it can do.
    pub(crate) async fn settled(&self) {
        let settling = self.session.settling.notified();
        if !self.session.settled.get() {
            settling.await;
        }
    }

    /// Whether it can make a connection of another protocol of a stream.
    pub(crate) fn takes_tunnels(&self) -> bool {
        self.session.sender.is_extended_connect_protocol_enabled()
    }

    /// The connection.
    pub(crate) fn conn(&self) -> &Arc<Conn> {
        &self.session.conn
    }

    /// Notes that the connection takes no more requests.
    pub(crate) fn close(&self) {
        self.session.close();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let streams = self.session.streams.get().saturating_sub(1);
        self.session.streams.set(streams);
        if streams == 0 {
            self.session.unused_since.set(Instant::now());
        }
    }
}
