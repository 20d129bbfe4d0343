//! The compiler that remembers: what did not change is not compiled again.
//!
//! Whether an object changed is seen by its `Arc`; sources keep those of objects that did not. What
//! is remembered never decides what comes out, only how soon: *incremental = full* is a law.

use super::{
    Built, Compiled, Workload, full,
    recipe::Recipe,
    sites::{ByName, service_of},
    validate::Verdicts,
};
use crate::{
    cluster::Cluster,
    clusters::Clusters,
    id::{ClusterId, ClusterIx},
};
use edgeway_api::{Objects, Resource};
use hashbrown::HashMap;
use std::{collections::BTreeSet, sync::Arc};

/// Compiles one configuration after the other.
#[derive(Debug, Default)]
pub struct Compiler {
    verdicts: Verdicts,
    memo: Option<Memo>,
}

/// The configuration before, and what became of it.
#[derive(Debug)]
struct Memo {
    workload: Workload,
    seen: Objects,
    built: Built,
    /// Positions of clusters, by Kubernetes Service.
    by_service: ByName<Vec<ClusterIx>>,
}

impl Compiler {
    /// Makes the table of `workload` from all objects, as [`super::compile`] does.
    pub fn compile(&mut self, objects: &Objects, workload: &Workload) -> Compiled {
        let memo = self.memo.take();
        let mut memo = match memo {
            Some(memo) if memo.workload == *workload && memo.routes_alike(objects) => memo,
            before => Memo::new(full(objects, workload, &mut self.verdicts), objects, workload)
                .sharing_with(before),
        };
        memo.follow(objects);
        let Built { table, report, .. } = &memo.built;
        let (problems, rejected) = report.finish(objects);
        let compiled = Compiled { table: table.clone(), problems, rejected };
        self.memo = Some(memo);
        compiled
    }
}

impl Memo {
    fn new(built: Built, objects: &Objects, workload: &Workload) -> Self {
        let mut by_service = ByName::<Vec<_>>::default();
        for (position, recipe) in (0..).zip(&built.recipes) {
            if let Some((namespace, name)) = recipe.service() {
                by_service.at(namespace, name).push(ClusterIx(position));
            }
        }
        let mut seen = objects.clone();
        seen.defects.clear();
        seen.origins.clear();
        Self { workload: workload.clone(), seen, built, by_service }
    }

    /// Clusters that came out the same are the same, so that whoever knows them need not look again.
    fn sharing_with(mut self, before: Option<Self>) -> Self {
        let Some(before) = before else { return self };
        let known: HashMap<&ClusterId, &Arc<Cluster>> =
            before.built.table.clusters.iter().map(|cluster| (&cluster.id, cluster)).collect();
        let clusters = &mut self.built.table.clusters;
        *clusters = clusters
            .iter()
            .map(|cluster| known.get(&cluster.id).copied().filter(|it| *it == cluster))
            .zip(clusters.iter())
            .map(|(old, new)| Arc::clone(old.unwrap_or(new)))
            .collect::<Clusters>();
        self
    }

    /// Whether nothing differs but endpoints, and pods that are not the gateway's own.
    fn routes_alike(&self, now: &Objects) -> bool {
        let Objects {
            gateways,
            virtual_services,
            destination_rules,
            service_entries,
            workload_entries,
            services,
            pods,
            deployments,
            secrets,
            nodes,
            // Followed.
            endpoint_slices: _,
            endpoints: _,
            // No part of compiling.
            ingress_class_params: _,
            target_group_bindings: _,
            config_maps: _,
            namespaces: _,
            ingresses: _,
            ingress_classes: _,
            defects: _,
            origins: _,
        } = now;
        let seen = &self.seen;
        let own = |pod: &&Arc<_>| Resource::namespace(&***pod) == self.workload.namespace;
        let own_pods = pods.iter().filter(own);
        alike(&seen.gateways, gateways)
            && alike(&seen.virtual_services, virtual_services)
            && alike(&seen.destination_rules, destination_rules)
            && alike(&seen.service_entries, service_entries)
            && alike(&seen.workload_entries, workload_entries)
            && alike(&seen.services, services)
            && alike(&seen.deployments, deployments)
            && alike(&seen.secrets, secrets)
            && alike(&seen.nodes, nodes)
            && (alike(&seen.pods, pods)
                || seen.pods.iter().filter(own).map(Arc::as_ptr).eq(own_pods.map(Arc::as_ptr)))
    }

