//! The gateway as a whole: what it is made of, how it comes up and how it goes down.
//!
//! No global state and no process exit: several may run in one process.

use crate::{
    access::{AccessLog, Lines, Writer},
    admin::{Admin, Door, SetLogLevel},
    board::tell,
    context::Settings,
    edge::Edge,
    listen::{Addressing, Ports},
    live::Registry,
    load::{Crowd, Load, watch as watch_memory},
    metrics::{Metrics, Workload},
    publish::{Report, publish},
    ready::Ready,
    resolve::Resolver,
    snapshot::Snapshot,
    tls::{self, Keeper, has_fips},
    view::Reporter,
    worker::{Command, Worker},
};
use edgeway_api::{Objects, Problem};
use edgeway_core::id::ListenerId;
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};
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
    /// Folder in which last good versions are kept over a restart, if they are.
    pub last_good: Option<PathBuf>,
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
            last_good: None,
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
    life: JoinHandle<()>,
}

impl Running {
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
    let Running { listener_problems, name_problems, .. } = &running;
    let telling = tell(report, listener_problems.clone(), name_problems.clone());
    let telling = tokio::spawn(telling);
    running.stopped().await;
    telling.abort();
    Ok(())
}

/// Starts a gateway that serves what is compiled of the newest `objects`. The second value tells
/// what became of them.
pub async fn start(
    config: Config,
    objects: watch::Receiver<Arc<Objects>>,
    shutdown: CancellationToken,
) -> Result<(Running, watch::Receiver<Arc<Report>>), StartError> {
    let snapshot = Snapshot::default();
    let (sender, report) = watch::channel(Arc::<Report>::default());
    let problems: Problems = {
        let report = report.clone();
        Arc::new(move || report.borrow().problems.clone())
    };
    let (workload, last_good) = (config.workload.clone(), config.last_good.clone());
    let running = serve(config, snapshot.clone(), problems, shutdown.clone()).await?;
    tokio::spawn(async move {
        let publishing = publish(objects, workload, snapshot, sender, last_good);
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
    let engine = Engine::start(config)?;
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
    let metrics = Arc::clone(&engine.metrics);
    let resolver = Resolver { servers, metrics, problems: unresolved };
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
        life,
    })
}

/// The workers and what they share.
struct Engine {
    workers: Vec<Worker>,
    access: Option<Writer>,
    metrics: Arc<Metrics>,
    ready: Ready,
    addressing: Addressing,
    tls: tls::Settings,
    log_level: Option<SetLogLevel>,
    /// Watches memory.
    memory: JoinHandle<()>,
}

impl Engine {
    fn start(config: Config) -> Result<Self, StartError> {
        if config.fips && !has_fips() {
            return Err(StartError::NotFips);
        }
        let metrics = Arc::new(Metrics::new().map_err(StartError::Metrics)?);
        let access =
            config.access_log.map(Writer::start).transpose().map_err(StartError::Thread)?;
        let count = match config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let limits = &config.edge.limits;
        let crowd = Arc::new(Crowd::new(limits.connections, limits.connections_per_client));
        let load = Load { crowd, memory: Arc::default() };
        let memory = watch_memory(limits.memory, Arc::clone(&load.memory), Arc::clone(&metrics));
        let settings = Settings { edge: config.edge, load };
        let edgeway_core::Workload { namespace, labels, .. } = &config.workload;
        let gateway = Workload::new(&config.workload_name, namespace, labels, &config.cluster_name);
        let reporter = Reporter {
            metrics: Arc::clone(&metrics),
            gateway: Arc::new(gateway),
            cluster: config.cluster_name.into(),
        };
        let registry = Arc::new(Registry::new(Arc::clone(&metrics)));
        let workers = (0..count).map(|index| {
            let lines = Lines::new(access.as_ref(), metrics.access_log_dropped.clone());
            Worker::start(index, settings.clone(), reporter.clone(), lines, Arc::clone(&registry))
        });
        let workers = workers.collect::<Result<_, _>>().map_err(StartError::Thread)?;
        let addressing =
            Addressing { bind: config.bind, port_offset: config.port_offset, grace: config.drain };
        let log_level = config.log_level;
        let memory = tokio::spawn(memory);
        let tls = tls::Settings { fips: config.fips, ticket_rotation: config.ticket_rotation };
        let ready = Ready::new();
        Ok(Self { workers, access, metrics, ready, addressing, tls, log_level, memory })
    }

    fn admin(&self, snapshot: Snapshot, problems: Problems) -> Admin {
        Admin {
            snapshot,
            ready: self.ready.clone(),
            metrics: Arc::clone(&self.metrics),
            workers: self.workers.iter().map(Worker::commands).collect(),
            problems,
            log_level: self.log_level.clone(),
        }
    }

    fn ports(
        &self,
        open: watch::Sender<BTreeMap<ListenerId, SocketAddr>>,
        problems: watch::Sender<Vec<Problem>>,
    ) -> Ports {
        Ports {
            addressing: self.addressing,
            workers: self.workers.iter().map(Worker::commands).collect(),
            metrics: Arc::clone(&self.metrics),
            ready: self.ready.clone(),
            open,
            problems,
            failed: BTreeMap::new(),
            tls: Keeper::new(self.tls),
            ticket_rotation: self.tls.ticket_rotation,
        }
    }

    /// Asks clients to go elsewhere, for so long.
    async fn drain(&self, time: Duration) {
        self.ready.set_draining();
        self.tell(|| Command::Drain);
        tracing::info!(seconds = time.as_secs(), "draining");
        sleep(time).await;
    }

    /// Finishes what has begun, if that is possible in time.
    async fn stop(mut self, deadline: Duration) {
        self.tell(|| Command::Stop);
        let workers = &mut self.workers;
        let all = async {
            for worker in workers {
                worker.stopped().await;
            }
        };
        if timeout(deadline, all).await.is_err() {
            tracing::warn!("requests are cut off: they took longer than the drain deadline");
        }
        self.tell(|| Command::Abort);
        self.memory.abort();
        let Self { workers, access, .. } = self;
        let joining = spawn_blocking(move || workers.into_iter().for_each(Worker::join));
        if let Err(error) = joining.await {
            tracing::error!(%error, "workers did not end");
        }
        if let Some(access) = access {
            access.finish().await;
        }
        tracing::info!("stopped");
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            // A worker that is gone has been reported.
            let _ = worker.commands().send(command());
        }
    }
}
