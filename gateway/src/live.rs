//! What outlives a table: whose turn it is, who is busy, which connections are free. One worker's.
//!
//! Keyed by cluster and address, so that a reload, which makes new tables, forgets nothing.

use crate::io::{Conn, Io};
use edgeway_core::id::ClusterId;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

/// How many unused connections to one endpoint a worker keeps.
const MOST_IDLE: usize = 1024;

/// All clusters of a worker.
#[derive(Debug, Default)]
pub(crate) struct Live(HashMap<ClusterId, Rc<ClusterLive>>);

/// One cluster.
#[derive(Debug, Default)]
pub(crate) struct ClusterLive {
    turn: Cell<u64>,
    endpoints: RefCell<HashMap<SocketAddr, Rc<EndpointLive>>>,
}

/// One endpoint of a cluster.
#[derive(Debug)]
pub(crate) struct EndpointLive {
    address: SocketAddr,
    in_flight: Cell<u32>,
    idle: RefCell<Vec<Idle>>,
}

/// A connection that waits for its next request.
#[derive(Debug)]
pub(crate) struct Idle {
    /// What a session speaks on.
    pub(crate) io: Box<Io>,
    /// Its pacing side.
    pub(crate) conn: Arc<Conn>,
    /// Requests that it has served.
    pub(crate) uses: u32,
    until: Instant,
}

/// Counts a request as in flight while it lives.
#[derive(Debug)]
pub(crate) struct InFlight(Rc<EndpointLive>);

impl Live {
    /// What is known of a cluster; new if nothing is. `first_turn` is where a new one starts.
    pub(crate) fn cluster(
        &mut self,
        id: &ClusterId,
        first_turn: impl FnOnce() -> u64,
    ) -> Rc<ClusterLive> {
        if let Some(cluster) = self.0.get(id) {
            return Rc::clone(cluster);
        }
        let turn = Cell::new(first_turn());
        let cluster = Rc::new(ClusterLive { turn, endpoints: RefCell::default() });
        self.0.insert(id.clone(), Rc::clone(&cluster));
        cluster
    }

    /// Forgets clusters and endpoints that nobody but this holds.
    pub(crate) fn forget_unused(&mut self) {
        self.0.retain(|_, cluster| {
            cluster.endpoints.borrow_mut().retain(|_, endpoint| Rc::strong_count(endpoint) > 1);
            Rc::strong_count(cluster) > 1
        });
    }

    /// Closes unused connections that have waited too long or that the endpoint has closed.
    pub(crate) fn sweep(&self, now: Instant) {
        for cluster in self.0.values() {
            for endpoint in cluster.endpoints.borrow().values() {
                endpoint
                    .idle
                    .borrow_mut()
                    .retain(|connection| connection.until > now && connection.conn.is_quiet());
            }
        }
    }
}

impl ClusterLive {
    /// The number of this turn.
    pub(crate) fn turn(&self) -> u64 {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn
    }

    /// What is known of an endpoint; new if nothing is.
    pub(crate) fn endpoint(&self, address: SocketAddr) -> Rc<EndpointLive> {
        let mut endpoints = self.endpoints.borrow_mut();
        Rc::clone(endpoints.entry(address).or_insert_with(|| {
            Rc::new(EndpointLive { address, in_flight: Cell::new(0), idle: RefCell::default() })
        }))
    }
}

impl EndpointLive {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests this worker has in flight to it.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    /// Counts one more request in flight.
    pub(crate) fn begin(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight(Rc::clone(self))
    }

    /// The connection that was used last and still can be.
    pub(crate) fn take_idle(&self) -> Option<Idle> {
        let mut idle = self.idle.borrow_mut();
        while let Some(connection) = idle.pop() {
            if connection.conn.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for at most `keep`.
    pub(crate) fn keep_idle(&self, io: Box<Io>, conn: Arc<Conn>, uses: u32, keep: Duration) {
        let mut idle = self.idle.borrow_mut();
        if let (true, Some(until)) = (idle.len() < MOST_IDLE, Instant::now().checked_add(keep)) {
            idle.push(Idle { io, conn, uses, until });
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io;
    use std::future::poll_fn;
    use tokio::net::{TcpListener, TcpStream};

    fn id() -> ClusterId {
        ClusterId::outbound(80, "", "a.default.svc.cluster.local")
    }

    async fn connection(listener: &TcpListener) -> (Box<Io>, Arc<Conn>, TcpStream) {
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (io, conn) = io::open(ours.unwrap(), address);
        (io, conn, theirs.unwrap().0)
    }

    #[test]
    fn turns_and_loads_survive_until_nobody_asks_for_them() {
        let mut live = Live::default();
        let cluster = live.cluster(&id(), || 5);
        assert_eq!((cluster.turn(), cluster.turn()), (5, 6));
        let endpoint = cluster.endpoint(([127, 0, 0, 1], 80).into());
        let request = endpoint.begin();
        live.forget_unused();
        assert_eq!(live.cluster(&id(), || 0).turn(), 7);
        assert_eq!(endpoint.in_flight(), 1);
        drop(request);
        assert_eq!(endpoint.in_flight(), 0);
        drop((endpoint, cluster));
        live.forget_unused();
        assert_eq!(live.cluster(&id(), || 0).turn(), 0);
    }

    #[tokio::test]
    async fn the_last_connection_used_is_the_first_used_again_unless_it_was_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut live = Live::default();
        let endpoint = live.cluster(&id(), || 0).endpoint(listener.local_addr().unwrap());
        let hour = Duration::from_secs(3600);
        let (io, first, _open) = connection(&listener).await;
        endpoint.keep_idle(io, Arc::clone(&first), 1, hour);
        let (io, second, closed) = connection(&listener).await;
        endpoint.keep_idle(io, Arc::clone(&second), 2, hour);
        drop(closed);
        poll_fn(|cx| second.poll_peer(cx)).await;
        let taken = endpoint.take_idle().unwrap();
        assert!(taken.uses == 1 && Arc::ptr_eq(&taken.conn, &first));
        assert!(endpoint.take_idle().is_none());
    }

    #[tokio::test]
    async fn connections_that_waited_too_long_are_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut live = Live::default();
        let endpoint = live.cluster(&id(), || 0).endpoint(listener.local_addr().unwrap());
        let (io, conn, _open) = connection(&listener).await;
        endpoint.keep_idle(io, conn, 1, Duration::from_secs(1));
        live.sweep(Instant::now());
        assert_eq!(endpoint.idle.borrow().len(), 1);
        live.sweep(Instant::now() + Duration::from_secs(1));
        assert_eq!(endpoint.idle.borrow().len(), 0);
    }
}
