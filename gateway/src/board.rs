//! The problems that stand now, so that each is told once when it appears and once when it is solved.

use crate::publish::Report;
use edgeway_api::{Problem, Severity};
use futures_util::future::select_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::sync::watch;

/// Problems by who reports them; what two report counts once.
#[derive(Debug, Default)]
pub struct Board {
    reports: BTreeMap<&'static str, BTreeSet<Problem>>,
}

/// What a report changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Nobody reported these before.
    pub appeared: Vec<Problem>,
    /// Nobody reports these any more.
    pub solved: Vec<Problem>,
}

impl Board {
    /// Takes the whole of what `reporter` finds wrong now.
    pub fn report(
        &mut self,
        reporter: &'static str,
        problems: impl IntoIterator<Item = Problem>,
    ) -> Changes {
        let before = self.all();
        self.reports.insert(reporter, problems.into_iter().collect());
        let after = self.all();
        Changes {
            appeared: after.difference(&before).cloned().collect(),
            solved: before.difference(&after).cloned().collect(),
        }
    }

    fn all(&self) -> BTreeSet<Problem> {
        self.reports.values().flatten().cloned().collect()
    }
}

impl Changes {
    /// Logs them, one line each.
    pub fn log(&self) {
        for problem in &self.appeared {
            match problem.severity {
                Severity::Error => tracing::error!("{problem}"),
                Severity::Warning => tracing::warn!("{problem}"),
            }
        }
        for Problem { object, field, .. } in &self.solved {
            tracing::info!("solved: {object} {field}");
        }
    }
}

/// Logs problems of the configuration, and of what else reports some, as they come and go; ends with
/// any of the senders.
pub async fn tell(
    mut report: watch::Receiver<Arc<Report>>,
    mut others: Vec<(&'static str, watch::Receiver<Vec<Problem>>)>,
) {
    let mut board = Board::default();
    loop {
        let any = select_all(others.iter_mut().map(|(_, other)| Box::pin(other.changed())));
        tokio::select! {
            changed = report.changed() => if changed.is_err() { return },
            (changed, ..) = any => if changed.is_err() { return },
        }
        let compiled = report.borrow_and_update().problems.clone();
        board.report("compile", compiled).log();
        for (reporter, other) in &mut others {
            let now = other.borrow_and_update().clone();
            board.report(reporter, now).log();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_api::ObjectRef;

    fn problem(name: &str) -> Problem {
        Problem::error(ObjectRef::new("VirtualService", "default", name), "spec", "bad")
    }

    #[test]
    fn a_problem_is_told_once_and_so_is_its_end() {
        let mut board = Board::default();
        let both = [problem("a"), problem("b")];
        assert_eq!(board.report("gateway", both.clone()).appeared, both);
        assert_eq!(board.report("gateway", both), Changes::default());
        let changes = board.report("gateway", [problem("b")]);
        assert_eq!(changes, Changes { appeared: vec![], solved: vec![problem("a")] });
    }

    #[test]
    fn what_two_report_is_solved_when_neither_does() {
        let mut board = Board::default();
        assert_eq!(board.report("gateway", [problem("a")]).appeared, [problem("a")]);
        assert_eq!(board.report("controller", [problem("a")]), Changes::default());
        assert_eq!(board.report("gateway", []), Changes::default());
        assert_eq!(board.report("controller", []).solved, [problem("a")]);
    }
}
