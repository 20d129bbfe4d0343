//! The workers and what they share: how they come up, and how they go down.

use super::{Config, Problems, StartError};
use crate::{
    access::{Lines, Writer},
    admin::{Admin, SetLogLevel},
    context::Settings,
    listen::{Addressing, Ports},
    live::Registry,
    load::{Crowd, Load, watch as watch_memory},
    metrics::{Metrics, Workload},
    ready::Ready,
    snapshot::Snapshot,
    supervise::Estate,
    tls::{self, Keeper, has_fips},
    view::Reporter,
    worker::{Command, Worker},
};
use edgeway_api::Problem;
use edgeway_core::id::ListenerId;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};

/// The workers and what they share.
pub(super) struct Engine {
    workers: Vec<Worker>,
    access: Option<Writer>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) ready: Ready,
    addressing: Addressing,
    tls: tls::Settings,
    log_level: Option<SetLogLevel>,
    /// Until ports are opened.
    estate: Estate,
    /// Watches memory.
    memory: JoinHandle<()>,
}

impl Engine {
    pub(super) fn start(config: Config) -> Result<Self, StartError> {
        if config.fips && !has_fips() {
            return Err(StartError::NotFips);
        }
        let metrics = Arc::new(Metrics::new().map_err(StartError::Metrics)?);
        let (restarts, _) = config.estate.history();
        metrics.restarts.inc_by(u64::from(restarts));
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
        let (log_level, estate) = (config.log_level, config.estate);
        let memory = tokio::spawn(memory);
        let tls = tls::Settings { fips: config.fips, ticket_rotation: config.ticket_rotation };
        let ready = Ready::new();
        Ok(Self { workers, access, metrics, ready, addressing, tls, log_level, estate, memory })
    }

    pub(super) fn admin(&self, snapshot: Snapshot, problems: Problems) -> Admin {
        Admin {
            snapshot,
            ready: self.ready.clone(),
            metrics: Arc::clone(&self.metrics),
            workers: self.workers.iter().map(Worker::commands).collect(),
            problems,
            log_level: self.log_level.clone(),
        }
    }

    pub(super) fn ports(
        &mut self,
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
            estate: std::mem::take(&mut self.estate),
            tls: Keeper::new(self.tls),
            ticket_rotation: self.tls.ticket_rotation,
        }
    }

    /// Asks clients to go elsewhere, for so long.
    pub(super) async fn drain(&self, time: Duration) {
        self.ready.set_draining();
        self.tell(|| Command::Drain);
        tracing::info!(seconds = time.as_secs(), "draining");
        sleep(time).await;
    }

    /// Finishes what has begun, if that is possible in time.
    pub(super) async fn stop(mut self, deadline: Duration) {
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
