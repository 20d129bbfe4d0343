//! One leader among replicas, by a Lease of Kubernetes.
//!
//! The holder renews it; another may take it when it has seen no renewal for as long as the lease
//! lasts, by its own clock. A holder that cannot renew stops earlier than that, so that two never
//! lead at once: whoever acts asks [`Tenure::holds`] before each step. No clocks are compared.

mod keep;
mod record;
mod tenure;

pub use tenure::{Hand, Tenure};

use crate::api_server::ApiServer;
use edgeway_api::{ObjectRef, Problem};
use keep::Candidate;
use record::Kubernetes;
use std::time::Duration;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Which lease, for whom, and how long it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Where the Lease is.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who stands for it; no two replicas may have the same.
    pub identity: String,
    /// How long it lasts without being renewed.
    pub duration: Duration,
    /// How long a holder that cannot renew it goes on. Shorter than `duration`: what was begun must
    /// have ended before another begins.
    pub renew_deadline: Duration,
    /// How often it is renewed, or tried for.
    pub retry: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            namespace: "default".into(),
            name: "edgeway".into(),
            identity: String::new(),
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// A candidacy that goes on until it is withdrawn.
#[derive(Debug)]
pub struct Candidacy {
    /// Whether we lead.
    pub tenure: Tenure,
    /// What keeps us from ever leading.
    pub problems: watch::Receiver<Vec<Problem>>,
    withdraw: CancellationToken,
    task: JoinHandle<()>,
}

impl Candidacy {
    /// Stands for the lease from now on.
    pub fn start(api: ApiServer, terms: Terms) -> Self {
        let (told, tenure) = tenure::Told::new();
        let (problem, problems) = watch::channel(Vec::new());
        let withdraw = CancellationToken::new();
        let registry = Kubernetes::new(api, &terms);
        let candidate = Candidate { registry, terms, told, problem };
        let task = tokio::spawn(candidate.run(withdraw.clone()));
        Self { tenure, problems, withdraw, task }
    }

    /// Gives the lease back, if we hold it. Nothing that needs it may be going on any more.
    pub async fn withdraw(self) {
        self.withdraw.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "leader election ended abnormally");
        }
    }
}

/// A role is missing.
fn forbidden(terms: &Terms, message: &str) -> Problem {
    let Terms { namespace, name, .. } = terms;
    let lease = format!("leases.coordination.k8s.io `{name}` in namespace {namespace}");
    let advice = format!(
        "grant get and update on {lease}, and create on leases.coordination.k8s.io, to whom this \
         runs as; nobody leads meanwhile"
    );
    Problem::error(ObjectRef::new("ApiServer", "", "kube"), lease, "permission-missing")
        .message(message)
        .advice(advice)
}
