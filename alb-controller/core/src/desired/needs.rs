//! What must be looked up in AWS before wishes can be made.

use super::{class, endpoints::instance, index::Index, member::Member};
use crate::{
    annotations::action::{ActionSpec, ActionWish, TargetWish},
    settings::{Needs, Settings},
    target::Protocol,
};
use edgeway_api::Objects;

/// What to look up for the Ingresses among `objects`.
pub fn needs(objects: &Objects, settings: &Settings) -> Needs {
    let index = Index::of(objects);
    let mut needs = Needs::default();
    for ingress in &objects.ingresses {
        let Ok(Some(class)) = class::of(ingress, &index, settings) else { continue };
        needs.anything = true;
        // What is wrong with it is said when wishes are made.
        let Ok(member) = Member::read(ingress, class, &mut Vec::new()) else { continue };
        let secure = member.wish.ports.values().any(|protocol| *protocol == Protocol::Https);
        needs.certificates |= secure && member.wish.certificates.is_empty();
        needs.target_groups.extend(named_groups(&member));
    }
    if needs.anything {
        needs.instances = index.nodes().filter_map(instance).collect();
    }
    needs
}

/// Target groups of somebody else that actions name.
fn named_groups(member: &Member<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for action in member.annotations.family("actions.") {
        let spec = member.annotations.json::<ActionSpec>(&format!("actions.{action}"));
        let Ok(Some(ActionWish::Forward(shares, _))) =
            spec.map(|spec| spec.and_then(|s| s.wish().ok()))
        else {
            continue;
        };
        names.extend(shares.into_iter().filter_map(|share| match share.target {
            TargetWish::Name(name) => Some(name),
            TargetWish::Arn(_) | TargetWish::Service(..) => None,
        }));
    }
    names
}
