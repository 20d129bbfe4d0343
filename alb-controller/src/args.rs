//! The command line of the binary, and what it does. The only reader of the environment.

mod classes;
mod gates;
mod habits;
mod keeping;
mod strangers;
mod switches;
#[cfg(test)]
mod tests;
mod values;

pub use habits::HabitArgs;

use strangers::Strangers;

use crate::{
    aws::{Access, Connection, Rates, endpoint, is_stand_in},
    event::{Event, Status},
    gatekeeper::Gatekeeper,
    once,
    run::{Config, Handle, run},
    serve,
    status::Scribe,
};
use clap::{ArgAction, Parser, ValueEnum, builder::NonEmptyStringValueParser};
use edgeway_alb_core::{Settings, secrets, settings::EDGEWAY};
use edgeway_api::{Objects, Problem};
use edgeway_gateway::{
    args::{LeaseArgs, Office, Opened, SourceArgs},
    board::{Board, Changes},
    lease::Tenure,
    source::{CONTROLLER, Source},
};
use std::{
    ffi::OsString, io::Write, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration,
};
use tokio::sync::{broadcast::error::RecvError, watch};
use tokio_util::sync::CancellationToken;

/// The Lease, unless another is named.
const LEASE: &str = "edgeway-alb-controller";

/// Makes AWS load balancers of Ingresses.
#[derive(Clone, Debug, Parser)]
#[command(name = "edgeway-alb-controller", version)]
pub struct Args {
    #[command(flatten)]
    source: SourceArgs,
    /// Name of the cluster: part of all tags and names
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    cluster_name: String,
    /// The VPC that load balancers stand in
    #[arg(long, alias = "aws-vpc-id", value_name = "ID")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    vpc_id: String,
    /// The AWS region
    #[arg(long, alias = "aws-region", value_name = "REGION", env = "AWS_REGION")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    region: String,
    /// Another place for all AWS services, such as `http://127.0.0.1:4599`
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    endpoint_url: Option<String>,
    /// How fast AWS is called: `published`, as AWS allows an account; `unlimited`; or `auto`, which is
    /// `published` unless the endpoint speaks plain HTTP, as a stand-in for AWS does
    #[arg(long, value_name = "RATES", default_value = "auto")]
    aws_rates: RatesArg,
    /// Reconcile until nothing is left to do, print every problem, and exit
    #[arg(long)]
    once: bool,
    /// Name of a controller whose classes are served; may be given more than once
    #[arg(long = "controller", value_name = "NAME", default_value = EDGEWAY)]
    controllers: Vec<String>,
    /// Seconds from one check of AWS for drift to the next; a check makes one call a second at most.
    /// 0 for never
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    resync: u64,
    /// Folder in which what is known of targets outlives a restart, so that it costs few calls; none if
    /// empty [default: below `STATE_DIRECTORY`, `XDG_STATE_HOME` or `HOME`; none with --once]
    #[arg(long, env = "EDGEWAY_LAST_GOOD_DIR", value_name = "DIR")]
    last_good_dir: Option<OsString>,
    /// Where metrics and readiness are told; not with --once
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:15030")]
    metrics: SocketAddr,
    /// Name of the pod: who stands for the lease
    #[arg(long, env = "POD_NAME", default_value = "", hide_default_value = true)]
    pod_name: String,
    /// Namespace of the pod, in which the lease is
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    namespace: String,
    /// Whether what became of Ingresses is written to the API server, by the replica that leads
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    write_status: bool,
    /// Seconds after which an event of what is still wrong is counted again
    #[arg(long, value_name = "SECONDS", default_value_t = 300, hide = true)]
    count_events_every: u64,
    #[command(flatten)]
    habits: HabitArgs,
    #[command(flatten)]
    strangers: Strangers,
    #[command(flatten)]
    lease: LeaseArgs,
}

/// How fast AWS is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RatesArg {
    /// By the endpoint.
    Auto,
    /// As AWS allows it.
    Published,
    /// As fast as it answers.
    Unlimited,
}

