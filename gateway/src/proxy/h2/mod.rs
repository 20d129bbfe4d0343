//! HTTP/2: the two sides of an exchange, and the connections that carry many of them at once.
//!
//! A connection and all its streams live in one task, so that what a stream writes leaves with the
//! same poll and no request wakes another thread.

mod client;
mod connection;
mod server;
mod websocket;
mod wire;
mod writing;

pub(super) use client::{Client, open};
pub(super) use connection::serve;
pub(crate) use connection::session;

use http::{HeaderMap, HeaderName, header};

/// What a client says first that speaks HTTP/2 without having been asked whether it does.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Whether these bytes, the first of a connection, are the preface or may become it.
pub(super) fn may_be_preface(bytes: &[u8]) -> bool {
    !bytes.is_empty() && (PREFACE.starts_with(bytes) || bytes.starts_with(PREFACE))
}

/// Drops what frames messages or concerns one connection in HTTP/1.1, which HTTP/2 forbids.
fn drop_framing(headers: &mut HeaderMap) {
    headers.remove(header::CONNECTION);
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::UPGRADE);
    headers.remove(&KEEP_ALIVE);
    headers.remove(&PROXY_CONNECTION);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_is_known_from_its_first_byte() {
        for (bytes, expected) in [
            (&b""[..], false),
            (b"P", true),
            (b"PRI * HTTP/2.0\r\n", true),
            (PREFACE, true),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", true),
            (b"PUT", false),
            (b"GET / HTTP/1.1", false),
            (b"PRI * HTTP/1.1\r\n", false),
        ] {
            assert_eq!(may_be_preface(bytes), expected, "{bytes:?}");
        }
    }
}
