//! How fast statuses are written: a few at once, and then one after the other.

use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Writes at once.
const BURST: u32 = 50;

/// From one write to the next after that.
const INTERVAL: Duration = Duration::from_millis(25);

/// Returns after `wait`; without one, never.
pub async fn after(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// Lets one through when its time has come.
#[derive(Debug)]
pub struct Pace {
    /// When the next would come if none had come early.
    due: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self { due: Instant::now() }
    }
}

impl Pace {
    /// Returns when there is room for one more.
    pub async fn wait(&mut self) {
        let now = Instant::now();
        self.due = self.due.max(now) + INTERVAL;
        let early = INTERVAL * BURST;
        if self.due > now + early {
            sleep_until(self.due - early).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, INTERVAL, Instant, Pace};

    #[tokio::test(start_paused = true)]
    async fn a_few_at_once_and_then_one_by_one() {
        let mut pace = Pace::default();
        let start = Instant::now();
        for _ in 0..BURST {
            pace.wait().await;
        }
        assert_eq!(start.elapsed().as_millis(), 0);
        for _ in 0..10 {
            pace.wait().await;
        }
        assert!(start.elapsed() >= INTERVAL * 9, "{:?}", start.elapsed());
        assert!(start.elapsed() <= INTERVAL * 11, "{:?}", start.elapsed());
    }
}
