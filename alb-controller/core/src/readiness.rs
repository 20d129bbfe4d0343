//! Readiness gates of pods: a pod that has one is ready once load balancers send to it, so that no
//! rollout goes on before them. Pure.
//!
//! A gate that was opened stays open for as long as its pod is there: what becomes of a target later
//! is the load balancer's business, and must not take the pod from everybody else as well.

use crate::{
    desired::{containers_ready, selects},
    goal::{Desired, Observed},
    settings::{AWS, Settings},
    stack::{Backend, Stack},
    target::{TargetGroup, TargetId, TargetType, Targets},
};
use edgeway_api::{ObjectRef, Objects, Pod, Resource, k8s_openapi::api::core::v1::Service};
use std::collections::{BTreeMap, BTreeSet};

/// The gate whose name depends on nothing: open once every target group that sends to the pod finds it
/// well. Where none does, nothing is waited for.
pub const TARGETS_HEALTHY: &str = "edgeway.dev/targets-healthy";

/// Begins gates of one target group, as the AWS Load Balancer Controller names them: what follows is
/// the name of its `TargetGroupBinding`, which is the group's unless a user has made it.
pub const OF_GROUP: &str = "target-health.elbv2.k8s.aws/";

/// Label of a slice that names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// How a load balancer finds a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fitness {
    /// It is sent requests.
    Well,
    /// No rule sends to its group, so that nobody asks how it is.
    Unasked,
    /// It is sent none, at least now; reason and description in AWS's words.
    Ill(String, String),
}

/// How targets are, by the name of their group; by its ARN where it is somebody else's.
pub type Fitnesses = BTreeMap<String, BTreeMap<TargetId, Fitness>>;

/// A gate of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gate {
    /// The pod.
    pub pod: ObjectRef,
    /// Which one, of those that had the name.
    pub uid: String,
    /// The type of the condition that it waits for.
    pub condition: String,
}

/// What is known of a gate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether its pod need wait no longer.
    pub is_open: bool,
    /// In one word: AWS's, where a target is not well.
    pub reason: String,
    /// In many.
    pub message: String,
    /// Groups that must be looked at before more can be said, as in [`Fitnesses`].
    pub awaits: BTreeSet<String>,
}

/// All gates that are not known to be open by whoever made them.
pub type Gates = BTreeMap<Gate, Verdict>;

/// What verdicts are made from.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'s> {
    /// The pods, and the Services that select them.
    pub objects: &'s Objects,
    /// What load balancers shall send to.
    pub desired: &'s Desired,
    /// What stands.
    pub observed: &'s Observed,
    /// What was seen of targets just now.
    pub seen: &'s Fitnesses,
}

/// What is known of all gates that pods wait at, after `before`. Pods whose containers are not ready
/// wait for something else, and those that end for nothing.
pub fn gates(sight: Sight<'_>, settings: &Settings, before: &Gates) -> Gates {
    let mut gates = Gates::new();
    let mut groups: Option<Vec<Group<'_>>> = None;
    for pod in &sight.objects.pods {
        let mut conditions = waiting(pod).peekable();
        if conditions.peek().is_none() {
            continue;
        }
        let groups = groups.get_or_insert_with(|| all(sight));
        let behind: Vec<&Group<'_>> =
            groups.iter().filter(|group| group.sends_to(pod, sight.objects)).collect();
        for condition in conditions {
            let gate = Gate {
                pod: pod.reference(),
                uid: pod.metadata.uid.clone().unwrap_or_default(),
                condition: condition.to_owned(),
            };
            let known = before.get(&gate);
            let verdict = match known.filter(|known| known.is_open) {
                Some(open) => Some(open.clone()),
                None => judge(pod, condition, &behind, (sight, known)),
            };
            let is_known = groups.iter().any(|group| group.condition == condition)
                || condition == TARGETS_HEALTHY;
            // Of gates with the other controller's names those are ours that it would open, were it here.
            let is_ours = is_known || known.is_some() || settings.controllers.contains(AWS);
            if let Some(verdict) = verdict.filter(|_| is_ours) {
                gates.insert(gate, verdict);
            }
        }
    }
    gates
}

