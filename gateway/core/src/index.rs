//! Which routes of a virtual host can fit a path at all: looked up, not scanned.
//!
//! Routes keep their written order; the index only says which of them to ask. Exact paths are a hash
//! look-up; prefixes are found by a binary search and a walk up their chain of shorter prefixes;
//! everything else is asked each time.

use crate::{matcher::Text, request::Request, table::Route};
use hashbrown::HashMap;

/// Below this many routes a scan is as quick.
const SMALL: usize = 8;

/// Positions of routes, by what their path condition asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    exact: HashMap<Box<str>, Vec<u32>>,
    /// Sorted by text.
    prefixes: Vec<Prefix>,
    others: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Prefix {
    text: Box<str>,
    routes: Vec<u32>,
    /// The longest other prefix that this one starts with.
    parent: Option<usize>,
}

impl Index {
    /// The index of `routes`; none where a scan is as quick.
    pub(crate) fn new(routes: &[Route]) -> Option<Self> {
        if routes.len() < SMALL {
            return None;
        }
        let mut index = Self::default();
        let mut prefixes: HashMap<&str, Vec<u32>> = HashMap::new();
        for (position, route) in (0..).zip(routes) {
            match &route.matcher.path {
                Some(Text::Exact(path)) => {
                    index.exact.entry(path.clone()).or_default().push(position);
                }
                Some(Text::Prefix(path)) => prefixes.entry(path).or_default().push(position),
                Some(
                    Text::Present
                    | Text::ExactIgnoringCase(_)
                    | Text::PrefixIgnoringCase(_)
                    | Text::Regex(_),
                )
                | None => index.others.push(position),
            }
        }
        let mut sorted: Vec<_> = prefixes.into_iter().collect();
        sorted.sort_unstable();
        // In sorted order a prefix comes before all that start with it: the open chain is a stack.
        let mut chain: Vec<usize> = Vec::new();
        for (text, routes) in sorted {
            while let Some(last) = chain.last()
                && !index.prefixes.get(*last).is_some_and(|prefix| text.starts_with(&*prefix.text))
            {
                chain.pop();
            }
            let parent = chain.last().copied();
            chain.push(index.prefixes.len());
            index.prefixes.push(Prefix { text: text.into(), routes, parent });
        }
        Some(index)
    }

    /// The first route, in written order, that fits.
    pub(crate) fn find<'r>(&self, routes: &'r [Route], request: &Request<'_>) -> Option<&'r Route> {
        let mut best = None;
        if let Some(positions) = self.exact.get(request.path) {
            improve(&mut best, positions, routes, request);
        }
        let mut at = self.prefixes.partition_point(|prefix| *prefix.text <= *request.path);
        while let Some(prefix) = at.checked_sub(1).and_then(|at| self.prefixes.get(at)) {
            if request.path.starts_with(&*prefix.text) {
                improve(&mut best, &prefix.routes, routes, request);
            }
            let Some(parent) = prefix.parent else { break };
            at = parent + 1;
        }
        improve(&mut best, &self.others, routes, request);
        best.and_then(|position| routes.get(position as usize))
    }
}

/// Looks for a fitting route before the best so far.
fn improve(best: &mut Option<u32>, positions: &[u32], routes: &[Route], request: &Request<'_>) {
    let before = positions.iter().take_while(|position| best.is_none_or(|best| **position < best));
    let fits = |position: &u32| {
        routes.get(*position as usize).is_some_and(|route| route.matcher.matches(request))
    };
    if let Some(position) = before.copied().find(fits) {
        *best = Some(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Action, DirectResponse, HeaderOps},
        id::ObjectName,
        matcher::{Matcher, re2},
        request::Scheme,
    };
    use http::HeaderMap;
    use proptest::prelude::*;

    fn route(path: Option<Text>, method: Option<&str>) -> Route {
        let direct = DirectResponse { status: 200, body: [].into(), headers: HeaderOps::default() };
        Route {
            name: "r".into(),
            virtual_service: ObjectName::new("n", "v"),
            gateway: ObjectName::new("n", "g"),
            server: "s".into(),
            matcher: Matcher {
                path,
                method: method.map(|method| Text::Exact(method.into())),
                ..Matcher::default()
            },
            action: Action::Direct(Box::new(direct)),
        }
    }

    fn text() -> impl Strategy<Value = Option<Text>> {
        prop_oneof![
            4 => "/[ab/]{0,5}".prop_map(|path| Some(Text::Prefix(path.into()))),
            4 => "/[ab/]{0,5}".prop_map(|path| Some(Text::Exact(path.into()))),
            1 => "/[ab/]{0,3}".prop_map(|path| Some(Text::PrefixIgnoringCase(path.into()))),
            1 => Just(Some(Text::Regex(re2::whole("/a.*").unwrap()))),
            1 => Just(None),
        ]
    }

    proptest! {
           #[test]
           fn the_index_finds_what_a_scan_finds(
               routes in prop::collection::vec((text(), prop::option::of(Just("POST"))), SMALL..40),
               paths in prop::collection::vec("/[abAB/]{0,7}", 1..10),
           ) {
               let routes: Vec<_> = routes.into_iter().map(|(path, method)| route(path, method)).collect();
               let index = Index::new(&routes).unwrap();
               let headers = HeaderMap::new();
               for path in &paths {
                   for method in ["GET", "POST"] {
                       let request = Request {
                           method,
                           scheme: Scheme::Http,
                           authority: "a",
                           path,
                           query: None,
                           headers: &headers,
    claims: None,
                       };
                       let scanned = routes.iter().find(|route| route.matcher.matches(&request));
                       let found = index.find(&routes, &request);
                       prop_assert_eq!(found.map(std::ptr::from_ref), scanned.map(std::ptr::from_ref));
                   }
               }
           }
       }
}
