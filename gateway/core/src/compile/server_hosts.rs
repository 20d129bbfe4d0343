//! The hosts of a Gateway's server, so that each VirtualService finds its own among many.

use super::names::{ServerHost, intersection};
use hashbrown::HashMap;

/// Who may serve what at a server.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerHosts {
    /// As they are written.
    list: Vec<ServerHost<Box<str>>>,
    /// Positions of those without a wildcard.
    exact: HashMap<Box<str>, Vec<usize>>,
    /// Positions of all others.
    wild: Vec<usize>,
}

impl ServerHosts {
    /// Reads the hosts of a Gateway in namespace `own`.
    pub(super) fn new<'h>(hosts: impl Iterator<Item = &'h String>, own: &str) -> Self {
        let mut all = Self::default();
        for (at, host) in hosts.map(|host| ServerHost::parse(host, own)).enumerate() {
            if host.name.starts_with('*') {
                all.wild.push(at);
            } else {
                all.exact.entry_ref(host.name).or_default().push(at);
            }
            all.list.push(host.owned());
        }
        all
    }

    /// The names, as they are written.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|host| &*host.name)
    }

    /// The narrower of each pair of a host here and `own`, a host of a VirtualService in `namespace`.
    pub(super) fn narrower<'n>(
        &'n self,
        own: &'n str,
        namespace: &'n str,
    ) -> impl Iterator<Item = &'n str> {
        let exact = self.exact.get(own).into_iter().flatten();
        // Only a wildcard can cover others that are exact, and only it must look at all.
        let wide = own.starts_with('*');
        let some = exact.chain(&self.wild).filter(move |_| !wide);
        let some = some.filter_map(|at| self.list.get(*at));
        let all = self.list.iter().filter(move |_| wide);
        let admitted = some.chain(all).filter(move |host| host.admits(namespace));
        admitted.filter_map(move |host| intersection(own, &host.name))
    }

    /// Whether there is any such pair.
    pub(super) fn overlaps(&self, own: &str, namespace: &str) -> bool {
        self.narrower(own, namespace).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::ServerHosts;

    #[test]
    fn the_narrower_of_each_pair_is_served() {
        for (hosts, own, expected) in [
            (&["*"][..], "a.com", &["a.com"][..]),
            (&["a.com", "b.com"], "b.com", &["b.com"]),
            (&["ns/a.com", "other/a.com"], "a.com", &["a.com"]),
            (&["other/a.com"], "a.com", &[]),
            (&["*.com", "a.com"], "a.com", &["a.com", "a.com"]),
            (&["a.com", "*.b.com", "c.org"], "*.com", &["a.com", "*.b.com"]),
            (&["a.com"], "*.a.com", &[]),
        ] {
            let list: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
            let server = ServerHosts::new(list.iter(), "ns");
            let narrower: Vec<_> = server.narrower(own, "ns").collect();
            assert_eq!(narrower, expected, "{hosts:?} {own}");
            assert_eq!(server.overlaps(own, "ns"), !expected.is_empty());
        }
    }
}
