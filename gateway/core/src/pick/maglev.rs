//! Maglev's table (Eisenbud et al., 2016): endpoints take places in turn, each in an order of its own.

use super::table::Addressed;
use crate::action::hash::hash;
use std::hash::Hasher as _;

/// The largest table, a prime (as Envoy).
const MOST_PLACES: u64 = 5_000_011;

/// Who owns each of `size` places, or of as many as the next prime says.
pub(super) fn places(list: &[Addressed], size: u32) -> Vec<u32> {
    const FREE: u32 = u32::MAX;
    let size = (u64::from(size)..=MOST_PLACES).find(|size| is_prime(*size)).unwrap_or(MOST_PLACES);
    let heaviest = list.iter().map(|one| one.weight).max().unwrap_or(0);
    let mut claimants: Vec<_> = list.iter().map(|one| Claimant::new(one, size)).collect();
    if claimants.is_empty() {
        return Vec::new();
    }
    let mut table = vec![FREE; usize::try_from(size).unwrap_or(usize::MAX)];
    let mut free = table.len();
    while free > 0 {
        for claimant in &mut claimants {
            if !claimant.has_turn(heaviest) {
                continue;
            }
            // Each order goes through all places, so there is a free one.
            while let Some(place) = table.get_mut(claimant.next_place(size)) {
                if *place == FREE {
                    *place = claimant.at;
                    free -= 1;
                    break;
                }
            }
            if free == 0 {
                break;
            }
        }
    }
    table
}

/// An endpoint in its order of the places.
struct Claimant {
    at: u32,
    weight: u64,
    /// What it has saved for its next turn; it costs the heaviest weight.
    credit: u64,
    place: u64,
    step: u64,
}

impl Claimant {
    fn new(one: &Addressed, size: u64) -> Self {
        let name = one.address.to_string();
        let mut second = twox_hash::XxHash64::with_seed(1);
        second.write(name.as_bytes());
        Self {
            at: one.at,
            weight: one.weight.max(1),
            credit: 0,
            place: hash(name.as_bytes()) % size,
            step: second.finish() % (size - 1) + 1,
        }
    }

    fn has_turn(&mut self, heaviest: u64) -> bool {
        self.credit = self.credit.saturating_add(self.weight);
        let turn = self.credit >= heaviest;
        if turn {
            self.credit -= heaviest;
        }
        turn
    }

    fn next_place(&mut self, size: u64) -> usize {
        let place = self.place;
        self.place = (place + self.step) % size;
        usize::try_from(place).unwrap_or(usize::MAX)
    }
}

/// Whether only 1 and the number itself divide it.
pub(crate) fn is_prime(number: u64) -> bool {
    let divides = |divisor: u64| number.is_multiple_of(divisor);
    number > 1 && !(2..=number.isqrt()).any(divides)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_found() {
        let primes: Vec<u64> = (0..20).filter(|number| is_prime(*number)).collect();
        assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19]);
        assert!(is_prime(65_537) && !is_prime(65_536) && is_prime(5_000_011));
    }

    #[test]
    fn places_go_by_weight_whatever_the_size() {
        let one = |at: u32, weight| Addressed {
            at,
            address: ([10, 0, 0, 1], 1000 + u16::try_from(at).unwrap()).into(),
            weight,
        };
        for size in [0, 1, 2, 4, 100, 251] {
            let table = places(&[one(0, 1), one(1, 3)], size);
            let second = table.iter().filter(|owner| **owner == 1).count();
            let expected = table.len() * 3 / 4;
            assert!(second.abs_diff(expected) <= 1, "{size}: {second} of {}", table.len());
        }
        assert!(places(&[], 251).is_empty());
    }
}
