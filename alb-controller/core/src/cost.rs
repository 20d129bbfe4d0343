//! What load balancers cost in a month, as far as it does not depend on what is sent through them.

use crate::stack::{IpAddressType, LoadBalancer, Ownership, Scheme};
use serde::Serialize;

/// Hours of a month, as AWS counts.
const MONTH: f64 = 730.0;

/// What AWS asks for an hour, in dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prices {
    /// A load balancer.
    pub balancer: f64,
    /// One capacity unit, used or reserved.
    pub capacity_unit: f64,
    /// A public IPv4 address.
    pub address: f64,
}

/// Those of most regions of the United States.
impl Default for Prices {
    fn default() -> Self {
        Self { balancer: 0.0225, capacity_unit: 0.008, address: 0.005 }
    }
}

/// One thing that is paid for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// What.
    pub what: &'static str,
    /// How many of them.
    pub count: u32,
    /// Dollars in a month.
    pub monthly: f64,
}

/// All that is paid for a load balancer which uses `units` capacity units on average; nothing for
/// somebody else's.
pub fn items(balancer: &LoadBalancer, prices: &Prices, units: u32) -> Vec<Item> {
    let item = |what, count: u32, price: f64| Item {
        what,
        count,
        monthly: f64::from(count) * price * MONTH,
    };
    if balancer.ownership == Ownership::Rules {
        return Vec::new();
    }
    let reserved = balancer.add_ons.capacity.unwrap_or(0);
    let all = [
        item("load balancer", 1, prices.balancer),
        item("public IPv4 addresses", addresses(balancer), prices.address),
        item("reserved capacity units", reserved, prices.capacity_unit),
        item("used capacity units", units.saturating_sub(reserved), prices.capacity_unit),
    ];
    all.into_iter().filter(|item| item.count > 0).collect()
}

/// One in each subnet. Those of a customer's own pool are not paid for.
fn addresses(balancer: &LoadBalancer) -> u32 {
    let public = balancer.scheme == Scheme::InternetFacing
        && balancer.ip_address_type != IpAddressType::DualstackWithoutPublicIpv4;
    let own = balancer.add_ons.address_pool.is_some() || balancer.add_ons.customer_pool.is_some();
    // It stands in two at least, though they may not be known yet.
    let subnets = u32::try_from(balancer.subnets.len()).unwrap_or(u32::MAX).max(2);
    if public && !own { subnets } else { 0 }
}

/// Dollars in a month for all of them.
pub fn total(items: &[Item]) -> f64 {
    items.iter().fold(0.0, |sum, item| sum + item.monthly)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{add_ons::AddOns, pairs::Pairs, tags::Tags};
    use std::collections::{BTreeMap, BTreeSet};

    fn balancer(scheme: Scheme, capacity: Option<u32>) -> LoadBalancer {
        LoadBalancer {
            name: "lb".into(),
            scheme,
            ip_address_type: IpAddressType::Ipv4,
            subnets: ["a".to_owned(), "b".to_owned()].into(),
            security_groups: Vec::new(),
            attributes: Pairs::new(),
            add_ons: AddOns { capacity, ..AddOns::default() },
            tags: Tags::new(),
            listeners: BTreeMap::new(),
            foreign: BTreeSet::new(),
            ownership: Ownership::Full,
        }
    }

    #[test]
    fn public_addresses_and_reserved_units_are_paid_for() {
        let prices = Prices { balancer: 1.0, capacity_unit: 0.1, address: 0.01 };
        let inside = items(&balancer(Scheme::Internal, None), &prices, 0);
        assert_eq!(inside, [Item { what: "load balancer", count: 1, monthly: 730.0 }]);
        let outside = items(&balancer(Scheme::InternetFacing, Some(100)), &prices, 120);
        let counts: Vec<_> = outside.iter().map(|item| (item.what, item.count)).collect();
        let wanted = [
            ("load balancer", 1),
            ("public IPv4 addresses", 2),
            ("reserved capacity units", 100),
            ("used capacity units", 20),
        ];
        assert_eq!(counts, wanted);
        assert!((total(&outside) - 730.0 * (1.0 + 0.02 + 12.0)).abs() < 0.001);
    }
}
