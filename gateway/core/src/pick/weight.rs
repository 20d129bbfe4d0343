//! By weight: by chance, in turn, and of two the less busy.

use crate::cluster::Endpoints;

/// The endpoint that `ticket` (any number, drawn by the caller) falls on, by weight.
pub fn by_weight(endpoints: &Endpoints, ticket: u64) -> Option<usize> {
    let point = ticket.checked_rem(endpoints.total_weight())?;
    if endpoints.total_weight() == endpoints.len() as u64 {
        return usize::try_from(point).ok();
    }
    Some(endpoints.sums().partition_point(|sum| *sum <= point))
}

/// The endpoint whose turn it is; the caller counts `turn` up.
///
/// In any run of as many turns as the weights sum up to, each endpoint comes exactly as often as
/// its weight says, and its turns are spread over the run.
pub fn round_robin(endpoints: &Endpoints, turn: u64) -> Option<usize> {
    let total = endpoints.total_weight();
    if total == endpoints.len() as u64 {
        return by_weight(endpoints, turn);
    }
    let step = turn.checked_rem(total)?;
    let point = u128::from(step) * u128::from(endpoints.stride()) % u128::from(total);
    by_weight(endpoints, u64::try_from(point).ok()?)
}

/// Of two endpoints drawn by weight, the one with fewer requests in flight (as Envoy: power of
/// two choices); `load` tells how many an endpoint has.
pub fn least_request(
    endpoints: &Endpoints,
    draws: (u64, u64),
    load: impl Fn(usize) -> u32,
) -> Option<usize> {
    let first = by_weight(endpoints, draws.0)?;
    let second = by_weight(endpoints, draws.1)?;
    Some(if load(second) < load(first) { second } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Endpoint;
    use proptest::prelude::*;

    fn endpoints(weights: &[u32]) -> Endpoints {
        let list = (0_u16..).zip(weights).map(|(i, weight)| Endpoint {
            address: ([10, 0, 0, 1], 1000 + i).into(),
            weight: *weight,
            ..Endpoint::default()
        });
        Endpoints::new(list.collect())
    }

    #[test]
    fn nothing_is_picked_from_nothing() {
        let none = endpoints(&[]);
        assert_eq!(by_weight(&none, 7), None);
        assert_eq!(round_robin(&none, 7), None);
        assert_eq!(least_request(&none, (1, 2), |_| 0), None);
    }

    #[test]
    fn the_less_loaded_of_two_wins() {
        let two = endpoints(&[1, 1]);
        let load = |i: usize| if i == 0 { 5 } else { 1 };
        assert_eq!(least_request(&two, (0, 1), load), Some(1));
        assert_eq!(least_request(&two, (0, 0), load), Some(0));
    }

    proptest! {
        #[test]
        fn a_full_turn_of_the_wheel_honours_the_weights(
            weights in prop::collection::vec(1_u32..50, 1..20),
            start in 0_u64..1_000_000,
        ) {
            let endpoints = endpoints(&weights);
            let total = endpoints.total_weight();
            let start = start / total * total;
            let mut counts = vec![0_u32; weights.len()];
            for turn in start..start + total {
                counts[round_robin(&endpoints, turn).unwrap()] += 1;
            }
            prop_assert_eq!(counts, weights);
        }

        #[test]
        fn a_full_run_of_tickets_honours_the_weights(
            weights in prop::collection::vec(1_u32..50, 1..20),
        ) {
            let endpoints = endpoints(&weights);
            let mut counts = vec![0_u32; weights.len()];
            for ticket in 0..endpoints.total_weight() {
                counts[by_weight(&endpoints, ticket).unwrap()] += 1;
            }
            prop_assert_eq!(counts, weights);
        }
    }
}
