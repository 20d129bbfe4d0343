//! Which Ingresses share a load balancer, and in which order.

use super::{
    Scene,
    class::{self, Class},
    joined::Joined,
    member::{Member, stack_of},
    tagging, thin,
};
use crate::{
    annotations::{PREFIX, field},
    goal::Desired,
    id::StackId,
    settings::Settings,
    switches::Switch,
};
use edgeway_api::{Problem, Resource, k8s_openapi::api::networking::v1::Ingress};
use std::collections::{BTreeMap, BTreeSet};

/// An Ingress, and the Gateway that became it.
type Candidate<'a> = (&'a Ingress, Option<&'a Joined<'a>>);

/// Finalizers of the AWS Load Balancer Controller: of single Ingresses, and of groups.
const FINALIZERS: &[&str] = &["ingress.k8s.aws/", "group.ingress.k8s.aws/"];

/// Ingresses that share a load balancer.
#[derive(Debug, Default)]
pub(super) struct Group<'a> {
    /// In their order.
    pub(super) members: Vec<Member<'a>>,
    /// Those that cannot be understood, `namespace/name`.
    pub(super) broken: BTreeSet<String>,
}

impl Group<'_> {
    /// Puts aside the members that `keep` does not want.
    pub(super) fn set_aside(&mut self, keep: impl Fn(&Member<'_>) -> bool) {
        let Self { members, broken } = self;
        members.retain(|member| {
            let stays = keep(member);
            if !stays {
                broken.insert(member.name());
            }
            stays
        });
    }
}

/// All groups of Ingresses that are ours. Notes in `desired` what is wrong, and of whom cannot be told
/// whether they are.
pub(super) fn gather<'a>(scene: &Scene<'a>, desired: &mut Desired) -> BTreeMap<StackId, Group<'a>> {
    let ingresses = scene.index.objects.ingresses.iter().map(|ingress| (&**ingress, None));
    let joined = scene.joined.iter().map(|joined| (&joined.ingress, Some(joined)));
    let mut all: Vec<Candidate<'a>> = ingresses.chain(joined).collect();
    all.sort_by_key(|(ingress, _)| (ingress.namespace(), ingress.name()));
    let mut groups: BTreeMap<StackId, Group<'a>> = BTreeMap::new();
    for candidate @ (ingress, _) in all {
        if ingress.metadata.deletion_timestamp.is_none() {
            admit(candidate, scene, &mut groups, desired);
        } else {
            desired.problems.extend(left_behind(ingress, scene));
        }
    }
    for group in groups.values_mut() {
        // By the whole name: `shop-eu/web` comes before `shop/web`, as it does for the AWS Load Balancer
        // Controller.
        group.members.sort_by_cached_key(|Member { order, reference, .. }| {
            (*order, format!("{}/{}", reference.namespace, reference.name))
        });
    }
    groups
}

/// What is wrong with an Ingress that names its group where that is for classes to say.
fn grouped_by_annotation(
    ingress: &Ingress,
    class: Class<'_>,
    settings: &Settings,
) -> Option<Problem> {
    let key = format!("{PREFIX}group.name");
    let annotations = ingress.metadata.annotations.as_ref()?;
    let fixed = class.params.is_some_and(|params| params.group.is_some());
    if fixed || !settings.has(Switch::NoGroupAnnotation) || !annotations.contains_key(&key) {
        return None;
    }
    let problem = Problem::error(ingress.reference(), field(&key), "group-name-not-allowed");
    Some(
        problem
            .message("groups are not chosen by annotation here: what stands of it stays")
            .advice("remove it, or use a class whose IngressClassParams name the group"),
    )
}

/// An Ingress of ours that cannot go because the AWS Load Balancer Controller, which is to let it go,
/// is not there any more.
fn left_behind(ingress: &Ingress, scene: &Scene<'_>) -> Option<Problem> {
    class::of(ingress, &scene.index, scene.settings).ok()??;
    let theirs = |name: &&String| FINALIZERS.iter().any(|prefix| name.starts_with(prefix));
    let finalizer = ingress.metadata.finalizers.iter().flatten().find(theirs)?;
    let (namespace, name) = (ingress.namespace(), ingress.name());
    let problem =
        Problem::warning(ingress.reference(), "metadata.finalizers", "finalizer-left-behind");
    Some(
        problem
            .message(format!(
                "it is deleted and kept by {finalizer}, which the AWS Load Balancer Controller has set"
            ))
            .advice(format!(
                "kubectl -n {namespace} patch ingress {name} --type merge -p \
                 '{{\"metadata\":{{\"finalizers\":null}}}}'"
            )),
    )
}

fn admit<'a>(
    (ingress, joined): Candidate<'a>,
    scene: &Scene<'a>,
    groups: &mut BTreeMap<StackId, Group<'a>>,
    Desired { problems, adrift, .. }: &mut Desired,
) {
    let name = || format!("{}/{}", ingress.namespace(), ingress.name());
    let class = match class::of(ingress, &scene.index, scene.settings) {
        Ok(None) => return,
        Ok(Some(class)) => class,
        Err(fault) => {
            problems.push(*fault);
            adrift.insert(name());
            // Perhaps it was ours before its class got lost: what stands of it stays.
            if let Ok(id) = stack_of(ingress, None) {
                groups.entry(id).or_default().broken.insert(name());
            }
            return;
        }
    };
    let id = match stack_of(ingress, class.params) {
        Ok(id) => id,
        Err(fault) => return problems.push(*fault),
    };
    let group = groups.entry(id).or_default();
    if let Some(problem) = grouped_by_annotation(ingress, class, scene.settings) {
        problems.push(problem);
        group.broken.insert(name());
        return;
    }
    let read = Member::read(ingress, class, problems);
    let door = match joined {
        Some(joined) => joined.door(scene, &class, problems),
        None => thin::door(scene, ingress, &class, problems),
    };
    let complete = |member: Member<'a>| {
        let reference = joined.map(|joined| joined.gateway.reference());
        let reference = reference.unwrap_or_else(|| member.reference.clone());
        Ok(Member { door: door?, joined, reference, ..member })
    };
    match read.and_then(complete) {
        Ok(mut member) => {
            let own = std::mem::take(&mut member.wish.tags);
            let about = (&member.reference, scene.settings);
            member.wish.tags = tagging::allowed(own, about, problems);
            group.members.push(member);
        }
        Err(fault) => {
            problems.push(*fault);
            group.broken.insert(name());
        }
    }
}
