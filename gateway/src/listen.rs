//! Ports follow the table: what it serves is opened, what it no longer serves is closed.
//!
//! Every worker gets a socket of its own per port (`SO_REUSEPORT`), so that the kernel spreads
//! connections. Sockets are opened here, once for all workers, so that a port that cannot be
//! opened is one problem and costs no other port anything.

use crate::{
    metrics::Metrics,
    ready::Ready,
    snapshot::Snapshot,
    supervise::Estate,
    tls::Keeper,
    worker::{Command, Commands},
};
use edgeway_api::{ObjectRef, Problem};
use edgeway_core::{
    id::ListenerId,
    table::{Listener, Table},
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

const BACKLOG: i32 = 4096;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often files with certificates are read again.
const REFRESH: Duration = Duration::from_secs(5);

/// How often certificates are looked at that are about to end.
const LOOK: Duration = Duration::from_secs(3600);

/// How listeners become addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addressing {
    /// Where listeners without an address of their own are bound; `None`: all addresses.
    pub(crate) bind: Option<IpAddr>,
    /// Added to every port.
    pub(crate) port_offset: u16,
    /// How long unused connections of a port that closes are left to their clients.
    pub(crate) grace: Duration,
}

/// Opens and closes ports.
pub(crate) struct Ports {
    pub(crate) addressing: Addressing,
    pub(crate) workers: Vec<Commands>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ready: Ready,
    /// What is open.
    pub(crate) open: watch::Sender<BTreeMap<ListenerId, SocketAddr>>,
    /// What cannot be opened, and why.
    pub(crate) problems: watch::Sender<Vec<Problem>>,
    pub(crate) failed: BTreeMap<ListenerId, Failed>,
    /// What outlives this process of what is open.
    pub(crate) estate: Estate,
    /// Keeps certificates ready.
    pub(crate) tls: Keeper,
    /// How often the keys of session tickets change.
    pub(crate) ticket_rotation: Duration,
}

/// A port that could not be opened.
pub(crate) struct Failed {
    error: String,
    pause: Duration,
    again: Instant,
}

impl Ports {
    /// Follows the table until told to stop.
    pub(crate) async fn follow(mut self, snapshot: Snapshot, stop: CancellationToken) {
        let mut generation = snapshot.generation();
        // Its last owner must not be a worker, to whom freeing a table is a pause.
        let mut table = Arc::new(Table::default());
        let mut seen = 0;
        let mut rotate = Instant::now() + self.ticket_rotation;
        loop {
            let count = *generation.borrow_and_update();
            if count > seen {
                seen = count;
                table = snapshot.load();
                self.metrics.config_generation.set(i64::try_from(count).unwrap_or(i64::MAX));
                self.put_in_force(&table);
            }
            if seen > 0 {
                self.follow_table(&table);
                self.estate.serve();
            }
            let again = self.failed.values().map(|failed| failed.again).min();
            tokio::select! {
                changed = generation.changed() => if changed.is_err() { break },
                () = async { match again {
                    Some(again) => sleep_until(again).await,
                    None => std::future::pending().await,
                } } => {}
                () = sleep(REFRESH), if self.tls.has_files() => if self.tls.refresh() {
                    self.put_in_force(&table);
                },
                () = sleep(LOOK) => {}
                () = sleep_until(rotate) => {
                    self.tls.rotate_tickets();
                    rotate = Instant::now() + self.ticket_rotation;
                }
                () = stop.cancelled() => break,
            }
        }
        // Workers close what they have; what nobody accepts from must not stay open.
        self.open.borrow().values().for_each(|address| self.estate.close(*address));
    }

    fn put_in_force(&mut self, table: &Arc<Table>) {
        let tls = self.tls.prepare(table);
        self.metrics.tls.expire(&self.tls.ends());
        self.tell(|| Command::Table(Arc::clone(table), tls.clone()));
    }

    fn follow_table(&mut self, table: &Table) {
        let wanted: BTreeMap<ListenerId, &Listener> = table
            .listeners
            .iter()
            .filter(|listener| is_served(listener))
            .map(|listener| (listener.id, &**listener))
            .collect();
        let mut open = self.open.borrow().clone();
        open.retain(|id, address| {
            let keep = wanted.contains_key(id);
            if !keep {
                self.close(*id, *address);
            }
            keep
        });
        self.failed.retain(|id, _| wanted.contains_key(id));
        for id in wanted.keys() {
            let due = self.failed.get(id).is_none_or(|failed| failed.again <= Instant::now());
            if !open.contains_key(id)
                && due
                && let Some(address) = self.try_open(*id)
            {
                open.insert(*id, address);
            }
        }
        self.ready.set_listening(wanted.is_empty() || !open.is_empty());
        self.problems.send_replace(self.all_problems());
        self.open.send_replace(open);
    }

    fn close(&self, id: ListenerId, address: SocketAddr) {
        tracing::info!(%address, "listener closed");
        let _ = self.metrics.listener_open.remove_label_values(&[&address.to_string()]);
        self.tell(|| Command::Close(id, self.addressing.grace));
        self.estate.close(address);
    }

