//! Standing for a lease: taking it, renewing it, losing it, giving it back.

use super::{
    Terms, forbidden,
    record::{Record, Registry},
    tenure::{Term, Told},
};
use crate::api_server::Refusal;
use edgeway_api::{Problem, k8s_openapi::jiff::Timestamp};
use rand::Rng;
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Someone who stands for a lease.
#[derive(Debug)]
pub(super) struct Candidate<R> {
    pub(super) registry: R,
    pub(super) terms: Terms,
    pub(super) told: Told,
    pub(super) problem: watch::Sender<Vec<Problem>>,
}

/// What is known of the lease.
#[derive(Debug, Default)]
struct Known {
    /// The last record, and when it was first seen.
    record: Option<(Record, Instant)>,
    term: Option<Term>,
    /// Whether it was said that the lease cannot be had.
    said: bool,
}

impl<R: Registry> Candidate<R> {
    /// Stands for the lease until told to withdraw; then gives it back.
    pub(super) async fn run(self, withdraw: CancellationToken) {
        let mut known = Known::default();
        loop {
            let start = Instant::now();
            let patience = self.terms.renew_deadline / 2;
            let tried = timeout(patience, self.attempt(&mut known, start)).await;
            let tried = tried
                .unwrap_or_else(|_| Err(Refusal::Unreachable("it does not answer in time".into())));
            self.note(&mut known, start, tried);
            // Those who follow do not come all at once.
            let jitter =
                if known.term.is_some() { 1.0 } else { rand::rng().random_range(1.0..2.2) };
            let next = start + self.terms.retry.mul_f64(jitter);
            let lapse = known.ends().map_or(next, |end| end.min(next));
            tokio::select! {
                () = withdraw.cancelled() => break,
                () = sleep_until(lapse) => {}
            }
            self.lapse(&mut known);
        }
        self.give_back(known).await;
    }

    /// Takes or renews the lease if it can be had; whether it is ours now.
    async fn attempt(&self, known: &mut Known, start: Instant) -> Result<bool, Refusal> {
        let found = self.registry.read().await?;
        let ours = found.as_ref().is_some_and(|record| record.holder == self.terms.identity);
        if let Some(record) = &found
            && !ours
            && !known.may_take(record, start)
        {
            return Ok(false);
        }
        let now = Timestamp::now();
        let before = found.unwrap_or_default();
        let passes = !ours && before.version.is_some();
        let wish = Record {
            holder: self.terms.identity.clone(),
            duration: self.terms.duration,
            renewed: Some(now),
            acquired: if ours { before.acquired } else { Some(now) },
            transitions: before.transitions.saturating_add(i32::from(passes)),
            version: before.version,
        };
        match self.registry.write(wish).await {
            Ok(()) => Ok(true),
            // Somebody was faster.
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    /// The term counts from before the lease was written: nobody can have seen it earlier.
    fn note(&self, known: &mut Known, start: Instant, tried: Result<bool, Refusal>) {
        let led = known.term.is_some();
        let mut problems = Vec::new();
        match tried {
            Ok(true) => {
                let Terms { duration, renew_deadline, .. } = self.terms;
                let (until, end) = (start + renew_deadline, start + duration);
                known.term = Some(Term { until, end });
                known.said = false;
                if !led {
                    tracing::info!(lease = self.terms.name, "leads");
                }
            }
            Ok(false) => {
                known.term = None;
                known.said = false;
                if led {
                    tracing::warn!(lease = self.terms.name, "another leads");
                }
            }
            Err(refusal) => {
                if !std::mem::replace(&mut known.said, true) {
                    tracing::warn!(lease = self.terms.name, "the lease cannot be had: {refusal}");
                }
                if let Refusal::Forbidden(message) = &refusal {
                    problems.push(forbidden(&self.terms, message));
                }
            }
        }
        self.problem.send_if_modified(|told| std::mem::replace(told, problems.clone()) != problems);
        self.told.tell(known.term);
        self.lapse(known);
    }

    /// Notes that the time is up.
    fn lapse(&self, known: &mut Known) {
        if known.term.is_some_and(|term| Instant::now() >= term.until) {
            known.term = None;
            self.told.tell(None);
            tracing::warn!(
                lease = self.terms.name,
                "leads no more: the lease could not be renewed in time"
            );
        }
    }

    /// So that another need not wait for its end.
    async fn give_back(&self, known: Known) {
        self.told.tell(None);
        if known.term.is_none() {
            return;
        }
        let giving = async {
            let Some(record) = self.registry.read().await? else { return Ok(()) };
            if record.holder != self.terms.identity {
                return Ok(());
            }
            let free = Record {
                holder: String::new(),
                duration: Duration::from_secs(1),
                renewed: Some(Timestamp::now()),
                ..record
            };
            self.registry.write(free).await
        };
        match timeout(self.terms.retry, giving).await {
            Ok(Ok(())) => tracing::info!(lease = self.terms.name, "the lease is given back"),
            Ok(Err(refusal)) => tracing::warn!("the lease is not given back: {refusal}"),
            Err(_) => tracing::warn!("the lease is not given back in time"),
        }
    }
}

impl Known {
    /// Whether nobody has the lease, or nobody has renewed it for as long as it lasts.
    fn may_take(&mut self, record: &Record, now: Instant) -> bool {
        if record.holder.is_empty() {
            return true;
        }
        match &self.record {
            Some((known, since)) if known == record => now >= *since + record.duration,
            Some(_) | None => {
                self.record = Some((record.clone(), Instant::now()));
                false
            }
        }
    }

    /// When our term ends, or another's, unless it is renewed until then: who follows is there at
    /// that moment. Of those who come at once, the lease's version lets one have it.
    fn ends(&self) -> Option<Instant> {
        let theirs = || self.record.as_ref().map(|(record, since)| *since + record.duration);
        match self.term {
            Some(term) => Some(term.until),
            None => theirs().filter(|end| *end > Instant::now()),
        }
    }
}

#[cfg(test)]
mod tests;
