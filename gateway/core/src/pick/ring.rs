//! A ring of hashes: every endpoint has points on it, by its weight, and a key goes to the next point.

use super::table::Addressed;
use crate::action::hash::hash;
use std::fmt::Write as _;

/// Weights are made coarser before they need more points than this; unless there are more endpoints.
const MOST_WEIGHT: u64 = 1 << 16;

/// The largest ring, unless there are more endpoints (as Envoy).
const MOST_POINTS: u32 = 8 << 20;

/// Points and who owns them, ascending: at least `fewest`.
///
/// How many points a unit of weight has is a power of two. So it seldom changes when an endpoint comes
/// or goes, and then no key moves that need not: Envoy, which divides the ring anew, moves one in ten.
pub(super) fn places(list: &[Addressed], fewest: u32) -> Vec<(u64, u32)> {
    let most = MOST_WEIGHT.max(list.len() as u64);
    let sum: u64 = list.iter().fold(0, |sum, one| sum.saturating_add(one.weight));
    let coarse = sum.div_ceil(most).max(1);
    let weight = |one: &Addressed| (one.weight / coarse).max(1);
    let total: u64 = list.iter().map(weight).sum();
    let points =
        u64::from(fewest.min(MOST_POINTS)).div_ceil(total.max(1)).max(1).next_power_of_two();
    let mut ring = Vec::new();
    let mut name = String::new();
    for one in list {
        for number in 0..weight(one) * points {
            name.clear();
            // Writing to a string does not fail.
            let _ = write!(name, "{}_{number}", one.address);
            ring.push((hash(name.as_bytes()), one.at));
        }
    }
    ring.sort_unstable();
    ring
}
