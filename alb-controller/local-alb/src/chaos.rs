//! Faults of the API on request: calls that are throttled, and answers that are lost.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How badly the API behaves; by default not at all.
///
/// Written as `throttle=0.3,lose=0.05,seed=7`. The same seed and order of calls give the same faults.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Chaos {
    /// The share of calls that are refused as too many, with nothing done.
    pub throttle: f64,
    /// The share of other calls that are carried out, and whose connection then breaks.
    pub lose: f64,
    /// Decides which calls these are.
    pub seed: u64,
}

/// Why a text is no [`Chaos`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadChaos {
    /// A part has no `=`, or a name that is not known.
    #[error("{0:?} is none of throttle=SHARE, lose=SHARE and seed=NUMBER")]
    Unknown(String),
    /// A share is no number from 0 to 1.
    #[error("{0:?} is not a share from 0 to 1")]
    Share(String),
    /// The seed is not a whole number.
    #[error("{0:?} is not a whole number")]
    Seed(String),
}

impl FromStr for Chaos {
    type Err = BadChaos;

    fn from_str(text: &str) -> Result<Self, BadChaos> {
        let mut chaos = Self::default();
        for part in text.split(',') {
            let unknown = || BadChaos::Unknown(part.to_owned());
            let (name, value) = part.split_once('=').ok_or_else(unknown)?;
            match name {
                "throttle" => chaos.throttle = share(value)?,
                "lose" => chaos.lose = share(value)?,
                "seed" => {
                    chaos.seed = value.parse().map_err(|_| BadChaos::Seed(value.to_owned()))?;
                }
                _ => return Err(unknown()),
            }
        }
        Ok(chaos)
    }
}

fn share(text: &str) -> Result<f64, BadChaos> {
    let bad = || BadChaos::Share(text.to_owned());
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(bad)
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    Throttled,
    Lost,
}

/// Decides about one call after another.
#[derive(Debug)]
pub(crate) struct Fates {
    chaos: Chaos,
    dice: Mutex<StdRng>,
}

impl Fates {
    pub(crate) fn new(chaos: Chaos) -> Self {
        Self { chaos, dice: Mutex::new(StdRng::seed_from_u64(chaos.seed)) }
    }

    pub(crate) fn next(&self) -> Fate {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        // Always both, so that one share does not change what the other falls on.
        let (throttle, lose) = (dice.random::<f64>(), dice.random::<f64>());
        if throttle < self.chaos.throttle {
            Fate::Throttled
        } else if lose < self.chaos.lose {
            Fate::Lost
        } else {
            Fate::Answered
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_or_refused() {
        let chaos = Chaos { throttle: 0.3, lose: 0.05, seed: 7 };
        assert_eq!("throttle=0.3,lose=0.05,seed=7".parse(), Ok(chaos));
        for bad in ["", "throttle", "throttle=2", "lose=NaN", "seed=x", "fire=1"] {
            assert!(bad.parse::<Chaos>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn shares_are_kept_and_a_seed_repeats() {
        let draw = |seed| {
            let fates = Fates::new(Chaos { throttle: 0.3, lose: 0.1, seed });
            (0..10_000).map(|_| fates.next()).collect::<Vec<_>>()
        };
        let fates = draw(7);
        let count = |fate| fates.iter().filter(|found| **found == fate).count();
        assert!((2_800..3_200).contains(&count(Fate::Throttled)));
        assert!((600..800).contains(&count(Fate::Lost)));
        assert_eq!(fates, draw(7));
        assert_ne!(fates, draw(8));
    }
}
