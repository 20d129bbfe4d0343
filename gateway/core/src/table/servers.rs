//! The TLS servers of a socket, found by the name that a greeting gives: a look-up or one per label of
//! the name, however many servers there are.

use super::{App, TlsServer};
use crate::request::host_of;
use hashbrown::HashMap;
use serde::{Serialize, Serializer};
use std::{borrow::Cow, ops::Deref, sync::Arc};

/// TLS servers, in order of precedence (oldest Gateway first).
#[derive(Clone, Debug, Default)]
pub struct TlsServers {
    all: Vec<Arc<TlsServer>>,
    /// Shared by the tables of which the names are the same.
    index: Arc<Index>,
}

/// Where the first server stands that has a pattern.
#[derive(Clone, Debug, Default)]
struct Index {
    exact: HashMap<Box<str>, usize>,
    /// By what follows the `*`, its dot included.
    below: HashMap<Box<str>, usize>,
    any: Option<usize>,
    /// Those that have the names of their services alone, whatever they end with.
    services: Vec<usize>,
    /// Who takes clients that name no host where no server has `*`: the first that is open to all.
    nameless: Option<usize>,
}

impl TlsServers {
    /// Indexes servers.
    pub fn new(all: Vec<Arc<TlsServer>>) -> Self {
        let mut index = Index::default();
        for (at, server) in all.iter().enumerate() {
            match &server.app {
                App::Services(_) => index.services.push(at),
                App::Http(_) if server.is_open() && index.nameless.is_none() => {
                    index.nameless = Some(at);
                    server.sni.iter().for_each(|pattern| index.add(pattern, at));
                }
                App::Http(_) | App::Tcp(_) => {
                    server.sni.iter().for_each(|pattern| index.add(pattern, at));
                }
            }
        }
        Self { all, index: Arc::new(index) }
    }

    /// Where the server stands whose names fit best: the exact one, else the longest wildcard, else
    /// `*`, which also takes clients that name no host. Where there is none of that name, they get the
    /// first that ends TLS and asks for no certificate.
    pub fn position(&self, sni: Option<&str>) -> Option<usize> {
        let Index { exact, below, any, services, nameless } = &*self.index;
        let Some(name) = sni.map(lower_case) else { return any.or(*nameless) };
        let has_service = |at: &&usize| match self.all.get(**at).map(|server| &server.app) {
            Some(App::Services(services)) => services.route(&name).is_some(),
            Some(App::Http(_) | App::Tcp(_)) | None => false,
        };
        let service = services.iter().find(has_service).copied();
        let exact = exact.get(&*name).copied();
        // Of equals the first counts: the older Gateway's.
        if let Some(at) = exact.into_iter().chain(service).min() {
            return Some(at);
        }
        let dots = name.char_indices().skip(1).filter(|(_, letter)| *letter == '.');
        let mut suffixes = dots.filter_map(|(at, _)| name.get(at..));
        suffixes.find_map(|suffix| below.get(suffix).copied()).or(*any)
    }

    /// The server that a request is for on a connection that came to the one at `at`. A client that named
    /// no host, where no server takes such for its own, names it by the request: it gets all that it
    /// could have had by naming it at once, and nothing that takes a certificate.
    pub fn of_request(&self, at: usize, sni: Option<&str>, authority: &str) -> Option<&TlsServer> {
        if sni.is_some() || self.index.any.is_some() {
            return self.all.get(at).map(Arc::as_ref);
        }
        let server = self.all.get(self.position(Some(host_of(authority)))?)?;
        server.is_open().then_some(server)
    }

    /// Has another application behind a server; its names stay.
    pub(crate) fn serve(&mut self, at: usize, app: App) {
        if let Some(server) = self.all.get_mut(at) {
            Arc::make_mut(server).app = app;
        }
    }
}

impl Index {
    fn add(&mut self, pattern: &str, at: usize) {
        match pattern.strip_prefix('*') {
            Some("") => {
                self.any.get_or_insert(at);
            }
            Some(suffix) => {
                self.below.entry_ref(suffix).or_insert(at);
            }
            None => {
                self.exact.entry_ref(pattern).or_insert(at);
            }
        }
    }
}

/// Most clients write names in lower case, which costs no copy.
fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

