//! The routing table: what compile makes and the data path asks.
//!
//! Immutable. Nothing here knows the manifests that it came from, except by name.

use crate::{
    action::{Action, HashPolicy},
    cluster::Cluster,
    clusters::Clusters,
    id::{ClusterIx, ListenerId, ObjectName},
    index::Index,
    matcher::Matcher,
    request::{Request, Scheme, host_of},
    tls::{Credentials, Termination},
};
use hashbrown::HashMap;
use serde::{Serialize, ser::SerializeMap as _};
use std::sync::Arc;

/// Longest host name of DNS, with room for a trailing dot.
const LONGEST_HOST: usize = 256;

/// Everything that the gateway serves, at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// Sorted by id.
    pub listeners: Vec<Arc<Listener>>,
    /// In the order in which routes first name them; routes refer to them by position.
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
    pub tls: Vec<TlsServer>,
}

impl Listener {
    /// The TLS server whose names fit best: the exact one, else the longest wildcard, else `*`,
    /// which also takes clients that name no host.
    pub fn server(&self, sni: Option<&str>) -> Option<&TlsServer> {
        self.tls.get(self.position(sni)?)
    }

    /// Where [`Self::server`] stands among the servers.
    pub fn position(&self, sni: Option<&str>) -> Option<usize> {
        let name = sni.map(str::to_ascii_lowercase);
        let fit = |pattern: &str| match (pattern, &name) {
            ("*", _) => Some(0),
            (_, None) => None,
            (exact, Some(name)) if exact == name => Some(usize::MAX),
            (wildcard, Some(name)) => {
                let suffix = wildcard.strip_prefix('*')?;
                (name.len() > suffix.len() && name.ends_with(suffix)).then_some(suffix.len())
            }
        };
        let best = |server: &TlsServer| server.sni.iter().filter_map(|pattern| fit(pattern)).max();
        let servers = self.tls.iter().enumerate();
        let ranked: Vec<_> = servers.filter_map(|(at, it)| Some((best(it)?, at))).collect();
        // Of equals the first counts: the older Gateway's.
        ranked.into_iter().rev().max_by_key(|(rank, _)| *rank).map(|(_, at)| at)
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
    /// The VirtualService that says so.
    pub virtual_service: ObjectName,
    /// Cluster and weight; `None` for a destination that does not exist.
    pub clusters: Vec<(Option<ClusterIx>, u32)>,
    /// What connections are told apart by: nothing but the client's address can be.
    #[serde(skip_serializing_if = "HashPolicy::is_empty")]
    pub hash: HashPolicy,
}

/// Virtual hosts of one route table, by name.
///
/// As Envoy: exact name, else the longest wildcard, else `*`; never a fall-back from one to another.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Istio's name of the route table: `http.8080` or `https.443.https.gw.istio-system`.
    pub name: String,
    /// Requests of gRPC-Web are translated: one of the servers speaks `GRPC-WEB`.
    pub grpc_web: bool,
    pub(crate) exact: HashMap<Box<str>, Arc<VirtualHost>>,
    /// Keyed by what follows the `*`, and all their lengths, longest first.
    pub(crate) suffix: HashMap<Box<str>, Arc<VirtualHost>>,
    pub(crate) suffix_lengths: Vec<usize>,
    pub(crate) any: Option<Arc<VirtualHost>>,
}

/// The routes of one host name.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualHost {
    /// `a.example.com`, `*.example.com` or `*`.
    pub domain: Arc<str>,
    /// Plain-text requests are sent to https, whatever their path (Gateway `httpsRedirect`).
    pub https_redirect: bool,
    /// First match wins; catch-alls are last.
    pub routes: Vec<Route>,
    #[serde(skip)]
    pub(crate) index: Option<Index>,
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

impl Hosts {
    /// The decision for `request`. Total; allocates nothing for a plain match.
    pub fn route<'t>(&'t self, request: &Request<'_>) -> Decision<'t> {
        let Some(host) = self.find(request.authority) else { return Decision::NoHost };
        if host.https_redirect && request.scheme == Scheme::Http {
            return Decision::HttpsRedirect(host);
        }
        match host.find(request) {
            Some(route) => Decision::Route(host, route),
            None => Decision::NoRoute(host),
        }
    }