impl RatesArg {
    fn rates(self, stand_in: bool) -> Rates {
        match self {
            Self::Published => Rates::Published,
            Self::Unlimited => Rates::Unlimited,
            Self::Auto if stand_in => Rates::Unlimited,
            Self::Auto => Rates::Published,
        }
    }
}

impl Args {
    /// Where objects come from. Of Secrets only those are read that a login needs.
    fn open(&self, settings: Settings) -> Opened {
        let wanted = move |objects: &Objects| secrets(objects, &settings);
        self.source.open(CONTROLLER, Arc::new(wanted))
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        let controllers = self.controllers.iter().cloned().collect();
        let namespaces = self.source.namespaces.iter().cloned().collect();
        let usual = Settings::new(&self.cluster_name, &self.vpc_id);
        self.habits.over(Settings { controllers, namespaces, ..usual })
    }

    /// Stands for the lease, where objects come from an API server and replicas are to agree.
    async fn stand(&self, source: &Opened) -> anyhow::Result<Option<Office>> {
        let terms = self.lease.terms(LEASE, &self.namespace, &self.pod_name)?;
        Ok(self.lease.stand(source, terms).await?)
    }

    /// Who says what became of Ingresses.
    fn scribe(
        &self,
        office: &Office,
        status: watch::Receiver<Arc<Status>>,
        refused: watch::Sender<Vec<Problem>>,
    ) -> Scribe {
        let writer = if self.pod_name.is_empty() { LEASE } else { &self.pod_name };
        Scribe {
            api: office.api.clone(),
            tenure: office.tenure.clone(),
            status,
            writer: writer.to_owned(),
            namespaces: self.source.namespaces.clone(),
            counted_every: Duration::from_secs(self.count_events_every),
            refused,
        }
    }

    /// What the controller is started with.
    pub fn config(&self) -> anyhow::Result<Config> {
        let settings = self.settings()?;
        let stand_in = self.endpoint_url.as_ref().is_some_and(|url| is_stand_in(url));
        let connection = Connection {
            region: self.region.clone(),
            endpoint: self.endpoint_url.clone(),
            access: Access::Usual,
            memory: self.folder(),
            rates: self.aws_rates.rates(stand_in),
        };
        let resync = Some(Duration::from_secs(self.resync)).filter(|wait| !wait.is_zero());
        Ok(Config { settings, connection, resync, tenure: Tenure::always() })
    }
}

/// Runs the binary. `out` gets what it is asked for, the log goes where the subscriber sends it.
pub async fn main(args: Args, out: &mut (impl Write + Send)) -> anyhow::Result<ExitCode> {
    let handle = Handle::default();
    tokio::spawn(log(handle.clone()));
    for remark in args.habits.remarks().chain(args.strangers.remarks()) {
        tracing::warn!("{remark}");
    }
    if args.once { one(&args, &handle, out).await } else { many(args, handle).await }
}

