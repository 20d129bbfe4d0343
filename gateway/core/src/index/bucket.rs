//! Routes of one place, told apart by exact headers: what canaries and tenants are routed by.

use super::{SMALL, Search};
use crate::{
    matcher::{Subject, Text},
    table::Route,
};
use hashbrown::HashMap;
use http::HeaderName;
use std::sync::Arc;

/// Positions in written order.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    /// Asked each time.
    plain: Vec<u32>,
    /// Asked where the request has the header with the value.
    by_header: Vec<(HeaderName, ByValue)>,
}

type ByValue = HashMap<Box<[u8]>, Vec<u32>>;

impl Bucket {
    /// Those of `routes` at `positions`, which are sorted.
    pub(super) fn new(positions: Vec<u32>, routes: &[Arc<Route>]) -> Self {
        if positions.len() < SMALL {
            return Self { plain: positions, by_header: Vec::new() };
        }
        let asked = |position: &u32| {
            routes.get(*position as usize).into_iter().flat_map(|route| exact(route))
        };
        let mut counts: HashMap<(&HeaderName, &str), usize> = HashMap::new();
        for key in positions.iter().flat_map(asked) {
            *counts.entry(key).or_default() += 1;
        }
        let mut bucket = Self::default();
        for position in positions {
            // The condition that fewest others have tells most.
            let rarest = asked(&position).min_by_key(|key| (counts.get(key), key.0.as_str()));
            match rarest {
                Some((name, value)) => bucket.group(name, value).push(position),
                None => bucket.plain.push(position),
            }
        }
        bucket
    }

    fn group(&mut self, name: &HeaderName, value: &str) -> &mut Vec<u32> {
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
        search.improve(&self.plain);
        for (name, values) in &self.by_header {
            for value in search.request.headers.get_all(name) {
                if let Some(positions) = values.get(value.as_bytes()) {
                    search.improve(positions);
                }
            }
        }
    }
}

/// The exact headers that a route asks for.
fn exact(route: &Route) -> impl Iterator<Item = (&HeaderName, &str)> {
    route.matcher.headers.iter().filter_map(|condition| {
        match (&condition.subject, &condition.text) {
            (Subject::Header(name), Text::Exact(value)) if !condition.inverted => {
                Some((name, &**value))
            }
            _ => None,
        }
    })
}
