//! Near endpoints first: `localityLbSetting` and `trafficDistribution` become priorities and shares.

use super::{
    Workload,
    endpoint::Places,
    nodes::{HOSTNAME, Nodes, REGION, SUBZONE, ZONE, label, own_node},
    registry::Origin,
};
use crate::cluster::{Endpoint, Locality};
use edgeway_api::{
    Objects, Resource,
    destination_rule::{LocalityDistribute, LocalityFailover, TrafficPolicy},
    k8s_openapi::api::core::v1::Service,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Annotation of a service that works as `trafficDistribution` of a Service does.
const TRAFFIC_DISTRIBUTION: &str = "networking.istio.io/traffic-distribution";

/// What `PreferSameNode` compares, and `PreferClose` but for the last (as Istio).
const NEAR: [&str; 5] = ["topology.istio.io/network", REGION, ZONE, SUBZONE, HOSTNAME];

/// The gateway, as far as nearness to it goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Here {
    /// Where it is.
    pub locality: Locality,
    /// Name of its Node; empty where nobody knows.
    pub node: Arc<str>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Here {
    /// Where the gateway is, as far as `objects` and `workload` say so.
    pub(super) fn new(nodes: &Nodes, objects: &Objects, workload: &Workload) -> Self {
        Self {
            locality: nodes.own(objects, workload),
            node: own_node(objects, workload),
            labels: workload.labels.clone(),
        }
    }
}

/// Gives the endpoints at `places` their priorities, and takes away those that are to get nothing.
/// Returns the shares of localities, if they have such.
///
/// Priorities need outlier detection, since without it nobody would notice that the first fail;
/// except where a service itself asks for near endpoints (as Istio).
pub(super) fn arrange(
    places: &mut Places,
    traffic: &TrafficPolicy,
    origin: &Origin,
    here: &Here,
) -> BTreeMap<Locality, u32> {
    if stays_on_node(origin) {
        places.retain(|endpoint| !here.node.is_empty() && endpoint.node == here.node);
    }
    let balancer = traffic.load_balancer.as_ref();
    let watched = traffic.outlier_detection.is_some();
    match balancer.and_then(|balancer| balancer.locality_lb_setting.as_ref()) {
        Some(setting) if setting.enabled == Some(false) => {}
        Some(setting) if !setting.distribute.is_empty() => {
            return distribute(places, &setting.distribute, here);
        }
        Some(setting) if watched => {
            failover(places, &setting.failover_priority, &setting.failover, here);
        }
        None => match preferred(origin) {
            Some(labels) => failover(places, labels, &[], here),
            None if watched => failover::<&str>(places, &[], &[], here),
            None => {}
        },
        Some(_) => {}
    }
    BTreeMap::new()
}

/// Whether a service is for clients on the endpoints' own Nodes only.
fn stays_on_node(origin: &Origin) -> bool {
    match origin {
        Origin::Kubernetes(service) => is_of_node(service),
        Origin::Entries(_) | Origin::Alias(..) => false,
    }
}

/// Whether a Service has `internalTrafficPolicy: Local`.
pub(crate) fn is_of_node(service: &Service) -> bool {
    let spec = service.spec.as_ref();
    spec.and_then(|spec| spec.internal_traffic_policy.as_deref()) == Some("Local")
}

/// In what endpoints should be like the gateway, where a service itself says so.
fn preferred(origin: &Origin) -> Option<&'static [&'static str]> {
    let (meta, own) = match origin {
        Origin::Kubernetes(object) => {
            let spec = object.spec.as_ref();
            (object.meta(), spec.and_then(|spec| spec.traffic_distribution.as_deref()))
        }
        Origin::Entries(members) => match members.first() {
            Some(entry) => (entry.meta(), None),
            None => return None,
        },
        Origin::Alias(..) => return None,
    };
    let said = meta.annotations.as_ref().and_then(|all| all.get(TRAFFIC_DISTRIBUTION));
    let said = said.map(String::as_str).or(own).unwrap_or_default();
    let is = |word: &str| said.eq_ignore_ascii_case(word);
    if is("PreferSameNode") {
        return Some(&NEAR);
    }
    (is("PreferClose") || is("PreferSameZone")).then_some(NEAR.split_last()?.1)
}

