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
    message::Downstream,
    record,
    scene::Scene,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
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
    let framing = Framing::of(&parts.method, &parts.headers);
    let mut fields = parts.headers.clone();
    headers::drop_connection_fields(&mut fields);
    headers::drop_steering_fields(&mut fields);
    let (trust, peer) = (&exchange.context.settings.edge.trust, exchange.down.peer().ip());
    headers::tell_peer(&mut fields, trust, peer, exchange.down.peer_text());
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
    fields.insert(&X_ENVOY_ATTEMPT_COUNT, exchange.record.attempts.into());
    if let Some(id) = &exchange.record.id {
        fields.insert(&X_REQUEST_ID, id.clone());
    }
    if let Some(milliseconds) = expected_timeout(plan, clock) {
        fields.insert(&X_ENVOY_EXPECTED_TIMEOUT, milliseconds.into());
    }
    let request = asked.request(parts);
    let upstream = plan.forward.upstream(&request, plan.destination);
    if plan.forward.rewrite.changes_path() {
        set(&mut fields, &X_ENVOY_ORIGINAL_PATH, &record::path(asked));
    }
    if plan.forward.host(plan.destination).is_some() {
        set(&mut fields, &X_ENVOY_ORIGINAL_HOST, &asked.authority);
    }
    operate(exchange, plan, asked, &mut fields);
    set(&mut fields, &header::HOST, &upstream.authority);
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
    finished(parts.method.clone(), &upstream.path, fields)
}

fn operate<D: Downstream>(
    exchange: &Exchange<'_, D>,
    plan: Plan<'_>,
    asked: &Asked,
    fields: &mut HeaderMap,
) {
    let levels = plan.levels().map(|level| &level.request);
    if levels.iter().all(|level| level.is_empty()) {
        return;
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

fn finished(method: Method, path: &str, fields: HeaderMap) -> Box<RequestHeader> {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = method;
    parts.version = Version::HTTP_11;
    parts.headers = fields;
    let mut head = Box::new(RequestHeader::from(parts));
    if head.set_raw_path(path.as_bytes()).is_err() {
        // A rewrite made something that no URL can hold.
        let _ = head.set_raw_path(escaped(path).as_bytes());
    }
    head
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
    fn of(method: &Method, headers: &HeaderMap) -> Self {
        if headers.contains_key(header::TRANSFER_ENCODING) {
            return Self::Chunked;
        }
        match headers.get(header::CONTENT_LENGTH) {
            Some(length) => Self::Length(length.clone()),
            None if matches!(method.as_str(), "POST" | "PUT" | "PATCH" | "PROPFIND" | "PURGE") => {
                Self::Length(HeaderValue::from_static("0"))
            }
            None => Self::Nothing,
        }
    }

    /// Whatever header operations did, this is how the body will be framed.
    fn announce(self, headers: &mut HeaderMap) {
        headers.remove(header::TRANSFER_ENCODING);
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::CONNECTION);
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
