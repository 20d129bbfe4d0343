//! How the data plane hears of changes: at once, or some time later.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::plane::table::Table;
use crate::state::Region;
use crate::state::ids::Arn;
use crate::state::target_group::TargetKey;

/// A target whose requests in flight have to end.
pub(crate) type Cut = (Arn, TargetKey);

/// Tables on their way to the data plane, in the order they were sent.
#[derive(Debug)]
pub(crate) struct Rollout {
    delay: Duration,
    waiting: VecDeque<Wave>,
    /// The one that was sent last.
    sent: Arc<Table>,
    force: Arc<Table>,
}

#[derive(Debug)]
struct Wave {
    due: Instant,
    table: Arc<Table>,
    cut: Vec<Cut>,
}

impl Rollout {
    pub(crate) fn new(delay: Duration) -> Self {
        Self { delay, waiting: VecDeque::new(), sent: Arc::default(), force: Arc::default() }
    }

    /// Sends the table of the account as it is now on its way, and who has to go once it is there.
    pub(crate) fn send<'r>(
        &mut self,
        regions: impl Iterator<Item = &'r Region>,
        cut: Vec<Cut>,
        now: Instant,
    ) {
        self.sent = Arc::new(Table::of(regions, &self.sent));
        let table = Arc::clone(&self.sent);
        self.waiting.push_back(Wave { due: now + self.delay, table, cut });
    }

    /// The table that is there by now, and who has to go. What a target's health is, the data plane
    /// found out itself, and so it is known at once.
    pub(crate) fn arrive<'r>(
        &mut self,
        now: Instant,
        regions: &(impl Iterator<Item = &'r Region> + Clone),
    ) -> (Arc<Table>, Vec<Cut>) {
        let mut gone = Vec::new();
        while self.next().is_some_and(|due| due <= now) {
            let Some(wave) = self.waiting.pop_front() else { break };
            self.force = wave.table;
            gone.extend(wave.cut);
        }
        if !self.delay.is_zero() {
            self.force = Arc::new(self.force.with_health(regions));
        }
        (Arc::clone(&self.force), gone)
    }

    /// When the next table is there.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.waiting.front().map(|wave| wave.due)
    }
}
