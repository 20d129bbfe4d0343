//! What outlives a table: whose turn it is, who is busy, which connections are free.
//!
//! Keyed by cluster and address, so that a reload, which makes new tables, forgets nothing. Most of
//! it is one worker's own; what all share is in [`shared`].

mod gate;
mod idle;
mod shared;
mod streams;

pub(crate) use idle::{Free, Idle, Life, Room, Seat, Seating, TlsName, Waiting};
pub(crate) use shared::{Counted, Registry, SharedCluster, SharedEndpoint};
pub(crate) use streams::{Session, Sessions, Stream};

use edgeway_core::{
    cluster::{ClusterPolicy, Limits, RetryLimit},
    id::ClusterId,
};
use gate::{Entry, Kept};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

/// How many unused connections to one endpoint a worker keeps.
const MOST_IDLE: usize = 1024;

/// All clusters of a worker.
#[derive(Debug)]
pub(crate) struct Live {
    registry: Arc<Registry>,
    clusters: HashMap<ClusterId, Rc<ClusterLive>>,
}

/// One cluster.
#[derive(Debug)]
pub(crate) struct ClusterLive {
    turn: Cell<u64>,
    endpoints: RefCell<HashMap<SocketAddr, Rc<EndpointLive>>>,
    shared: Arc<SharedCluster>,
}

/// One endpoint of a cluster.
#[derive(Debug)]
pub(crate) struct EndpointLive {
    address: SocketAddr,
    in_flight: Cell<u32>,
    idle: RefCell<Vec<Idle>>,
    sessions: Sessions,
}

/// Counts a request as in flight while it lives.
#[derive(Debug)]
pub(crate) struct InFlight {
    endpoint: Rc<EndpointLive>,
    _counted: Option<Counted>,
}

