//! Clusters whose endpoints DNS knows: the compiled table goes in, the same table with addresses
//! goes out.
//!
//! A name is followed by one task, however many clusters stand for it. A table without names passes
//! through as it is. What DNS says becomes a new table at most every [`INTERVAL`].

mod dns;
mod fill;
mod name;

use crate::{metrics::Metrics, retired::Retired, snapshot::Snapshot};
use dns::Dns;
use edgeway_api::{ObjectRef, Problem};
use edgeway_core::table::Table;
use fill::Filled;
use name::Reply;
use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// How long the first table waits for its names, as long as Envoy does.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);

/// How long a later table waits for names that are new in it: the one before serves meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often answers become a new table at most.
const INTERVAL: Duration = Duration::from_millis(100);

/// What resolving needs.
pub(crate) struct Resolver {
    /// Whom to ask; none: as the system says.
    pub(crate) servers: Vec<SocketAddr>,
    /// Where queries are counted.
    pub(crate) metrics: Arc<Metrics>,
    /// The names without an address.
    pub(crate) problems: watch::Sender<Vec<Problem>>,
}

impl Resolver {
    /// Puts what is put into `compiled` into `served`, with addresses, until told to stop.
    pub(crate) async fn follow(
        self,
        compiled: Snapshot,
        served: Snapshot,
        stop: CancellationToken,
    ) {
        let (replies, mut inbox) = mpsc::unbounded_channel();
        let mut generation = compiled.generation();
        let mut desk = Desk::new(self, served, replies);
        let mut seen = 0;
        loop {
            let count = *generation.borrow_and_update();
            if count > seen {
                seen = count;
                desk.take(compiled.load());
            }
            if desk.due().is_some_and(|due| due <= Instant::now()) {
                desk.publish();
            }
            let due = desk.due();
            tokio::select! {
                changed = generation.changed() => if changed.is_err() { break },
                Some(reply) = inbox.recv() => desk.note(reply),
                () = async { match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                } } => {}
                () = desk.retired.wait() => desk.retired.drop_unused().await,
                () = stop.cancelled() => break,
            }
        }
    }
}

/// What is known while tables come and go.
struct Desk {
    resolver: Resolver,
    dns: Option<Arc<Dns>>,
    replies: mpsc::UnboundedSender<Reply>,
    names: HashMap<Arc<str>, Followed>,
    compiled: Arc<Table>,
    /// Whether `compiled` has not been served yet.
    fresh: bool,
    /// When to serve what has changed; nothing has if there is no time.
    not_before: Option<Instant>,
    published: Option<Instant>,
    filled: Filled,
    served: Snapshot,
    retired: Retired,
}

/// A name that is asked for.
struct Followed {
    addresses: Vec<IpAddr>,
    state: State,
    _task: AbortOnDropHandle<()>,
}

/// What came of asking, last.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Nothing yet; tables wait for it until then.
    Awaited(Instant),
    /// An answer.
    Answered,
    /// No answer, and why.
    Failed(String),
}

impl Desk {
    fn new(resolver: Resolver, served: Snapshot, replies: mpsc::UnboundedSender<Reply>) -> Self {
        Self {
            resolver,
            dns: None,
            replies,
            names: HashMap::new(),
            compiled: Arc::default(),
            fresh: false,
            not_before: None,
            published: None,
            filled: Filled::default(),
            served,
            retired: Retired::default(),
        }
    }

    /// A new table: names that it no longer has are forgotten, new ones are asked for.
    fn take(&mut self, compiled: Arc<Table>) {
        let hosts = fill::hosts(&compiled);
        self.names.retain(|host, _| hosts.contains(host));
        for host in hosts {
            if !self.names.contains_key(&host)
                && let Some(followed) = self.ask(&host)
            {
                self.names.insert(host, followed);
            }
        }
        self.compiled = compiled;
        self.fresh = true;
        self.not_before = Some(Instant::now());
    }