/// What gets no share is taken away (as Istio). Localities that one entry names together divide its
/// share by the weight of their endpoints.
fn distribute(
    places: &mut Places,
    rules: &[LocalityDistribute],
    here: &Here,
) -> BTreeMap<Locality, u32> {
    let Some(rule) = rules.iter().find(|rule| covers(&rule.from, &here.locality)) else {
        return BTreeMap::new();
    };
    let entry = |at: &Locality| rule.to.iter().find(|(to, _)| covers(to, at));
    places.retain(|endpoint| entry(&endpoint.locality).is_some());
    let mut groups = BTreeMap::<(&String, u32), BTreeMap<Locality, u64>>::new();
    for endpoint in places.all_mut() {
        if let Some((to, share)) = entry(&endpoint.locality) {
            let group = groups.entry((to, *share)).or_default();
            let weight = group.entry(endpoint.locality.clone()).or_default();
            *weight += u64::from(endpoint.weight);
        }
    }
    let shares = groups.into_iter().flat_map(|((_, share), group)| {
        let total: u64 = group.values().sum();
        group.into_iter().map(move |(locality, weight)| {
            let part = (weight * u64::from(share)).div_ceil(total.max(1));
            (locality, u32::try_from(part).unwrap_or(u32::MAX))
        })
    });
    shares.collect()
}

/// Whether `region[/zone[/subzone]]`, each of which may be `*`, takes in a locality.
fn covers(pattern: &str, locality: &Locality) -> bool {
    let parts = [&locality.region, &locality.zone, &locality.subzone];
    pattern.split('/').zip(parts).all(|(wanted, found)| wanted == "*" || *wanted == **found)
}

/// By labels, else by place; by both where regions are named as well. Priorities that nobody has are
/// left out.
fn failover<T: AsRef<str>>(
    places: &mut Places,
    labels: &[T],
    regions: &[LocalityFailover],
    here: &Here,
) {
    let by_place = labels.is_empty() || !regions.is_empty();
    for endpoint in places.all_mut() {
        let place = if by_place { distance(&endpoint.locality, regions, here) } else { 0 };
        endpoint.priority = difference(endpoint, labels, here) * FURTHEST + place;
    }
    let taken: BTreeSet<u32> = places.all_mut().map(|endpoint| endpoint.priority).collect();
    let ranks: BTreeMap<u32, u32> = taken.into_iter().zip(0..).collect();
    for endpoint in places.all_mut() {
        endpoint.priority = ranks.get(&endpoint.priority).copied().unwrap_or(0);
    }
}

/// One more than the largest distance.
const FURTHEST: u32 = 5;

/// Same subzone, same zone, same region, elsewhere; and beyond the region that takes over from the
/// gateway's, if one is named.
fn distance(locality: &Locality, regions: &[LocalityFailover], here: &Here) -> u32 {
    let own = &here.locality;
    if locality.region == own.region {
        return match (locality.zone == own.zone, locality.subzone == own.subzone) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => 2,
        };
    }
    let next = regions.iter().find(|failover| failover.from == *own.region);
    if next.is_some_and(|failover| failover.to != *locality.region) { 4 } else { 3 }
}

