//! The gateway as a program: arguments, signals, exit code.

use anyhow::Context as _;
use clap::Parser;
use edgeway_gateway::{
    admin::SetLogLevel,
    args::{Args, CrashArgs},
    run,
    source::Source,
    supervise::{Estate, supervise},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, reload, util::SubscriberInitExt};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    if args.crash.supervise {
        return match supervise(CrashArgs::of_child()) {
            Ok(code) => code.into(),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "error: {:#}", anyhow::Error::from(error));
                ExitCode::FAILURE
            }
        };
    }
    match begin(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Takes over what a process before this one has left, then serves.
fn begin(args: Args) -> anyhow::Result<()> {
    let log_level = logging(&args.log_level)?;
    let estate = args.crash.supervised.map(Estate::receive).transpose()?.unwrap_or_default();
    let (restarts, death) = estate.history();
    if restarts > 0 {
        tracing::warn!(restarts, "started again: the process before this one ended by {death}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(args, log_level, estate))
}

async fn serve(args: Args, log_level: SetLogLevel, estate: Estate) -> anyhow::Result<()> {
    let stop = stop_token()?;
    let (latest, objects) = watch::channel(Arc::default());
    let mut config = args.config(std::io::stdout());
    config.log_level = Some(log_level);
    config.estate = estate;
    if args.edge.limits.max_connections.is_none() {
        // One of a client, and one to an endpoint for it.
        config.edge.limits.connections = open_files().map(|files| files / 2);
    }
    let source = args.open();
    let office = args.stand(&source).await?;
    config.statuses = office.as_ref().map(|office| args.statuses(office));
    let reading = source.run(latest);
    let serving = run(config, objects, stop);
    tokio::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        read = reading => {
            read.with_context(|| format!("cannot read {}", args.source.source))?;
            serving.await
        }
    };
    if let Some(office) = office {
        office.leave().await;
    }
    served.context("cannot serve")
}

/// Logs on standard error; the result changes what is logged.
fn logging(level: &str) -> anyhow::Result<SetLogLevel> {
    let filter = EnvFilter::try_new(level).context("cannot read --log-level")?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(SetLogLevel(Arc::new(move |level| {
        let filter = EnvFilter::try_new(level).map_err(|error| error.to_string())?;
        handle.reload(filter).map_err(|error| error.to_string())
    })))
}

/// Raises how many files the process may have open as far as that is allowed; how many those are.
fn open_files() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "the number of open files stays as it is");
    }
    getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok())
}

/// Cancelled by the first SIGTERM or SIGINT; the second ends the process.
fn stop_token() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if again {
                std::process::exit(130);
            }
            stop.cancel();
        }
    });
    Ok(token)
}
