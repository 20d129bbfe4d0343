//! Network load balancers in words.

use super::{
    BalancerOutline, ListenerOutline, RuleOutline, attributes, join, named, settings, tags,
};
use crate::{frontend::Frontend, goal::Standing};
use std::collections::BTreeSet;

pub(super) fn front(found: &Frontend, standing: &Standing) -> BalancerOutline {
    let own = [
        named("kind", "network"),
        named("scheme", found.scheme.as_str()),
        named("addresses", found.ip_address_type.as_str()),
        named("subnets", join(&found.subnets)),
        named("security groups", join(found.security_groups.iter().collect::<BTreeSet<_>>())),
    ];
    let listeners = found.listeners.iter().map(|(port, listener)| {
        let group = standing.front_groups.get(&listener.group);
        let then = group.map(|group| format!("forward to {}", join(&group.targets)));
        let all = RuleOutline {
            when: "whatever comes".to_owned(),
            then: then.unwrap_or_else(|| listener.group.clone()),
            from: None,
        };
        ListenerOutline {
            port: *port,
            protocol: "TCP",
            settings: settings(tags(&listener.tags)),
            rules: vec![all],
        }
    });
    BalancerOutline {
        name: found.name.clone(),
        settings: settings(
            own.into_iter().chain(attributes(&found.attributes)).chain(tags(&found.tags)),
        ),
        listeners: listeners.collect(),
    }
}
