//! Many regular expressions on the path, asked at once.

use super::{Candidate, Search};
use crate::{
    matcher::{Text, pattern::Table},
    table::Route,
};
use std::sync::Arc;

/// What a table may take for each of its expressions.
const SHARE: usize = 1 << 12;

/// How many parts a group is split into whose table would take more.
const SPLIT: usize = 8;

/// Expressions in as few tables as they fit.
#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Group {
    table: Table,
    /// By position of the expression in the table.
    candidates: Box<[Candidate]>,
}

impl Set {
    /// Takes routes with an expression out of `candidates`, all but those whose table would be large.
    pub(super) fn take(candidates: &mut Vec<Candidate>, routes: &[Arc<Route>]) -> Self {
        let mut set = Self::default();
        let (with, mut left): (Vec<_>, Vec<_>) =
            candidates.iter().partition(|candidate| expression(**candidate, routes).is_some());
        set.gather(&with, routes, &mut left);
        left.sort_unstable_by_key(|candidate| candidate.position);
        *candidates = left;
        set
    }

    fn gather(&mut self, some: &[Candidate], routes: &[Arc<Route>], left: &mut Vec<Candidate>) {
        if some.len() < 2 {
            left.extend(some);
            return;
        }
        let texts: Vec<&str> = some.iter().filter_map(|it| expression(*it, routes)).collect();
        if let Some(table) = Table::of_all(&texts, SHARE.saturating_mul(some.len())) {
            let fitting = some.iter().map(|candidate| candidate.fitting(routes));
            self.groups.push(Group { table, candidates: fitting.collect() });
            return;
        }
        for part in some.chunks(some.len().div_ceil(SPLIT)) {
            self.gather(part, routes, left);
        }
    }

    /// Asks all of them.
    pub(super) fn search(&self, search: &mut Search<'_>) {
        for Group { table, candidates } in &self.groups {
            for at in table.fitting(search.request.path.as_bytes()) {
                if let Some(candidate) = candidates.get(at) {
                    search.consider(*candidate);
                }
            }
        }
    }
}

fn expression(candidate: Candidate, routes: &[Arc<Route>]) -> Option<&str> {
    match &routes.get(candidate.position as usize)?.matcher.path {
        Some(Text::Regex(pattern)) => Some(pattern.as_str()),
        Some(
            Text::Present
            | Text::Exact(_)
            | Text::Prefix(_)
            | Text::ExactIgnoringCase(_)
            | Text::PrefixIgnoringCase(_),
        )
        | None => None,
    }
}