/// The conditions that a pod waits for and that may be ours to set.
fn waiting(pod: &Pod) -> impl Iterator<Item = &str> {
    let waits = pod.metadata.deletion_timestamp.is_none();
    let named = pod.spec.readiness_gates.iter().map(|gate| gate.condition_type.as_str());
    named.filter(move |name| {
        (*name == TARGETS_HEALTHY || name.starts_with(OF_GROUP))
            && waits
            && containers_ready(pod)
            && !pod.is(name)
    })
}

/// A target group whose targets are pods.
struct Group<'a> {
    /// As in [`Fitnesses`].
    key: &'a str,
    /// Its gate.
    condition: String,
    namespace: &'a str,
    service: Behind<'a>,
    targets: &'a Targets,
    /// Whether its targets stay as they are, since what it is for cannot be understood.
    is_stale: bool,
}

/// Which Service a group's targets are of.
enum Behind<'a> {
    Service(&'a str),
    /// What its tag says: `ingress-service:port`. Where the one ends and the other begins is not told.
    Tag(&'a str),
}

/// All of them: those that are wished, and those that stand for something that is not understood.
fn all(sight: Sight<'_>) -> Vec<Group<'_>> {
    let Sight { desired, observed, .. } = sight;
    let mut groups = Vec::new();
    for stack in desired.stacks.values() {
        let pods = stack.target_groups.values().filter(|it| it.kind.target_type == TargetType::Ip);
        groups.extend(pods.filter_map(|group| of_stack(stack, group)));
    }
    for (arn, binding) in &desired.bindings {
        let Some(Backend { namespace, service, .. }) = &binding.pods else { continue };
        groups.push(Group {
            key: arn,
            condition: format!("{OF_GROUP}{}", binding.owner.name),
            namespace,
            service: Behind::Service(service),
            targets: &binding.targets,
            is_stale: false,
        });
    }
    for (id, standing) in &observed.stacks {
        let wish = desired.stacks.get(id);
        if !desired.held.contains_key(id) && wish.is_none_or(|stack| stack.broken.is_empty()) {
            continue;
        }
        let is_kept = |name: &String| wish.is_none_or(|it| !it.target_groups.contains_key(name));
        let kept = standing.target_groups.iter().filter(|(name, _)| is_kept(name));
        groups.extend(kept.filter_map(|(_, group)| stale(group)));
    }
    groups
}

fn of_stack<'a>(stack: &'a Stack, group: &'a TargetGroup) -> Option<Group<'a>> {
    let Backend { namespace, service, .. } = stack.backends.get(&group.name)?;
    Some(Group {
        key: &group.name,
        condition: format!("{OF_GROUP}{}", group.name),
        namespace,
        service: Behind::Service(service),
        targets: &group.targets,
        is_stale: false,
    })
}

fn stale(group: &TargetGroup) -> Option<Group<'_>> {
    let (namespace, rest) = group.resource.split_once('/')?;
    (group.kind.target_type == TargetType::Ip).then(|| Group {
        key: &group.name,
        condition: format!("{OF_GROUP}{}", group.name),
        namespace,
        service: Behind::Tag(rest),
        targets: &group.targets,
        is_stale: true,
    })
}

impl Group<'_> {
    /// Whether its Service has the pod among its endpoints, or is about to.
    fn sends_to(&self, pod: &Pod, objects: &Objects) -> bool {
        if pod.namespace() != self.namespace {
            return false;
        }
        let named = |service: &&Service| match self.service {
            Behind::Service(name) => service.name() == name,
            Behind::Tag(rest) => {
                let before_port = rest.rsplit_once(':').map_or(rest, |(before, _)| before);
                before_port.ends_with(&format!("-{}", service.name()))
            }
        };
        let services = objects.services.iter().map(AsRef::as_ref);
        let mut own = services.filter(|it| it.namespace() == self.namespace).filter(named);
        own.any(|service| has(service, pod, objects))
    }
}

