//! The virtual hosts of one route table: found by name, asked for a route.

use super::{Decision, Route, domains::Domains};
use crate::{
    index::Index,
    request::{Request, Scheme, host_of},
};
use serde::{Serialize, ser::SerializeMap as _};
use std::sync::Arc;

/// Longest host name of DNS, with room for a trailing dot.
const LONGEST_HOST: usize = 256;

/// Virtual hosts of one route table, by name.
///
/// As Envoy: exact name, else the longest wildcard, else `*`; never a fall-back from one to another.
/// A copy shares all that is not changed in it.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Istio's name of the route table: `http.8080` or `https.443.https.gw.istio-system`.
    pub name: String,
    /// Requests of gRPC-Web are translated: one of the servers speaks `GRPC-WEB`.
    pub grpc_web: bool,
    exact: Domains,
    /// By what follows the `*`, and all their lengths, longest first.
    suffix: Domains,
    suffix_lengths: Vec<usize>,
    any: Option<Arc<VirtualHost>>,
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
    pub routes: Box<[Arc<Route>]>,
    /// Apart, so that a host of few routes is in one place.
    #[serde(skip)]
    index: Option<Box<Index>>,
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
        Self::of(domain.into(), false, Vec::new())
    }

    /// A virtual host with these routes, in this order.
    pub fn of(domain: Arc<str>, https_redirect: bool, routes: Vec<Arc<Route>>) -> Self {
        let index = Index::new(&routes).map(Box::new);
        Self { domain, https_redirect, routes: routes.into(), index }
    }

    fn find(&self, request: &Request<'_>) -> Option<&Route> {
        if let Some(index) = &self.index {
            return index.find(&self.routes, request);
        }
        self.routes.iter().map(Arc::as_ref).find(|route| route.matcher.matches(request))
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
        let named = self.exact.iter().chain(self.suffix.iter());
        let mut hosts: Vec<_> = named.chain(&self.any).collect();
        hosts.sort_by(|a, b| a.domain.cmp(&b.domain));
        hosts
    }

    /// A route table of these virtual hosts; the last of a domain stays.
    pub fn new(name: String, hosts: impl IntoIterator<Item = VirtualHost>) -> Self {
        let mut table = Self { name, ..Self::default() };
        hosts.into_iter().for_each(|host| table.set(host));
        table
    }

    /// Puts a virtual host in place of the one of the same domain.
    pub fn set(&mut self, host: VirtualHost) {
        let host = Arc::new(host);
        match host.domain.strip_prefix('*') {
            Some("") => self.any = Some(host),
            Some(_) => {
                self.suffix.insert(host);
                self.measure();
            }
            None => self.exact.insert(host),
        }
    }

    /// Takes a virtual host away.
    pub fn remove(&mut self, domain: &str) {
        match domain.strip_prefix('*') {
            Some("") => self.any = None,
            Some(suffix) => {
                self.suffix.remove(suffix);
                self.measure();
            }
            None => self.exact.remove(domain),
        }
    }

    fn measure(&mut self) {
        let lengths = self.suffix.iter().map(|host| host.domain.len() - 1);
        self.suffix_lengths = lengths.collect();
        self.suffix_lengths.sort_unstable_by(|a, b| b.cmp(a));
        self.suffix_lengths.dedup();
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

    #[test]
    fn what_is_set_and_removed_is_not_seen_in_copies() {
        let names = ["a.com", "*.com", "*.b.com", "*"];
        let before = table(&names);
        let all = |hosts: &Hosts| -> Vec<_> {
            hosts.all().iter().map(|host| host.domain.to_string()).collect()
        };
        let mut after = before.clone();
        after.set(VirtualHost::new("c.com"));
        after.remove("*.com");
        after.remove("nothing");
        assert_eq!(all(&after), ["*", "*.b.com", "a.com", "c.com"]);
        let found = |host| after.find(host).map(|host| host.domain.to_string());
        assert_eq!(found("x.com").as_deref(), Some("*"));
        after.remove("*");
        assert!(after.find("x.com").is_none());
        assert_eq!(all(&before), ["*", "*.b.com", "*.com", "a.com"]);
    }
}
