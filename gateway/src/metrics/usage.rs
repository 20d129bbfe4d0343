//! Which series somebody can still add to, so that the others can be dropped after a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a series that nobody can add to any more is still reported.
pub(super) const KEEP_UNUSED: Duration = Duration::from_secs(15 * 60);

/// The series of one family, or of several with the same labels, by the values of those.
#[derive(Debug, Default)]
pub(super) struct InUse(Mutex<HashMap<Vec<String>, Usage>>);

/// Who holds handles of a series.
#[derive(Debug)]
struct Usage {
    handles: Arc<()>,
    unused_since: Option<Instant>,
}

impl InUse {
    /// Keeps a series for as long as the result lives, and a while after.
    pub(super) fn hold(&self, values: Vec<String>) -> Arc<()> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = all
            .entry(values)
            .or_insert_with(|| Usage { handles: Arc::new(()), unused_since: None });
        usage.unused_since = None;
        Arc::clone(&usage.handles)
    }

    /// Calls `drop` with the values of each series that nobody has held for [`KEEP_UNUSED`].
    pub(super) fn expire(&self, now: Instant, drop: impl Fn(&[&str])) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|values, usage| {
            if Arc::strong_count(&usage.handles) > 1 {
                usage.unused_since = None;
                return true;
            }
            let since = *usage.unused_since.get_or_insert(now);
            let keep = now.saturating_duration_since(since) < KEEP_UNUSED;
            if !keep {
                drop(&values.iter().map(String::as_str).collect::<Vec<_>>());
            }
            keep
        });
    }
}
