//! When the next pass comes, by how the last one ended.

use crate::{aws::CloudError, backoff::Backoff, event::Event, reconcile::Pass, run::Handle};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How often to look whether what is waited for has happened: first, and at last.
pub(crate) const LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// How often at least to look while pods wait at readiness gates.
const GATE: Duration = Duration::from_secs(4);

/// When the loop goes on by itself.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    next: Option<Instant>,
    /// When time will have done something.
    look: Option<Instant>,
}

impl Clock {
    /// Returns when the time has come: whether time has done something by then.
    pub(crate) async fn strikes(&self) -> bool {
        match self.next {
            Some(next) => sleep_until(next).await,
            None => std::future::pending().await,
        }
        self.look.is_some_and(|look| look <= Instant::now())
    }

    /// Sets it. A look that is due stays due, however often objects change meanwhile.
    pub(crate) fn set(&mut self, wait: Option<Duration>, has_struck: bool) {
        let now = Instant::now();
        let due = self.look.take().filter(|_| !has_struck);
        match wait {
            None => self.next = None,
            // Right after steps what they have done is known.
            Some(Duration::ZERO) => (self.next, self.look) = (Some(now), due),
            Some(wait) => {
                let look = due.map_or(now + wait, |due| due.min(now + wait));
                (self.next, self.look) = (Some(look), Some(look));
            }
        }
    }
}

/// When the next pass comes.
#[derive(Debug)]
pub(crate) struct Rhythm {
    backoff: Backoff,
    look: Duration,
    /// Whether it was said that nothing is left to do.
    said: bool,
    /// How many addresses were to be told, and how many readiness gates were to be opened.
    awaits: (usize, usize),
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { backoff: Backoff::default(), look: LOOK.0, said: false, awaits: (0, 0) }
    }
}

impl Rhythm {
    /// Objects have changed: nothing need be waited for.
    pub(crate) fn changed(&mut self) {
        self.look = LOOK.0;
        self.backoff.reset();
        self.said = false;
    }

    /// How long to wait for the next pass; nothing: until something changes.
    pub(crate) fn next(
        &mut self,
        result: &Result<Pass, CloudError>,
        handle: &Handle,
    ) -> Option<Duration> {
        let errors: Vec<&CloudError> = match result {
            Err(error) => {
                handle.tell(Event::looking_failed(error));
                vec![error]
            }
            Ok(pass) => pass.failures.iter().map(|failure| &failure.error).collect(),
        };
        if !errors.is_empty() {
            let wait = self.backoff.next(errors.into_iter());
            handle.tell(Event::Retry(wait));
            self.said = false;
            return Some(wait);
        }
        self.backoff.reset();
        let Ok(pass) = result else { return None };
        let (addresses, gates) = std::mem::replace(&mut self.awaits, (pass.awaits, pass.gates));
        if addresses > pass.awaits || gates > pass.gates {
            // The next one may be well, too.
            self.look = LOOK.0;
        }
        if pass.gates > 0 {
            // A rollout waits for it.
            self.look = self.look.min(GATE);
        }
        if pass.plan.is_settled() {
            if !std::mem::replace(&mut self.said, true) {
                handle.tell(Event::Settled);
            }
            if pass.awaits + pass.gates > 0 {
                return Some(self.longer());
            }
            self.look = LOOK.0;
            return pass.doubts;
        }
        // Right after steps the plan is looked at once more; then ever less often.
        let longer = self.longer();
        if pass.taken > 0 && pass.plan.pending.is_empty() {
            return Some(Duration::ZERO);
        }
        Some(pass.doubts.map_or(longer, |doubts| doubts.min(longer)))
    }

    /// How long to wait now; the next time it is longer.
    fn longer(&mut self) -> Duration {
        let wait = self.look;
        self.look = (wait * 2).min(LOOK.1);
        wait
    }
}
