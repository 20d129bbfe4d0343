//! The problems that stand now, so that each is told once when it appears and once when it is solved.

use edgeway_api::Problem;
use std::collections::{BTreeMap, BTreeSet};

/// Problems by who reports them; what two report counts once.
#[derive(Debug, Default)]
pub(super) struct Board {
    reports: BTreeMap<&'static str, BTreeSet<Problem>>,
}

/// What a report changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Nobody reported these before.
    pub appeared: Vec<Problem>,
    /// Nobody reports these any more.
    pub solved: Vec<Problem>,
}

impl Board {
    /// Takes the whole of what `reporter` finds wrong now.
    pub(super) fn report(
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
