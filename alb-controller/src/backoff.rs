//! How long to wait before trying again: longer each time, and longest where people must act.

use crate::aws::CloudError;
use std::time::Duration;

/// The longest wait where only time is needed.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest wait where people must act.
const LONGEST_FOR_PEOPLE: Duration = Duration::from_secs(300);

/// Counts failed passes in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failed: u32,
}

impl Backoff {
    /// The wait after another failed pass; the shortest that any of its errors asks for.
    pub(crate) fn next<'e>(&mut self, errors: impl Iterator<Item = &'e CloudError>) -> Duration {
        let factor = 2_u32.saturating_pow(self.failed.min(16));
        self.failed = self.failed.saturating_add(1);
        let wait = |error: &CloudError| {
            let longest = if needs_people(error) { LONGEST_FOR_PEOPLE } else { LONGEST };
            error.retry_after().saturating_mul(factor).min(longest)
        };
        errors.map(wait).min().unwrap_or(LONGEST)
    }

    /// A pass went well.
    pub(crate) fn reset(&mut self) {
        self.failed = 0;
    }
}

/// Whether trying again is of no use until somebody has changed something.
pub(crate) fn needs_people(error: &CloudError) -> bool {
    match error {
        CloudError::Denied { .. }
        | CloudError::NoCredentials { .. }
        | CloudError::Quota { .. }
        | CloudError::Refused { .. } => true,
        CloudError::Throttled { .. }
        | CloudError::Stale { .. }
        | CloudError::Unreachable { .. }
        | CloudError::Deposed { .. }
        | CloudError::Unknown(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Call;

    #[test]
    fn waits_grow_to_a_limit() {
        let stale = CloudError::Unknown("a rule".into());
        let mut backoff = Backoff::default();
        let waits: Vec<u128> =
            (0..8).map(|_| backoff.next([&stale].into_iter()).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        backoff.reset();
        assert_eq!(backoff.next([&stale].into_iter()).as_millis(), 500);
    }

    #[test]
    fn people_are_not_pressed() {
        let denied = CloudError::Denied {
            call: Call::CreateRule,
            code: "AccessDenied".into(),
            cause: "no".into(),
        };
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next([&denied].into_iter()), Duration::from_secs(10));
        for _ in 0..20 {
            backoff.next([&denied].into_iter());
        }
        assert_eq!(backoff.next([&denied].into_iter()), LONGEST_FOR_PEOPLE);
    }
}
