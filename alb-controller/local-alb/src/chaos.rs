//! Faults on request: calls that are throttled, answers that are lost or out of date, and changes
//! that the data plane hears of late.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How badly the cloud behaves; by default not at all.
///
/// Written as `throttle=0.3,lose=0.05,lag=2s,delay=500ms,seed=7`. The same seed and order of calls
/// give the same faults.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Chaos {
    /// The share of calls that are refused as too many, with nothing done.
    pub throttle: f64,
    /// The share of other calls that are carried out, and whose connection then breaks.
    pub lose: f64,
    /// How far back an answer may look: each call sees the state as it was some time ago, anything
    /// from none to this.
    pub lag: Duration,
    /// How long it takes until the data plane follows a change of listeners, rules, targets or
    /// certificates.
    pub delay: Duration,
    /// Decides which calls these are.
    pub seed: u64,
}

/// Why a text is no [`Chaos`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadChaos {
    /// A part has no `=`, or a name that is not known.
    #[error(
        "{0:?} is none of throttle=SHARE, lose=SHARE, lag=DURATION, delay=DURATION and seed=NUMBER"
    )]
    Unknown(String),
    /// A share is no number from 0 to 1.
    #[error("{0:?} is not a share from 0 to 1")]
    Share(String),
    /// A time has no unit, or is no whole number of it.
    #[error("{0:?} is not a time; write 2s or 500ms")]
    Time(String),
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
                "lag" => chaos.lag = time(value)?,
                "delay" => chaos.delay = time(value)?,
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

fn time(text: &str) -> Result<Duration, BadChaos> {
    let bad = || BadChaos::Time(text.to_owned());
    let unit = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = text.split_at_checked(unit).ok_or_else(bad)?;
    let number = number.parse().map_err(|_| bad())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(bad()),
    }
}

/// What becomes of a call, and how old the state is that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Draw {
    pub(crate) fate: Fate,
    pub(crate) age: Duration,
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

    pub(crate) fn next(&self) -> Draw {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        // Always all, so that one share does not change what another falls on.
        let (throttle, lose, age) = (dice.random::<f64>(), dice.random::<f64>(), dice.random());
        let fate = if throttle < self.chaos.throttle {
            Fate::Throttled
        } else if lose < self.chaos.lose {
            Fate::Lost
        } else {
            Fate::Answered
        };
        Draw { fate, age: self.chaos.lag.mul_f64(age) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_or_refused() {
        let (lag, delay) = (Duration::from_secs(2), Duration::from_millis(500));
        let chaos = Chaos { throttle: 0.3, lose: 0.05, lag, delay, seed: 7 };
        assert_eq!("throttle=0.3,lose=0.05,lag=2s,delay=500ms,seed=7".parse(), Ok(chaos));
        for bad in [
            "",
            "throttle",
            "throttle=2",
            "lose=NaN",
            "seed=x",
            "fire=1",
            "lag=2",
            "lag=s",
            "lag=-1s",
            "delay=1h",
            "delay=",
            "lag=99999999999999999999s",
        ] {
            assert!(bad.parse::<Chaos>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn shares_are_kept_and_a_seed_repeats() {
        let draw = |seed| {
            let lag = Duration::from_secs(2);
            let fates =
                Fates::new(Chaos { throttle: 0.3, lose: 0.1, lag, seed, ..Chaos::default() });
            (0..10_000).map(|_| fates.next()).collect::<Vec<_>>()
        };
        let fates = draw(7);
        let count = |fate| fates.iter().filter(|found| found.fate == fate).count();
        assert!((2_800..3_200).contains(&count(Fate::Throttled)));
        assert!((600..800).contains(&count(Fate::Lost)));
        let half = fates.iter().filter(|found| found.age < Duration::from_secs(1)).count();
        assert!((4_800..5_200).contains(&half), "ages are spread evenly");
        assert!(fates.iter().all(|found| found.age <= Duration::from_secs(2)));
        assert_eq!(fates, draw(7));
        assert_ne!(fates, draw(8));
    }
}
