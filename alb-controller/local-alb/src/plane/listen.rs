//! Ports: opened and closed as listeners come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Plane;
use super::connection::{Open, serve};
use super::table::{Site, Table};
use crate::config::PortMapping;
use crate::event::{Event, ListenerState};
use crate::running::ListenerView;
use crate::state::ids::Arn;
use crate::state::load_balancer::Protocol;

/// The ports of a data plane.
#[derive(Debug)]
pub(crate) struct Ports {
    plane: Arc<Plane>,
    bind: IpAddr,
    mapping: PortMapping,
    open: BTreeMap<u16, Loop>,
    /// How each listener stands, by load balancer and port.
    standing: BTreeMap<(Arn, u16), Standing>,
    /// Every accept loop and connection.
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// An open port and the task that accepts its connections.
#[derive(Debug)]
struct Loop {
    open: Arc<Open>,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    name: String,
    protocol: Protocol,
    state: ListenerState,
}

/// What following a table brought about.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    pub(crate) events: Vec<Event>,
    /// For each load balancer why one of its listeners does not answer.
    pub(crate) impaired: BTreeMap<Arn, String>,
}

impl Ports {
    pub(crate) fn new(
        plane: Arc<Plane>,
        bind: IpAddr,
        mapping: PortMapping,
        stop: CancellationToken,
    ) -> Self {
        Self {
            plane,
            bind,
            mapping,
            open: BTreeMap::new(),
            standing: BTreeMap::new(),
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// Opens and closes ports so that they are those of the table. What it closes is closed when
    /// it returns, so that the same port can be opened again at once.
    pub(crate) async fn follow(&mut self, table: &Table) -> Followed {
        let (gone, stay) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|(port, _)| !table.ports.contains_key(port));
        self.open = stay;
        for Loop { open, task } in BTreeMap::into_values(gone) {
            open.stop.cancel();
            // A panic in it has been reported by its own task.
            let _ = task.await;
        }
        let mut failed = BTreeMap::new();
        for port in table.ports.keys() {
            if self.open.contains_key(port) {
                continue;
            }
            match self.start(*port) {
                Ok(open) => drop(self.open.insert(*port, open)),
                Err(why) => drop(failed.insert(*port, why)),
            }
        }
        let mut standing = BTreeMap::new();
        for (port, sites) in &table.ports {
            for site in sites {
                let key = (site.load_balancer.clone(), *port);
                standing.insert(key, self.standing_of(site, sites, &failed));
            }
        }
        self.tell(standing)
    }

    fn start(&self, port: u16) -> Result<Loop, String> {
        let real = match self.mapping {
            PortMapping::Free => 0,
            PortMapping::Offset(offset) => port
                .checked_add(offset)
                .ok_or_else(|| format!("port {port} plus the offset {offset} is beyond 65535"))?,
        };
        let wanted = SocketAddr::new(self.bind, real);
        let (listener, address) =
            bind(wanted).map_err(|why| format!("cannot listen on {wanted}: {why}"))?;
        let open = Arc::new(Open {
            plane: Arc::clone(&self.plane),
            port,
            address,
            stop: self.stop.child_token(),
        });
        let accepting = accept(listener, Arc::clone(&open), self.tasks.clone());
        let task = self.tasks.spawn(accepting);
        Ok(Loop { open, task })
    }

    fn standing_of(
        &self,
        site: &Site,
        sites: &[Arc<Site>],
        failed: &BTreeMap<u16, String>,
    ) -> Standing {
        let spoken = sites.first().map_or(site.protocol, |oldest| oldest.protocol);
        let state = match (self.open.get(&site.port), failed.get(&site.port)) {
            (Some(Loop { open, .. }), _) if spoken == site.protocol => {
                ListenerState::Open(open.address)
            }
            (Some(_), _) => ListenerState::Failed(format!(
                "another load balancer already speaks {} on port {}",
                spoken.name(),
                site.port
            )),
            (None, Some(why)) => ListenerState::Failed(why.clone()),
            (None, None) => ListenerState::Closed,
        };
        Standing { name: site.name.clone(), protocol: site.protocol, state }
    }

    /// Compares how listeners stand now with how they stood before.
    fn tell(&mut self, standing: BTreeMap<(Arn, u16), Standing>) -> Followed {
        let mut followed = Followed::default();
        let event = |port: u16, standing: &Standing, state: ListenerState| Event::Listener {
            load_balancer: standing.name.clone(),
            port,
            protocol: standing.protocol,
            state,
        };
        for ((arn, port), now) in &standing {
            if self.standing.get(&(arn.clone(), *port)) != Some(now) {
                followed.events.push(event(*port, now, now.state.clone()));
            }
            if let ListenerState::Failed(why) = &now.state {
                followed.impaired.insert(arn.clone(), format!("listener {port}: {why}"));
            }
        }
        let gone: BTreeSet<_> =
            self.standing.keys().filter(|key| !standing.contains_key(*key)).cloned().collect();
        for key in gone {
            if let Some(before) = self.standing.get(&key) {
                followed.events.push(event(key.1, before, ListenerState::Closed));
            }
        }
        self.standing = standing;
        followed
    }

    /// How each listener stands.
    pub(crate) fn listeners(&self) -> Vec<ListenerView> {
        let views = self.standing.iter().map(|((_, port), now)| ListenerView {
            load_balancer: now.name.clone(),
            port: *port,
            protocol: now.protocol,
            state: now.state.clone(),
        });
        views.collect()
    }

    /// Every accept loop and connection.
    pub(crate) fn tasks(&self) -> TaskTracker {
        self.tasks.clone()
    }
}

fn bind(wanted: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(wanted)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, address))
}

async fn accept(listener: TcpListener, open: Arc<Open>, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = open.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let halt = open.plane.halt.clone();
                let serving = serve(Arc::clone(&open), stream, peer);
                tasks.spawn(halt.run_until_cancelled_owned(serving));
            }
            Err(why) => {
                // Mostly too many open files: some will be closed soon.
                tracing::warn!(address = %open.address, "cannot accept a connection: {why}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