impl Live {
    /// Knows nothing yet.
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, clusters: HashMap::new() }
    }

    /// What is known of a cluster; new if nothing is. `first_turn` is where a new one starts.
    pub(crate) fn cluster(
        &mut self,
        id: &ClusterId,
        first_turn: impl FnOnce() -> u64,
    ) -> Rc<ClusterLive> {
        if let Some(cluster) = self.clusters.get(id) {
            return Rc::clone(cluster);
        }
        let turn = Cell::new(first_turn());
        let shared = self.registry.cluster(id);
        let cluster = Rc::new(ClusterLive { turn, endpoints: RefCell::default(), shared });
        self.clusters.insert(id.clone(), Rc::clone(&cluster));
        cluster
    }

    /// Forgets clusters and endpoints that nobody but this holds.
    pub(crate) fn forget_unused(&mut self) {
        self.clusters.retain(|_, cluster| {
            cluster.endpoints.borrow_mut().retain(|_, endpoint| Rc::strong_count(endpoint) > 1);
            Rc::strong_count(cluster) > 1
        });
        self.registry.forget_unused();
    }

    /// Closes unused connections that have waited too long or that the endpoint has closed.
    pub(crate) fn sweep(&self, now: Instant) {
        let stays = |idle: &Idle| idle.until > now && idle.is_usable();
        for cluster in self.clusters.values() {
            cluster.shared.gate.sweep(stays);
            for endpoint in cluster.endpoints.borrow().values() {
                endpoint.idle.borrow_mut().retain(stays);
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

    /// What all workers know of it.
    pub(crate) fn shared(&self) -> &Arc<SharedCluster> {
        &self.shared
    }

    /// What is known of an endpoint; new if nothing is.
    pub(crate) fn endpoint(&self, address: SocketAddr) -> Rc<EndpointLive> {
        let mut endpoints = self.endpoints.borrow_mut();
        Rc::clone(endpoints.entry(address).or_insert_with(|| {
            Rc::new(EndpointLive {
                address,
                in_flight: Cell::new(0),
                idle: RefCell::default(),
                sessions: Sessions::default(),
            })
        }))
    }

    /// Counts one more request to an endpoint in flight; `None` if there are too many.
    pub(crate) fn begin(&self, endpoint: &Rc<EndpointLive>, limits: &Limits) -> Option<InFlight> {
        let counted = match (limits.requests, limits.retries) {
            (None, RetryLimit::None | RetryLimit::Count(_)) => None,
            (limit, _) => Some(self.shared.begin_request(limit)?),
        };
        endpoint.in_flight.set(endpoint.in_flight.get() + 1);
        Some(InFlight { endpoint: Rc::clone(endpoint), _counted: counted })
    }

    /// The connection to an endpoint that was used last and still can be, or leave to make one.
    pub(crate) fn seat(&self, endpoint: &EndpointLive, limits: &Limits, name: &TlsName) -> Seating {
        let Some(most) = limits.connections else {
            let idle = endpoint.take_idle(name);
            return Seating::Now(idle.map_or(Seat::New(None), |idle| Seat::Used(idle, None)));
        };
        match self.shared.gate.enter(endpoint.address, most, limits.pending) {
            Entry::Now(turn) => Seating::Now(Seat::from(turn).fit(name)),
            Entry::Later(receiver) => Seating::Later(Waiting(receiver)),
            Entry::Full => Seating::Full,
        }
    }

    /// Closes the unused connections that `limits` have no place for: those from before it, or after.
    pub(crate) fn settle(&self, limits: &Limits) {
        if limits.connections.is_none() {
            self.shared.gate.sweep(|_| false);
        } else {
            for endpoint in self.endpoints.borrow().values() {
                endpoint.idle.borrow_mut().clear();
            }
        }
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

    /// Keeps a connection for the next request, as long as `policy` says.
    pub(crate) fn keep(&self, free: Free, policy: &ClusterPolicy) {
        let Free { io, conn, life, room, name } = free;
        let now = Instant::now();
        let most = policy.max_requests_per_connection;
        let oldest = policy.max_connection_duration.and_then(|most| life.born.checked_add(most));
        let Some(until) = now.checked_add(policy.idle_timeout) else { return };
        let until = oldest.map_or(until, |oldest| until.min(oldest));
        let shared = policy.proxy_protocol.is_none();
        if !shared || until <= now || (most > 0 && life.uses >= most) {
            return;
        }
        let idle = Idle { io, conn, life, name, until };
        match room {
            Some(place) => place.give_back(idle),
            None if policy.limits.connections.is_none() => self.keep_idle(idle),
            // It was made before there was a limit.
            None => {}
        }
    }

    /// Connections that carry many requests at once.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    fn take_idle(&self, name: &TlsName) -> Option<Idle> {
        let mut idle = self.idle.borrow_mut();
        while let Some(at) = idle.iter().rposition(|connection| connection.name == *name) {
            let connection = idle.remove(at);
            if connection.is_usable() {
                return Some(connection);
            }
        }
        None
    }

    fn keep_idle(&self, connection: Idle) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.in_flight.set(self.endpoint.in_flight.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{self, Conn, Io};
    use std::{future::poll_fn, time::Duration};
    use tokio::net::{TcpListener, TcpStream};

    fn id() -> ClusterId {
        ClusterId::outbound(80, "", "a.default.svc.cluster.local")
    }

    fn live() -> Live {
        Live::new(Arc::new(Registry::new(Arc::new(crate::metrics::Metrics::new().unwrap()))))
    }

    fn free(io: Box<Io>, conn: Arc<Conn>, uses: u32) -> Free {
        let free = Free::new(io, conn, None, TlsName::default());
        Free { life: Life { uses, ..free.life }, ..free }
    }

    async fn connection(listener: &TcpListener) -> (Box<Io>, Arc<Conn>, TcpStream) {
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (io, conn) = io::open(ours.unwrap(), address);
        (io, conn, theirs.unwrap().0)
    }

    #[test]
    fn turns_and_loads_survive_until_nobody_asks_for_them() {
        let mut live = live();
        let cluster = live.cluster(&id(), || 5);
        assert_eq!((cluster.turn(), cluster.turn()), (5, 6));
        let endpoint = cluster.endpoint(([127, 0, 0, 1], 80).into());
        let request = cluster.begin(&endpoint, &Limits::default());
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
        let mut live = live();
        let cluster = live.cluster(&id(), || 0);
        let endpoint = cluster.endpoint(listener.local_addr().unwrap());
        let policy = ClusterPolicy::default();
        let (io, first, _open) = connection(&listener).await;
        endpoint.keep(free(io, Arc::clone(&first), 1), &policy);
        let (io, second, closed) = connection(&listener).await;
        endpoint.keep(free(io, Arc::clone(&second), 2), &policy);
        drop(closed);
        poll_fn(|cx| second.poll_peer(cx)).await;
        let taken = endpoint.take_idle(&TlsName::default()).unwrap();
        assert!(taken.life.uses == 1 && Arc::ptr_eq(&taken.conn, &first));
        assert!(endpoint.take_idle(&TlsName::default()).is_none());
    }

    #[tokio::test]
    async fn connections_that_waited_too_long_are_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut live = live();
        let cluster = live.cluster(&id(), || 0);
        let endpoint = cluster.endpoint(listener.local_addr().unwrap());
        let policy = ClusterPolicy { idle_timeout: Duration::from_secs(1), ..Default::default() };
        let (io, conn, _open) = connection(&listener).await;
        endpoint.keep(free(io, conn, 1), &policy);
        live.sweep(Instant::now());
        assert_eq!(endpoint.idle.borrow().len(), 1);
        live.sweep(Instant::now() + Duration::from_secs(1));
        assert_eq!(endpoint.idle.borrow().len(), 0);
    }
}