/// `--once`.
async fn one(
    args: &Args,
    handle: &Handle,
    out: &mut (impl Write + Send),
) -> anyhow::Result<ExitCode> {
    let config = args.config()?;
    let objects = match args.open(config.settings.clone()) {
        Opened::Files(files) => files.read()?,
        kube @ Opened::Kube(_) => {
            let (sender, mut latest) = watch::channel(Arc::default());
            tokio::select! {
                lost = kube.run(sender) => {
                    lost?;
                    anyhow::bail!("the source has ended before it has sent anything");
                }
                changed = latest.changed() => changed?,
            }
            let objects = Arc::clone(&latest.borrow());
            Arc::unwrap_or_clone(objects)
        }
    };
    if let Some(remark) = classes::remark(&config.settings, &objects) {
        tracing::info!("{remark}");
    }
    let outcome = once::once(&config, &objects, handle).await;
    for problem in objects.defects.iter().chain(&outcome.problems) {
        writeln!(out, "{problem}")?;
    }
    if let Some(failure) = &outcome.failure {
        writeln!(out, "error: AWS could not be brought into line: {failure}")?;
    }
    let readable = objects.defects.iter().all(|p| p.severity != edgeway_api::Severity::Error);
    Ok(if outcome.is_good() && readable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Until a signal comes.
async fn many(args: Args, handle: Handle) -> anyhow::Result<ExitCode> {
    let mut config = args.config()?;
    let source = args.open(config.settings.clone());
    let office = args.stand(&source).await?;
    if let Some(office) = &office {
        config.tenure = office.tenure.clone();
        tokio::spawn(tell_problems("leader election", office.problems.clone(), handle.clone()));
    }
    let shutdown = CancellationToken::new();
    let writing = office.as_ref().filter(|_| args.write_status).map(|office| {
        let (refused, problems) = watch::channel(Vec::new());
        tokio::spawn(tell_problems("statuses", problems, handle.clone()));
        let scribe = args.scribe(office, handle.status.subscribe(), refused);
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(scribe.run()))
    });
    let opening = office.as_ref().map(|office| {
        let (refused, problems) = watch::channel(Vec::new());
        tokio::spawn(tell_problems("readiness gates", problems, handle.clone()));
        let (api, tenure) = (office.api.clone(), office.tenure.clone());
        let keeper = Gatekeeper { api, tenure, status: handle.status.subscribe(), refused };
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(keeper.run()))
    });
    let (sender, objects) = watch::channel(Arc::default());
    tokio::spawn(tell_reading(objects.clone(), config.settings.clone(), handle.clone()));
    let told = serve::serve(args.metrics, handle.clone(), shutdown.clone()).await?;
    tracing::info!("metrics and readiness are told on http://{told}");
    let end = shutdown.clone();
    let reading = tokio::spawn(async move {
        let ended = tokio::select! {
            lost = source.run(sender) => lost,
            () = signalled() => Ok(()),
        };
        end.cancel();
        ended
    });
    // Here and not in a task: one thread makes and drops what is wished, so that it uses the same
    // memory again, where threads in turn would each keep a heap of that size.
    run(config, objects, shutdown, handle).await;
    reading.await??;
    for task in writing.into_iter().chain(opening) {
        task.await?;
    }
    if let Some(office) = office {
        office.leave().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells what keeps us from something, once when it comes and once when it is solved.
async fn tell_problems(
    from: &'static str,
    mut problems: watch::Receiver<Vec<Problem>>,
    handle: Handle,
) {
    let mut board = Board::default();
    while problems.changed().await.is_ok() {
        let now = problems.borrow_and_update().clone();
        tell_changes(board.report(from, now), &handle);
    }
}

/// Tells what could not be read, or not be read any more (what was known of it before still counts), and whose
/// classes are left alone.
async fn tell_reading(
    mut objects: watch::Receiver<Arc<Objects>>,
    settings: Settings,
    handle: Handle,
) {
    let (mut board, mut said) = (Board::default(), None);
    while objects.changed().await.is_ok() {
        let now = Arc::clone(&objects.borrow_and_update());
        tell_changes(board.report("reading", now.defects.clone()), &handle);
        let remark = classes::remark(&settings, &now);
        if let Some(remark) = remark.as_ref().filter(|_| remark != said) {
            tracing::info!("{remark}");
        }
        said = remark;
    }
}

fn tell_changes(Changes { appeared, solved }: Changes, handle: &Handle) {
    for problem in appeared {
        handle.tell(Event::Problem(problem));
    }
    for problem in solved {
        handle.tell(Event::Solved(problem));
    }
}

/// Returns when the process is asked to end.
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        drop(tokio::signal::ctrl_c().await);
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Writes events to the log, one line each.
async fn log(handle: Handle) {
    let mut events = handle.events.subscribe();
    drop(handle);
    loop {
        match events.recv().await {
            Ok(event @ (Event::Failed { .. } | Event::Problem(_))) => tracing::warn!("{event}"),
            Ok(event) => tracing::info!("{event}"),
            Err(RecvError::Lagged(missed)) => tracing::warn!("{missed} events are not shown"),
            Err(RecvError::Closed) => return,
        }
    }
}