    /// Takes over endpoints and pods.
    fn follow(&mut self, now: &Objects) {
        let Built { sites, recipes, .. } = &mut self.built;
        let mut touched: BTreeSet<(String, String)> = BTreeSet::new();
        let mut touch = |(namespace, name): (&str, &str)| {
            touched.insert((namespace.to_owned(), name.to_owned()));
        };
        let slices = replace(&mut self.seen.endpoint_slices, &now.endpoint_slices);
        slices.gone.iter().for_each(|slice| sites.remove_slice(slice));
        slices.new.iter().for_each(|slice| sites.add_slice(slice));
        let changed = slices.gone.iter().chain(slices.new);
        changed.filter_map(|slice| service_of(slice)).for_each(&mut touch);
        let older = replace(&mut self.seen.endpoints, &now.endpoints);
        older.gone.iter().for_each(|endpoints| sites.remove_endpoints(endpoints));
        older.new.iter().for_each(|endpoints| sites.add_endpoints(endpoints));
        let changed = older.gone.iter().chain(older.new);
        changed.map(|endpoints| (endpoints.namespace(), endpoints.name())).for_each(&mut touch);
        let positions: Vec<ClusterIx> = if alike(&self.seen.pods, &now.pods) {
            let of = |(namespace, name): &(String, String)| self.by_service.get(namespace, name);
            touched.iter().filter_map(of).flatten().copied().collect()
        } else {
            self.seen.pods.clone_from(&now.pods);
            sites.read_pods(&now.pods);
            (0..).map(ClusterIx).take(recipes.len()).collect()
        };
        for position in positions {
            self.cook(position);
        }
    }

    /// Finds the endpoints of one cluster again.
    fn cook(&mut self, position: ClusterIx) {
        let Built { sites, recipes, here, table, .. } = &mut self.built;
        let recipe: Option<&Recipe> = recipes.get(position.0 as usize);
        let Some((recipe, cluster)) = recipe.zip(table.clusters.get(position)) else { return };
        let again = recipe.again(cluster, sites, here);
        if !Arc::ptr_eq(cluster, &again) {
            table.clusters.replace(position, again);
        }
    }
}

/// Whether two lists hold the same objects.
fn alike<T>(a: &[Arc<T>], b: &[Arc<T>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
}

/// The part of a list that is another.
struct Replaced<'n, T> {
    gone: Vec<Arc<T>>,
    new: &'n [Arc<T>],
}

/// Makes `seen` what is `now`, leaving alone what both begin and end with.
fn replace<'n, T>(seen: &mut Vec<Arc<T>>, now: &'n [Arc<T>]) -> Replaced<'n, T> {
    let same = |(a, b): &(&Arc<T>, &Arc<T>)| Arc::ptr_eq(a, b);
    let front = seen.iter().zip(now).take_while(same).count();
    let rest = seen.iter().skip(front).rev().zip(now.iter().skip(front).rev());
    let back = rest.take_while(same).count();
    let new = now.get(front..now.len() - back).unwrap_or_default();
    let gone = seen.splice(front..seen.len() - back, new.iter().cloned()).collect();
    Replaced { gone, new }
}

#[cfg(test)]
mod tests {
    use super::{Arc, replace};

    #[test]
    fn only_the_part_that_differs_is_replaced() {
        let all: Vec<Arc<u8>> = (0..6).map(Arc::new).collect();
        let list =
            |picked: &[usize]| -> Vec<_> { picked.iter().map(|i| Arc::clone(&all[*i])).collect() };
        let numbers = |list: &[Arc<u8>]| -> Vec<u8> { list.iter().map(|it| **it).collect() };
        for (before, now, gone, new) in [
            (&[][..], &[][..], &[][..], &[][..]),
            (&[0, 1, 2], &[0, 1, 2], &[], &[]),
            (&[0, 1, 2], &[0, 5, 2], &[1], &[5]),
            (&[0, 1, 2], &[0, 2], &[1], &[]),
            (&[0, 2], &[0, 1, 2], &[], &[1]),
            (&[0, 1], &[1, 0], &[0, 1], &[1, 0]),
            (&[0], &[], &[0], &[]),
            (&[], &[3], &[], &[3]),
        ] {
            let mut seen = list(before);
            let now = list(now);
            let replaced = replace(&mut seen, &now);
            assert_eq!(
                (numbers(&replaced.gone), numbers(replaced.new)),
                (gone.to_vec(), new.to_vec())
            );
            assert_eq!(numbers(&seen), numbers(&now));
        }
    }
}
