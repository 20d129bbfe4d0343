//! `x-forwarded-client-cert`: what a client's certificate says, for those behind us.

use super::{verify::hex, x509::Certificate};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::HeaderValue;
use std::fmt::Write;

/// Line length of PEM.
const LINE: usize = 64;

/// The field's value for a certificate in DER, as Envoy writes it.
pub fn client_certificate(der: &[u8]) -> Option<HeaderValue> {
    let read = Certificate::read(der)?;
    let mut out = format!("Hash={};Cert=\"{}\";Subject=\"", hex(der), escaped_pem(der));
    for character in read.subject.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
    // Writing to a string cannot fail. Without a URI, the key stands alone, as in Envoy.
    if read.uris.is_empty() {
        out.push_str(";URI=");
    }
    for uri in &read.uris {
        let _ = write!(out, ";URI={uri}");
    }
    for name in &read.dns {
        let _ = write!(out, ";DNS={name}");
    }
    HeaderValue::try_from(out).ok()
}

/// PEM in which nothing is left that would need quoting.
fn escaped_pem(der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let mut out = String::with_capacity(base64.len() * 5 / 4);
    out.push_str("-----BEGIN%20CERTIFICATE-----%0A");
    for (at, character) in base64.chars().enumerate() {
        if at > 0 && at % LINE == 0 {
            out.push_str("%0A");
        }
        match character {
            '+' => out.push_str("%2B"),
            '/' => out.push_str("%2F"),
            '=' => out.push_str("%3D"),
            other => out.push(other),
        }
    }
    out.push_str("%0A-----END%20CERTIFICATE-----%0A");
    out
}
