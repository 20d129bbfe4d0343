//! Routes of one place, told apart by exact headers, which is what canaries and tenants are routed by,
//! and by regular expressions.

use super::{Candidate, SMALL, Search, set::Set};
use crate::{
    matcher::{Subject, Text},
    table::Route,
};
use hashbrown::HashMap;
use http::HeaderName;
use std::sync::Arc;

/// Candidates, in written order.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    /// Where there is but one, which is most often.
    lone: Option<Candidate>,
    /// Asked each time.
    plain: Vec<Candidate>,
    /// Asked where the request has the header with the value.
    by_header: Vec<(HeaderName, ByValue)>,
    /// Asked all at once.
    set: Option<Box<Set>>,
}

type ByValue = HashMap<Box<[u8]>, Vec<Candidate>>;

impl Bucket {
    /// Those of `routes` at `positions`, which are sorted.
    pub(super) fn new(positions: &[u32], routes: &[Arc<Route>]) -> Self {
        let candidate = |position: &u32| Candidate::new(*position, routes, None);
        if positions.len() < SMALL {
            let mut plain: Vec<_> = positions.iter().map(candidate).collect();
            let lone = if plain.len() == 1 { plain.pop() } else { None };
            return Self { lone, plain, ..Self::default() };
        }
        let asked = |position: u32| routes.get(position as usize).into_iter().flat_map(exact);
        let mut counts: HashMap<(&HeaderName, &str), usize> = HashMap::new();
        for key in positions.iter().flat_map(|position| asked(*position)) {
            *counts.entry(key).or_default() += 1;
        }
        let mut bucket = Self::default();
        for position in positions {
            // The condition that fewest others have tells most.
            let rarest = asked(*position).min_by_key(|key| (counts.get(key), key.0.as_str()));
            match rarest {
                Some((name, value)) => {
                    let found = Candidate::new(*position, routes, Some(name));
                    bucket.group(name, value).push(found);
                }
                None => bucket.plain.push(candidate(position)),
            }
        }
        if bucket.plain.len() >= SMALL {
            bucket.set = Some(Box::new(Set::take(&mut bucket.plain, routes)));
        }
        bucket
    }

    fn group(&mut self, name: &HeaderName, value: &str) -> &mut Vec<Candidate> {
        let found = self.by_header.iter().position(|(known, _)| known == name);
        let at = found.unwrap_or_else(|| {
            self.by_header.push((name.clone(), HashMap::new()));
            self.by_header.len() - 1
        });
        match self.by_header.get_mut(at) {
            Some((_, values)) => values.entry_ref(value.as_bytes()).or_default(),
            None => &mut self.plain,
        }
    }

    /// Asks those that can fit. Every line of a header counts by itself, as in the condition.
    pub(super) fn search(&self, search: &mut Search<'_>) {
        if let Some(lone) = self.lone {
            return search.consider(lone);
        }
        search.improve(&self.plain);
        for (name, values) in &self.by_header {
            for value in search.request.headers.get_all(name) {
                if let Some(candidates) = values.get(value.as_bytes()) {
                    search.improve(candidates);
                }
            }
        }
        if let Some(set) = &self.set {
            set.search(search);
        }
    }
}

/// The exact headers that a route asks for.
fn exact(route: &Arc<Route>) -> impl Iterator<Item = (&HeaderName, &str)> {
    route.matcher.headers.iter().filter_map(|condition| {
        match (&condition.subject, &condition.text) {
            (Subject::Header(name), Text::Exact(value)) if !condition.inverted => {
                Some((name, &**value))
            }
            _ => None,
        }
    })
}
