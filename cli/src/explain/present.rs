//! A request as the gateway would see it: read by the gateway's own code, from bytes.

use super::ask::Question;
use edgeway_gateway::preview::{Preview, Refused};
use std::net::IpAddr;

/// Writes the request down as a client would send it, and has the gateway read it.
pub(super) fn present(question: &Question, client: IpAddr) -> Result<Preview, Refused> {
    let Question { method, target, headers, scheme, trusted_hops, .. } = question;
    let mut head = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    Preview::new(&head, *scheme, client, *trusted_hops)
}
