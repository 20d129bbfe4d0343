//! Writes statuses, as long as we lead.

use super::{
    EdgeWish, Judged, Statuses,
    conditions::{Aspect, Conditions, QUARANTINED, now},
    istio::{IstioWish, Live},
    judge,
    pace::{Pace, after},
};
use crate::{api_server::Refusal, metrics::Metrics, publish::Report, subject::State};
use edgeway_api::{
    ObjectRef, Problem,
    edge_status::{EdgeState, Finding},
};
use edgeway_core::id::ListenerId;
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch::{self, Receiver},
    time::sleep,
};

/// Who writes, for the API server.
const MANAGER: &str = "edgeway-gateway";

/// Which listeners are open and which certificates are good is found out once a table is in force.
const SETTLED: Duration = Duration::from_millis(100);

/// After what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// After what was refused is tried again.
const LATER: Duration = Duration::from_secs(60);

/// The newest first: older control planes serve only older versions.
const VERSIONS: &[&str] = &["v1", "v1beta1", "v1alpha3"];

/// How many problems an `EdgeStatus` repeats.
const REPEATED: usize = 50;

/// The gateway as a whole.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// The workload.
    pub(crate) target: ObjectRef,
    /// All problems, those of listeners and names, too.
    pub(crate) problems: Vec<watch::Receiver<Vec<Problem>>>,
    /// What is open.
    pub(crate) listeners: watch::Receiver<BTreeMap<ListenerId, SocketAddr>>,
}

/// See the module.
pub(crate) struct Scribe {
    pub(crate) statuses: Option<Statuses>,
    pub(crate) gateway: Gateway,
    pub(crate) report: watch::Receiver<Arc<Report>>,
    pub(crate) families: Arc<Metrics>,
    /// Which permissions are missing.
    pub(crate) refused: watch::Sender<Vec<Problem>>,
    memory: Memory,
}

/// What is known to be written.
#[derive(Default)]
struct Memory {
    said: BTreeMap<ObjectRef, IstioWish>,
    /// The `EdgeStatus`.
    edge: Option<EdgeState>,
    /// The version in which a kind is served.
    versions: BTreeMap<String, &'static str>,
    pace: Pace,
}

/// What became of writing.
#[derive(Debug, PartialEq, Eq)]
enum Round {
    /// All is said.
    Done,
    /// There is something newer to say.
    Overtaken,
    /// Something is left, and is tried again after a while.
    Left(Duration),
}

impl Scribe {
    pub(crate) fn new(
        statuses: Option<Statuses>,
        gateway: Gateway,
        report: watch::Receiver<Arc<Report>>,
        families: &Arc<Metrics>,
        refused: watch::Sender<Vec<Problem>>,
    ) -> Self {
        let families = Arc::clone(families);
        Self { statuses, gateway, report, families, refused, memory: Memory::default() }
    }

    /// Judges every report and writes what is new in it, until reports end.
    pub(crate) async fn run(mut self) {
        let mut again = None;
        loop {
            tokio::select! {
                changed = self.report.changed() => if changed.is_err() { return },
                () = office(self.statuses.as_mut()) => {}
                () = self.gateway.changed() => {}
                () = after(again) => {}
            }
            sleep(SETTLED).await;
            let report = Arc::clone(&self.report.borrow_and_update());
            let others = self.gateway.look();
            if report.generation == 0 {
                continue;
            }
            let judged = judge(&report.subjects, &[&report.problems[..], &others].concat());
            let conditions = judged.iter().map(|(object, wish)| (object, &wish.conditions[..]));
            self.families.conditions.set(conditions);
            again = match self.write(&report, &judged).await {
                Round::Done => None,
                Round::Overtaken => Some(Duration::ZERO),
                Round::Left(wait) => Some(wait),
            };
        }
    }