impl Deref for TlsServers {
    type Target = [Arc<TlsServer>];

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl<'s> IntoIterator for &'s TlsServers {
    type Item = &'s Arc<TlsServer>;
    type IntoIter = std::slice::Iter<'s, Arc<TlsServer>>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl From<Vec<Arc<TlsServer>>> for TlsServers {
    fn from(all: Vec<Arc<TlsServer>>) -> Self {
        Self::new(all)
    }
}

impl FromIterator<Arc<TlsServer>> for TlsServers {
    fn from_iter<I: IntoIterator<Item = Arc<TlsServer>>>(all: I) -> Self {
        Self::new(all.into_iter().collect())
    }
}

impl Serialize for TlsServers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.all.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::HashPolicy,
        id::ObjectName,
        table::{Hosts, Services, TcpRoute, TlsMode},
        tls::{Clients, Termination},
    };
    use proptest::prelude::*;

    fn server(sni: &[String], app: App) -> Arc<TlsServer> {
        Arc::new(TlsServer {
            sni: sni.to_vec(),
            gateway: ObjectName::new("ns", "gw"),
            server: "https".into(),
            mode: TlsMode::Refuse,
            app,
        })
    }

    fn http(sni: &[&str]) -> Arc<TlsServer> {
        let sni: Vec<String> = sni.iter().map(|it| (*it).to_owned()).collect();
        server(&sni, App::Http(Arc::new(Hosts::default())))
    }

    fn ending(sni: &[&str], clients: Option<Clients>) -> Arc<TlsServer> {
        let termination = Termination { clients, ..Termination::default() };
        let mode = TlsMode::Terminate(Arc::new(termination));
        Arc::new(TlsServer { mode, ..TlsServer::clone(&http(sni)) })
    }

    #[test]
    fn who_names_no_host_is_served_by_the_host_of_each_request() {
        let closed = || Some(Clients::default());
        let servers = TlsServers::new(vec![
            ending(&["closed.test"], closed()),
            ending(&["a.test", "*.a.test"], None),
            ending(&["b.test"], None),
        ]);
        assert_eq!(servers.position(None), Some(1));
        let first = |host: &str, sni| servers.of_request(1, sni, host).map(|it| it.sni[0].clone());
        for (host, expected) in [
            ("a.test", Some("a.test")),
            ("x.A.test:8443", Some("a.test")),
            ("b.test:443", Some("b.test")),
            ("closed.test", None),
            ("other.test", None),
        ] {
            assert_eq!(first(host, None).as_deref(), expected, "{host}");
            // Who has named one stays there.
            assert_eq!(first(host, Some("a.test")).as_deref(), Some("a.test"), "{host}");
        }
        let all = TlsServers::new(vec![ending(&["a.test"], None), ending(&["*"], None)]);
        assert_eq!(all.position(None), Some(1));
        assert_eq!(all.of_request(1, None, "a.test").unwrap().sni, ["*"]);
        let none = TlsServers::new(vec![ending(&["closed.test"], closed()), http(&["a.test"])]);
        assert_eq!(none.position(None), None);
    }

    fn services(names: &[&str]) -> Arc<TlsServer> {
        let route = || TcpRoute {
            virtual_service: ObjectName::new("ns", "name"),
            clusters: Vec::new(),
            hash: HashPolicy::default(),
        };
        let services: Services = names.iter().map(|name| ((*name).into(), route())).collect();
        server(&["*".to_owned()], App::Services(Arc::new(services)))
    }

    #[test]
    fn the_best_name_wins_and_of_equals_the_first() {
        let servers = TlsServers::new(vec![
            http(&["*.example.com", "other.test"]),
            http(&["a.example.com", "*.b.example.com"]),
            http(&["*.example.com", "a.example.com", "*"]),
            services(&["s.local", "a.example.com"]),
            http(&["s.local"]),
        ]);
        for (name, expected) in [
            (Some("a.example.com"), Some(1)),
            (Some("A.Example.COM"), Some(1)),
            (Some("x.example.com"), Some(0)),
            (Some("y.x.example.com"), Some(0)),
            (Some("x.b.example.com"), Some(1)),
            (Some("b.example.com"), Some(0)),
            (Some("example.com"), Some(2)),
            (Some(".example.com"), Some(2)),
            (Some("s.local"), Some(3)),
            (Some("nobody"), Some(2)),
            (Some(""), Some(2)),
            (None, Some(2)),
        ] {
            assert_eq!(servers.position(name), expected, "{name:?}");
        }
        assert_eq!(TlsServers::new(vec![http(&["a"])]).position(None), None);
        assert_eq!(TlsServers::new(vec![services(&["a"])]).position(Some("b")), None);
    }

    /// What the index must find, one server after the other.
    fn scan(servers: &[Arc<TlsServer>], name: &str) -> Option<usize> {
        let fit = |pattern: &String| match pattern.strip_prefix('*') {
            None => (pattern == name).then_some(usize::MAX),
            Some("") => Some(0),
            Some(suffix) => {
                (name.len() > suffix.len() && name.ends_with(suffix)).then_some(suffix.len())
            }
        };
        let best = |server: &Arc<TlsServer>| server.sni.iter().filter_map(fit).max();
        let ranked = servers.iter().enumerate().filter_map(|(at, it)| Some((best(it)?, at)));
        ranked.rev().max_by_key(|(rank, _)| *rank).map(|(_, at)| at)
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_scan_finds(
            lists in prop::collection::vec(
                prop::collection::vec("(\\*|(\\*\\.)?[ab](\\.[ab]){0,3})", 1..4), 0..8),
            name in "[ab](\\.[ab]){0,4}",
        ) {
            let app = || App::Http(Arc::new(Hosts::default()));
            let servers: TlsServers = lists.iter().map(|sni| server(sni, app())).collect();
            prop_assert_eq!(servers.position(Some(&name)), scan(&servers, &name));
        }
    }
}
