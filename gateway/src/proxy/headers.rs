//! Which header fields cross the gateway, and which it adds, as Envoy at an edge does.

use super::refusal::Refusal;
use edgeway_core::action::{Ops, template::Variables};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::net::IpAddr;

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
pub(crate) static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What follows `x-envoy-` in the names of fields that steer or describe the mesh: from outside,
/// they are dropped. Others of that prefix pass.
const STEERING: &[&str] = &[
    "attempt-count",
    "decorator-operation",
    "downstream-service-cluster",
    "downstream-service-node",
    "expected-rq-timeout-ms",
    "external-address",
    "force-trace",
    "hedge-on-per-try-timeout",
    "internal",
    "ip-tags",
    "max-retries",
    "original-host",
    "original-path",
    "original-url",
    "peer-metadata",
    "peer-metadata-id",
    "retriable-header-names",
    "retriable-status-codes",
    "retry-grpc-on",
    "retry-on",
    "upstream-alt-stat-name",
    "upstream-rq-per-try-timeout-ms",
    "upstream-rq-timeout-alt-response",
    "upstream-rq-timeout-ms",
    "upstream-stream-duration-ms",
];

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
pub(crate) fn wants_close(headers: &HeaderMap) -> bool {
    has_token(headers, &header::CONNECTION, "close")
        || has_token(headers, &PROXY_CONNECTION, "close")
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
pub(crate) fn drop_connection_fields(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let nominated: Vec<HeaderName> = tokens(headers, &header::CONNECTION)
            .filter(|token| !token.eq_ignore_ascii_case("te"))
            .filter_map(|token| token.parse().ok())
            .collect();
        for name in &nominated {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::UPGRADE);
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
pub(crate) fn drop_steering_fields(headers: &mut HeaderMap) {
    let steers = |name: &&HeaderName| match name.as_str().strip_prefix("x-") {
        Some("forwarded-client-cert") => true,
        Some(name) => name.strip_prefix("envoy-").is_some_and(|name| STEERING.contains(&name)),
        None => false,
    };
    let found: Vec<HeaderName> = headers.keys().filter(steers).cloned().collect();
    for name in &found {
        headers.remove(name);
    }
}

/// Appends the peer to `x-forwarded-for`; several lines become one.
pub(crate) fn append_forwarded_for(headers: &mut HeaderMap, peer: &HeaderValue) {
    let value = if headers.contains_key(&X_FORWARDED_FOR) {
        let peer = peer.to_str().unwrap_or_default();
        HeaderValue::try_from(forwarded_for(headers, peer)).ok()
    } else {
        Some(peer.clone())
    };
    if let Some(value) = value {
        headers.insert(&X_FORWARDED_FOR, value);
    }
}

/// The lines of `x-forwarded-for`, without such that no one can read, and the peer.
pub(crate) fn forwarded_for(headers: &HeaderMap, peer: &str) -> String {
    let lines = headers.get_all(&X_FORWARDED_FOR).into_iter().filter_map(|line| line.to_str().ok());
    let mut value = String::new();
    for line in lines.filter(|line| !line.is_empty()) {
        value.push_str(line);
        value.push(',');
    }
    value.push_str(peer);
    value
}

/// The address that `hops` trusted proxies vouch for; the peer if they do not.
pub(crate) fn trusted_address(headers: &HeaderMap, peer: IpAddr, hops: usize) -> IpAddr {
    let Some(from_the_right) = hops.checked_sub(1) else { return peer };
    let entries: Vec<&str> = headers
        .get_all(&X_FORWARDED_FOR)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .collect();
    let entry = entries.iter().rev().nth(from_the_right);
    entry.and_then(|entry| entry.trim().parse().ok()).unwrap_or(peer)
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
        assert!(wants_close(&map));
        drop_connection_fields(&mut map);
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
        drop_steering_fields(&mut map);
        assert_eq!(map, headers(&[("x-envoy-foo", "1"), ("x-forwarded-host", "h")]));
    }

    #[test]
    fn the_peer_is_appended_to_what_was_forwarded() {
        let peer = HeaderValue::from_static("10.0.0.1");
        for (lines, expected) in [
            (&[][..], "10.0.0.1"),
            (&[("x-forwarded-for", "")][..], "10.0.0.1"),
            (&[("x-forwarded-for", "1.1.1.1")][..], "1.1.1.1,10.0.0.1"),
            (
                &[("x-forwarded-for", "1.1.1.1, 2.2.2.2"), ("x-forwarded-for", "x")][..],
                "1.1.1.1, 2.2.2.2,x,10.0.0.1",
            ),
        ] {
            let mut map = headers(lines);
            append_forwarded_for(&mut map, &peer);
            assert_eq!(map.get_all(&X_FORWARDED_FOR).iter().count(), 1);
            assert_eq!(map[&X_FORWARDED_FOR], expected);
        }
    }

    #[test]
    fn trusted_hops_are_counted_from_the_right() {
        let peer: IpAddr = [10, 0, 0, 1].into();
        let map = headers(&[("x-forwarded-for", "1.1.1.1, bad,3.3.3.3")]);
        for (hops, expected) in
            [(0, "10.0.0.1"), (1, "3.3.3.3"), (2, "10.0.0.1"), (3, "1.1.1.1"), (4, "10.0.0.1")]
        {
            assert_eq!(trusted_address(&map, peer, hops).to_string(), expected, "{hops}");
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
