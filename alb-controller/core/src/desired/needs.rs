//! What must be looked up in AWS before wishes can be made.

use super::{
    Scene, authentication, bindings, class, endpoints::instance, index::Index, joined,
    member::Member,
};
use crate::{
    annotations::action::{ActionSpec, ActionWish, TargetWish},
    settings::{Lookups, Needs, Settings},
    target::Protocol,
};
use edgeway_api::{Objects, Resource as _};
use std::collections::BTreeSet;

/// What to look up for the Ingresses among `objects`, and Gateways that ask for a load balancer.
pub fn needs(objects: &Objects, settings: &Settings) -> Needs {
    let index = Index::of(objects);
    let joined = joined::all(objects);
    let mut needs = Needs::default();
    let ingresses = objects.ingresses.iter().map(AsRef::as_ref);
    for ingress in ingresses.chain(joined.iter().map(|joined| &joined.ingress)) {
        let Ok(Some(class)) = class::of(ingress, &index, settings) else { continue };
        needs.anything = true;
        // What is wrong with it is said when wishes are made.
        let Ok(member) = Member::read(ingress, class, &mut Vec::new()) else { continue };
        let secure = member.wish.ports.values().any(|protocol| *protocol == Protocol::Https);
        needs.certificates |= secure && member.wish.certificates.is_empty();
        needs.target_groups.extend(named_groups(&member));
        let stores = member.wish.mutual_tls.values().filter_map(|tls| tls.store_name());
        needs.trust_stores.extend(stores.map(str::to_owned));
        needs.hosts.extend(member.wish.host.clone());
        needs.web_acls |= member.wish.web_acl_name.is_some();
    }
    let scene = Scene { index, joined: &joined, settings, lookups: &Lookups::default() };
    needs.bindings = bindings::own(&scene).next().is_some();
    needs.anything |= needs.bindings;
    if needs.anything {
        needs.instances = scene.index.nodes().filter_map(instance).collect();
    }
    needs
}

/// The Secrets that logins of Ingresses need: namespace and name of each.
pub fn secrets(objects: &Objects, settings: &Settings) -> BTreeSet<(String, String)> {
    let index = Index::of(objects);
    let mut found = BTreeSet::new();
    for ingress in &objects.ingresses {
        let Ok(Some(class)) = class::of(ingress, &index, settings) else { continue };
        let Ok(member) = Member::read(ingress, class, &mut Vec::new()) else { continue };
        let namespace = ingress.namespace();
        let own = authentication::secret_name(&member.annotations);
        let services = index.objects.services.iter().filter(|s| s.namespace() == namespace);
        let theirs = services.filter_map(|service| {
            authentication::secret_name(&member.annotations.under(&**service))
        });
        found.extend(own.into_iter().chain(theirs).map(|name| (namespace.to_owned(), name)));
    }
    found
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
