//! All parts, started in order and stopped in order.

use super::{cast::Cast, feed::Feed, ports, requests::Requests};
use crate::{
    furnish::{CONTROLLERS, Places, Role, Scene},
    offline::{CLUSTER, workload},
};
use anyhow::Context;
use edgeway_alb_controller::{
    Event as Step, Handle, Status,
    aws::{Access, Connection, Rates},
};
use edgeway_alb_core::Settings;
use edgeway_api::{Objects, Problem};
use edgeway_core::{Workload, compile, id::ListenerId};
use edgeway_gateway::{
    access::AccessLog,
    edge::{Edge, Trust},
    lease::Tenure,
    publish::Report,
    source::{Files, Lost, Source},
};
use edgeway_local_alb::{
    Event as AlbEvent, LocalAlb, PortMapping,
    config::{DEFAULT_API_PORT, DEFAULT_REGION, DEFAULT_VPC},
};
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// How long requests in flight may take once everything is to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// What `up` is started with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Files and folders of manifests.
    pub paths: Vec<PathBuf>,
    /// Added to the ports of the ALB's listeners.
    pub port_offset: u16,
    /// Where the ALB and the gateway listen.
    pub bind: IpAddr,
}

/// Everything that runs.
pub(super) struct Stage {
    objects: watch::Receiver<Arc<Objects>>,
    pub feed: Feed,
    pub alb: edgeway_local_alb::Running,
    events: broadcast::Receiver<AlbEvent>,
    gateway: edgeway_gateway::Running,
    report: watch::Receiver<Arc<Report>>,
    steps: broadcast::Receiver<Step>,
    status: watch::Receiver<Arc<Status>>,
    reconciling: JoinHandle<()>,
    /// Nothing, once it has ended.
    reading: Option<JoinHandle<Result<(), Lost>>>,
    stop: Stops,
}

/// Something that happened to one of the parts.
pub(super) enum Happening {
    /// The manifests have changed.
    Read(Arc<Objects>),
    /// The manifests are not followed any more.
    Lost(Option<Lost>),
    /// The local ALB tells something.
    Alb(AlbEvent),
    /// The controller tells something.
    Step(Step),
    /// The controller has looked at everything again.
    Status(Arc<Status>),
    /// The gateway has another table.
    Report(Arc<Report>),
    /// The gateway has opened or closed ports.
    Listeners(BTreeMap<ListenerId, SocketAddr>),
    /// The gateway has problems with its ports, or has them no more.
    PortProblems(Vec<Problem>),
    /// Backends that are not needed have been stopped.
    Retired,
    /// Some events could not be kept.
    Missed(u64),
    /// A part has ended that should not.
    Ended(&'static str),
}

/// One token for each part, since they stop one after the other.
#[derive(Debug, Default)]
struct Stops {
    controller: CancellationToken,
    alb: CancellationToken,
    gateway: CancellationToken,
    cast: CancellationToken,
}

impl Stage {
    /// Reads the manifests and starts what they need.
    pub(super) async fn open(config: Config) -> anyhow::Result<Self> {
        let stop = Stops::default();
        let (sender, mut objects) = watch::channel(Arc::default());
        let reading = tokio::spawn(Files::new(config.paths).run(sender));
        if objects.changed().await.is_err() {
            reading.await??;
            anyhow::bail!("reading stopped unexpectedly");
        }
        let first = Arc::clone(&objects.borrow_and_update());
        let role = Role::of(&first);
        let labels: Vec<_> =
            role.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        tracing::info!(
            "{} objects are read; the local gateway is {} in namespace {}",
            first.count(),
            labels.join(","),
            role.namespace
        );
        let offset = gateway_offset(&first, &role, config.bind, config.port_offset)?;
        let cast = Cast::new(loopback(config.bind), stop.cast.clone());
        let mut feed = Feed::new(role.clone(), (loopback(config.bind), offset), cast);
        let complete = feed.subscribe();

        let alb = start_alb(config.bind, config.port_offset, &stop.alb).await?;
        tracing::info!("the AWS API of the local ALB is on http://{}", alb.api);
        let gateway = gateway(workload(&role), config.bind, offset);
        let (gateway, report) =
            edgeway_gateway::start(gateway, complete, stop.gateway.clone()).await?;
        let events = alb.events();
        let controller = Handle::default();
        let (steps, status) = (controller.events.subscribe(), controller.status.subscribe());
        let reconciling = tokio::spawn(edgeway_alb_controller::run(
            controller_config(alb.api),
            feed.subscribe(),
            stop.controller.clone(),
            controller,
        ));
        feed.take(&first).await;
        Ok(Self {
            objects,
            feed,
            alb,
            events,
            gateway,
            report,
            steps,
            status,
            reconciling,
            reading: Some(reading),
            stop,
        })
    }

