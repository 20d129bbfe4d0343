//! The hosts of a Gateway's server, so that many VirtualServices find theirs among many.

use super::scene::Bound;
use crate::compile::names::{ServerHost, covers};
use edgeway_api::{Gateway, Resource, gateway::Server};
use hashbrown::HashMap;

/// A Gateway that selects the gateway, with its servers in written order.
#[derive(Debug)]
pub(super) struct Serving<'o> {
    /// The object.
    pub gateway: &'o Gateway,
    /// Its servers.
    pub servers: Vec<ServerHosts<'o>>,
}

/// A server and its hosts, by name.
#[derive(Debug)]
pub(super) struct ServerHosts<'o> {
    /// The server.
    pub server: &'o Server,
    all: Vec<ServerHost<&'o str>>,
    exact: HashMap<&'o str, Vec<usize>>,
    /// By what stands behind the `*`.
    wild: HashMap<&'o str, Vec<usize>>,
}

impl<'o> Serving<'o> {
    /// Reads the hosts of a Gateway.
    pub(super) fn new(gateway: &'o Gateway) -> Self {
        let servers = gateway.spec.servers.iter();
        let servers = servers.map(|server| ServerHosts::new(server, gateway.namespace()));
        Self { gateway, servers: servers.collect() }
    }
}

impl<'o> ServerHosts<'o> {
    fn new(server: &'o Server, namespace: &'o str) -> Self {
        let hosts = server.hosts.iter().map(|host| ServerHost::parse(host, namespace));
        let all: Vec<ServerHost<&'o str>> = hosts.collect();
        let mut exact: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut wild: HashMap<&str, Vec<usize>> = HashMap::new();
        for (position, host) in all.iter().enumerate() {
            match host.name.strip_prefix('*') {
                None => exact.entry(host.name).or_default().push(position),
                Some(suffix) => wild.entry(suffix).or_default().push(position),
            }
        }
        Self { server, all, exact, wild }
    }

    /// What a VirtualService serves here: the narrower of each pair of hosts that overlap.
    pub(super) fn domains<'d>(&'d self, bound: &'d Bound<'o>) -> Vec<&'d str> {
        let namespace = bound.service.namespace();
        let mut domains = Vec::new();
        for own in &bound.hosts {
            if self.covering(own).any(|host| host.admits(namespace)) {
                domains.push(own.as_str());
            }
            if own.starts_with('*') {
                let narrower = self.all.iter().filter(|host| {
                    host.name != own && covers(own, host.name) && host.admits(namespace)
                });
                domains.extend(narrower.map(|host| host.name));
            }
        }
        domains
    }

    /// The hosts that cover all of `own`.
    fn covering<'d>(&'d self, own: &'d str) -> impl Iterator<Item = &'d ServerHost<&'o str>> {
        let (exact, tail) = match own.strip_prefix('*') {
            None => (self.exact.get(own), own),
            Some(tail) => (None, tail),
        };
        let dots = tail.match_indices('.').filter_map(move |(at, _)| tail.get(at..));
        let suffixes = dots.chain(std::iter::once("")).filter_map(|tail| self.wild.get(tail));
        let positions = exact.into_iter().chain(suffixes).flatten();
        positions.filter_map(|position| self.all.get(*position))
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Serving};
    use edgeway_api::{Gateway, VirtualService};

    #[test]
    fn a_server_serves_the_narrower_of_two_hosts() {
        for (server, own, expected) in [
            ("['*']", "a.com", "a.com"),
            ("['*.com']", "x.a.com", "x.a.com"),
            ("['*.a.com']", "a.com", ""),
            ("['*.com', x.a.com]", "x.a.com", "x.a.com"),
            ("[x.a.com, y.a.com, y.b.com]", "*.a.com", "x.a.com y.a.com"),
            ("['*.a.com']", "*.a.com", "*.a.com"),
            ("['*.com']", "*.a.com", "*.a.com"),
            ("[a.com, '*.b.com']", "*", "a.com *.b.com"),
            ("['./a.com', 'other/b.com']", "*", "a.com"),
            ("['other/a.com']", "a.com", ""),
        ] {
            let port = "port: {number: 80, name: http, protocol: HTTP}";
            let spec = format!("spec: {{servers: [{{{port}, hosts: {server}}}]}}");
            let meta = "metadata: {name: a, namespace: default}";
            let gateway: Gateway = serde_saphyr::from_str(&format!("{meta}\n{spec}\n")).unwrap();
            let service: VirtualService =
                serde_saphyr::from_str(&format!("{meta}\nspec: {{}}\n")).unwrap();
            let bound = Bound { service: &service, hosts: vec![own.to_owned()], gateways: vec![0] };
            let serving = Serving::new(&gateway);
            let [server_hosts] = serving.servers.as_slice() else { panic!("one server") };
            assert_eq!(server_hosts.domains(&bound).join(" "), expected, "{server} {own}");
        }
    }
}
