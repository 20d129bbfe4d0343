//! Leadership, as those see it who depend on it.

use std::time::Duration;
use tokio::{sync::watch, time::Instant};

/// So long that it never ends.
const FOR_EVER: Duration = Duration::from_secs(86_400 * 365 * 30);

/// Whether we lead. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Tenure {
    term: watch::Receiver<Option<Term>>,
    leads: watch::Receiver<bool>,
}

/// A stretch of leading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term {
    /// Nothing is begun after this.
    pub(super) until: Instant,
    /// After this another may lead.
    pub(super) end: Instant,
}

/// Tells a [`Tenure`].
#[derive(Debug)]
pub(super) struct Told {
    term: watch::Sender<Option<Term>>,
    leads: watch::Sender<bool>,
}

impl Told {
    pub(super) fn new() -> (Self, Tenure) {
        let (term, seen) = watch::channel(None);
        let (leads, seen_leads) = watch::channel(false);
        (Self { term, leads }, Tenure { term: seen, leads: seen_leads })
    }

    /// The term first: who hears that we lead must find it.
    pub(super) fn tell(&self, term: Option<Term>) {
        self.term.send_replace(term);
        self.leads.send_if_modified(|leads| std::mem::replace(leads, term.is_some()) != *leads);
    }
}

/// Decides about a [`Tenure`].
#[derive(Debug)]
pub struct Hand(Told);

impl Hand {
    /// Lets it lead until it is told otherwise, or not.
    pub fn set(&self, leads: bool) {
        let end = Instant::now() + FOR_EVER;
        self.0.tell(leads.then_some(Term { until: end, end }));
    }
}

impl Tenure {
    /// For whoever is alone.
    pub fn always() -> Self {
        let (hand, mut tenure) = Self::by_hand();
        hand.set(true);
        tenure.leads.mark_unchanged();
        tenure
    }

    /// For whoever is told by other means than a lease.
    pub fn by_hand() -> (Hand, Self) {
        let (told, tenure) = Told::new();
        (Hand(told), tenure)
    }

    /// Whether something may be begun now.
    pub fn holds(&self) -> bool {
        self.term.borrow().is_some_and(|term| Instant::now() < term.until)
    }

    /// When what has been begun must have ended: after it, another may lead.
    pub fn end(&self) -> Option<Instant> {
        self.term.borrow().map(|term| term.end)
    }

    /// Forgets what [`Self::changed`] would tell: whoever looks now need not be told.
    pub fn mark_seen(&mut self) {
        self.leads.mark_unchanged();
    }

    /// Returns when we begin to lead, or cease to.
    pub async fn changed(&mut self) {
        if self.leads.changed().await.is_err() {
            // Nobody else stands: it stays as it is.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Tenure, Term, Told};
    use tokio::time::{advance, timeout};

    #[tokio::test(start_paused = true)]
    async fn a_term_ends_by_itself() {
        let (told, mut tenure) = Told::new();
        assert!(!tenure.holds() && tenure.end().is_none());
        let until = Instant::now() + Duration::from_secs(10);
        told.tell(Some(Term { until, end: until }));
        tenure.changed().await;
        assert!(tenure.holds());
        told.tell(Some(Term { until, end: until }));
        let quiet = timeout(Duration::from_secs(1), tenure.changed()).await;
        assert!(quiet.is_err(), "renewing is no news");
        advance(Duration::from_secs(10)).await;
        assert!(!tenure.holds(), "nobody had to say so");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_alone_always_leads() {
        let mut tenure = Tenure::always();
        assert!(timeout(Duration::from_secs(9), tenure.changed()).await.is_err());
        assert!(tenure.holds());
    }
}
