//! What each endpoint weighs: its own weight, within the share of its locality where there are such.

use super::wheel::{gcd, reduce};
use crate::cluster::{Balance, Cluster, Endpoint, Locality};
use std::collections::BTreeMap;

/// Envoy's overprovisioning: a locality keeps its share while so many per cent of what it needs to
/// carry it are there.
pub(super) const OVERPROVISIONING: u64 = 140;

/// A denominator for shares that have no small common one.
const FINE: u64 = 1 << 20;

/// What a locality has, of one priority.
#[derive(Default)]
struct Place {
    /// Share of the whole; 0 if it gets none.
    share: u64,
    /// Endpoints, whoever is usable.
    all: u64,
    /// Usable endpoints.
    usable: u64,
    /// Sum of the usable endpoints' weights.
    weight: u64,
}

impl Place {
    /// In thousandths of a share: whole while at least 1 / 1.4 of the endpoints are usable.
    fn effective(&self) -> u64 {
        let able = (1000 * OVERPROVISIONING * self.usable).checked_div(100 * self.all).unwrap_or(0);
        self.share.saturating_mul(able.min(1000))
    }
}

/// The weights of those of `all` that are `usable`, without common divisor.
pub(super) fn weights(
    cluster: &Cluster,
    all: &[usize],
    usable: impl Fn(usize) -> bool,
) -> Vec<(usize, u64)> {
    let shares = &cluster.policy.shares;
    let found = |at: &usize| cluster.endpoints.get(*at).map(|endpoint| (*at, endpoint));
    let own = |endpoint: &Endpoint| match cluster.policy.balance {
        // Chance is blind to weights (measured).
        Balance::Random => 1,
        Balance::LeastRequest
        | Balance::RoundRobin
        | Balance::Ring { .. }
        | Balance::Maglev { .. }
        | Balance::Passthrough => u64::from(endpoint.weight.max(1)),
    };
    let mut places = BTreeMap::<&Locality, Place>::new();
    for (at, endpoint) in all.iter().filter_map(found).filter(|_| !shares.is_empty()) {
        let share = shares.get(&endpoint.locality).copied().unwrap_or(0);
        let place = places.entry(&endpoint.locality).or_default();
        place.share = u64::from(share);
        place.all += 1;
        if usable(at) {
            place.usable += 1;
            place.weight += own(endpoint);
        }
    }
    // Where no locality with a share is left, none of them counts.
    let counting = places.values().any(|place| place.effective() > 0);
    let scale = scale(places.values());
    let (list, mut weights): (Vec<usize>, Vec<u64>) = all
        .iter()
        .filter_map(found)
        .filter(|(at, _)| usable(*at))
        .map(|(at, endpoint)| match places.get(&endpoint.locality).filter(|_| counting) {
            None => (at, own(endpoint)),
            Some(place) => (at, within(place, own(endpoint), scale)),
        })
        .unzip();
    reduce(&mut weights);
    list.into_iter().zip(weights).collect()
}

/// A number that the weights of all places divide, so that shares come out exact; if there is no
/// handy one, a large one.
fn scale<'p>(places: impl Iterator<Item = &'p Place>) -> u64 {
    let sums = places.filter(|place| place.effective() > 0).map(|place| place.weight);
    let common = sums.map(Some).reduce(|a, b| {
        let (a, b) = (a?, b?);
        (a / gcd(a, b).max(1)).checked_mul(b).filter(|common| *common <= FINE)
    });
    common.flatten().unwrap_or(FINE)
}

fn within(place: &Place, own: u64, scale: u64) -> u64 {
    let share = u128::from(place.effective()) * u128::from(own) * u128::from(scale);
    let part = share.checked_div(u128::from(place.weight)).unwrap_or(0);
    let part = u64::try_from(part).unwrap_or(u64::MAX);
    if place.effective() > 0 { part.max(1) } else { 0 }
}