    /// The virtual host of an authority as sent: case and port are ignored, a trailing dot is not.
    pub fn find(&self, authority: &str) -> Option<&VirtualHost> {
        let host = host_of(authority);
        let mut buffer = [0; LONGEST_HOST];
        let lower = lower_case(host, &mut buffer);
        if let Some(host) = lower.and_then(|lower| self.named(lower)) {
            return Some(host);
        }
        self.any.as_deref()
    }
}

impl VirtualHost {
    /// A virtual host without routes.
    pub fn new(domain: &str) -> Self {
        Self { domain: domain.into(), https_redirect: false, routes: Vec::new(), index: None }
    }

    fn find(&self, request: &Request<'_>) -> Option<&Route> {
        match &self.index {
            Some(index) => index.find(&self.routes, request),
            None => self.routes.iter().find(|route| route.matcher.matches(request)),
        }
    }
}

impl Hosts {
    fn named(&self, host: &str) -> Option<&VirtualHost> {
        if let Some(exact) = self.exact.get(host) {
            return Some(exact);
        }
        self.suffix_lengths.iter().find_map(|length| {
            // `*` stands for at least one character, as in Envoy.
            let start = host.len().checked_sub(*length).filter(|start| *start > 0)?;
            self.suffix.get(host.get(start..)?).map(Arc::as_ref)
        })
    }

    /// All virtual hosts, sorted by domain.
    pub fn all(&self) -> Vec<&Arc<VirtualHost>> {
        let named = self.exact.values().chain(self.suffix.values());
        let mut hosts: Vec<_> = named.chain(&self.any).collect();
        hosts.sort_by(|a, b| a.domain.cmp(&b.domain));
        hosts
    }

    /// A route table of these virtual hosts; the first of a domain stays.
    pub fn new(name: String, hosts: impl IntoIterator<Item = VirtualHost>) -> Self {
        let mut table = Self { name, ..Self::default() };
        for mut host in hosts {
            host.index = Index::new(&host.routes);
            let host = Arc::new(host);
            match host.domain.strip_prefix('*') {
                Some("") => {
                    table.any.get_or_insert(host);
                }
                Some(suffix) => {
                    table.suffix.entry(suffix.into()).or_insert(host);
                }
                None => {
                    table.exact.entry((*host.domain).into()).or_insert(host);
                }
            }
        }
        table.suffix_lengths = table.suffix.keys().map(|suffix| suffix.len()).collect();
        table.suffix_lengths.sort_unstable_by(|a, b| b.cmp(a));
        table.suffix_lengths.dedup();
        table
    }
}

/// `host` in lower case, in `buffer` unless it is already; `None` if it does not fit: no virtual
/// host is that long.
fn lower_case<'b>(host: &'b str, buffer: &'b mut [u8; LONGEST_HOST]) -> Option<&'b str> {
    if !host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(host);
    }
    let copy = buffer.get_mut(..host.len())?;
    copy.copy_from_slice(host.as_bytes());
    copy.make_ascii_lowercase();
    std::str::from_utf8(copy).ok()
}

/// Name and virtual hosts, sorted: the look-up structures say nothing more.
impl Serialize for Hosts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        if self.grpc_web {
            map.serialize_entry("grpcWeb", &true)?;
        }
        map.serialize_entry("hosts", &self.all())?;
        map.end()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn table(domains: &[&str]) -> Hosts {
        Hosts::new("http.80".into(), domains.iter().map(|domain| VirtualHost::new(domain)))
    }

    #[test]
    fn hosts_are_found_as_envoy_finds_them() {
        let hosts = table(&["a.com", "*.b.com", "*.x.b.com", "*suffix.org", "*"]);
        for (authority, domain) in [
            ("a.com", "a.com"),
            ("A.Com:8080", "a.com"),
            ("a.com:", "a.com"),
            ("a.com.", "*"),
            ("y.b.com", "*.b.com"),
            ("b.com", "*"),
            (".b.com", "*"),
            ("y.x.b.com", "*.x.b.com"),
            ("z.y.x.b.com", "*.x.b.com"),
            ("mysuffix.org", "*suffix.org"),
            ("suffix.org", "*"),
            ("", "*"),
        ] {
            assert_eq!(&*hosts.find(authority).unwrap().domain, domain, "{authority}");
        }
        assert!(table(&["a.com"]).find("b.com").is_none());
        assert!(table(&["a.com"]).find(&"A".repeat(1000)).is_none());
    }
}