/// Whether a Service selects a pod; where it selects none, somebody else writes its slices.
fn has(service: &Service, pod: &Pod, objects: &Objects) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    if let Some(selector) = selector.filter(|selector| !selector.is_empty()) {
        let labels = pod.metadata.labels.as_ref();
        return labels.is_some_and(|labels| selects(selector, labels));
    }
    let own = objects.endpoint_slices.iter().filter(|slice| {
        let labels = slice.metadata.labels.as_ref();
        let of = labels.and_then(|labels| labels.get(SERVICE_NAME)).map(String::as_str);
        slice.namespace() == service.namespace() && of == Some(service.name())
    });
    own.flat_map(|slice| &slice.endpoints).any(|endpoint| {
        let target = endpoint.target_ref.as_ref();
        target.is_some_and(|it| it.name.as_deref() == Some(pod.name()))
    })
}

/// Whether a gate may open; nothing, if that cannot be told at all.
fn judge(
    pod: &Pod,
    condition: &str,
    behind: &[&Group<'_>],
    (sight, known): (Sight<'_>, Option<&Verdict>),
) -> Option<Verdict> {
    let is_asked =
        |group: &&&Group<'_>| condition == TARGETS_HEALTHY || group.condition == condition;
    let asked: Vec<&&Group<'_>> = behind.iter().filter(is_asked).collect();
    if asked.is_empty() {
        // What could not be read might have been an Ingress that sends to it.
        return sight.desired.incomplete.is_none().then(|| Verdict {
            is_open: true,
            reason: "NoTargetGroup".to_owned(),
            message: "no target group sends to the pod: nothing is waited for".to_owned(),
            awaits: BTreeSet::new(),
        });
    }
    let awaits = asked.iter().map(|group| group.key.to_owned()).collect();
    let ill = asked.iter().find_map(|group| group.ill(pod, sight.seen));
    let names: Vec<&str> = asked.iter().map(|group| group.key).collect();
    Some(match ill {
        None => Verdict {
            is_open: true,
            reason: "Healthy".to_owned(),
            message: format!("healthy in {}", names.join(", ")),
            awaits: BTreeSet::new(),
        },
        // Where nobody has looked, what was seen last is still the best that is known.
        Some(Wait { is_seen: false, .. }) if known.is_some_and(|it| it.awaits == awaits) => {
            known?.clone()
        }
        Some(Wait { reason, message, .. }) => Verdict { is_open: false, reason, message, awaits },
    })
}

/// Why a pod must wait.
struct Wait {
    reason: String,
    message: String,
    is_seen: bool,
}

impl Group<'_> {
    /// What is the matter with the pod as a target of it, if anything is.
    fn ill(&self, pod: &Pod, seen: &Fitnesses) -> Option<Wait> {
        let addresses: BTreeSet<&str> = pod.addresses().collect();
        let own = self.targets.keys().filter(|target| addresses.contains(target.id.as_str()));
        let own: Vec<&TargetId> = own.collect();
        if own.is_empty() {
            let why = if self.is_stale {
                "and gets no targets while its Ingress cannot be understood"
            } else {
                "yet"
            };
            let message = format!("the pod is no target of {} {why}", self.key);
            return Some(Wait { reason: "Target.NotRegistered".into(), message, is_seen: true });
        }
        let Some(seen) = seen.get(self.key) else {
            let message = format!("target registration is in progress in {}", self.key);
            let reason = "Elb.RegistrationInProgress".to_owned();
            return Some(Wait { reason, message, is_seen: false });
        };
        own.into_iter().find_map(|target| match seen.get(target) {
            Some(Fitness::Well | Fitness::Unasked) => None,
            Some(Fitness::Ill(reason, description)) => {
                let message = format!("{target} in {}: {description}", self.key);
                Some(Wait { reason: reason.clone(), message, is_seen: true })
            }
            None => {
                let message = format!("{target} is not registered in {} yet", self.key);
                Some(Wait { reason: "Target.NotRegistered".into(), message, is_seen: true })
            }
        })
    }
}

#[cfg(test)]
mod tests;
