//! Events, in the words of the AWS Load Balancer Controller, each told once and then counted.

use super::{Identity, api_version};
use edgeway_api::{ObjectRef, Problem, k8s_openapi::jiff::Timestamp};
use edgeway_gateway::api_server::{ApiServer, Refusal};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};
use tokio::time::Instant;

/// The longest text of an event.
const LONGEST: usize = 1000;

/// Who reports.
const REPORTER: &str = "edgeway.dev/alb";

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Word {
    pub(super) reason: &'static str,
    pub(super) note: String,
    pub(super) is_warning: bool,
}

/// What has been told.
#[derive(Debug)]
pub(super) struct Told {
    events: BTreeMap<(ObjectRef, Word), Standing>,
    /// How often it is told that something is still so.
    counted_every: Duration,
}

/// An event that stands.
#[derive(Clone, Debug)]
struct Standing {
    name: String,
    count: u32,
    last: Instant,
}

impl Word {
    /// What is wrong.
    pub(super) fn of(problem: &Problem) -> Self {
        let Problem { field, code, message, advice, .. } = problem;
        let (reason, prefix) = match *code {
            "aws" => ("FailedDeployModel", "Failed deploy model due to "),
            "blocked" => ("ReplacementBlocked", ""),
            _ => ("FailedBuildModel", "Failed build model due to "),
        };
        let place = if field.is_empty() { String::new() } else { format!("{field}: ") };
        let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
        let note = format!("{prefix}{place}{message}{advice}");
        Self { reason, note: shortened(&note), is_warning: true }
    }

    /// All is well.
    pub(super) fn reconciled() -> Self {
        let note = "Successfully reconciled".to_owned();
        Self { reason: "SuccessfullyReconciled", note, is_warning: false }
    }

    /// The same, and where requests are taken: of a Gateway nothing else says so.
    pub(super) fn reconciled_at(hostname: &str) -> Self {
        let all = Self::reconciled();
        Self { note: format!("{}: requests are taken at {hostname}", all.note), ..all }
    }
}

impl Told {
    /// Nothing yet.
    pub(super) fn counted(counted_every: Duration) -> Self {
        Self { events: BTreeMap::new(), counted_every }
    }

    /// Tells what is new of `object`, and counts what is still so. Its success is no news again until
    /// something else was.
    pub(super) async fn tell(
        &mut self,
        api: &ApiServer,
        (object, identity): (&ObjectRef, &Identity),
        words: &[Word],
        writer: &str,
    ) -> Result<(), Refusal> {
        self.events.retain(|(other, word), _| other != object || words.contains(word));
        for word in words {
            let key = (object.clone(), word.clone());
            let standing = match self.events.get(&key) {
                None => {
                    let event = created(object, identity, word, writer);
                    let name = name_of(&event);
                    api.create(&list(object), &event).await?;
                    Standing { name, count: 1, last: Instant::now() }
                }
                Some(standing)
                    if !word.is_warning || standing.last.elapsed() < self.counted_every =>
                {
                    continue;
                }
                Some(standing) => {
                    let count = standing.count.saturating_add(1);
                    let path = format!("{}/{}", list(object), standing.name);
                    match api.merge(&path, &counted(count)).await {
                        // Events live for an hour: the next is a new one.
                        Err(Refusal::NotFound) => {
                            self.events.remove(&key);
                            continue;
                        }
                        told => told?,
                    }
                    Standing { name: standing.name.clone(), count, last: Instant::now() }
                }
            };
            self.events.insert(key, standing);
        }
        Ok(())
    }
}

fn created(object: &ObjectRef, identity: &Identity, word: &Word, writer: &str) -> Value {
    let ObjectRef { kind, namespace, name } = object;
    let now = Timestamp::now();
    let mut hasher = DefaultHasher::new();
    (&identity.uid, word.reason, &word.note, now.as_microsecond()).hash(&mut hasher);
    let kept: String = name.chars().take(200).collect();
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{}.{:016x}", kept.trim_end_matches(['.', '-']), hasher.finish()),
            "namespace": namespace,
        },
        "eventTime": micro(now),
        "reportingController": REPORTER,
        "reportingInstance": writer,
        "action": "Reconcile",
        "reason": word.reason,
        "regarding": {
            "apiVersion": api_version(object), "kind": kind, "namespace": namespace, "name": name,
            "uid": identity.uid,
        },
        "note": word.note,
        "type": if word.is_warning { "Warning" } else { "Normal" },
    })
}

fn counted(count: u32) -> Value {
    json!({"series": {"count": count, "lastObservedTime": micro(Timestamp::now())}})
}

/// With six digits behind the second, as the API server wants it.
fn micro(time: Timestamp) -> String {
    format!("{time:.6}")
}

fn name_of(event: &Value) -> String {
    event.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list(object: &ObjectRef) -> String {
    format!("/apis/events.k8s.io/v1/namespaces/{}/events", object.namespace)
}

fn shortened(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_words_that_are_known() {
        let problem =
            |code| Problem::error(ObjectRef::new("Ingress", "a", "b"), "", code).message("m");
        for (code, reason, note) in [
            ("aws", "FailedDeployModel", "Failed deploy model due to m"),
            ("blocked", "ReplacementBlocked", "m"),
            ("group-conflict", "FailedBuildModel", "Failed build model due to m"),
        ] {
            let word = Word::of(&problem(code));
            assert_eq!((word.reason, word.note.as_str()), (reason, note));
        }
        let long = Word::of(&problem("aws").message("é".repeat(2_000)));
        assert!(long.note.len() < 1_024 && long.note.ends_with('…'));
    }

    #[test]
    fn an_event_is_one_of_the_api_server() {
        let object = ObjectRef::new("Ingress", "a", "n".repeat(253));
        let identity = Identity { uid: "u".into(), generation: None };
        let event = created(&object, &identity, &Word::reconciled(), "w");
        assert!(name_of(&event).len() <= 253);
        let time = event["eventTime"].as_str().unwrap();
        assert_eq!(time.len(), "2026-11-25T20:00:00.000000Z".len(), "{time}");
    }
}