    async fn write(&mut self, report: &Report, judged: &Judged) -> Round {
        let Some(statuses) = self.statuses.clone() else { return Round::Done };
        let leads = statuses.tenure.holds();
        self.families.leader.set(i64::from(leads));
        if !leads {
            // Another may write meanwhile: nothing is known of what is there.
            self.memory = Memory::default();
            let standing = statuses.problems.borrow().clone();
            self.refuse(&standing);
            return Round::Done;
        }
        self.memory.said.retain(|object, _| judged.contains_key(object));
        let mut refused = BTreeMap::new();
        let mut round = self.write_edge(&statuses, report, &mut refused).await;
        for (object, wish) in judged {
            if self.memory.said.get(object) == Some(wish) || refused.contains_key(&object.kind) {
                continue;
            }
            if self.report.has_changed().unwrap_or(false) || !statuses.tenure.holds() {
                return Round::Overtaken;
            }
            self.memory.pace.wait().await;
            let written = self.write_one(&statuses, object, wish).await;
            if note(object, written, &mut refused) {
                self.memory.said.insert(object.clone(), wish.clone());
            } else {
                round = Round::Left(AGAIN);
            }
        }
        if !refused.is_empty() {
            round = Round::Left(LATER);
        }
        let problems: Vec<Problem> =
            refused.iter().map(|(kind, message)| forbidden(kind, message)).collect();
        self.refuse(&problems);
        round
    }

    /// Says what keeps us from writing.
    fn refuse(&self, problems: &[Problem]) {
        self.refused.send_if_modified(|told| {
            let differs = told != problems;
            problems.clone_into(told);
            differs
        });
    }

    async fn write_one(
        &mut self,
        statuses: &Statuses,
        object: &ObjectRef,
        wish: &IstioWish,
    ) -> Result<(), Refusal> {
        let known = self.memory.versions.get(&object.kind).copied();
        let versions = known.as_ref().map_or(VERSIONS, std::slice::from_ref);
        for version in versions.iter().copied() {
            let path = path(object, version);
            let text = match statuses.api.text(&path).await {
                Err(Refusal::NotFound) => continue,
                found => found?,
            };
            self.memory.versions.insert(object.kind.clone(), version);
            let live = Live::read(&text).map_err(|error| Refusal::Invalid(error.to_string()))?;
            let Some(status) = live.with(wish, &now()) else { return Ok(()) };
            let ObjectRef { kind, namespace, name } = object;
            let body = json!({
                "apiVersion": format!("networking.istio.io/{version}"),
                "kind": kind,
                "metadata": {
                    "name": name, "namespace": namespace, "resourceVersion": live.version(),
                },
                "status": status,
            });
            return statuses.api.apply(&format!("{path}/status"), MANAGER, &body).await;
        }
        Err(Refusal::NotFound)
    }

    async fn write_edge(
        &mut self,
        statuses: &Statuses,
        report: &Report,
        refused: &mut BTreeMap<String, String>,
    ) -> Round {
        let state = self.gateway.state(report, &statuses.writer);
        if self.memory.edge.as_ref() == Some(&state) {
            return Round::Done;
        }
        let target = self.gateway.target.clone();
        let wish = EdgeWish { target, owner: None, state };
        let written = wish.write(&statuses.api, MANAGER).await;
        if written == Err(Refusal::NotFound) {
            tracing::debug!("EdgeStatus is not installed: nothing is said of the gateway itself");
            return Round::Left(LATER);
        }
        let object = ObjectRef { kind: "EdgeStatus".into(), ..wish.target };
        if note(&object, written, refused) {
            self.memory.edge = Some(wish.state);
            return Round::Done;
        }
        Round::Left(AGAIN)
    }
}

impl Gateway {
    /// Returns when something else is open, or wrong with what is in force.
    async fn changed(&mut self) {
        let mut wrong: FuturesUnordered<_> =
            self.problems.iter_mut().map(Receiver::changed).collect();
        tokio::select! {
            Ok(()) = self.listeners.changed() => {}
            Some(Ok(())) = wrong.next() => {}
            else => std::future::pending().await,
        }
    }

    /// What is wrong with what is in force, of which a report does not know. All of it is seen then.
    fn look(&mut self) -> Vec<Problem> {
        self.listeners.mark_unchanged();
        self.problems.iter_mut().flat_map(|more| more.borrow_and_update().clone()).collect()
    }

