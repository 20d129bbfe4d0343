//! The head of a request as an endpoint gets it.

use super::{
    asked::Asked,
    clock::Clock,
    exchange::Exchange,
    forward::Plan,
    headers::{
        self, X_ENVOY_ATTEMPT_COUNT, X_ENVOY_EXPECTED_TIMEOUT, X_ENVOY_EXTERNAL_ADDRESS,
        X_ENVOY_ORIGINAL_HOST, X_ENVOY_ORIGINAL_PATH, X_FORWARDED_CLIENT_CERT, X_FORWARDED_PROTO,
        X_REQUEST_ID,
    },
    known::Known,
    message::Downstream,
    record,
    scene::Scene,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header, request::Parts};
use pingora_http::RequestHeader;
use std::fmt::Write;

/// How the body of a request is framed.
enum Framing {
    Nothing,
    Length(HeaderValue),
    Chunked,
}

/// The head for this try.
pub(super) fn head<D: Downstream>(
    exchange: &Exchange<'_, D>,
    plan: Plan<'_>,
    asked: &Asked,
    clock: &Clock,
) -> Box<RequestHeader> {
    let parts = exchange.down.request();
    let framing = Framing::of(parts, asked.known);
    let mut fields = headers::with_room(&parts.headers);
    headers::drop_connection_fields(&mut fields, asked.known);
    headers::drop_steering_fields(&mut fields, asked.known);
    let (trust, peer) = (&exchange.context.settings.edge.trust, exchange.down.peer().ip());
    let told = (peer, exchange.down.peer_text());
    headers::tell_peer(&mut fields, asked.known, trust, told);
    let scheme = HeaderValue::from_static(asked.scheme.as_str());
    fields.insert(&X_FORWARDED_PROTO, scheme);
    if let Some(certificate) = exchange.client.conn().client_certificate() {
        fields.insert(&X_FORWARDED_CLIENT_CERT, certificate.clone());
    }
    if asked.client == peer {
        fields.insert(&X_ENVOY_EXTERNAL_ADDRESS, exchange.down.peer_text().clone());
    } else {
        set(&mut fields, &X_ENVOY_EXTERNAL_ADDRESS, &asked.client.to_string());
    }
    fields.insert(&X_ENVOY_ATTEMPT_COUNT, headers::number(exchange.record.attempts.into()));
    if let Some(id) = &exchange.record.id {
        fields.insert(&X_REQUEST_ID, id.clone());
    }
    if let Some(milliseconds) = expected_timeout(plan, clock) {
        fields.insert(&X_ENVOY_EXPECTED_TIMEOUT, headers::number(milliseconds));
    }
    let request = asked.request(parts);
    let upstream = plan.forward.upstream(&request, plan.destination);
    if plan.forward.rewrite.changes_path() {
        set(&mut fields, &X_ENVOY_ORIGINAL_PATH, &record::path(asked));
    }
    if plan.forward.host(plan.destination).is_some() {
        set(&mut fields, &X_ENVOY_ORIGINAL_HOST, &asked.authority);
    }
    let operated = operate(exchange, plan, asked, &mut fields);
    if operated || upstream.authority != *asked.authority {
        set(&mut fields, &header::HOST, &upstream.authority);
    }
    if operated {
        drop_framing(&mut fields);
    }
    framing.announce(&mut fields);
    if asked.websocket {
        let upgrade = parts.headers.get(header::UPGRADE).cloned();
        let upgrade = upgrade.unwrap_or(HeaderValue::from_static("websocket"));
        fields.insert(header::UPGRADE, upgrade);
        fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        if parts.version == Version::HTTP_2 {
            // A handshake over HTTP/2 has none, and one over HTTP/1.1 needs one.
            let nonce = STANDARD.encode(exchange.context.chance.uuid().as_bytes());
            set(&mut fields, &header::SEC_WEBSOCKET_KEY, &nonce);
        }
    }
    finished(parts, &upstream.path, fields)
}

/// Does the request operations of a route; whether there are any.
fn operate<D: Downstream>(
    exchange: &Exchange<'_, D>,
    plan: Plan<'_>,
    asked: &Asked,
    fields: &mut HeaderMap,
) -> bool {
    let levels = plan.levels().map(|level| &level.request);
    if levels.iter().all(|level| level.is_empty()) {
        return false;
    }
    let before = fields.clone();
    let scene = Scene {
        version: exchange.down.request().version,
        method: &exchange.down.request().method,
        request: &before,
        asked,
        response: None,
        record: &exchange.record,
        remote: exchange.down.peer(),
        local: exchange.down.local(),
    };
    headers::operate(fields, levels, &scene);
    true
}

/// How long this try may take, for an endpoint that wants to know: the time for one try, or what
/// is left for all.
fn expected_timeout(plan: Plan<'_>, clock: &Clock) -> Option<u64> {
    let one = plan.forward.retry.per_try_timeout;
    let expected = match (one, clock.request.left()) {
        (Some(one), Some(left)) => one.min(left),
        (Some(one), None) => one,
        (None, left) => left?,
    };
    u64::try_from(expected.as_millis()).ok().map(|milliseconds| milliseconds.max(1))
}

fn finished(theirs: &Parts, path: &str, fields: HeaderMap) -> Box<RequestHeader> {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = theirs.method.clone();
    parts.version = Version::HTTP_11;
    parts.headers = fields;
    let same = theirs.uri.scheme().is_none()
        && theirs.uri.path_and_query().is_some_and(|theirs| theirs.as_str() == path);
    if same {
        // Nearly always: it need not be read again.
        parts.uri = theirs.uri.clone();
        return Box::new(RequestHeader::from(parts));
    }
    let mut head = Box::new(RequestHeader::from(parts));
    if head.set_raw_path(path.as_bytes()).is_err() {
        // A rewrite made something that no URL can hold.
        let _ = head.set_raw_path(escaped(path).as_bytes());
    }
    head
}

/// Drops what header operations may have said about how the body is framed.
fn drop_framing(headers: &mut HeaderMap) {
    for name in [header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::CONNECTION] {
        headers.remove(name);
    }
}

/// Everything escaped that is not plainly allowed.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !b"<>\"`".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn set(headers: &mut HeaderMap, name: &HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

impl Framing {
    /// The client's, which was found to be unambiguous; methods that usually have a body announce
    /// an empty one.
    fn of(parts: &Parts, known: Known) -> Self {
        if known.has(Known::ENCODING) {
            return Self::Chunked;
        }
        let length =
            if known.has(Known::LENGTH) { parts.headers.get(header::CONTENT_LENGTH) } else { None };
        match (length, parts.method.as_str()) {
            (Some(length), _) => Self::Length(length.clone()),
            (None, "POST" | "PUT" | "PATCH" | "PROPFIND" | "PURGE") => {
                Self::Length(HeaderValue::from_static("0"))
            }
            (None, _) => Self::Nothing,
        }
    }

    /// Whatever header operations did, this is how the body will be framed.
    fn announce(self, headers: &mut HeaderMap) {
        match self {
            Self::Nothing => {}
            Self::Length(length) => {
                headers.insert(header::CONTENT_LENGTH, length);
            }
            Self::Chunked => {
                headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
    }
}
