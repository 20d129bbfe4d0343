//! Follows one name for as long as a table needs it.

use super::dns::{Dns, Unanswered};
use crate::metrics::Metrics;
use std::{error::Error as _, net::IpAddr, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::sleep};

/// No answer is believed for less, whatever it says.
const SHORTEST: Duration = Duration::from_secs(1);

/// No answer is believed for longer.
const LONGEST: Duration = Duration::from_secs(300);

/// How long the pauses between failures become.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Names that were asked for together do not stay together.
const MOST_JITTER: f64 = 0.1;

/// News of a name.
#[derive(Debug)]
pub(super) struct Reply {
    /// The name.
    pub(super) host: Arc<str>,
    /// Its addresses, none if it has none; or why nobody knows.
    pub(super) addresses: Result<Vec<IpAddr>, String>,
}

/// Asks for `host` whenever its answer is over; ends with whoever reads the replies.
pub(super) async fn follow(
    host: Arc<str>,
    dns: Arc<Dns>,
    metrics: Arc<Metrics>,
    replies: mpsc::UnboundedSender<Reply>,
) {
    let mut pace = Pace::default();
    loop {
        metrics.dns_queries.inc();
        let answer = dns.ask(&host).await;
        if answer.is_err() {
            metrics.dns_failures.inc();
        }
        let found = answer.as_ref().ok().filter(|answer| !answer.addresses.is_empty());
        let ttl = found.map(|answer| answer.ttl);
        let addresses = answer.map(|answer| answer.addresses).map_err(|error| reason(&error));
        if replies.send(Reply { host: Arc::clone(&host), addresses }).is_err() {
            return;
        }
        sleep(pace.next(ttl).mul_f64(1.0 + rand::random_range(0.0..MOST_JITTER))).await;
    }
}

fn reason(unanswered: &Unanswered) -> String {
    match unanswered.source() {
        Some(source) => format!("{unanswered}: {source}"),
        None => unanswered.to_string(),
    }
}

/// When to ask again.
#[derive(Debug, Default)]
struct Pace {
    failures: u32,
}

impl Pace {
    /// The pause after addresses that are good for `ttl`, or after none.
    fn next(&mut self, ttl: Option<Duration>) -> Duration {
        if let Some(ttl) = ttl {
            self.failures = 0;
            return ttl.clamp(SHORTEST, LONGEST);
        }
        let pause = SHORTEST.saturating_mul(1 << self.failures.min(6)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::Duration;

    #[test]
    fn answers_are_believed_for_their_time_within_bounds() {
        let mut pace = Pace::default();
        for (ttl, pause) in [(0, 1), (1, 1), (60, 60), (86_400, 300)] {
            let next = pace.next(Some(Duration::from_secs(ttl)));
            assert_eq!(next, Duration::from_secs(pause), "{ttl}");
        }
    }

    #[test]
    fn failures_make_it_slower_and_an_answer_makes_it_forget_them() {
        let mut pace = Pace::default();
        let pauses: Vec<u64> = (0..8).map(|_| pace.next(None).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        pace.next(Some(Duration::from_secs(5)));
        assert_eq!(pace.next(None).as_secs(), 1);
    }
}
