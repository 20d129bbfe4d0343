//! What must be open where targets are, for the load balancers' common security group.

use super::{Scene, endpoints::Place, target_group::Built};
use crate::{
    settings::{GroupTags, Interface},
    stack::{Ingress, SecurityGroupRef, Source},
    switches::Switch,
};
use std::collections::{BTreeMap, BTreeSet};

/// How the AWS Load Balancer Controller marks such rules, and knows them by.
pub const DESCRIPTION: &str = "elbv2.k8s.aws/targetGroupBinding=shared";

/// Doors by security group, and ports of which it is not known where they are.
#[derive(Debug, Default)]
pub(super) struct Doors {
    pub(super) open: BTreeMap<String, BTreeSet<Ingress>>,
    pub(super) uncertain: BTreeSet<u16>,
}

impl Doors {
    /// Opens what another opens, too.
    pub(super) fn extend(&mut self, other: Self) {
        for (group, doors) in other.open {
            self.open.entry(group).or_default().extend(doors);
        }
        self.uncertain.extend(other.uncertain);
    }

    /// Opens what a target group needs, for whatever `guard` is on.
    pub(super) fn add(&mut self, scene: &Scene<'_>, guard: &SecurityGroupRef, built: &Built) {
        let all = scene.settings.has(Switch::AllPorts);
        let groups: BTreeSet<&str> =
            built.places.iter().filter_map(|place| security_group(scene, place)).collect();
        if groups.is_empty() {
            self.uncertain.extend(&built.ports);
        }
        for group in groups {
            let doors = self.open.entry(group.to_owned()).or_default();
            let ranges =
                built.ports.iter().map(|port| if all { (0, u16::MAX) } else { (*port, *port) });
            doors.extend(ranges.map(|(from, to)| Ingress {
                from,
                to,
                source: Source::Group(guard.clone()),
                description: DESCRIPTION.to_owned(),
            }));
        }
    }
}

/// The security group that guards a target: the only one of its interface, or the one that is tagged
/// as the cluster's.
pub(super) fn security_group<'a>(scene: &Scene<'a>, place: &Place) -> Option<&'a str> {
    let interfaces = scene.lookups.instances.get(&place.instance)?;
    let holds = |interface: &&Interface| {
        place.address.is_some_and(|address| {
            interface.addresses.contains(&address)
                || interface.prefixes.iter().any(|prefix| prefix.contains(&address))
        })
    };
    let own = interfaces.iter().find(holds);
    let primary = || interfaces.iter().find(|interface| interface.primary);
    match own.or_else(primary)?.groups.as_slice() {
        [only] => Some(only),
        several => {
            let tag = format!("kubernetes.io/cluster/{}", scene.settings.cluster);
            let tagged = |id: &&String| {
                let known = scene.lookups.security_groups.iter().flatten();
                let more = &scene.settings.target_group_tags;
                known.filter(|group| group.id == **id).any(|GroupTags { tags, .. }| {
                    let has = |(key, value)| tags.get(key) == Some(value);
                    tags.contains_key(&tag) && more.iter().all(has)
                })
            };
            let mut tagged = several.iter().filter(tagged);
            tagged.next().filter(|_| tagged.next().is_none()).map(String::as_str)
        }
    }
}
