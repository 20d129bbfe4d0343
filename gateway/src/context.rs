//! What the requests of one worker share.

use crate::{
    access::Lines,
    chance::Chance,
    edge::Edge,
    io::Conn,
    live::Live,
    load::Load,
    metrics::Ended,
    view::{Reporter, Serving},
};
use edgeway_core::{
    table::{App, Hosts, ProxyHeader, TlsMode},
    tls::Termination,
};
use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::HashMap,
    rc::{Rc, Weak},
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// One worker's side of everything.
#[derive(Debug)]
pub(crate) struct Context {
    /// What was configured.
    pub(crate) settings: Settings,
    /// Chance.
    pub(crate) chance: Chance,
    /// Who counts.
    pub(crate) reporter: Reporter,
    /// The access log.
    pub(crate) access: Lines,
    /// What outlives tables.
    pub(crate) live: RefCell<Live>,
    /// Whether the gateway is going down.
    pub(crate) phase: Cell<Phase>,
    /// The client connections that are open.
    pub(crate) clients: Clients,
    /// What is on its way to mirrors.
    pub(crate) copies: Rc<Copies>,
    /// Keeps what strangers can cause from filling the log.
    pub(crate) seldom: Seldom,
}

/// What does not change while the gateway runs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How clients are met.
    pub(crate) edge: Edge,
    /// What the gateway carries.
    pub(crate) load: Load,
}

/// How far something is on its way down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It serves.
    #[default]
    Open,
    /// It serves, and asks clients to go elsewhere.
    Draining,
    /// It finishes what it has begun.
    Closing,
}

/// A listener of one worker.
pub(crate) struct Port {
    /// What it serves now; the last it served, once it is closed.
    pub(crate) serving: RefCell<Rc<Serving>>,
    /// Whether it is going away.
    pub(crate) phase: Cell<Phase>,
    /// Whether connections begin with a PROXY header.
    pub(crate) proxy_header: Cell<ProxyHeader>,
}

/// The client connections of a worker.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    open: RefCell<HashMap<u64, Rc<Client>>>,
    next: Cell<u64>,
    /// Loops that may still accept others.
    accepting: Cell<usize>,
    emptied: Notify,
}

/// A client connection.
pub(crate) struct Client {
    conn: Arc<Conn>,
    port: Rc<Port>,
    idle: Cell<bool>,
    /// Requests so far.
    requests: Cell<u32>,
    /// Who takes leave of the client, where leave is taken: others see their reading end.
    farewell: RefCell<Option<Waker>>,
    seat: OnceCell<Seat>,
}

/// The copies of requests that a worker holds for mirrors, within bounds.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    count: Cell<usize>,
    bytes: Cell<usize>,
}

/// Lets something be said once a second.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    last: Cell<Option<Instant>>,
    unsaid: Cell<u64>,
}

impl Seldom {
    const PAUSE: Duration = Duration::from_secs(1);

    /// How often nothing was said since the last time, if something may be now.
    pub(crate) fn may_speak(&self) -> Option<u64> {
        let now = Instant::now();
        if self.last.get().is_some_and(|last| now.duration_since(last) < Self::PAUSE) {
            self.unsaid.set(self.unsaid.get() + 1);
            return None;
        }
        self.last.set(Some(now));
        Some(self.unsaid.take())
    }
}

/// Which TLS server a connection came to.
pub(crate) struct Seat {
    /// The name that it asked for.
    pub(crate) name: Option<Box<str>>,
    /// How TLS was ended.
    pub(crate) termination: Arc<Termination>,
    /// Where that server stands in what the port serves: looked up once per table.
    pub(crate) at: RefCell<(Weak<Serving>, Option<usize>)>,
}

/// Keeps a client connection in the list while it lives.
pub(crate) struct Entered<'c> {
    context: &'c Context,
    id: u64,
    client: Rc<Client>,
}

impl Copies {
    /// How many copies may be on their way.
    const MOST: usize = 1024;

    /// How much of their bodies may wait.
    const MOST_BYTES: usize = 16 * 1024 * 1024;

    /// Counts one more; false if there are too many.
    pub(crate) fn begin(&self) -> bool {
        let fits = self.count.get() < Self::MOST;
        self.count.set(self.count.get() + usize::from(fits));
        fits
    }

    /// One has ended.
    pub(crate) fn end(&self) {
        self.count.set(self.count.get().saturating_sub(1));
    }

    /// Counts bytes that wait; false if there are too many.
    pub(crate) fn hold(&self, bytes: usize) -> bool {
        let sum = self.bytes.get() + bytes;
        let fits = sum <= Self::MOST_BYTES;
        if fits {
            self.bytes.set(sum);
        }
        fits
    }

    /// Bytes wait no longer.
    pub(crate) fn release(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
    }

    /// Whether nothing is on its way.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.count.get() == 0 && self.bytes.get() == 0
    }
}

impl Context {
    /// How far `port` is on its way down, or the whole gateway.
    pub(crate) fn phase(&self, port: &Port) -> Phase {
        self.phase.get().max(port.phase.get())
    }

    /// Lists a connection.
    pub(crate) fn enter(&self, conn: Arc<Conn>, port: Rc<Port>) -> Entered<'_> {
        let id = self.clients.next.get();
        self.clients.next.set(id + 1);
        let client = Rc::new(Client {
            conn,
            port,
            idle: Cell::new(true),
            requests: Cell::new(0),
            farewell: RefCell::default(),
            seat: OnceCell::new(),
        });
        if self.phase(&client.port) == Phase::Closing {
            client.conn.stop_reading();
        }
        self.clients.open.borrow_mut().insert(id, Rc::clone(&client));
        self.reporter.metrics.connections.inc();
        self.reporter.metrics.connections_active.inc();
        Entered { context: self, id, client }
    }
}