    fn try_open(&mut self, id: ListenerId) -> Option<SocketAddr> {
        let opened = self.addressing.of(id).and_then(|wanted| {
            let sockets = wanted.open(self.workers.len(), &mut self.estate);
            sockets.map_err(|error| (wanted.label(), error))
        });
        match opened {
            Ok((sockets, address)) => {
                for (worker, socket) in self.workers.iter().zip(sockets) {
                    // A worker that is gone has been reported.
                    let _ = worker.send(Command::Listen(id, socket));
                }
                tracing::info!(%address, "listener open");
                self.metrics.listener_open.with_label_values(&[&address.to_string()]).set(1);
                self.failed.remove(&id);
                Some(address)
            }
            Err((label, error)) => {
                self.note_failure(id, &label, &error);
                None
            }
        }
    }

    fn note_failure(&mut self, id: ListenerId, label: &str, error: &io::Error) {
        self.metrics.bind_errors.with_label_values(&[label]).inc();
        self.metrics.listener_open.with_label_values(&[label]).set(0);
        let error = format!("cannot listen on {label}: {error}");
        let before = self.failed.get(&id);
        if before.is_none_or(|before| before.error != error) {
            tracing::error!("{error}; {}; other listeners are not affected", advice(id));
        }
        let pause = before.map_or(FIRST_PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
        self.failed.insert(id, Failed { error, pause, again: Instant::now() + pause });
    }

    fn all_problems(&self) -> Vec<Problem> {
        let failed = self.failed.iter().map(|(id, failed)| {
            Problem::error(ObjectRef::new("Listener", "", id.port.to_string()), "", "listener-bind")
                .message(&failed.error)
                .advice(advice(*id))
        });
        failed.chain(self.tls.problems(SystemTime::now())).collect()
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            let _ = worker.send(command());
        }
    }
}

fn is_served(listener: &Listener) -> bool {
    listener.plain.is_some() || !listener.tls.is_empty()
}

fn advice(id: ListenerId) -> &'static str {
    if id.port < 1024 {
        "free the port, allow the process to bind low ports, or use --port-offset"
    } else {
        "free the port or use --port-offset; it is tried again from time to time"
    }
}

/// Where a listener is to be opened.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// `None`: all addresses.
    ip: Option<IpAddr>,
    port: u16,
}

impl Addressing {
    fn of(self, id: ListenerId) -> Result<Wanted, (String, io::Error)> {
        let ip = id.bind.or(self.bind);
        // Port 0, any free one, is not moved.
        let port = if id.port == 0 { Some(0) } else { id.port.checked_add(self.port_offset) };
        port.map(|port| Wanted { ip, port }).ok_or_else(|| {
            let label = format!("port {} + {}", id.port, self.port_offset);
            (label, io::Error::other("there is no such port"))
        })
    }
}

impl Wanted {
    fn label(self) -> String {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).to_string(),
            None => format!("*:{}", self.port),
        }
    }

    /// Sockets for `count` workers, and their common address.
    fn open(self, count: usize, estate: &mut Estate) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
        let mut open = |ip| take_or_open(SocketAddr::new(ip, self.port), count, estate);
        match self.ip {
            Some(ip) => open(ip),
            // IPv6 sockets take IPv4 as well; some machines have no IPv6.
            None => match open(Ipv6Addr::UNSPECIFIED.into()) {
                Err(error) if has_no_ipv6(&error) => open(Ipv4Addr::UNSPECIFIED.into()),
                opened => opened,
            },
        }
    }
}

/// What a process before this one has left open, or else what is opened now, to be left like that.
fn take_or_open(
    address: SocketAddr,
    count: usize,
    estate: &mut Estate,
) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    if let Some(sockets) = estate.take(address, count) {
        return Ok((sockets, address));
    }
    let (sockets, address) = open_at(address, count)?;
    estate.keep(address, &sockets);
    Ok((sockets, address))
}

fn has_no_ipv6(error: &io::Error) -> bool {
    // Address family not supported; address not available.
    matches!(error.raw_os_error(), Some(97 | 99))
}

fn open_at(address: SocketAddr, count: usize) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    // A shared port would be shared with any other process of the same user, too: that somebody
    // else has it shows only when it is asked for alone.
    let alone = socket(address)?;
    alone.bind(&address.into())?;
    let address = alone.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    drop(alone);
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        sockets.push(socket);
    }
    // Bound by all before any accepts: connections that a socket got would be lost with it.
    for socket in &sockets {
        socket.listen(BACKLOG)?;
    }
    Ok((sockets.into_iter().map(Into::into).collect(), address))
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    // Connections inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_gets_a_socket_of_one_port_that_nobody_else_has() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (sockets, address) = open_at(any, 3).unwrap();
        assert_eq!(sockets.len(), 3);
        for socket in &sockets {
            assert_eq!(socket.local_addr().unwrap(), address);
        }
        let taken = open_at(address, 1).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(sockets);
        assert!(open_at(address, 1).is_ok());
    }

    #[test]
    fn ports_are_moved_by_the_offset() {
        let at = |port, bind| ListenerId { port, bind };
        let addressing = Addressing { bind: None, port_offset: 8000, grace: Duration::ZERO };
        let one = Some(IpAddr::from([127, 0, 0, 1]));
        assert_eq!(addressing.of(at(80, one)).unwrap().label(), "127.0.0.1:8080");
        assert_eq!(addressing.of(at(443, None)).unwrap().label(), "*:8443");
        assert!(addressing.of(at(60_000, None)).is_err());
    }
}
