//! What of gRPC's protocol an intermediary has to know.

use http::{HeaderMap, HeaderName};
use std::time::Duration;

static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Most digits of a timeout (gRPC over HTTP/2: `TimeoutValue`).
const MOST_DIGITS: usize = 8;

/// How long the client of a gRPC request waits, if it says so in a form that is one.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(&GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || digits.is_empty() || digits.len() > MOST_DIGITS {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        for (text, expected) in [
            ("100m", Some(Duration::from_millis(100))),
            ("1S", Some(Duration::from_secs(1))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("0n", Some(Duration::ZERO)),
            ("5u", Some(Duration::from_micros(5))),
            ("2M", Some(Duration::from_secs(120))),
            ("100000000m", None),
            ("1", None),
            ("S", None),
            ("", None),
            ("-1S", None),
            ("1.5S", None),
            ("1s", None),
            ("1\u{e4}", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(&GRPC_TIMEOUT, http::HeaderValue::from_bytes(text.as_bytes()).unwrap());
            assert_eq!(timeout(&headers), expected, "{text}");
        }
    }
}