    fn state(&self, report: &Report, writer: &str) -> EdgeState {
        let mut problems = report.problems.clone();
        problems.extend(self.problems.iter().flat_map(|more| more.borrow().clone()));
        problems.sort_by_key(|problem| problem.severity);
        let own: Vec<&Problem> = problems
            .iter()
            .filter(|problem| {
                let aspect = Aspect::of(problem.code);
                matches!(problem.object.kind.as_str(), "ApiServer" | "File")
                    || matches!(aspect, Aspect::Programmed | Aspect::CertificateReady)
            })
            .collect();
        let replaced: BTreeSet<String> = report
            .subjects
            .iter()
            .filter(|subject| subject.state == State::Quarantined)
            .map(|subject| subject.object.to_string())
            .collect();
        let mut conditions = Conditions::about(None)
            .judge(Aspect::Accepted, &own)
            .judge(Aspect::CertificateReady, &own)
            .judge(Aspect::Programmed, &own);
        if !replaced.is_empty() {
            let names = replaced.into_iter().collect::<Vec<_>>().join(", ");
            let message = format!("older versions serve for {names}");
            conditions = conditions.holds(QUARANTINED, message);
        }
        let listeners = self.listeners.borrow();
        EdgeState {
            conditions: conditions.summed(),
            problems: problems.iter().take(REPEATED).map(Finding::from).collect(),
            listeners: listeners.keys().map(shown).collect(),
            objects: i64::try_from(report.objects).ok(),
            writer: Some(writer.to_owned()),
            ..EdgeState::default()
        }
    }
}

fn shown(ListenerId { port, bind }: &ListenerId) -> String {
    bind.map_or_else(|| format!("*:{port}"), |bind| SocketAddr::new(bind, *port).to_string())
}

/// Whether it need not be tried again.
fn note(
    object: &ObjectRef,
    written: Result<(), Refusal>,
    refused: &mut BTreeMap<String, String>,
) -> bool {
    match written {
        // What is gone has no status, and what is not taken is not taken the next time either.
        Ok(()) | Err(Refusal::NotFound) => true,
        Err(refusal @ Refusal::Invalid(_)) => {
            tracing::warn!("the status of {object} cannot be written: {refusal}");
            true
        }
        Err(Refusal::Forbidden(message)) => {
            refused.insert(object.kind.clone(), message);
            false
        }
        Err(refusal @ (Refusal::Conflict(_) | Refusal::Unreachable(_))) => {
            tracing::debug!("the status of {object} is not written yet: {refusal}");
            false
        }
    }
}

/// Returns when we begin to write, cease to, or learn what keeps us from it.
async fn office(statuses: Option<&mut Statuses>) {
    let Some(Statuses { tenure, problems, .. }) = statuses else {
        return std::future::pending().await;
    };
    tokio::select! {
        () = tenure.changed() => {}
        Ok(()) = problems.changed() => {}
    }
}

fn path(object: &ObjectRef, version: &str) -> String {
    let ObjectRef { kind, namespace, name } = object;
    let plural = plural(kind);
    format!("/apis/networking.istio.io/{version}/namespaces/{namespace}/{plural}/{name}")
}

fn plural(kind: &str) -> &'static str {
    match kind {
        "Gateway" => "gateways",
        "VirtualService" => "virtualservices",
        "DestinationRule" => "destinationrules",
        "ServiceEntry" => "serviceentries",
        _ => "edgestatuses",
    }
}

/// A role is missing.
fn forbidden(kind: &str, message: &str) -> Problem {
    let plural = plural(kind);
    let group = if kind == "EdgeStatus" { "edgeway.dev" } else { "networking.istio.io" };
    let advice = match kind {
        "EdgeStatus" => format!(
            "grant get, create and patch on {plural}.{group} and patch on {plural}.{group}/status to \
             whom this runs as, or start it with --write-status=false"
        ),
        _ => format!(
            "grant get on {plural}.{group} and patch on {plural}.{group}/status to whom this runs as, \
             or start it with --write-status=false"
        ),
    };
    let field = format!("{plural}.{group}/status");
    Problem::warning(ObjectRef::new("ApiServer", "", "kube"), field, "permission-missing")
        .message(message)
        .advice(advice)
}

#[cfg(test)]
mod tests;
