//! Choosing an endpoint; chance and load are arguments.

use crate::cluster::Endpoint;

/// The endpoint that `ticket` (any number) falls on, by weight. `None` if there is none.
pub fn by_weight(endpoints: &[Endpoint], ticket: u64) -> Option<usize> {
    let total: u64 = endpoints.iter().map(|endpoint| u64::from(endpoint.weight)).sum();
    let mut left = ticket.checked_rem(total)?;
    endpoints.iter().position(|endpoint| {
        let width = u64::from(endpoint.weight);
        let hit = left < width;
        left = left.saturating_sub(width);
        hit
    })
}
