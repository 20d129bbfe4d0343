//! When a request would pass, and where.

use edgeway_local_alb::{ListenerState, Overview};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// The first plain listener, once every target group has a target that is well.
pub(super) fn entrance(overview: &Overview) -> Option<SocketAddr> {
    let mut groups: BTreeMap<&str, bool> = BTreeMap::new();
    for target in &overview.targets {
        *groups.entry(&target.group).or_default() |= target.state == "healthy";
    }
    if groups.is_empty() || groups.values().any(|well| !well) {
        return None;
    }
    let mut listeners: Vec<_> =
        overview.listeners.iter().filter(|listener| listener.protocol.scheme() == "http").collect();
    listeners.sort_by_key(|listener| listener.port);
    listeners.into_iter().find_map(|listener| match listener.state {
        ListenerState::Open(address) => Some(reachable(address)),
        ListenerState::Closed | ListenerState::Failed(_) => None,
    })
}

/// An address that a client can use: all addresses include this machine's own.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => {
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
        }
        ip => SocketAddr::new(ip, address.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_local_alb::{ListenerView, Protocol, TargetView};

    fn listener(port: u16, protocol: Protocol, state: ListenerState) -> ListenerView {
        ListenerView { load_balancer: "a".into(), port, protocol, state }
    }

    fn target(group: &str, state: &'static str) -> TargetView {
        TargetView { group: group.into(), target: "127.0.0.1:1".into(), state, reason: None }
    }

    #[test]
    fn a_request_passes_when_a_port_is_open_and_every_group_has_a_target_that_is_well() {
        let open = |port: u16| ListenerState::Open(([0, 0, 0, 0], port).into());
        let listeners = vec![
            listener(443, Protocol::Https, open(8443)),
            listener(8081, Protocol::Http, open(16081)),
            listener(80, Protocol::Http, open(8080)),
        ];
        let table = [
            (vec![], None),
            (vec![target("a", "initial")], None),
            (vec![target("a", "healthy")], Some(8080)),
            (vec![target("a", "healthy"), target("a", "unhealthy")], Some(8080)),
            (vec![target("a", "healthy"), target("b", "unhealthy")], None),
        ];
        for (targets, port) in table {
            let place = format!("{targets:?}");
            let overview = Overview { listeners: listeners.clone(), targets };
            let expected = port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
            assert_eq!(entrance(&overview), expected, "{place}");
        }
        let failed = listener(80, Protocol::Http, ListenerState::Failed("in use".into()));
        let overview = Overview { listeners: vec![failed], targets: vec![target("a", "healthy")] };
        assert_eq!(entrance(&overview), None);
    }
}
