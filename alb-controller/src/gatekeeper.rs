//! Sets the conditions that readiness gates of pods wait for, as long as we lead. What they say is
//! found out elsewhere; a pod without such a gate is never written to.

use crate::event::Status;
use edgeway_alb_core::readiness::{Gate, Verdict};
use edgeway_api::{ObjectRef, Problem, k8s_openapi::jiff::Timestamp};
use edgeway_gateway::{
    api_server::{ApiServer, Refusal},
    lease::Tenure,
    status::{Pace, after},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::watch;

/// After what could not be written is tried again. Rollouts wait for it.
const AGAIN: Duration = Duration::from_secs(2);

/// After what was refused is tried again.
const LATER: Duration = Duration::from_secs(30);

/// See the module.
pub(crate) struct Gatekeeper {
    pub(crate) api: ApiServer,
    pub(crate) tenure: Tenure,
    pub(crate) status: watch::Receiver<Arc<Status>>,
    /// Which permission is missing.
    pub(crate) refused: watch::Sender<Vec<Problem>>,
}

/// What was written of each gate.
type Said = BTreeMap<Gate, Verdict>;

/// What is to be tried again.
#[derive(Debug, Default)]
struct Left {
    refused: Option<String>,
    is_unwritten: bool,
}

impl Gatekeeper {
    /// Writes what is new in every status, until there are no more.
    pub(crate) async fn run(mut self) {
        let (mut said, mut pace, mut again) = (Said::new(), Pace::default(), None);
        loop {
            tokio::select! {
                changed = self.status.changed() => if changed.is_err() { return },
                () = self.tenure.changed() => {}
                () = after(again) => {}
            }
            let status = Arc::clone(&self.status.borrow_and_update());
            if !self.tenure.holds() {
                (said, again) = (Said::new(), None);
                self.refused.send_if_modified(|told| !std::mem::take(told).is_empty());
                continue;
            }
            let left = self.write(&status, &mut said, &mut pace).await;
            again = match &left {
                Left { refused: Some(_), .. } => Some(LATER),
                Left { is_unwritten: true, .. } => Some(AGAIN),
                Left { .. } => None,
            };
            self.tell_refused(left.refused);
        }
    }

    async fn write(&self, status: &Status, said: &mut Said, pace: &mut Pace) -> Left {
        said.retain(|gate, _| status.gates.contains_key(gate));
        let mut left = Left::default();
        for (gate, verdict) in &status.gates {
            let before = said.get(gate);
            if before.is_some_and(|before| says_the_same(before, verdict)) {
                continue;
            }
            pace.wait().await;
            if !self.tenure.holds() {
                return left;
            }
            let is_turned = before.is_none_or(|before| before.is_open != verdict.is_open);
            match self.api.merge_members(&path(&gate.pod), &change(gate, verdict, is_turned)).await
            {
                Ok(()) => {
                    if verdict.is_open {
                        tracing::info!("{} need not wait: {}", gate.pod, verdict.message);
                    }
                    said.insert(gate.clone(), verdict.clone());
                }
                // It is gone; another may have its name.
                Err(Refusal::NotFound | Refusal::Conflict(_)) => {
                    said.insert(gate.clone(), verdict.clone());
                }
                Err(Refusal::Forbidden(message)) => {
                    left.refused = Some(message);
                    return left;
                }
                Err(refusal @ (Refusal::Invalid(_) | Refusal::Unreachable(_))) => {
                    tracing::warn!("{} waits for {} in vain: {refusal}", gate.pod, gate.condition);
                    left.is_unwritten = true;
                }
            }
        }
        left
    }

    fn tell_refused(&self, refused: Option<String>) {
        let problem = |message: String| {
            let server = ObjectRef::new("ApiServer", "", "kube");
            Problem::error(server, "pods/status", "permission-missing")
                .message(format!("pods wait at their readiness gates: {message}"))
                .advice("grant it to whom this runs as, or remove the gates from the pods")
        };
        let problems: Vec<Problem> = refused.into_iter().map(problem).collect();
        self.refused.send_if_modified(|told| {
            let differs = *told != problems;
            problems.clone_into(told);
            differs
        });
    }
}

/// What is waited for next is nobody's business.
fn says_the_same(one: &Verdict, other: &Verdict) -> bool {
    let words = |it: &Verdict| (it.is_open, it.reason.clone(), it.message.clone());
    words(one) == words(other)
}

fn path(pod: &ObjectRef) -> String {
    format!("/api/v1/namespaces/{}/pods/{}/status", pod.namespace, pod.name)
}

/// One condition, of this very pod; when it turned, if it has.
fn change(gate: &Gate, verdict: &Verdict, is_turned: bool) -> Value {
    let Verdict { is_open, reason, message, awaits: _ } = verdict;
    let mut condition = json!({
        "type": gate.condition,
        "status": if *is_open { "True" } else { "False" },
        "reason": reason,
        "message": message,
    });
    if let (true, Some(condition)) = (is_turned, condition.as_object_mut()) {
        let now = format!("{:.0}", Timestamp::now());
        condition.insert("lastTransitionTime".to_owned(), json!(now));
    }
    json!({"metadata": {"uid": gate.uid}, "status": {"conditions": [condition]}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_condition_of_one_pod() {
        let gate = Gate {
            pod: ObjectRef::new("Pod", "shop", "a"),
            uid: "u1".into(),
            condition: "edgeway.dev/targets-healthy".into(),
        };
        let verdict = Verdict {
            is_open: false,
            reason: "Target.Timeout".into(),
            message: "m".into(),
            awaits: ["g".to_owned()].into(),
        };
        let later = change(&gate, &verdict, false);
        assert_eq!(
            later,
            json!({"metadata": {"uid": "u1"}, "status": {"conditions": [{
                "type": "edgeway.dev/targets-healthy", "status": "False",
                "reason": "Target.Timeout", "message": "m",
            }]}})
        );
        let first = change(&gate, &verdict, true);
        let time = first.pointer("/status/conditions/0/lastTransitionTime").unwrap();
        assert_eq!(time.as_str().unwrap().len(), "2026-11-25T20:00:00Z".len(), "{time}");
        assert_eq!(path(&gate.pod), "/api/v1/namespaces/shop/pods/a/status");
    }
}
