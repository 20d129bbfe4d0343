//! The gateway as a whole: what it is made of, how it comes up and how it goes down.
//!
//! No global state and no process exit: several may run in one process.

mod engine;

use crate::{
    access::AccessLog,
    admin::{Door, SetLogLevel},
    board::tell,
    edge::Edge,
    metrics::Metrics,
    publish::{Keep, Report, publish},
    ready::Ready,
    resolve::Resolver,
    snapshot::Snapshot,
    status::{Gateway, Scribe, Statuses},
    supervise::Estate,
};
use edgeway_api::{ObjectRef, Objects, Problem};
use edgeway_core::id::ListenerId;

use engine::Engine;
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use crate::tls::TICKET_ROTATION;

/// What a gateway is told when it starts.
#[derive(Debug)]
pub struct Config {
    /// For whom we serve: namespace and labels that Gateways select by.
    pub workload: edgeway_core::Workload,
    /// Name of the workload, for metrics.
    pub workload_name: String,
    /// Name of the cluster of machines, for metrics.
    pub cluster_name: String,
    /// Where listeners are bound that have no address of their own; `None`: all addresses.
    pub bind: Option<IpAddr>,
    /// Added to the ports of listeners.
    pub port_offset: u16,
    /// Threads that serve; 0 for one per processor.
    pub workers: usize,
    /// Where readiness is told.
    pub status: SocketAddr,
    /// Where metrics are scraped.
    pub metrics: SocketAddr,
    /// Where people ask for the configuration.
    pub admin: SocketAddr,
    /// Which DNS servers are asked; none: those of the system.
    pub dns_servers: Vec<SocketAddr>,
    /// How clients are met.
    pub edge: Edge,
    /// How long new connections are accepted after the signal to stop.
    pub drain: Duration,
    /// How long requests may take after that.
    pub drain_deadline: Duration,
    /// Whether nothing but cryptography by FIPS 140-3 is used.
    pub fips: bool,
    /// How often the keys of session tickets change; a session is resumed for at least so long, and at
    /// most twice.
    pub ticket_rotation: Duration,
    /// The access log, if one is wanted.
    pub access_log: Option<AccessLog>,
    /// How the log level is changed, if it can be.
    pub log_level: Option<SetLogLevel>,
    /// What is kept on disk over a restart.
    pub keep: Keep,
    /// How statuses are written, if they are.
    pub statuses: Option<Statuses>,
    /// Listening sockets that outlive this process, if it has a parent that keeps them.
    pub estate: Estate,
}

impl Default for Config {
    fn default() -> Self {
        let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        Self {
            workload: edgeway_core::Workload::default(),
            workload_name: "istio-ingressgateway".into(),
            cluster_name: "Kubernetes".into(),
            bind: None,
            port_offset: 0,
            workers: 0,
            status: any(15021),
            metrics: any(15020),
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 15000)),
            dns_servers: Vec::new(),
            edge: Edge::default(),
            drain: Duration::from_secs(5),
            drain_deadline: Duration::from_secs(20),
            fips: false,
            ticket_rotation: TICKET_ROTATION,
            access_log: None,
            log_level: None,
            keep: Keep::default(),
            statuses: None,
            estate: Estate::default(),
        }
    }
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such cryptography.
    #[error(
        "this build has no cryptography by FIPS 140-3; build with `--features fips`, or leave out --fips"
    )]
    NotFips,
    /// No thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// Metrics contradict one another.
    #[error("cannot set up metrics")]
    Metrics(#[source] prometheus::Error),
}

/// Where all problems of the moment are to be had.
pub type Problems = Arc<dyn Fn() -> Vec<Problem> + Send + Sync>;

/// A gateway that runs.
#[derive(Debug)]
pub struct Running {
    /// Where readiness is told.
    pub status: SocketAddr,
    /// Where metrics are scraped.
    pub metrics: SocketAddr,
    /// Where people ask for the configuration.
    pub admin: SocketAddr,
    /// The listeners that are open, and where.
    pub listeners: watch::Receiver<BTreeMap<ListenerId, SocketAddr>>,
    /// Whether it takes traffic.
    pub ready: watch::Receiver<bool>,
    /// What keeps listeners from being opened.
    pub listener_problems: watch::Receiver<Vec<Problem>>,
    /// The names that DNS has no address for.
    pub name_problems: watch::Receiver<Vec<Problem>>,
    /// What keeps statuses from being written.
    pub status_problems: watch::Receiver<Vec<Problem>>,
    inner: Inner,
    life: JoinHandle<()>,
}

/// What is told about a configuration from within.
#[derive(Clone, Debug)]
struct Inner {
    families: Arc<Metrics>,
    ready: Ready,
}

impl Inner {
    /// Tells how old the configuration is, and whether it can serve all that it should.
    async fn follow(self, mut report: watch::Receiver<Arc<Report>>) {
        while report.changed().await.is_ok() {
            let kept = report.borrow_and_update().kept;
            let since = kept.and_then(|age| age.since.duration_since(UNIX_EPOCH).ok());
            let seconds = since.map_or(0, |since| since.as_secs());
            self.families.config_kept_since.set(i64::try_from(seconds).unwrap_or(i64::MAX));
            self.ready.set_incomplete(kept.is_some_and(|age| !age.is_complete));
        }
    }
}

