//! Positions by weight: by chance and in turn.

/// Positions, each with its share of a turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Wheel {
    list: Vec<usize>,
    /// Sum of the weights up to and including each; empty if all are the same.
    sums: Vec<u64>,
    total: u64,
    /// Step in turn: coprime to the total weight and near its golden section.
    stride: u64,
}

impl Wheel {
    /// Of positions and their weights; what has none is left out.
    pub(super) fn new(weights: impl IntoIterator<Item = (usize, u64)>) -> Self {
        let some = weights.into_iter().filter(|(_, weight)| *weight > 0);
        let (list, mut weights): (Vec<usize>, Vec<u64>) = some.unzip();
        let first = weights.first().copied().unwrap_or(1);
        if weights.iter().all(|weight| *weight == first) {
            let total = list.len() as u64;
            return Self { list, sums: Vec::new(), total, stride: 1 };
        }
        reduce(&mut weights);
        let mut total = 0_u64;
        for weight in &mut weights {
            total = total.saturating_add(*weight);
            *weight = total;
        }
        Self { list, sums: weights, total, stride: coprime_near_golden_section(total) }
    }

    /// The position that `ticket` (any number) falls on.
    pub(super) fn chance(&self, ticket: u64) -> Option<usize> {
        self.at(ticket.checked_rem(self.total)?)
    }

    /// The position whose turn it is.
    ///
    /// In any run of as many turns as the weights sum up to, each comes exactly as often as its weight
    /// says, and its turns are spread over the run.
    pub(super) fn turn(&self, turn: u64) -> Option<usize> {
        let step = turn.checked_rem(self.total)?;
        if self.stride == 1 {
            return self.at(step);
        }
        let point = if let Some(product) = step.checked_mul(self.stride) {
            product % self.total
        } else {
            let product = u128::from(step) * u128::from(self.stride);
            u64::try_from(product % u128::from(self.total)).ok()?
        };
        self.at(point)
    }

    fn at(&self, point: u64) -> Option<usize> {
        let at = if self.sums.is_empty() {
            usize::try_from(point).ok()?
        } else {
            self.sums.partition_point(|sum| *sum <= point)
        };
        self.list.get(at).copied()
    }
}

/// Divides by what all have in common, so that a turn is as short as it can be.
pub(super) fn reduce(weights: &mut [u64]) {
    let common = weights.iter().copied().fold(0, gcd);
    if common > 1 {
        for weight in weights {
            *weight /= common;
        }
    }
}

fn coprime_near_golden_section(total: u64) -> u64 {
    let start = total / 1000 * 618 + total % 1000 * 618 / 1000;
    (start.max(1)..total).find(|step| gcd(*step, total) == 1).unwrap_or(1)
}

/// Greatest common divisor.
pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wheel(weights: &[u64]) -> Wheel {
        Wheel::new(weights.iter().copied().enumerate())
    }

    fn counts(found: impl Iterator<Item = Option<usize>>, of: usize) -> Vec<u64> {
        let mut counts = vec![0; of];
        found.for_each(|at| counts[at.unwrap()] += 1);
        counts
    }

    #[test]
    fn equals_take_strict_turns() {
        let wheel = wheel(&[7, 7, 7]);
        let turns: Vec<_> = (0..7).filter_map(|turn| wheel.turn(turn)).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn nothing_comes_of_nothing() {
        for weights in [vec![], vec![0, 0]] {
            assert_eq!(wheel(&weights).chance(7), None);
            assert_eq!(wheel(&weights).turn(7), None);
        }
    }

    #[test]
    fn huge_weights_do_not_overflow() {
        let wheel = wheel(&[u64::MAX, u64::MAX - 1, 3]);
        for number in [0, 1, u64::MAX, u64::MAX / 2] {
            assert!(wheel.turn(number).is_some() && wheel.chance(number).is_some());
        }
    }

    proptest! {
        #[test]
        fn a_full_turn_honours_the_weights(
            weights in prop::collection::vec(0_u64..50, 1..20),
            start in 0_u64..1_000_000,
        ) {
            let wheel = wheel(&weights);
            let total = wheel.total;
            let common = weights.iter().copied().fold(0, gcd).max(1);
            let expected: Vec<_> = weights.iter().map(|weight| weight / common).collect();
            let turns = (start..start + total).map(|turn| wheel.turn(turn));
            prop_assert_eq!(&counts(turns, weights.len()), &expected);
            let tickets = (start..start + total).map(|ticket| wheel.chance(ticket));
            prop_assert_eq!(&counts(tickets, weights.len()), &expected);
        }
    }
}
