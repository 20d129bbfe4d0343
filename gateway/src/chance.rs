//! Chance for one worker: quick, not for secrets.

use rand::{RngCore, SeedableRng, rngs::SmallRng};
use std::{cell::RefCell, time::Duration};

/// A worker's own generator.
#[derive(Debug)]
pub(crate) struct Chance(RefCell<SmallRng>);

impl Chance {
    /// Seeded by the operating system.
    pub(crate) fn new() -> Self {
        Self(RefCell::new(SmallRng::from_os_rng()))
    }

    /// Any number.
    pub(crate) fn draw(&self) -> u64 {
        self.0.borrow_mut().next_u64()
    }

    /// Any duration shorter than `limit`.
    pub(crate) fn shorter_than(&self, limit: Duration) -> Duration {
        let nanoseconds = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.draw().checked_rem(nanoseconds).unwrap_or(0))
    }

    /// True with this probability.
    pub(crate) fn hit(&self, probability: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are enough for a probability")]
        let point = (self.draw() >> 11) as f64 / (1_u64 << 53) as f64;
        point < probability
    }

    /// A random (version 4) UUID.
    pub(crate) fn uuid(&self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        self.0.borrow_mut().fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_keeps_its_bounds() {
        let chance = Chance::new();
        assert_eq!(chance.shorter_than(Duration::ZERO), Duration::ZERO);
        for _ in 0..1000 {
            assert!(chance.shorter_than(Duration::from_millis(25)) < Duration::from_millis(25));
            assert!(chance.hit(1.0) && !chance.hit(0.0));
        }
        let id = chance.uuid();
        assert_eq!((id.get_version_num(), id == chance.uuid()), (4, false));
    }
}
