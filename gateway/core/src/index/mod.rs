//! Which routes of a virtual host can fit a request at all: looked up, not scanned.
//!
//! Routes keep their written order; the index only says which of them to ask. Exact paths are a hash
//! look-up; prefixes are found in one walk along the path. A regular expression is asked where the path
//! begins or ends with a literal that it demands; those that demand the same are asked at once. What
//! stands at one place is told apart by the exact header that most of it asks for.

mod bucket;
mod literal;
mod prefixes;
mod set;

use crate::{
    matcher::{Matcher, Subject, Text},
    request::Request,
    table::Route,
};
use bucket::Bucket;
use hashbrown::HashMap;
use http::HeaderName;
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

/// A route that may fit.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    position: u32,
    /// Whoever finds it here knows that it fits.
    settled: bool,
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
                Some(Text::Regex(pattern)) => {
                    let at = |text| (text, position);
                    match literals(pattern.as_str()) {
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
            exact: exact.map(|(path, all)| (path.into(), Bucket::new(&all, routes))).collect(),
            prefixes: Prefixes::new(Reading::AsIs, front, routes),
            folded: Prefixes::new(Reading::LowerCase, folded, routes),
            suffixes: Prefixes::new(Reading::Backwards, back, routes),
            others: Bucket::new(&others, routes),
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

impl Candidate {
    /// The route at a position, found by what its path condition asks for, and by the header `name` if
    /// one is given.
    fn new(position: u32, routes: &[Arc<Route>], name: Option<&HeaderName>) -> Self {
        let route = routes.get(position as usize);
        let settled = route.is_some_and(|route| match &route.matcher.path {
            Some(Text::ExactIgnoringCase(_) | Text::Regex(_)) => false,
            Some(
                Text::Present | Text::Exact(_) | Text::Prefix(_) | Text::PrefixIgnoringCase(_),
            )
            | None => asks_no_more(&route.matcher, name),
        });
        Self { position, settled }
    }

    /// The same, found where its expression fits.
    fn fitting(self, routes: &[Arc<Route>]) -> Self {
        let route = routes.get(self.position as usize);
        let settled = route.is_some_and(|route| asks_no_more(&route.matcher, None));
        Self { settled, ..self }
    }
}

/// Whether there is no condition but the one on the path, and the one on the header `name`.
fn asks_no_more(matcher: &Matcher, name: Option<&HeaderName>) -> bool {
    let Matcher { path: _, method, scheme, authority, headers, query } = matcher;
    let by_headers = match (headers.as_slice(), name) {
        ([], None) => true,
        ([one], Some(name)) => matches!(&one.subject, Subject::Header(it) if it == name),
        _ => false,
    };
    by_headers && method.is_none() && scheme.is_none() && authority.is_none() && query.is_empty()
}

/// A question, and the best answer so far.
#[derive(Debug)]
struct Search<'s> {
    best: Option<u32>,
    routes: &'s [Arc<Route>],
    request: &'s Request<'s>,
}

impl Search<'_> {
    /// Looks for a fitting route, among `candidates` in written order, before the best so far.
    fn improve(&mut self, candidates: &[Candidate]) {
        for candidate in candidates {
            if self.best.is_some_and(|best| best <= candidate.position) || self.fits(*candidate) {
                return;
            }
        }
    }

    /// Asks one.
    fn consider(&mut self, candidate: Candidate) {
        if self.best.is_none_or(|best| best > candidate.position) {
            self.fits(candidate);
        }
    }

    fn fits(&mut self, candidate: Candidate) -> bool {
        let Candidate { position, settled } = candidate;
        let route = self.routes.get(position as usize);
        let fits = settled || route.is_some_and(|route| route.matcher.matches(self.request));
        if fits {
            self.best = Some(position);
        }
        fits
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

    type Written = (Option<Text>, Option<&'static str>, Vec<(usize, usize)>);

    fn written(paths: impl Strategy<Value = Option<Text>>) -> impl Strategy<Value = Written> {
        let headers = prop::collection::vec((0_usize..2, 0_usize..3), 0..3);
        (paths, option::weighted(0.3, Just("POST")), headers)
    }

    /// Of all kinds, or expressions alone, of which many share a place.
    fn many() -> impl Strategy<Value = Vec<Written>> {
        let expression =
            sample::select(EXPRESSIONS).prop_map(|it| Some(Text::Regex(re2::whole(it).unwrap())));
        prop_oneof![
            prop::collection::vec(written(text()), SMALL..60),
            prop::collection::vec(written(expression), SMALL..60),
        ]
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_scan_finds(
            routes in many(),
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
                        made: None,
                        claims: None,
                    };
                    let scanned = routes.iter().find(|route| route.matcher.matches(&request));
                    let found = index.find(&routes, &request);
                    prop_assert_eq!(found.map(std::ptr::from_ref), scanned.map(Arc::as_ptr));
                }
            }
        }
    }

    #[test]
    fn expressions_of_one_place_are_asked_at_once() {
        let expression = |at: usize| format!("/[a-z]+/p{at}/[0-9]+");
        let routes: Vec<_> = (0..100)
            .map(|at| Some(Text::Regex(re2::whole(&expression(at)).unwrap())))
            .map(|path| Arc::new(route(path, None, &[])))
            .collect();
        let positions: Vec<u32> = (0..100).collect();
        let mut candidates: Vec<_> =
            positions.iter().map(|at| Candidate::new(*at, &routes, None)).collect();
        set::Set::take(&mut candidates, &routes);
        assert!(candidates.is_empty(), "{candidates:?}");
    }
}
