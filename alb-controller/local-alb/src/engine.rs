//! The account and the data plane behind it, kept in step.
//!
//! A call is answered only after the data plane follows it: when `CreateListener` returns, the
//! port is open.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{Mutex, Notify, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chaos::{Fate, Fates};
use crate::config::Config;
use crate::error::AwsError;
use crate::event::Event;
use crate::plane::Plane;
use crate::plane::checks::{Checks, Found};
use crate::plane::listen::Ports;
use crate::plane::table::Table;
use crate::running::Overview;
use crate::state::World;
use crate::wire::{Reply, Request};

/// How often the data plane is tidied at least.
const TIDY: Duration = Duration::from_secs(15);
/// How many events a slow reader may be behind.
const EVENTS: usize = 1024;

/// The whole of a local load balancer, without its API server.
#[derive(Debug)]
pub(crate) struct Engine {
    config: Arc<Config>,
    fates: Fates,
    plane: Arc<Plane>,
    core: Mutex<Core>,
    /// How everything stands, for whoever asks.
    overview: ArcSwap<Overview>,
    connections: TaskTracker,
    events: broadcast::Sender<Event>,
    /// Tells the clock that a deadline may have come nearer.
    changed: Notify,
}

#[derive(Debug)]
struct Core {
    world: World,
    ports: Ports,
    checks: Checks,
}

impl Engine {
    pub(crate) fn new(
        config: Config,
        found: UnboundedSender<Found>,
        stop: CancellationToken,
    ) -> Result<Self, rustls::Error> {
        let config = Arc::new(config);
        let plane = Arc::new(Plane::new()?);
        let seed = config.seed.unwrap_or_else(rand::random);
        let core = Core {
            world: World::new(Arc::clone(&config), seed),
            ports: Ports::new(Arc::clone(&plane), config.bind, config.ports, stop),
            checks: Checks::new(Arc::clone(&plane), found, config.health_interval_cap),
        };
        Ok(Self {
            fates: Fates::new(config.chaos),
            config,
            plane,
            connections: core.ports.tasks(),
            core: Mutex::new(core),
            overview: ArcSwap::default(),
            events: broadcast::Sender::new(EVENTS),
            changed: Notify::new(),
        })
    }

    pub(crate) fn default_region(&self) -> &str {
        &self.config.region
    }

    /// What becomes of the call that comes next.
    pub(crate) fn fate(&self) -> Fate {
        self.fates.next()
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Carries out a call of the API. Once begun it must not be dropped half-way.
    pub(crate) async fn call(&self, request: &Request) -> Result<Reply, AwsError> {
        let mut core = self.core.lock().await;
        let before = core.world.revision();
        let result = core.world.apply(request, SystemTime::now());
        if let Err(why) = &result {
            tracing::debug!(service = request.service.name(), action = request.action, "{why}");
        }
        if core.world.revision() != before {
            self.publish(&mut core).await;
        }
        result
    }

    /// Takes in findings of health checks and ends what has drained, until there are no more.
    pub(crate) async fn run(&self, mut found: UnboundedReceiver<Found>, stop: CancellationToken) {
        loop {
            let next = self.core.lock().await.world.next_deadline();
            let pause = next.map_or(TIDY, |next| {
                next.duration_since(SystemTime::now()).unwrap_or_default().min(TIDY)
            });
            tokio::select! {
                () = stop.cancelled() => return,
                received = found.recv() => match received {
                    Some(found) => self.observe(&found).await,
                    None => return,
                },
                () = self.changed.notified() => {}
                () = tokio::time::sleep(pause) => self.tick().await,
            }
        }
    }

    async fn observe(&self, found: &Found) {
        let mut core = self.core.lock().await;
        if core.world.observe(&found.group, &found.target, &found.finding) {
            self.publish(&mut core).await;
        }
    }

    /// Ends what has drained, and tries again to open what could not be opened.
    async fn tick(&self) {
        let mut core = self.core.lock().await;
        core.world.settle(SystemTime::now());
        self.publish(&mut core).await;
        drop(core);
        self.plane.clients.prune();
    }

    /// Makes the data plane follow the account, and tells what happened.
    async fn publish(&self, core: &mut Core) {
        let Core { world, ports, checks } = core;
        let table = Arc::new(Table::of(world.regions()));
        self.plane.table.store(Arc::clone(&table));
        for (group, target) in world.take_cut() {
            self.plane.live.cut(&group, &target);
        }
        self.plane.live.prune(&table);
        let followed = ports.follow(&table).await;
        world.set_impaired(&followed.impaired);
        let overview = Overview { listeners: ports.listeners(), targets: world.targets() };
        self.overview.store(Arc::new(overview));
        checks.follow(&table);
        for event in world.take_events().into_iter().chain(followed.events) {
            // Nobody has to listen.
            let _ = self.events.send(event);
        }
        self.changed.notify_one();
    }

    /// How everything stands.
    pub(crate) fn overview(&self) -> Arc<Overview> {
        self.overview.load_full()
    }

    /// Ends whatever is still under way.
    pub(crate) fn halt(&self) {
        self.plane.halt.cancel();
    }

    /// Every accept loop and connection.
    pub(crate) fn connections(&self) -> TaskTracker {
        self.connections.clone()
    }
}
