//! Keeping within the rates that AWS publishes, so that it never has to refuse.

use super::calls::Family;
use std::{collections::BTreeMap, sync::Mutex, time::Duration};
use tokio::time::{Instant, sleep_until};

/// How many calls may come at once, and how many a second in the long run.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    burst: f64,
    rate: f64,
}

/// A full bucket, or a debt that time pays back.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Which rates are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rates {
    /// Those that AWS publishes.
    #[default]
    Published,
    /// None: what answers is no AWS.
    Unlimited,
}

/// Lets calls through one after the other at their rates.
#[derive(Debug)]
pub(super) struct Pace {
    rates: Rates,
    buckets: Mutex<BTreeMap<Option<Family>, Bucket>>,
    /// When the next call may go out that nobody waits for.
    gentle: Mutex<Option<Instant>>,
}

/// From one call to the next that nobody waits for.
const GENTLE: Duration = Duration::from_secs(1);

const fn allowance(family: Option<Family>) -> Allowance {
    match family {
        // All of load balancing together.
        None | Some(Family::Read) => Allowance { burst: 40.0, rate: 10.0 },
        Some(Family::Write) => Allowance { burst: 20.0, rate: 3.0 },
        Some(Family::Heavy) => Allowance { burst: 10.0, rate: 0.2 },
        Some(Family::Registration) => Allowance { burst: 20.0, rate: 4.0 },
        Some(Family::NetworkRead) => Allowance { burst: 100.0, rate: 20.0 },
        Some(Family::NetworkWrite) => Allowance { burst: 50.0, rate: 5.0 },
        Some(Family::GuardRead) => Allowance { burst: 1.0, rate: 1.0 },
        Some(Family::GuardWrite) => Allowance { burst: 1.0, rate: 0.5 },
        Some(Family::Certificates | Family::Tagging) => Allowance { burst: 10.0, rate: 5.0 },
    }
}

impl Pace {
    pub(super) fn new(rates: Rates) -> Self {
        Self { rates, buckets: Mutex::default(), gentle: Mutex::default() }
    }

    /// Waits until a call of the family may go out.
    pub(super) async fn wait(&self, family: Family) {
        if self.rates == Rates::Unlimited {
            return;
        }
        let balancing =
            matches!(family, Family::Read | Family::Write | Family::Heavy | Family::Registration);
        let now = Instant::now();
        let own = self.take(Some(family), now);
        let all = if balancing { self.take(None, now) } else { now };
        sleep_until(own.max(all)).await;
    }

    /// Waits until a call may go out that nobody waits for: one a second, whatever answers.
    pub(super) async fn wait_gently(&self, family: Family) {
        sleep_until(self.turn()).await;
        self.wait(family).await;
    }

    /// A call goes out at once that counts as one that nobody waits for: the next of those comes later.
    pub(super) fn owe(&self) {
        let _ = self.turn();
    }

    /// When the next call that nobody waits for may go out; the one after it comes later.
    fn turn(&self) -> Instant {
        let now = Instant::now();
        self.gentle.lock().map_or(now, |mut next| {
            let turn = next.unwrap_or(now).max(now);
            *next = Some(turn + GENTLE);
            turn
        })
    }

    /// AWS has refused a call: others use up the same allowance, so what was saved is not there.
    pub(super) fn refused(&self, family: Family) {
        if let Ok(mut buckets) = self.buckets.lock()
            && let Some(bucket) = buckets.get_mut(&Some(family))
        {
            bucket.tokens = bucket.tokens.min(0.0);
        }
    }

    /// Takes a token, and tells when it is there.
    fn take(&self, family: Option<Family>, now: Instant) -> Instant {
        let Allowance { burst, rate } = allowance(family);
        let Ok(mut buckets) = self.buckets.lock() else { return now };
        let bucket = buckets.entry(family).or_insert(Bucket { tokens: burst, at: now });
        let earned = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
        bucket.tokens = (bucket.tokens + earned).min(burst) - 1.0;
        bucket.at = now;
        let debt = (-bucket.tokens).max(0.0);
        now + Duration::from_secs_f64(debt / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let pace = Pace::new(Rates::Published);
        let start = Instant::now();
        for _ in 0..20 {
            pace.wait(Family::Write).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..6 {
            pace.wait(Family::Write).await;
        }
        let waited = start.elapsed();
        assert!(
            (Duration::from_millis(1900)..Duration::from_millis(2100)).contains(&waited),
            "{waited:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_goes_out_once_a_second() {
        let pace = Pace::new(Rates::Unlimited);
        let start = Instant::now();
        for _ in 0..10 {
            pace.wait_gently(Family::Read).await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(9));
        pace.owe();
        pace.wait_gently(Family::Read).await;
        assert_eq!(start.elapsed(), Duration::from_secs(11));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_nothing_is_saved() {
        let pace = Pace::new(Rates::Published);
        pace.wait(Family::Write).await;
        pace.refused(Family::Write);
        let start = Instant::now();
        for _ in 0..3 {
            pace.wait(Family::Write).await;
        }
        assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_aws_is_not_waited_for() {
        let pace = Pace::new(Rates::Unlimited);
        let start = Instant::now();
        for _ in 0..1000 {
            pace.wait(Family::Heavy).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