    /// What happens next.
    pub(super) async fn next(&mut self) -> Happening {
        let lost = async {
            match &mut self.reading {
                Some(reading) => reading.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Ok(()) = self.objects.changed() => {
                Happening::Read(Arc::clone(&self.objects.borrow_and_update()))
            }
            lost = lost => {
                self.reading = None;
                Happening::Lost(lost.ok().and_then(Result::err))
            }
            event = self.events.recv() => heard(event, Happening::Alb, "the local ALB"),
            step = self.steps.recv() => heard(step, Happening::Step, "the controller"),
            Ok(()) = self.status.changed() => {
                Happening::Status(Arc::clone(&self.status.borrow_and_update()))
            }
            Ok(()) = self.report.changed() => {
                Happening::Report(Arc::clone(&self.report.borrow_and_update()))
            }
            Ok(()) = self.gateway.listeners.changed() => {
                Happening::Listeners(self.gateway.listeners.borrow_and_update().clone())
            }
            Ok(()) = self.gateway.listener_problems.changed() => {
                Happening::PortProblems(self.gateway.listener_problems.borrow_and_update().clone())
            }
            () = self.feed.retire() => Happening::Retired,
        }
    }

    /// Stops everything, the front first, so that what has come in can still go through.
    pub(super) async fn close(self) {
        let Self { feed, alb, gateway, reconciling, reading, stop, .. } = self;
        if let Some(reading) = reading {
            reading.abort();
        }
        stop.controller.cancel();
        // It may be in the middle of a step, which takes no time against the local ALB.
        let _ = reconciling.await;
        stop.alb.cancel();
        alb.wait().await;
        stop.gateway.cancel();
        gateway.stopped().await;
        stop.cast.cancel();
        feed.end().await;
    }
}

/// What a part tells; `who` it is, if it tells nothing any more.
fn heard<T>(
    told: Result<T, RecvError>,
    happening: impl Fn(T) -> Happening,
    who: &'static str,
) -> Happening {
    match told {
        Ok(told) => happening(told),
        Err(RecvError::Lagged(missed)) => Happening::Missed(missed),
        Err(RecvError::Closed) => Happening::Ended(who),
    }
}

/// The gateway's offset, such that all ports it needs now are free.
fn gateway_offset(
    first: &Objects,
    role: &Role,
    bind: IpAddr,
    alb_offset: u16,
) -> anyhow::Result<u16> {
    let nowhere = Places { echoes: BTreeMap::new(), gateway: bind, gateway_offset: 0 };
    let complete = Scene::of(first, role.clone()).furnish(&nowhere);
    let table = compile(&complete, &workload(role)).table;
    let ports: Vec<u16> = table.listeners.iter().map(|listener| listener.id.port).collect();
    ports::gateway_offset(bind, alb_offset, &ports).with_context(|| {
        format!(
            "no range of ports is free for the gateway's {ports:?}; choose another --port-offset"
        )
    })
}

/// Starts the local ALB; on another port for its API if the usual one was taken since it was looked at.
async fn start_alb(
    bind: IpAddr,
    offset: u16,
    stop: &CancellationToken,
) -> io::Result<edgeway_local_alb::Running> {
    let usual = local_alb(bind, offset);
    let elsewhere = edgeway_local_alb::Config {
        api: (Ipv4Addr::LOCALHOST, 0).into(),
        ..local_alb(bind, offset)
    };
    match LocalAlb::start(usual, stop.clone()).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            LocalAlb::start(elsewhere, stop.clone()).await
        }
        started => started,
    }
}

fn local_alb(bind: IpAddr, port_offset: u16) -> edgeway_local_alb::Config {
    edgeway_local_alb::Config {
        api: documented(DEFAULT_API_PORT),
        bind,
        ports: PortMapping::Offset(port_offset),
        adopt: true,
        ..edgeway_local_alb::Config::default()
    }
}

fn controller_config(aws: SocketAddr) -> edgeway_alb_controller::Config {
    edgeway_alb_controller::Config {
        settings: Settings {
            controllers: CONTROLLERS.iter().map(|name| (*name).to_owned()).collect(),
            ..Settings::new(CLUSTER, DEFAULT_VPC)
        },
        connection: Connection {
            memory: None,
            region: DEFAULT_REGION.to_owned(),
            endpoint: Some(format!("http://{aws}")),
            access: Access::Fixed { key: CLUSTER.to_owned(), secret: CLUSTER.to_owned() },
            rates: Rates::Unlimited,
        },
        resync: None,
        tenure: Tenure::always(),
    }
}

fn gateway(workload: Workload, bind: IpAddr, port_offset: u16) -> edgeway_gateway::Config {
    let usual = edgeway_gateway::Config::default();
    edgeway_gateway::Config {
        workload,
        bind: Some(bind),
        port_offset,
        status: documented(usual.status.port()),
        metrics: documented(usual.metrics.port()),
        admin: documented(usual.admin.port()),
        // The one before us is the local ALB.
        edge: Edge { trust: Trust::hops(1), ..Edge::default() },
        drain: Duration::ZERO,
        drain_deadline: DRAIN,
        access_log: Some(AccessLog { sample: 1.0, sink: Box::<Requests>::default() }),
        ..usual
    }
}

/// A documented port of this machine, or any other if that is taken: several `up` may run at once.
fn documented(port: u16) -> SocketAddr {
    let port = if ports::is_free(Ipv4Addr::LOCALHOST.into(), port) { port } else { 0 };
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Where parts of this machine reach one another.
fn loopback(bind: IpAddr) -> IpAddr {
    if bind.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { bind }
}
