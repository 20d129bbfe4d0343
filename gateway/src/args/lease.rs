//! Flags of leader election, as most controllers call them; both programs have them.

use super::{Opened, edge::time};
use crate::{
    api_server::ApiServer,
    lease::{Candidacy, Tenure, Terms},
    source::Lost,
};
use clap::ArgAction;
use edgeway_api::Problem;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// How replicas agree on one.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Leader election")]
pub struct LeaseArgs {
    /// Whether one of the replicas leads; without, each takes itself for the only one. It is always
    /// so where objects come from files
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub enable_leader_election: bool,

    /// Name of the Lease [default: named after the program]
    #[arg(long, value_name = "NAME")]
    pub leader_election_id: Option<String>,

    /// Namespace of the Lease [default: that of the pod]
    #[arg(long, value_name = "NAME")]
    pub leader_election_namespace: Option<String>,

    /// How long the lease lasts without being renewed; whole seconds
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time)]
    pub leader_election_lease_duration: Duration,

    /// How long a leader that cannot renew it goes on; shorter than it lasts
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub leader_election_renew_deadline: Duration,

    /// How often it is renewed, or tried for; less than half of that
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    pub leader_election_retry_period: Duration,
}

/// Times that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTerms {
    /// Correct the times.
    #[error(
        "the times of leader election do not go together: the lease must last longer than \
         --leader-election-renew-deadline and at least a second, and that must be more than twice \
         --leader-election-retry-period, which must not be 0"
    )]
    Times,
}

/// Who writes to the API server: we, or another replica.
#[derive(Debug)]
pub struct Office {
    /// The way there.
    pub api: ApiServer,
    /// Whether it is us.
    pub tenure: Tenure,
    /// What keeps us from ever being it.
    pub problems: watch::Receiver<Vec<Problem>>,
    candidacy: Option<Candidacy>,
}

impl Office {
    /// Lets another replica have it. Nothing that needs it may be going on any more.
    pub async fn leave(self) {
        if let Some(candidacy) = self.candidacy {
            candidacy.withdraw().await;
        }
    }
}

impl LeaseArgs {
    /// Stands for `terms`, where objects come from an API server; elsewhere there is nothing to write
    /// to.
    pub async fn stand(&self, source: &Opened, terms: Terms) -> Result<Option<Office>, Lost> {
        let Opened::Kube(kube) = source else { return Ok(None) };
        let api = ApiServer::connect(&kube.access).await?;
        if !self.enable_leader_election {
            let (tenure, problems) = (Tenure::always(), watch::channel(Vec::new()).1);
            return Ok(Some(Office { api, tenure, problems, candidacy: None }));
        }
        let candidacy = Candidacy::start(api.clone(), terms);
        let (tenure, problems) = (candidacy.tenure.clone(), candidacy.problems.clone());
        Ok(Some(Office { api, tenure, problems, candidacy: Some(candidacy) }))
    }

    /// What is stood for: the Lease `id` in `namespace`, unless others are said, by `pod`.
    pub fn terms(&self, id: &str, namespace: &str, pod: &str) -> Result<Terms, BadTerms> {
        let duration = Duration::from_secs(self.leader_election_lease_duration.as_secs());
        let renew_deadline = self.leader_election_renew_deadline;
        let retry = self.leader_election_retry_period;
        if duration <= renew_deadline || renew_deadline <= retry * 2 || retry.is_zero() {
            return Err(BadTerms::Times);
        }
        let or = |given: &Option<String>, usual: &str| given.clone().unwrap_or(usual.to_owned());
        // A pod that is started again in its place is the same: who was there before is gone.
        let identity =
            if pod.is_empty() { format!("edgeway-{}", Uuid::new_v4()) } else { pod.to_owned() };
        Ok(Terms {
            namespace: or(&self.leader_election_namespace, namespace),
            name: or(&self.leader_election_id, id),
            identity,
            duration,
            renew_deadline,
            retry,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{BadTerms, LeaseArgs, Terms};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        lease: LeaseArgs,
    }

    fn terms(line: &str) -> Result<Terms, BadTerms> {
        let words = ["x"].into_iter().chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().lease.terms("id", "ns", "pod-1")
    }

    #[test]
    fn little_needs_to_be_said() {
        let usual = terms("").unwrap();
        let expected = Terms {
            namespace: "ns".into(),
            name: "id".into(),
            identity: "pod-1".into(),
            ..Terms::default()
        };
        assert_eq!(usual, expected);
        let own = terms("--leader-election-id a --leader-election-namespace b").unwrap();
        assert_eq!((&*own.name, &*own.namespace), ("a", "b"));
    }

    #[test]
    fn times_must_go_together() {
        for line in [
            "--leader-election-lease-duration 10s",
            "--leader-election-retry-period 5s",
            "--leader-election-retry-period 0",
            "--leader-election-lease-duration 900ms --leader-election-renew-deadline 500ms --leader-election-retry-period 100ms",
        ] {
            assert_eq!(terms(line), Err(BadTerms::Times), "{line}");
        }
        assert!(terms("--leader-election-lease-duration 4s --leader-election-renew-deadline 2s --leader-election-retry-period 500ms").is_ok());
    }
}