impl Running {
    /// Who says what became of `report`.
    fn scribe(
        &self,
        target: ObjectRef,
        statuses: Option<Statuses>,
        report: watch::Receiver<Arc<Report>>,
        refused: watch::Sender<Vec<Problem>>,
    ) -> Scribe {
        let gateway = Gateway {
            target,
            problems: vec![self.listener_problems.clone(), self.name_problems.clone()],
            listeners: self.listeners.clone(),
        };
        Scribe::new(statuses, gateway, report, &self.inner.families, refused)
    }

    /// Returns when the gateway has stopped, after its token was cancelled.
    pub async fn stopped(self) {
        if let Err(error) = self.life.await {
            tracing::error!(%error, "the gateway ended abnormally");
        }
    }
}

/// Starts a gateway that serves what is compiled of the newest `objects`, and runs it to its end.
pub async fn run(
    config: Config,
    objects: watch::Receiver<Arc<Objects>>,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let (running, report) = start(config, objects, shutdown).await?;
    let others = vec![
        ("listeners", running.listener_problems.clone()),
        ("names", running.name_problems.clone()),
        ("statuses", running.status_problems.clone()),
    ];
    let telling = tokio::spawn(tell(report, others));
    running.stopped().await;
    telling.abort();
    Ok(())
}

/// Starts a gateway that serves what is compiled of the newest `objects`. The second value tells
/// what became of them.
pub async fn start(
    mut config: Config,
    objects: watch::Receiver<Arc<Objects>>,
    shutdown: CancellationToken,
) -> Result<(Running, watch::Receiver<Arc<Report>>), StartError> {
    let snapshot = Snapshot::default();
    let (sender, report) = watch::channel(Arc::<Report>::default());
    let (refused, status_problems) = watch::channel(Vec::new());
    let problems: Problems = {
        let (report, refused) = (report.clone(), status_problems.clone());
        Arc::new(move || [report.borrow().problems.clone(), refused.borrow().clone()].concat())
    };
    let (workload, keep) = (config.workload.clone(), config.keep.clone());
    let statuses = config.statuses.take();
    let name = ObjectRef::new("Gateway", &workload.namespace, &config.workload_name);
    let running = serve(config, snapshot.clone(), problems, shutdown.clone()).await?;
    let running = Running { status_problems, ..running };
    tokio::spawn(running.inner.clone().follow(report.clone()));
    let scribe = running.scribe(name, statuses, report.clone(), refused);
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(scribe.run()));
    tokio::spawn(async move {
        let publishing = publish(objects, workload, snapshot, sender, keep);
        // It serves on when its source ends, until it is stopped.
        shutdown.run_until_cancelled_owned(publishing).await;
    });
    Ok((running, report))
}

/// Starts a gateway that serves whatever table is put into `snapshot`.
///
/// Cancelling `shutdown` drains it: readiness goes, connections are accepted for [`Config::drain`]
/// and asked to close, then what has begun is finished within [`Config::drain_deadline`].
pub async fn serve(
    config: Config,
    snapshot: Snapshot,
    problems: Problems,
    shutdown: CancellationToken,
) -> Result<Running, StartError> {
    let status = Door::open(config.status, "readiness").await;
    let scrape = Door::open(config.metrics, "metrics").await;
    let local = Door::open(config.admin, "the admin interface").await;
    let [status_at, metrics_at, admin_at] = [&status, &scrape, &local].map(Door::address);

    let Config { drain, drain_deadline, .. } = config;
    let servers = config.dns_servers.clone();
    let mut engine = Engine::start(config)?;
    let (open, listeners) = watch::channel(BTreeMap::new());
    let (unopened, listener_problems) = watch::channel(Vec::new());
    let (unresolved, name_problems) = watch::channel(Vec::new());
    let ready = engine.ready.watch();
    let all_problems: Problems = {
        let (unopened, unresolved) = (listener_problems.clone(), name_problems.clone());
        let ours = move || [unopened.borrow().clone(), unresolved.borrow().clone()].concat();
        Arc::new(move || [problems(), ours()].concat())
    };
    let served = Snapshot::default();
    let admin = engine.admin(served.clone(), all_problems);
    let askers = [
        tokio::spawn(status.serve(admin.clone().status())),
        tokio::spawn(scrape.serve(admin.clone().scrape())),
        tokio::spawn(local.serve(admin.local())),
    ];
    let stop = CancellationToken::new();
    let ports = engine.ports(open, unopened);
    let families = Arc::clone(&engine.metrics);
    let inner = Inner { families: Arc::clone(&families), ready: engine.ready.clone() };
    let resolver = Resolver { servers, metrics: Arc::clone(&families), problems: unresolved };
    let resolving = tokio::spawn(resolver.follow(snapshot, served.clone(), stop.clone()));
    let following = tokio::spawn(ports.follow(served, stop.clone()));
    let life = tokio::spawn(async move {
        shutdown.cancelled().await;
        engine.drain(drain).await;
        stop.cancel();
        let _ = tokio::join!(following, resolving);
        engine.stop(drain_deadline).await;
        askers.iter().for_each(JoinHandle::abort);
    });
    Ok(Running {
        status: status_at,
        metrics: metrics_at,
        admin: admin_at,
        listeners,
        ready,
        listener_problems,
        name_problems,
        // Whoever puts tables into the snapshot says nothing of objects.
        status_problems: watch::channel(Vec::new()).1,
        inner,
        life,
    })
}
