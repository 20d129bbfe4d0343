//! A compiled table with the addresses that DNS has for its names.

use edgeway_core::{
    cluster::{Cluster, Endpoint, Endpoints, Names},
    id::ClusterId,
    table::Table,
};
use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// All names that the clusters of `table` stand for.
pub(super) fn hosts(table: &Table) -> BTreeSet<Arc<str>> {
    let names = table.clusters.iter().filter_map(|cluster| cluster.names.as_ref());
    names.flat_map(|names| names.list.iter().map(|name| Arc::clone(&name.host))).collect()
}

/// The clusters that were filled last: those that would come out the same stay what they are, so
/// that whoever serves them need not begin anew.
#[derive(Debug, Default)]
pub(super) struct Filled(HashMap<ClusterId, Arc<Cluster>>);

impl Filled {
    /// `table` with the `addresses` of each name; itself if it has no names.
    pub(super) fn fill<'a>(
        &mut self,
        table: &Arc<Table>,
        addresses: impl Fn(&str) -> &'a [IpAddr],
    ) -> Arc<Table> {
        let before = std::mem::take(&mut self.0);
        let mut clusters = table.clusters.clone();
        for (ix, cluster) in table.clusters.positions() {
            let Some(names) = &cluster.names else { continue };
            let filled = filled(cluster, names, &addresses);
            let same = before.get(&cluster.id).filter(|same| ***same == filled);
            let filled = same.map_or_else(|| Arc::new(filled), Arc::clone);
            self.0.insert(cluster.id.clone(), Arc::clone(&filled));
            clusters.set(ix, Some(filled));
        }
        if self.0.is_empty() {
            return Arc::clone(table);
        }
        let Table { listeners, clusters: _, credentials } = &**table;
        Arc::new(Table { listeners: listeners.clone(), clusters, credentials: credentials.clone() })
    }
}

fn filled<'a>(
    cluster: &Cluster,
    names: &Names,
    addresses: &impl Fn(&str) -> &'a [IpAddr],
) -> Cluster {
    let found = names.list.iter().flat_map(|name| {
        let addresses = addresses(&name.host);
        let counted = if names.all { addresses } else { addresses.get(..1).unwrap_or_default() };
        counted.iter().map(|address| Endpoint {
            address: SocketAddr::new(*address, name.template.address.port()),
            ..name.template.clone()
        })
    });
    let listed = cluster.endpoints.iter().cloned();
    let endpoints = Arc::new(Endpoints::new(listed.chain(found).collect()));
    Cluster { endpoints, ..cluster.clone() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use edgeway_core::{
        cluster::{ClusterPolicy, Name, ServiceName},
        id::ClusterIx,
    };

    /// A table with a cluster of each of `names`, and one without a name.
    pub(in super::super) fn table(all: bool, names: &[&str]) -> Arc<Table> {
        let cluster = |host: &str, names| {
            Arc::new(Cluster {
                id: ClusterId::outbound(80, "", host),
                service: ServiceName {
                    host: host.into(),
                    name: host.into(),
                    namespace: "default".into(),
                },
                policy: ClusterPolicy::default(),
                names,
                endpoints: Arc::default(),
            })
        };
        let resolved = names.iter().map(|host| {
            let address = SocketAddr::from(([0, 0, 0, 0], 8080));
            let template = Endpoint { address, weight: 3, ..Endpoint::default() };
            let list = vec![Name { host: (*host).into(), template }];
            cluster(host, Some(Arc::new(Names { all, list })))
        });
        let clusters = resolved.chain([cluster("plain", None)]).collect();
        Arc::new(Table { clusters, ..Table::default() })
    }

    fn cluster(table: &Table, at: u32) -> &Arc<Cluster> {
        table.cluster(ClusterIx(at)).unwrap()
    }

    fn addresses(cluster: &Cluster) -> Vec<String> {
        cluster.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
    }

    const TWO: [IpAddr; 2] = [
        IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)),
        IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)),
    ];

    #[test]
    fn all_addresses_count_or_the_first_of_the_answer() {
        for (all, expected) in
            [(true, &["10.0.0.1:8080", "10.0.0.2:8080"][..]), (false, &["10.0.0.2:8080"])]
        {
            let table = Filled::default().fill(&table(all, &["a"]), |_| &TWO);
            assert_eq!(addresses(cluster(&table, 0)), expected);
            assert!(cluster(&table, 0).endpoints.iter().all(|endpoint| endpoint.weight == 3));
            assert!(cluster(&table, 1).endpoints.is_empty());
        }
    }

    #[test]
    fn what_does_not_change_stays_what_it_is() {
        let mut filled = Filled::default();
        let compiled = table(true, &["a", "b"]);
        let (one, two) = (&TWO[..1], &TWO[..]);
        let first = filled.fill(&compiled, |_| one);
        let second = filled.fill(&compiled, |host| if host == "a" { two } else { one });
        let same = |at: u32| Arc::ptr_eq(cluster(&first, at), cluster(&second, at));
        assert_eq!([same(0), same(1), same(2)], [false, true, true]);
        let again = filled.fill(&table(true, &["a", "b"]), |_| one);
        assert!(Arc::ptr_eq(cluster(&again, 1), cluster(&second, 1)));
    }

    #[test]
    fn a_table_without_names_passes_through() {
        let compiled = table(true, &[]);
        let served = Filled::default().fill(&compiled, |_| &TWO);
        assert!(Arc::ptr_eq(&compiled, &served) && hosts(&compiled).is_empty());
    }
}