    fn ask(&mut self, host: &Arc<str>) -> Option<Followed> {
        let Resolver { servers, metrics, .. } = &self.resolver;
        let dns = match &self.dns {
            Some(dns) => Arc::clone(dns),
            None => match Dns::new(servers) {
                Ok(dns) => Arc::clone(self.dns.insert(Arc::new(dns))),
                Err(error) => {
                    tracing::error!(%error, "names cannot be resolved");
                    return None;
                }
            },
        };
        let (metrics, replies) = (Arc::clone(metrics), self.replies.clone());
        let task = tokio::spawn(name::follow(Arc::clone(host), dns, metrics, replies));
        let patience = if self.published.is_none() { FIRST_PATIENCE } else { PATIENCE };
        Some(Followed {
            addresses: Vec::new(),
            state: State::Awaited(Instant::now() + patience),
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Keeps what was last known where nobody answers.
    fn note(&mut self, reply: Reply) {
        let Some(name) = self.names.get_mut(&reply.host) else { return };
        match reply.addresses {
            Ok(addresses) => {
                name.state = State::Answered;
                name.addresses = addresses;
            }
            Err(reason) => name.state = State::Failed(reason),
        }
        let rest = self.published.map(|published| published + INTERVAL);
        self.not_before = self.not_before.or(rest).or_else(|| Some(Instant::now()));
    }

    /// When to publish: not while a name of the table may be answered any moment.
    fn due(&self) -> Option<Instant> {
        let awaited = self.names.values().filter_map(|name| match name.state {
            State::Awaited(until) => Some(until),
            State::Answered | State::Failed(_) => None,
        });
        self.not_before.map(|not_before| awaited.fold(not_before, Instant::max))
    }

    fn publish(&mut self) {
        let names = &self.names;
        let addresses = |host: &str| names.get(host).map_or(&[][..], |name| &name.addresses);
        let table = self.filled.fill(&self.compiled, addresses);
        if self.fresh || !same_clusters(&table, &self.served.load()) {
            let before = self.served.swap(table);
            // One that passed through is dropped by whoever made it, which waits for us, too.
            if !fill::hosts(&before).is_empty() {
                self.retired.push(before);
            }
        }
        self.fresh = false;
        self.not_before = None;
        self.published = Some(Instant::now());
        let problems = self.problems();
        self.resolver.problems.send_if_modified(|told| {
            let changed = *told != problems;
            *told = problems;
            changed
        });
    }

    /// The names without an address, once for each service that they are for.
    fn problems(&self) -> Vec<Problem> {
        let mut found = BTreeSet::new();
        for cluster in self.compiled.clusters.iter() {
            let names = cluster.names.iter().flat_map(|names| &names.list);
            for host in names.map(|name| &name.host) {
                let reason = match self.names.get(host) {
                    Some(name) if !name.addresses.is_empty() => continue,
                    Some(Followed { state: State::Failed(reason), .. }) => reason.as_str(),
                    Some(Followed { state: State::Answered, .. }) => "DNS has no address for it",
                    Some(Followed { state: State::Awaited(_), .. }) => "DNS has not answered yet",
                    None => "names cannot be resolved here",
                };
                let service = &cluster.service;
                let object = ObjectRef::new("Host", &*service.namespace, &*service.host);
                let problem = Problem::error(object, "", "dns-not-resolved");
                found.insert(problem.message(format!("`{host}`: {reason}")).advice(
                    "its requests answer 503; correct the name in the ServiceEntry or Service, or \
                     let the gateway ask a DNS server that knows it (--dns-server)",
                ));
            }
        }
        found.into_iter().collect()
    }
}

fn same_clusters(one: &Table, other: &Table) -> bool {
    let mut pairs = one.clusters.slots().zip(other.clusters.slots());
    one.clusters.extent() == other.clusters.extent()
        && pairs.all(|(a, b)| a.map(Arc::as_ptr) == b.map(Arc::as_ptr))
}

#[cfg(test)]
mod tests;
