//! Which routes of a virtual host can fit a request at all: looked up, not scanned.
//!
//! Routes keep their written order; the index only says which of them to ask. Exact paths are a hash
//! look-up; prefixes are found by a binary search and a walk up their chain of shorter prefixes. A
//! regular expression is asked where the path begins or ends with a literal that it demands. What
//! stands at one place is told apart by the exact header that most of it asks for.

mod bucket;
mod literal;
mod prefixes;

use crate::{matcher::Text, request::Request, table::Route};
use bucket::Bucket;
use hashbrown::HashMap;
use literal::{Literals, literals};
use prefixes::{Prefixes, Reading};
use std::sync::Arc;

/// Below this many routes a scan is as quick.
const SMALL: usize = 8;

/// Positions of routes, by what their path condition asks for.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    exact: HashMap<Box<str>, Bucket>,
    prefixes: Prefixes,
    /// Without regard to case; exact paths are prefixes of themselves.
    folded: Prefixes,
    /// What expressions demand at the end.
    suffixes: Prefixes,
    others: Bucket,
}

impl Index {
    /// The index of `routes`; none where a scan is as quick.
    pub(crate) fn new(routes: &[Arc<Route>]) -> Option<Self> {
        if routes.len() < SMALL {
            return None;
        }
        let mut exact: HashMap<&str, Vec<u32>> = HashMap::new();
        let (mut front, mut folded, mut back) = (Vec::new(), Vec::new(), Vec::new());
        let mut others = Vec::new();
        for (position, route) in (0..).zip(routes) {
            match &route.matcher.path {
                Some(Text::Exact(path)) => exact.entry(path).or_default().push(position),
                Some(Text::Prefix(path)) => front.push((path.as_bytes().to_vec(), position)),
                Some(Text::ExactIgnoringCase(path) | Text::PrefixIgnoringCase(path)) => {
                    folded.push((path.to_ascii_lowercase().into_bytes(), position));
                }
                Some(Text::Regex(regex)) => {
                    let at = |text| (text, position);
                    match literals(regex.as_str()) {
                        Literals::Front(texts) => front.extend(texts.into_iter().map(at)),
                        Literals::Back(texts) => back.extend(texts.into_iter().map(at)),
                        Literals::None => others.push(position),
                    }
                }
                Some(Text::Present) | None => others.push(position),
            }
        }
        let exact = exact.into_iter();
        Some(Self {
            exact: exact.map(|(path, all)| (path.into(), Bucket::new(all, routes))).collect(),
            prefixes: Prefixes::new(Reading::AsIs, front, routes),
            folded: Prefixes::new(Reading::LowerCase, folded, routes),
            suffixes: Prefixes::new(Reading::Backwards, back, routes),
            others: Bucket::new(others, routes),
        })
    }

    /// The first route, in written order, that fits.
    pub(crate) fn find<'r>(
        &self,
        routes: &'r [Arc<Route>],
        request: &Request<'_>,
    ) -> Option<&'r Route> {
        let mut search = Search { best: None, routes, request };
        if let Some(bucket) = self.exact.get(request.path) {
            bucket.search(&mut search);
        }
        self.prefixes.search(&mut search);
        self.folded.search(&mut search);
        self.suffixes.search(&mut search);
        self.others.search(&mut search);
        search.best.and_then(|position| routes.get(position as usize)).map(Arc::as_ref)
    }
}

/// A question, and the best answer so far.
#[derive(Debug)]
struct Search<'s> {
    best: Option<u32>,
    routes: &'s [Arc<Route>],
    request: &'s Request<'s>,
}

impl Search<'_> {
    /// Looks for a fitting route, among `positions` in written order, before the best so far.
    fn improve(&mut self, positions: &[u32]) {
        for position in positions {
            if self.best.is_some_and(|best| best <= *position) {
                return;
            }
            let route = self.routes.get(*position as usize);
            if route.is_some_and(|route| route.matcher.matches(self.request)) {
                self.best = Some(*position);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Action, DirectResponse, HeaderOps},
        id::ObjectName,
        matcher::{HeaderMatch, Matcher, Subject, re2},
        request::Scheme,
    };
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::{option, prelude::*, sample};

    fn route(path: Option<Text>, method: Option<&str>, headers: &[(usize, usize)]) -> Route {
        let direct = DirectResponse { status: 200, body: [].into(), headers: HeaderOps::default() };
        Route {
            name: "r".into(),
            virtual_service: ObjectName::new("n", "v"),
            gateway: ObjectName::new("n", "g"),
            server: "s".into(),
            stat_prefix: None,
            matcher: Matcher {
                path,
                method: method.map(|method| Text::Exact(method.into())),
                headers: headers
                    .iter()
                    .map(|(name, value)| HeaderMatch {
                        subject: Subject::Header(HeaderName::from_static(NAMES[*name])),
                        text: Text::Exact(VALUES[*value].into()),
                        inverted: *value == 2,
                    })
                    .collect(),
                ..Matcher::default()
            },
            action: Action::Direct(Box::new(direct)),
        }
    }

    const NAMES: [&str; 2] = ["x-a", "x-b"];
    const VALUES: [&str; 3] = ["1", "2", "3"];
    const EXPRESSIONS: &[&str] = &[
        "/a.*",
        "/(a|b)/.*",
        ".*",
        ".*b",
        ".*/(a|bb)",
        "(?i)/AB",
        "/[ab]b?",
        "/a|/b.*",
        "",
        "/b(/.*)?",
        "[^/]*/a",
        "(?i).*/b",
        "^/a$",
        "/(aa)*",
        "/a+b",
    ];

    fn text() -> impl Strategy<Value = Option<Text>> {
        prop_oneof![
            4 => "/[ab/]{0,5}".prop_map(|path| Some(Text::Prefix(path.into()))),
            4 => "/[ab/]{0,5}".prop_map(|path| Some(Text::Exact(path.into()))),
            1 => "/[abAB/]{0,3}".prop_map(|path| Some(Text::PrefixIgnoringCase(path.into()))),
            1 => "/[abAB/]{0,3}".prop_map(|path| Some(Text::ExactIgnoringCase(path.into()))),
            3 => sample::select(EXPRESSIONS).prop_map(|it| Some(Text::Regex(re2::whole(it).unwrap()))),
            1 => Just(Some(Text::Present)),
            1 => Just(None),
        ]
    }

    proptest! {
           #[test]
           fn the_index_finds_what_a_scan_finds(
               routes in prop::collection::vec(
                (text(), option::of(Just("POST")), prop::collection::vec((0_usize..2, 0_usize..3), 0..3)),
                SMALL..60,
            ),
            sent in prop::collection::vec((0_usize..2, 0_usize..3), 0..3),
               paths in prop::collection::vec("/[abAB/]{0,7}", 1..10),
           ) {
               let routes: Vec<_> = routes
                .into_iter()
                .map(|(path, method, headers)| Arc::new(route(path, method, &headers)))
                .collect();
               let index = Index::new(&routes).unwrap();
               let mut headers = HeaderMap::new();
            for (name, value) in sent {
                headers.append(NAMES[name], HeaderValue::from_static(VALUES[value]));
            }
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
                       prop_assert_eq!(found.map(std::ptr::from_ref), scanned.map(Arc::as_ptr));
                   }
               }
           }
       }
}