impl Seat {
    fn position(&self, serving: &Rc<Serving>) -> Option<usize> {
        let mut at = self.at.borrow_mut();
        if !std::ptr::eq(at.0.as_ptr(), Rc::as_ptr(serving)) {
            *at = (Rc::downgrade(serving), serving.listener.tls.position(self.name.as_deref()));
        }
        at.1
    }

    /// Whether clients have to show something else now than they had when this one came.
    fn is_outdated(&self, port: &Port) -> bool {
        let serving = port.serving.borrow();
        let server = self.position(&serving).and_then(|at| serving.listener.tls.get(at));
        match server.map(|server| &server.mode) {
            Some(TlsMode::Terminate(now)) => {
                !Arc::ptr_eq(now, &self.termination) && now.clients != self.termination.clients
            }
            Some(TlsMode::Passthrough | TlsMode::Refuse) | None => true,
        }
    }
}

impl Clients {
    /// Ends the connections that wait for a request, of one port or of all.
    pub(crate) fn close_idle(&self, of: Option<&Rc<Port>>) {
        for client in self.open.borrow().values() {
            if client.idle.get() && of.is_none_or(|port| Rc::ptr_eq(port, &client.port)) {
                match &*client.farewell.borrow() {
                    Some(waker) => waker.wake_by_ref(),
                    None => client.conn.stop_reading(),
                }
            }
        }
    }

    /// Notes that a loop begins to accept.
    pub(crate) fn begin_accepting(&self) {
        self.accepting.set(self.accepting.get() + 1);
    }

    /// Notes that a loop has accepted its last.
    pub(crate) fn end_accepting(&self) {
        self.accepting.set(self.accepting.get().saturating_sub(1));
        self.emptied.notify_one();
    }

    /// Returns when there are none and none can come.
    pub(crate) async fn empty(&self) {
        while self.accepting.get() > 0 || !self.open.borrow().is_empty() {
            self.emptied.notified().await;
        }
    }
}

impl Entered<'_> {
    /// The connection.
    pub(crate) fn conn(&self) -> &Conn {
        &self.client.conn
    }

    /// Notes through which TLS server it came in.
    pub(crate) fn sit(&self, seat: Seat) {
        // It comes in once.
        let _ = self.client.seat.set(seat);
    }

    /// The routes for HTTP of requests for this authority: those of the port, or of the connection's
    /// TLS server in the table that is in force now.
    pub(crate) fn hosts<'s>(&self, serving: &'s Rc<Serving>, authority: &str) -> Option<&'s Hosts> {
        let Some(seat) = self.client.seat.get() else { return serving.hosts() };
        let servers = &serving.listener.tls;
        let at = seat.position(serving)?;
        match &servers.of_request(at, seat.name.as_deref(), authority)?.app {
            App::Http(hosts) => Some(hosts),
            App::Tcp(_) | App::Services(_) => None,
        }
    }

    /// How clients are met.
    pub(crate) fn edge(&self) -> &Edge {
        &self.context.settings.edge
    }

    /// Counts about clients.
    pub(crate) fn counts(&self) -> &crate::metrics::Clients {
        &self.context.reporter.metrics.clients
    }

    /// The listener.
    pub(crate) fn port(&self) -> &Rc<Port> {
        &self.client.port
    }

    /// Notes whether the connection waits for a request.
    pub(crate) fn set_idle(&self, idle: bool) {
        self.client.idle.set(idle);
    }

    /// Lets this task be woken when an unused connection is to end, so that it takes leave.
    pub(crate) fn wake_to_leave(&self, waker: &Waker) {
        self.client.farewell.borrow_mut().get_or_insert_with(|| waker.clone()).clone_from(waker);
    }

    /// Whether it does.
    pub(crate) fn is_idle(&self) -> bool {
        self.client.idle.get()
    }

    /// Counts a request.
    pub(crate) fn begin_request(&self) {
        let requests = self.client.requests.get().saturating_add(1);
        self.client.requests.set(requests);
        if Some(requests) == self.context.settings.edge.limits.requests_per_connection {
            self.context.reporter.metrics.clients.ended(Ended::Requests);
        }
    }

    /// Whether the client is to be asked to go elsewhere, or to come again.
    pub(crate) fn is_leaving(&self) -> bool {
        let most = self.context.settings.edge.limits.requests_per_connection;
        self.phase() != Phase::Open
            || self.context.settings.load.memory.is_short()
            || most.is_some_and(|most| self.client.requests.get() >= most)
    }

    /// Whether the connection ends as soon as nothing is asked on it.
    pub(crate) fn must_go(&self) -> bool {
        self.phase() == Phase::Closing || self.context.settings.load.memory.is_short()
    }

    /// How far the connection's listener is on its way down.
    pub(crate) fn phase(&self) -> Phase {
        let phase = self.context.phase(&self.client.port);
        match self.client.seat.get() {
            // What the client has shown was enough once: it has to come again.
            Some(seat) if seat.is_outdated(&self.client.port) => phase.max(Phase::Draining),
            Some(_) | None => phase,
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.context.reporter.metrics.connections_active.dec();
        let mut open = self.context.clients.open.borrow_mut();
        open.remove(&self.id);
        if open.is_empty() {
            self.context.clients.emptied.notify_one();
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("peer", &self.conn.peer()).finish_non_exhaustive()
    }
}
