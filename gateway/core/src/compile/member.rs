//! A server of a Gateway that takes part in a listener.

use super::{binding::Bound, routes::Through, server_hosts::ServerHosts};
use edgeway_api::{Gateway, Resource, gateway::Server};
use std::{collections::BTreeSet, sync::Arc};

/// One server.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its Gateway.
    pub gateway: Arc<Gateway>,
    /// Where it stands among the Gateway's servers.
    pub position: usize,
    /// Its hosts, read.
    pub hosts: ServerHosts,
    /// What its routes are built for.
    pub through: Through,
    /// Whether plain text is sent to https.
    pub https_redirect: bool,
}

impl Member {
    /// The server as it is written.
    pub(super) fn server(&self) -> Option<&Server> {
        self.gateway.spec.servers.get(self.position)
    }

    /// Whether requests of gRPC-Web are translated.
    pub(super) fn speaks_grpc_web(&self) -> bool {
        let port = self.server().and_then(|server| server.port.as_ref());
        port.is_some_and(|port| port.protocol.eq_ignore_ascii_case("GRPC-WEB"))
    }

    /// What a VirtualService serves here: the narrower of each pair of hosts that overlap.
    pub(super) fn domains(&self, bound: &Bound) -> BTreeSet<String> {
        let namespace = bound.service.namespace();
        let narrower = bound.hosts.iter().flat_map(|own| self.hosts.narrower(own, namespace));
        narrower.map(str::to_ascii_lowercase).collect()
    }
}
