//! What the load balancer changes in the headers of a request on its way to a target, and in
//! those of a response on its way back.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_TYPE, EXPECT, HOST, SERVER, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::mutual::{self, ClientHeaders};
use super::table::{ForwardedFor, Settings, Site};
use crate::state::load_balancer::Protocol;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const TLS_VERSION: HeaderName = HeaderName::from_static("x-amzn-tls-version");
const TLS_CIPHER: HeaderName = HeaderName::from_static("x-amzn-tls-cipher-suite");

/// Addresses in `X-Forwarded-For` beyond which a request is refused.
const MOST_ADDRESSES: usize = 30;
/// The longest header, and all headers together.
const LONGEST_HEADER: usize = 16 * 1024;
const LONGEST_HEAD: usize = 64 * 1024;
/// All headers of a response together.
const LONGEST_RESPONSE_HEAD: usize = 32 * 1024;

/// The client of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

/// Why the headers of a request are refused, as the status that is answered.
pub(crate) fn refusal(headers: &HeaderMap) -> Option<u16> {
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let sizes = || headers.iter().map(size);
    if sizes().any(|size| size > LONGEST_HEADER) || sizes().sum::<usize>() > LONGEST_HEAD {
        return Some(400);
    }
    let lists = headers.get_all(FORWARDED_FOR);
    let addresses = lists.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    (addresses.count() > MOST_ADDRESSES).then_some(463)
}

/// Whether the headers of a response are more than is let through.
pub(crate) fn response_too_large(headers: &HeaderMap) -> bool {
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    headers.iter().map(size).sum::<usize>() > LONGEST_RESPONSE_HEAD
}

/// Removes what belongs to one connection only. `upgrade` keeps a wish to change the protocol.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap, upgrade: bool) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    let protocol = headers.get(UPGRADE).cloned().filter(|_| upgrade);
    let trailers = headers.get(TE).is_some_and(|te| te.as_bytes() == b"trailers");
    for name in named.iter().chain(&[
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
    ]) {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Whether a request or response wants another protocol on its connection.
pub(crate) fn wants_upgrade(headers: &HeaderMap) -> bool {
    let named = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|name| name.trim().eq_ignore_ascii_case("upgrade")));
    named && headers.contains_key(UPGRADE)
}

/// Whether a request is a call of gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Makes the headers of a request those that a target gets to see, all but `Host`.
pub(crate) fn to_target(headers: &mut HeaderMap, site: &Site, peer: Peer, tls: Option<&TlsFacts>) {
    let settings = &site.settings;
    headers.remove(EXPECT);
    if settings.drop_invalid {
        drop_invalid(headers);
    }
    forwarded_for(headers, settings, peer);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(site.protocol.scheme()));
    headers.insert(FORWARDED_PORT, HeaderValue::from(site.port));
    headers.remove(TLS_VERSION);
    headers.remove(TLS_CIPHER);
    let named = |name: HeaderName| settings.renamed.get(&name).cloned().unwrap_or(name);
    if let Some(tls) = tls.filter(|_| settings.tls_headers) {
        headers.insert(named(TLS_VERSION), HeaderValue::from_static(tls.version));
        if let Ok(cipher) = HeaderValue::from_str(&tls.cipher) {
            headers.insert(named(TLS_CIPHER), cipher);
        }
    }
    if site.mutual.is_some() {
        for name in mutual::NAMES {
            headers.remove(named(HeaderName::from_static(name)));
        }
    }
    for (name, value) in tls.and_then(|tls| tls.client.as_deref()).unwrap_or_default() {
        headers.insert(named(HeaderName::from_static(name)), value.clone());
    }
}

/// What a TLS handshake ended in.
#[derive(Clone, Debug)]
pub(crate) struct TlsFacts {
    pub(crate) version: &'static str,
    pub(crate) cipher: String,
    /// What targets are told of the client's certificate.
    pub(crate) client: Option<ClientHeaders>,
}

fn forwarded_for(headers: &mut HeaderMap, settings: &Settings, peer: Peer) {
    match settings.forwarded_for {
        ForwardedFor::Preserve => {}
        ForwardedFor::Remove => {
            headers.remove(FORWARDED_FOR);
        }
        ForwardedFor::Append => {
            let own = match (settings.client_port, peer.address) {
                (false, address) => address.to_string(),
                (true, IpAddr::V4(address)) => format!("{address}:{}", peer.port),
                (true, IpAddr::V6(address)) => format!("[{address}]:{}", peer.port),
            };
            let mut list: Vec<u8> = Vec::new();
            for value in headers.get_all(FORWARDED_FOR) {
                list.extend_from_slice(value.as_bytes());
                list.extend_from_slice(b", ");
            }
            list.extend_from_slice(own.as_bytes());
            if let Ok(value) = HeaderValue::from_bytes(&list) {
                headers.insert(FORWARDED_FOR, value);
            }
        }
    }
}

/// Only letters, digits and hyphens are valid to AWS.
fn drop_invalid(headers: &mut HeaderMap) {
    let valid = |name: &HeaderName| {
        name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let invalid: Vec<HeaderName> = headers.keys().filter(|name| !valid(name)).cloned().collect();
    for name in invalid {
        headers.remove(name);
    }
}

/// The `Host` that a target gets to see: lower-case, with the listener's port unless that is the
/// protocol's default. A client on this machine names the port that is really open; it means the
/// listener's.
pub(crate) fn host(sent: &str, site: &Site, open_port: u16) -> String {
    if site.settings.preserve_host {
        return sent.to_owned();
    }
    let (name, port) = split_port(sent);
    let name = name.to_ascii_lowercase();
    let port = port.filter(|port| *port != open_port).unwrap_or(site.port);
    if port == site.protocol.default_port() && site.port == site.protocol.default_port() {
        name
    } else {
        format!("{name}:{port}")
    }
}

/// A host and the port after it.
pub(crate) fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        // A colon inside of brackets belongs to an address.
        Some((name, port)) if !port.contains(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) if port.is_empty() => (name, None),
            Err(_) => (authority, None),
        },
        Some(_) | None => (authority, None),
    }
}

/// Makes the headers of a response those that a client gets to see.
pub(crate) fn to_client(headers: &mut HeaderMap, site: &Site) {
    for (name, value) in &site.settings.response_headers {
        let https_only = name == http::header::STRICT_TRANSPORT_SECURITY;
        if !https_only || site.protocol == Protocol::Https {
            headers.insert(name, value.clone());
        }
    }
    if !site.settings.server_header {
        headers.remove(SERVER);
    }
}

/// Sets a request's `Host`.
pub(crate) fn set_host(headers: &mut HeaderMap, host: &str) -> bool {
    HeaderValue::from_str(host).is_ok_and(|value| {
        headers.insert(HOST, value);
        true
    })
}
