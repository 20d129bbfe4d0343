//! The account and the data plane behind it, kept in step.
//!
//! A call is answered only after the data plane follows it: when `CreateListener` returns, the
//! port is open, unless a delay was asked for.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{Mutex, Notify, broadcast};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chaos::{Draw, Fates};
use crate::config::Config;
use crate::error::AwsError;
use crate::event::Event;
use crate::plane::Plane;
use crate::plane::checks::{Checks, Found};
use crate::plane::identity::Unready;
use crate::plane::listen::Ports;
use crate::rollout::Rollout;
use crate::running::{ListenerView, Overview};
use crate::state::World;
use crate::state::target_group::TargetGroup;
use crate::wire::{Reply, Request};

/// How often the data plane is tidied at least.
const TIDY: Duration = Duration::from_secs(15);
/// How many findings are taken in at once.
const FINDINGS: usize = 1024;
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
    standing: ArcSwap<Standing>,
    connections: TaskTracker,
    events: broadcast::Sender<Event>,
    /// Tells the clock that a deadline may have come nearer.
    changed: Notify,
}

#[derive(Debug)]
struct Core {
    world: World,
    rollout: Rollout,
    ports: Ports,
    checks: Checks,
}

/// What an overview is made of when somebody asks for one.
#[derive(Debug, Default)]
struct Standing {
    listeners: Vec<ListenerView>,
    groups: Vec<Arc<TargetGroup>>,
}

impl Engine {
    pub(crate) fn new(
        config: Config,
        found: UnboundedSender<Found>,
        stop: CancellationToken,
    ) -> Result<Self, Unready> {
        let config = Arc::new(config);
        let plane = Arc::new(Plane::new(config.cognito.clone())?);
        let seed = config.seed.unwrap_or_else(rand::random);
        let core = Core {
            world: World::new(Arc::clone(&config), seed),
            rollout: Rollout::new(config.chaos.delay),
            ports: Ports::new(Arc::clone(&plane), config.bind, config.ports, stop),
            checks: Checks::new(Arc::clone(&plane), found, config.health_interval_cap),
        };
        Ok(Self {
            fates: Fates::new(config.chaos),
            config,
            plane,
            connections: core.ports.tasks(),
            core: Mutex::new(core),
            standing: ArcSwap::default(),
            events: broadcast::Sender::new(EVENTS),
            changed: Notify::new(),
        })
    }

    pub(crate) fn default_region(&self) -> &str {
        &self.config.region
    }

    /// The folder of the buckets.
    pub(crate) fn buckets(&self) -> Option<&Path> {
        self.config.buckets.as_deref()
    }

    /// The key of this name that checks what targets are told of users, in PEM.
    pub(crate) fn public_key(&self, id: &str) -> Option<&str> {
        self.plane.identities.public_key(id)
    }

    /// What becomes of the call that comes next.
    pub(crate) fn draw(&self) -> Draw {
        self.fates.next()
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Carries out a call of the API that sees how things were some time ago. Once begun it must not
    /// be dropped half-way.
    pub(crate) async fn call(&self, request: &Request, age: Duration) -> Result<Reply, AwsError> {
        let mut core = self.core.lock().await;
        let before = core.world.revision();
        let now = SystemTime::now();
        let result = core.world.apply(request, now, now - age);
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
        let mut findings = Vec::new();
        loop {
            let pause = self.pause().await;
            tokio::select! {
                () = stop.cancelled() => return,
                count = found.recv_many(&mut findings, FINDINGS) => {
                    if count == 0 {
                        return;
                    }
                    self.observe(findings.drain(..)).await;
                }
                () = self.changed.notified() => {}
                () = tokio::time::sleep(pause) => self.tick().await,
            }
        }
    }

    /// How long there is nothing to do by time alone.
    async fn pause(&self) -> Duration {
        let core = self.core.lock().await;
        let ends = core.world.next_deadline();
        let ends = ends.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        let arrives = core.rollout.next().map(|due| due.saturating_duration_since(Instant::now()));
        [Some(TIDY), ends, arrives].into_iter().flatten().min().unwrap_or(TIDY)
    }

    /// Takes in what was found, all at once: each change of the data plane is work for the whole of it.
    async fn observe(&self, findings: impl Iterator<Item = Found>) {
        let mut core = self.core.lock().await;
        let now = SystemTime::now();
        let mut changes = false;
        for Found { group, target, finding } in findings {
            changes |= core.world.observe(&group, &target, &finding, now);
        }
        if changes {
            self.publish(&mut core).await;
        }
    }

    /// Ends what has drained, takes on what has arrived, and tries again to open what could not be opened.
    async fn tick(&self) {
        let mut core = self.core.lock().await;
        if core.world.settle(SystemTime::now()) {
            self.publish(&mut core).await;
        } else {
            self.follow(&mut core).await;
        }
        drop(core);
        self.plane.clients.prune();
    }

    /// Sends the data plane what the account is now.
    async fn publish(&self, core: &mut Core) {
        let cut = core.world.take_cut();
        core.rollout.send(core.world.regions(), cut, Instant::now());
        self.follow(core).await;
    }

    /// Makes the data plane follow what has arrived, and tells what happened.
    async fn follow(&self, core: &mut Core) {
        let Core { world, rollout, ports, checks } = core;
        let (table, cut) = rollout.arrive(Instant::now(), &world.regions());
        self.plane.table.store(Arc::clone(&table));
        for (group, target) in cut {
            self.plane.live.cut(&group, &target);
        }
        self.plane.live.prune(&table);
        let followed = ports.follow(&table).await;
        world.set_impaired(&followed.impaired);
        let standing = Standing { listeners: ports.listeners(), groups: world.groups() };
        self.standing.store(Arc::new(standing));
        checks.follow(&table);
        for event in world.take_events().into_iter().chain(followed.events) {
            // Nobody has to listen.
            let _ = self.events.send(event);
        }
        self.changed.notify_one();
    }

    /// How everything stands.
    pub(crate) fn overview(&self) -> Overview {
        let standing = self.standing.load();
        Overview {
            listeners: standing.listeners.clone(),
            targets: standing.groups.iter().flat_map(|group| group.views()).collect(),
        }
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
