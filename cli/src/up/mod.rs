//! Everything on one machine, in one process: what is read, completed, served and told.

mod cast;
mod feed;
mod ports;
mod readiness;
mod requests;
mod stage;

pub(crate) use stage::Config;

use crate::{log, output::Output};
use edgeway_api::{Problem, Severity};
use edgeway_core::id::ListenerId;
use edgeway_gateway::board::Board;
use edgeway_gateway::publish::Report;
use feed::Feed;
use readiness::{entrance, reachable};
use stage::{Happening, Stage};
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often the way is tried until it is open.
const LOOK: Duration = Duration::from_millis(50);

/// How long the controller may be busy behind a way that is open: part of its work may be impossible.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs everything until `stop`; `out` gets the line that says when a request would pass.
pub(crate) async fn run(
    config: Config,
    out: &Output,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let opening = stop.run_until_cancelled(Stage::open(config));
    let Some(stage) = opening.await else { return Ok(()) };
    let mut stage = stage?;
    let told = follow(&mut stage, out, &stop).await;
    tracing::info!("stopping");
    stage.close().await;
    told
}

/// Passes on what changes, and tells what happens, until `stop`.
async fn follow(stage: &mut Stage, out: &Output, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut teller = Teller::default();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            happening = stage.next() => teller.tell(happening, &mut stage.feed).await?,
            _ = look.tick(), if !teller.is_ready => {
                let entrance = entrance(&stage.alb.overview());
                if let Some(address) = teller.settled(entrance) {
                    out.line(format!("ready http://{address}"))?;
                }
            }
        }
    }
}

/// Says each thing once.
#[derive(Default)]
struct Teller {
    board: Board,
    open: BTreeMap<ListenerId, SocketAddr>,
    is_ready: bool,
    /// The controller has nothing left to do.
    is_settled: bool,
    /// Since when there is a way in.
    entrance: Option<Instant>,
}

impl Teller {
    async fn tell(&mut self, happening: Happening, feed: &mut Feed) -> anyhow::Result<()> {
        match happening {
            Happening::Read(objects) => feed.take(&objects).await,
            Happening::Lost(Some(error)) => {
                tracing::error!("the manifests are not followed any more: {error}");
            }
            Happening::Lost(None) => tracing::error!("the manifests are not followed any more"),
            Happening::Alb(event) => log::consequence(&event),
            Happening::Step(step) => log::step(&step),
            Happening::Status(status) => {
                self.is_settled = status.settled;
                self.problems("controller", &status.problems);
            }
            Happening::Report(report) => {
                let Report { generation, objects, problems, .. } = &*report;
                tracing::info!("table {generation} is in force, made of {objects} objects");
                self.problems("gateway", problems);
            }
            Happening::Listeners(open) => self.listeners(open, feed),
            Happening::PortProblems(problems) => self.problems("ports", &problems),
            Happening::Retired => {}
            Happening::Missed(missed) => tracing::warn!("{missed} events were missed"),
            Happening::Ended(who) => anyhow::bail!("{who} has stopped unexpectedly"),
        }
        Ok(())
    }

    /// The way in, once all rules that can be made stand behind it.
    fn settled(&mut self, entrance: Option<SocketAddr>) -> Option<SocketAddr> {
        let address = entrance?;
        let since = *self.entrance.get_or_insert_with(Instant::now);
        self.is_ready = self.is_settled || since.elapsed() > PATIENCE;
        self.is_ready.then_some(address)
    }

    fn problems(&mut self, reporter: &'static str, problems: &[Problem]) {
        let changes = self.board.report(reporter, problems.iter().cloned());
        for problem in changes.appeared {
            match problem.severity {
                Severity::Error => tracing::error!("{problem}"),
                Severity::Warning => tracing::warn!("{problem}"),
            }
        }
        for Problem { code, object, field, .. } in changes.solved {
            tracing::info!("solved [{code}] {object} {field}");
        }
    }

    fn listeners(&mut self, open: BTreeMap<ListenerId, SocketAddr>, feed: &Feed) {
        for (id, address) in open.iter().filter(|(id, _)| !self.open.contains_key(id)) {
            let ports: Vec<String> =
                feed.server_ports(id.port).iter().map(ToString::to_string).collect();
            let address = reachable(*address);
            tracing::info!("the gateway serves port {} on http://{address}", ports.join(" and "));
        }
        for id in self.open.keys().filter(|id| !open.contains_key(id)) {
            tracing::info!("the gateway serves nothing on its port {} any more", id.port);
        }
        self.open = open;
    }
}