/// How many of `labels` are left at the first in which an endpoint differs from the gateway, or from
/// the value that is given.
fn difference<T: AsRef<str>>(endpoint: &Endpoint, labels: &[T], here: &Here) -> u32 {
    let differs = |wanted: &T| {
        let (name, given) = match wanted.as_ref().split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (wanted.as_ref(), None),
        };
        let own =
            given.map_or_else(|| label(name, &here.labels, (&here.locality, &here.node)), Some);
        let theirs = label(name, &endpoint.labels, (&endpoint.locality, &endpoint.node));
        own.unwrap_or_default() != theirs.unwrap_or_default()
    };
    let matching = labels.iter().position(differs).unwrap_or(labels.len());
    u32::try_from(labels.len() - matching).unwrap_or(u32::MAX / FURTHEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_api::destination_rule::LocalityLbSetting;

    /// Four endpoints here, one in each other place.
    const PLACES: [&str; 8] = [
        "r1/z1/s1", "r1/z1/s1", "r1/z1/s1", "r1/z1/s1", "r1/z1/s2", "r1/z2/s1", "r2/z1/s1",
        "r3/z1/s1",
    ];

    fn here() -> Here {
        let labels = BTreeMap::from([("version".to_owned(), "v1".to_owned())]);
        Here { locality: Locality::parse("r1/z1/s1"), node: "n1".into(), labels }
    }

    fn places(list: &[(&str, &str)]) -> Places {
        let endpoints = list.iter().map(|(place, version)| Endpoint {
            locality: Locality::parse(place),
            labels: Arc::new(BTreeMap::from([("version".to_owned(), (*version).to_owned())])),
            ..Endpoint::default()
        });
        Places { endpoints: endpoints.collect(), names: None }
    }

    fn setting(text: &str) -> LocalityLbSetting {
        serde_saphyr::from_str(text).unwrap()
    }

    fn priorities(places: &Places) -> Vec<u32> {
        places.endpoints.iter().map(|endpoint| endpoint.priority).collect()
    }

    #[test]
    fn near_places_come_first_and_a_named_region_before_others() {
        for (text, expected) in [
            ("{}", [0, 0, 0, 0, 1, 2, 3, 3]),
            ("{failover: [{from: r1, to: r3}]}", [0, 0, 0, 0, 1, 2, 4, 3]),
            ("{failover: [{from: r2, to: r3}]}", [0, 0, 0, 0, 1, 2, 3, 3]),
        ] {
            let mut found = places(&PLACES.map(|place| (place, "")));
            failover::<&str>(&mut found, &[], &setting(text).failover, &here());
            assert_eq!(priorities(&found), expected, "{text}");
        }
    }

    #[test]
    fn labels_count_in_their_order() {
        let list = [("r1/z1", "v1"), ("r1/z2", "v1"), ("r2/z1", "v1"), ("r2/z9", "v2")];
        for (text, expected) in [
            ("[topology.kubernetes.io/region, topology.kubernetes.io/zone]", [0, 1, 2, 2]),
            ("[version=v1, topology.kubernetes.io/zone]", [0, 1, 0, 2]),
            ("[version]", [0, 0, 0, 1]),
            ("[version=v2]", [1, 1, 1, 0]),
            ("[unknown]", [0, 0, 0, 0]),
        ] {
            let mut found = places(&list);
            let setting = setting(&format!("{{failoverPriority: {text}}}"));
            failover(&mut found, &setting.failover_priority, &[], &here());
            assert_eq!(priorities(&found), expected, "{text}");
        }
    }

    #[test]
    fn shares_are_divided_by_weight_and_the_rest_goes() {
        let text = "{distribute: [{from: r9, to: {r1: 100}}, \
                    {from: r1/z1/*, to: {'r1/z1/*': 70, 'r1/z2/*': 20, 'r2/*': 10}}]}";
        let mut found = places(&PLACES.map(|place| (place, "")));
        let shares = distribute(&mut found, &setting(text).distribute, &here());
        let shares: Vec<_> = shares.iter().map(|(at, share)| (at.to_string(), *share)).collect();
        let expected = [("r1/z1/s1", 56), ("r1/z1/s2", 14), ("r1/z2/s1", 20), ("r2/z1/s1", 10)];
        assert_eq!(shares, expected.map(|(at, share)| (at.to_owned(), share)));
        assert_eq!(found.endpoints.len(), 7);
        let mut found = places(&PLACES.map(|place| (place, "")));
        let elsewhere = Here { locality: Locality::parse("r7"), ..here() };
        assert!(distribute(&mut found, &setting(text).distribute, &elsewhere).is_empty());
        assert_eq!(found.endpoints.len(), 8);
    }

    #[test]
    fn patterns_take_in_what_they_leave_open() {
        for (pattern, expected) in [
            ("*", true),
            ("r1", true),
            ("r1/*", true),
            ("r1/z1/*", true),
            ("r1/z1/s1", true),
            ("r1/z2", false),
            ("r2/*", false),
        ] {
            assert_eq!(covers(pattern, &Locality::parse("r1/z1/s1")), expected, "{pattern}");
        }
    }
}
