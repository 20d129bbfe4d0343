//! The routing table: what compile makes and the data path asks.
//!
//! Immutable. Nothing here knows the manifests that it came from, except by name.

mod domains;
mod hosts;
mod proxy_header;
mod servers;
mod services;

pub use hosts::{Hosts, VirtualHost};
pub use proxy_header::{BadProxyPorts, ProxyHeader, ProxyPorts};
pub use servers::TlsServers;
pub use services::Services;

use crate::{
    action::{Action, HashPolicy},
    cluster::Cluster,
    clusters::Clusters,
    id::{ClusterIx, ListenerId, ObjectName},
    matcher::Matcher,
    tls::{Credentials, Termination},
};
use serde::Serialize;
use std::sync::Arc;

/// Everything that the gateway serves, at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// Sorted by id.
    pub listeners: Vec<Arc<Listener>>,
    /// Routes refer to them by position.
    pub clusters: Clusters,
    /// What servers and clusters refer to by name.
    #[serde(skip_serializing_if = "Credentials::is_empty")]
    pub credentials: Credentials,
}

/// One socket. A port may carry plain text and TLS: the first byte tells them apart.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// The socket's address.
    pub id: ListenerId,
    /// What plain-text connections get.
    pub plain: Option<App>,
    /// TLS servers, in order of precedence (oldest Gateway first).
    pub tls: TlsServers,
    /// Whether connections begin with a PROXY header, if manifests say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_header: Option<ProxyHeader>,
}

impl Listener {
    /// The TLS server whose names fit best: the exact one, else the longest wildcard, else `*`,
    /// which also takes clients that name no host.
    pub fn server(&self, sni: Option<&str>) -> Option<&TlsServer> {
        self.tls.get(self.tls.position(sni)?).map(Arc::as_ref)
    }
}

/// What a connection, once readable, is used for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum App {
    /// HTTP/1 or HTTP/2.
    Http(Arc<Hosts>),
    /// Bytes.
    Tcp(TcpRoute),
    /// Bytes of other parts of the mesh, for the service that their TLS greeting names.
    Services(Arc<Services>),
}

/// One Gateway server that speaks TLS.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsServer {
    /// SNI patterns, lower case: exact, `*.suffix` or `*`.
    pub sni: Vec<String>,
    /// The Gateway.
    pub gateway: ObjectName,
    /// The server's port name.
    pub server: Arc<str>,
    /// What happens to the TLS.
    pub mode: TlsMode,
    /// What is inside.
    pub app: App,
}

impl TlsServer {
    /// Whether it serves HTTP to whoever comes, certificate or not.
    fn is_open(&self) -> bool {
        match (&self.mode, &self.app) {
            (TlsMode::Terminate(termination), App::Http(_)) => termination.clients.is_none(),
            (TlsMode::Terminate(_), App::Tcp(_) | App::Services(_))
            | (TlsMode::Passthrough | TlsMode::Refuse, _) => false,
        }
    }
}

/// What a TLS server does with the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TlsMode {
    /// Ends here.
    Terminate(Arc<Termination>),
    /// Goes on to the destination untouched.
    Passthrough,
    /// Cannot be served, for which there is a problem: connections are closed.
    Refuse,
}

/// Weighted clusters of a TCP listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TcpRoute {
    /// The VirtualService that says so; the service itself where its name alone does.
    pub virtual_service: ObjectName,
    /// Cluster and weight; `None` for a destination that does not exist.
    pub clusters: Vec<(Option<ClusterIx>, u32)>,
    /// What connections are told apart by: nothing but the client's address can be.
    #[serde(skip_serializing_if = "HashPolicy::is_empty")]
    pub hash: HashPolicy,
}

/// One rule of a VirtualService: one match entry, and what is done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// `name`, `name.match`, or the position `http[0]` where the rule has no name.
    pub name: Arc<str>,
    /// Whose rule it is.
    pub virtual_service: ObjectName,
    /// The Gateway through which it is bound.
    pub gateway: ObjectName,
    /// The Gateway server's port name.
    pub server: Arc<str>,
    /// Name of its statistics, where it is to have some of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stat_prefix: Option<Arc<str>>,
    /// Conditions.
    pub matcher: Matcher,
    /// What is done.
    pub action: Action,
}

/// The answer of the table to one request.
#[derive(Clone, Copy, Debug)]
pub enum Decision<'t> {
    /// Nobody serves this host: 404.
    NoHost,
    /// The host is known, the request fits no route: 404.
    NoRoute(&'t VirtualHost),
    /// The host wants https: 301.
    HttpsRedirect(&'t VirtualHost),
    /// This route.
    Route(&'t VirtualHost, &'t Route),
}

impl Table {
    /// The listener of a socket.
    pub fn listener(&self, id: ListenerId) -> Option<&Arc<Listener>> {
        let at = self.listeners.binary_search_by(|listener| listener.id.cmp(&id)).ok()?;
        self.listeners.get(at)
    }

    /// The cluster at a position that compile gave out.
    pub fn cluster(&self, ix: ClusterIx) -> Option<&Arc<Cluster>> {
        self.clusters.get(ix)
    }
}
