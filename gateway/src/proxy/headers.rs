//! Which header fields cross the gateway, and which it adds, as Envoy at an edge does.

use super::{known::Known, refusal::Refusal};
use crate::{
    context::Entered,
    edge::{ForwardedFor, Trust, Underscores},
};
use edgeway_core::{
    action::{Ops, template::Variables},
    matcher::header::is_steering,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::{net::IpAddr, sync::LazyLock};

pub(crate) static X_ENVOY_ATTEMPT_COUNT: HeaderName =
    HeaderName::from_static("x-envoy-attempt-count");
pub(crate) static X_ENVOY_EXPECTED_TIMEOUT: HeaderName =
    HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
pub(crate) static X_ENVOY_EXTERNAL_ADDRESS: HeaderName =
    HeaderName::from_static("x-envoy-external-address");
pub(crate) static X_ENVOY_ORIGINAL_HOST: HeaderName =
    HeaderName::from_static("x-envoy-original-host");
pub(crate) static X_ENVOY_ORIGINAL_PATH: HeaderName =
    HeaderName::from_static("x-envoy-original-path");
pub(crate) static X_ENVOY_SERVICE_TIME: HeaderName =
    HeaderName::from_static("x-envoy-upstream-service-time");
pub(crate) static X_FORWARDED_CLIENT_CERT: HeaderName =
    HeaderName::from_static("x-forwarded-client-cert");
pub(crate) static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub(crate) static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// As many fields as the gateway adds to a message, but for those that a route adds.
pub(super) const OURS: usize = 8;

/// A copy that need not grow for what the gateway has to say.
pub(crate) fn with_room(headers: &HeaderMap) -> HeaderMap {
    let mut copy = HeaderMap::with_capacity(headers.len() + OURS);
    for (name, value) in headers {
        copy.append(name, value.clone());
    }
    copy
}

/// A number as a value, without an allocation where it is small.
pub(crate) fn number(number: u64) -> HeaderValue {
    let zeros = match number {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    let at = usize::try_from(number).ok().and_then(|number| number.checked_mul(3));
    let digits = at.and_then(|at| DIGITS.get(at + zeros..at + 3));
    match digits {
        Some(digits) => HeaderValue::from_static(digits),
        None => number.into(),
    }
}

/// The numbers below a thousand, in three digits each.
static DIGITS: LazyLock<String> = LazyLock::new(|| {
    let digits = (0..1000_u32).flat_map(|number| [number / 100, number / 10 % 10, number % 10]);
    digits.filter_map(|digit| char::from_digit(digit, 10)).collect()
});

/// Whether one of the comma-separated tokens of the field is `token`.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|other| other.eq_ignore_ascii_case(token))
}

/// Whether a content type is one of gRPC's.
pub(crate) fn is_grpc(kind: &HeaderValue) -> bool {
    let rest = kind.as_bytes().strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// Whether the client wants the connection closed, by either of the fields that can say so.
pub(crate) fn wants_close(headers: &HeaderMap, known: Known) -> bool {
    if !known.has(Known::CONNECTION | Known::HOP) {
        return false;
    }
    has_token(headers, &header::CONNECTION, "close")
        || has_token(headers, &PROXY_CONNECTION, "close")
}

/// Does what is said about fields with underscores in their names.
pub(crate) fn screen(headers: &mut HeaderMap, client: &Entered<'_>) -> Result<(), Refusal> {
    let policy = client.edge().underscores;
    if policy == Underscores::Allow {
        return Ok(());
    }
    let odd = |name: &&HeaderName| name.as_str().contains('_');
    let found: Vec<HeaderName> = headers.keys().filter(odd).cloned().collect();
    if policy == Underscores::Reject && !found.is_empty() {
        return Err(Refusal::Underscore);
    }
    for name in &found {
        headers.remove(name);
        client.counts().dropped_fields.inc();
    }
    Ok(())
}

/// Refuses a `Connection` that would take away what security rests on.
pub(crate) fn check_connection(headers: &HeaderMap) -> Result<(), Refusal> {
    let forbidden = |token: &str| {
        token.eq_ignore_ascii_case("host")
            || token.starts_with(':')
            || token.get(..12).is_some_and(|start| start.eq_ignore_ascii_case("x-forwarded-"))
    };
    let any = tokens(headers, &header::CONNECTION).any(forbidden);
    if any { Err(Refusal::Connection) } else { Ok(()) }
}

/// Drops what concerns one connection only, and frames its messages.
pub(crate) fn drop_connection_fields(headers: &mut HeaderMap, known: Known) {
    if known.has(Known::CONNECTION) {
        let nominated: Vec<HeaderName> = tokens(headers, &header::CONNECTION)
            .filter(|token| !token.eq_ignore_ascii_case("te"))
            .filter_map(|token| token.parse().ok())
            .collect();
        for name in &nominated {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    if known.has(Known::ENCODING) {
        headers.remove(header::TRANSFER_ENCODING);
    }
    if known.has(Known::UPGRADE) {
        headers.remove(header::UPGRADE);
    }
    if !known.has(Known::HOP) {
        return;
    }
    headers.remove(&KEEP_ALIVE);
    headers.remove(&PROXY_CONNECTION);
    if headers.contains_key(header::TE) {
        let trailers = has_token(headers, &header::TE, "trailers");
        headers.remove(header::TE);
        if trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
    }
}

/// Drops what a client must not tell the mesh.
pub(crate) fn drop_steering_fields(headers: &mut HeaderMap, known: Known) {
    if !known.has(Known::STEERING) {
        return;
    }
    let found: Vec<HeaderName> = headers.keys().filter(|name| is_steering(name)).cloned().collect();
    for name in &found {
        headers.remove(name);
    }
}

/// Brings what is said of who the request comes from into the form that endpoints get.
pub(crate) fn tell_peer(
    headers: &mut HeaderMap,
    known: Known,
    trust: &Trust,
    (peer, text): (IpAddr, &HeaderValue),
) {
    if trust.is_stranger(peer) {
        headers.remove(&X_FORWARDED_PORT);
    }
    let appends = trust.forwarded_for == ForwardedFor::Append;
    let value = if appends && !known.has(Known::FORWARDED_FOR) {
        // Nothing to be joined, nearly always.
        Some(text.clone())
    } else {
        let all = trust.forwarded_for(headers, peer);
        all.and_then(|all| HeaderValue::try_from(all).ok())
    };
    match value {
        Some(value) => drop(headers.insert(&X_FORWARDED_FOR, value)),
        None => drop(headers.remove(&X_FORWARDED_FOR)),
    }
}

/// Does header operations of several levels: all removals, then what is set, then what is added,
/// each in the order of the levels.
pub(crate) fn operate(headers: &mut HeaderMap, levels: [&Ops; 2], variables: &dyn Variables) {
    let render = |pairs: &[(HeaderName, edgeway_core::action::template::Template)]| {
        let values = pairs.iter().filter_map(|(name, template)| {
            template.render(variables).map(|value| (name.clone(), value))
        });
        values.collect::<Vec<_>>()
    };
    let set: Vec<_> = levels.iter().flat_map(|ops| render(&ops.set)).collect();
    let add: Vec<_> = levels.iter().flat_map(|ops| render(&ops.add)).collect();
    for name in levels.iter().flat_map(|ops| &ops.remove) {
        headers.remove(name);
    }
    for (name, value) in set {
        headers.insert(name, value);
    }
    for (name, value) in add {
        headers.append(name, value);
    }
}

fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_core::action::template::{Template, Variable};
    use std::borrow::Cow;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let pairs = lines.iter().map(|(name, value)| {
            (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        });
        pairs.collect()
    }

    #[test]
    fn numbers_are_written_out() {
        for value in (0..2000).chain([u64::from(u32::MAX), u64::MAX]) {
            assert_eq!(number(value), value.to_string());
        }
    }

    #[test]
    fn fields_of_one_connection_stay_behind() {
        let mut map = headers(&[
            ("connection", "X-Foo, keep-alive, TE"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("te", "gzip, trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-foo", "1"),
            ("x-bar", "1"),
            ("trailer", "x"),
            ("proxy-authorization", "x"),
        ]);
        let known = Known::of(&map);
        assert!(wants_close(&map, known));
        drop_connection_fields(&mut map, known);
        let left = [("te", "trailers"), ("x-bar", "1"), ("trailer", "x")];
        let mut expected = headers(&left);
        expected.insert("proxy-authorization", HeaderValue::from_static("x"));
        assert_eq!(map, expected);
    }

    #[test]
    fn a_connection_field_cannot_take_away_who_the_client_is() {
        for (value, fine) in [
            ("X-Foo, close", true),
            ("Host", false),
            ("a, x-forwarded-for", false),
            ("X-Forwarded-Proto", false),
            (":path", false),
        ] {
            let map = headers(&[("connection", value)]);
            assert_eq!(check_connection(&map).is_ok(), fine, "{value}");
        }
    }

    #[test]
    fn clients_cannot_steer_the_mesh() {
        let mut map = headers(&[
            ("x-envoy-retry-on", "5xx"),
            ("x-envoy-upstream-rq-timeout-ms", "1"),
            ("x-envoy-peer-metadata", "x"),
            ("x-forwarded-client-cert", "x"),
            ("x-envoy-foo", "1"),
            ("x-forwarded-host", "h"),
        ]);
        let known = Known::of(&map);
        drop_steering_fields(&mut map, known);
        assert_eq!(map, headers(&[("x-envoy-foo", "1"), ("x-forwarded-host", "h")]));
    }

    #[test]
    fn endpoints_are_told_who_the_peer_is_and_nothing_that_strangers_claim() {
        let (peer, text) = (IpAddr::from([10, 0, 0, 1]), HeaderValue::from_static("10.0.0.1"));
        let known =
            |network: &str| Trust { proxies: vec![network.parse().unwrap()], ..Trust::default() };
        let mode = |forwarded_for| Trust { forwarded_for, ..Trust::default() };
        for (trust, lines, expected) in [
            (Trust::default(), &[][..], Some("10.0.0.1")),
            (Trust::default(), &["1.1.1.1", "x"], Some("1.1.1.1,x,10.0.0.1")),
            (known("10.0.0.0/8"), &["1.1.1.1"], Some("1.1.1.1,10.0.0.1")),
            (known("11.0.0.0/8"), &["1.1.1.1"], Some("10.0.0.1")),
            (mode(ForwardedFor::Preserve), &["1.1.1.1"], Some("1.1.1.1")),
            (mode(ForwardedFor::Preserve), &[], None),
            (mode(ForwardedFor::Remove), &["1.1.1.1"], None),
        ] {
            let mut map = headers(&[("x-forwarded-port", "1")]);
            for line in lines {
                map.append(&X_FORWARDED_FOR, HeaderValue::from_static(line));
            }
            let known = Known::of(&map);
            tell_peer(&mut map, known, &trust, (peer, &text));
            assert_eq!(map.contains_key(&X_FORWARDED_PORT), !trust.is_stranger(peer));
            let all: Vec<_> = map.get_all(&X_FORWARDED_FOR).iter().collect();
            assert_eq!(all, expected.as_slice(), "{trust:?} {lines:?}");
        }
    }

    #[test]
    fn operations_are_done_in_istios_order() {
        struct Nothing;
        impl Variables for Nothing {
            fn value(&self, _: &Variable) -> Option<Cow<'_, str>> {
                None
            }
        }
        let pair = |name: &'static str, value: &'static str| {
            let value = Template::Literal(HeaderValue::from_static(value));
            (HeaderName::from_static(name), value)
        };
        let destination = Ops {
            set: vec![pair("x-set", "destination"), pair("x-empty", "")],
            add: vec![pair("x-add", "destination")],
            ..Ops::default()
        };
        let route = Ops {
            remove: vec![HeaderName::from_static("x-add"), HeaderName::from_static("x-gone")],
            set: vec![pair("x-set", "route")],
            add: vec![pair("x-add", "route")],
            host: None,
        };
        let mut map = headers(&[("x-add", "client"), ("x-gone", "1"), ("x-empty", "kept")]);
        operate(&mut map, [&destination, &route], &Nothing);
        let expected = headers(&[
            ("x-set", "route"),
            ("x-add", "destination"),
            ("x-add", "route"),
            ("x-empty", "kept"),
        ]);
        assert_eq!(map, expected);
    }
}
