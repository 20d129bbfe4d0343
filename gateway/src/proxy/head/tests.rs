//! Heads that are found, refused and brought into form.

use super::*;
use proptest::prelude::*;

fn scan(bytes: &[u8]) -> Result<Progress, Refusal> {
    Scan::default().advance(bytes, HeadLimits::default())
}

fn with_fields(fields: &str) -> Vec<u8> {
    format!("POST /p HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

fn brought_into_form(bytes: &str) -> Result<String, Refusal> {
    let mut state = Scan::default();
    let Progress::Complete(end) = state.advance(bytes.as_bytes(), HeadLimits::default())? else {
        panic!("incomplete: {bytes}");
    };
    let head = canonical(BytesMut::from(&bytes[..end]), &state)?;
    Ok(String::from_utf8(head.to_vec()).unwrap())
}

#[test]
fn a_head_is_found_however_it_is_cut() {
    let bytes = b"\r\nGET /p HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\nrest";
    for cut in 0..bytes.len() {
        let mut state = Scan::default();
        let first = state.advance(&bytes[..cut], HeadLimits::default()).unwrap();
        let complete = Progress::Complete(bytes.len() - 4);
        if cut < bytes.len() - 4 {
            assert_eq!(first, Progress::More, "{cut}");
            assert_eq!(state.advance(bytes, HeadLimits::default()), Ok(complete), "{cut}");
        } else {
            assert_eq!(first, complete, "{cut}");
        }
    }
}

#[test]
fn request_lines_are_refused_as_envoy_refuses_them() {
    for (line, refusal) in [
        ("GET /p HTTP/1.0", Refusal::Version),
        ("GET /p HTTP/2.0", Refusal::Version),
        ("GET /p HTTP/3.7", Refusal::Version),
        ("GET /p", Refusal::Version),
        ("GET /p HTTP/1.1x", Refusal::Malformed),
        ("GET /p HTTP/1.10", Refusal::Malformed),
        ("FOO /p HTTP/1.1", Refusal::Malformed),
        ("get /p HTTP/1.1", Refusal::Malformed),
        ("GE(T /p HTTP/1.1", Refusal::Malformed),
        ("GET  HTTP/1.1", Refusal::Malformed),
        ("GET /a b HTTP/1.1", Refusal::Malformed),
        ("GET /a\tb HTTP/1.1", Refusal::Malformed),
        ("GET /é HTTP/1.1", Refusal::Malformed),
        ("GET /\u{1} HTTP/1.1", Refusal::Characters),
        ("GET /\u{7f} HTTP/1.1", Refusal::Characters),
        ("garbage", Refusal::Malformed),
        (" GET / HTTP/1.1", Refusal::Malformed),
    ] {
        assert_eq!(scan(format!("{line}\r\n").as_bytes()), Err(refusal), "{line}");
    }
}

#[test]
fn what_could_hide_a_second_request_is_refused() {
    for (fields, refusal) in [
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", Refusal::LengthAndEncoding),
        ("Transfer-Encoding: identity\r\nContent-Length: 3\r\n", Refusal::LengthAndEncoding),
        ("Transfer-Encoding: gzip, chunked\r\n", Refusal::Encoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refusal::Encoding),
        ("Transfer-Encoding: xchunked\r\n", Refusal::Encoding),
        ("Transfer-Encoding: \u{b}chunked\r\n", Refusal::Characters),
        ("Content-Length: 3\r\nContent-Length: 3\r\n", Refusal::Length),
        ("Content-Length: 3, 3\r\n", Refusal::Length),
        ("Content-Length: +3\r\n", Refusal::Length),
        ("Content-Length: -3\r\n", Refusal::Length),
        ("Content-Length: 0x3\r\n", Refusal::Length),
        ("Content-Length:\r\n", Refusal::Length),
        ("Content-Length: 99999999999999999999\r\n", Refusal::Length),
        ("Host: b\r\n", Refusal::Host),
        ("X-A\r\n", Refusal::Malformed),
        ("X-A : 1\r\n", Refusal::Malformed),
        ("X-A: 1\r\n folded\r\n", Refusal::Malformed),
        (": 1\r\n", Refusal::Malformed),
        ("x/y: 1\r\n", Refusal::Malformed),
        ("x-é: 1\r\n", Refusal::Malformed),
        ("x-\0: 1\r\n", Refusal::Characters),
        ("X-A: a\0b\r\n", Refusal::Characters),
        ("X-A: a\u{7f}b\r\n", Refusal::Characters),
        ("X-A: a\rb\r\n", Refusal::Characters),
        ("X-A: 1\nX-B: 2\r\n", Refusal::Malformed),
    ] {
        assert_eq!(scan(&with_fields(fields)), Err(refusal), "{fields}");
    }
}

#[test]
fn odd_but_harmless_fields_pass() {
    for fields in [
        "Content-Length: 003 \r\n",
        "Transfer-Encoding: Chunked\r\n",
        "x_under.score: \t v \t\r\n",
        "X-A:\r\n",
        "X-A: \u{e9}\r\n",
    ] {
        let bytes = with_fields(fields);
        assert_eq!(scan(&bytes), Ok(Progress::Complete(bytes.len())), "{fields}");
    }
}

#[test]
fn limits_hold_before_the_head_is_complete() {
    let limits = HeadLimits { bytes: 64, fields: 2, target: 64 };
    let many = b"GET / HTTP/1.1\r\na: 1\r\nb: 1\r\nc: 1\r\n";
    assert_eq!(Scan::default().advance(many, limits), Err(Refusal::TooManyFields));
    let large = [b'x'; 65];
    assert_eq!(Scan::default().advance(&large, limits), Err(Refusal::HeadTooLarge));
    assert_eq!(Scan::default().advance(&large[..64], limits), Ok(Progress::More));
}

#[test]
fn targets_have_a_limit_of_their_own() {
    let limits = HeadLimits { target: 8, ..HeadLimits::default() };
    let advance = |bytes: &[u8]| Scan::default().advance(bytes, limits);
    assert_eq!(advance(b"GET /2345678 HTTP/1.1\r\n"), Ok(Progress::More));
    assert_eq!(advance(b"GET /23456789 HTTP/1.1\r\n"), Err(Refusal::TargetTooLong));
    // It is not waited for.
    let long = [b"GET /", &[b'x'; 100][..]].concat();
    assert_eq!(advance(&long), Err(Refusal::TargetTooLong));
}

#[test]
fn targets_take_one_form() {
    for (line, expected) in [
        ("GET /p HTTP/1.1", "GET /p HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET http://b:1/p?q HTTP/1.1", "GET /p?q HTTP/1.1\r\nhost: b:1\r\n\r\n"),
        ("GET http://u:p@b/p HTTP/1.1", "GET /p HTTP/1.1\r\nhost: b\r\n\r\n"),
        ("GET http://b HTTP/1.1", "GET / HTTP/1.1\r\nhost: b\r\n\r\n"),
        ("GET /<\"`> HTTP/1.1", "GET /%3C%22%60%3E HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(brought_into_form(&head).as_deref(), Ok(expected), "{line}");
    }
    for (line, refusal) in [
        ("OPTIONS * HTTP/1.1", Refusal::NoPath),
        ("GET * HTTP/1.1", Refusal::Target),
        ("GET p HTTP/1.1", Refusal::Target),
        ("GET ?a=b HTTP/1.1", Refusal::Target),
        ("GET http:///p HTTP/1.1", Refusal::Target),
        ("GET http://b?x HTTP/1.1", Refusal::NoPath),
        ("GET ftp://b/p HTTP/1.1", Refusal::TargetScheme),
        ("GET https://b/p HTTP/1.1", Refusal::TargetHttps),
        ("CONNECT b:443 HTTP/1.1", Refusal::NoPath),
    ] {
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(brought_into_form(&head), Err(refusal), "{line}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0_usize..300) {
        let mut state = Scan::default();
        let _ = state.advance(&bytes[..cut.min(bytes.len())], HeadLimits::default());
        if let Ok(Progress::Complete(end)) = scan(&bytes) {
            prop_assert!(end <= bytes.len());
        }
    }

    #[test]
    fn what_passes_can_be_taken_apart_and_says_the_same(
        target in "(http://[a-z.]{1,9}|)/[!-~]{0,20}",
        fields in proptest::collection::vec(("[A-Za-z-]{1,12}", "[ -~]{0,12}"), 0..8),
    ) {
        let line = |(name, value): &(String, String)| format!("x-{name}: {value}\r\n");
        let lines = fields.iter().map(line).collect::<Vec<_>>().concat();
        let bytes = format!("GET {target} HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
        let mut state = Scan::default();
        let progress = state.advance(bytes.as_bytes(), HeadLimits::default());
        prop_assert_eq!(progress, Ok(Progress::Complete(bytes.len())));
        let head = canonical(BytesMut::from(bytes.as_bytes()), &state).unwrap();
        let parts = parse(head).unwrap();
        prop_assert_eq!(parts.headers.len(), fields.len() + 1);
        for (name, value) in &fields {
            let all = parts.headers.get_all(format!("x-{name}"));
            prop_assert!(all.into_iter().any(|other| other == value.trim()));
        }
        // What has been brought into form stays as it is.
        let again = format!("GET {} HTTP/1.1\r\n\r\n", parts.uri);
        prop_assert_eq!(brought_into_form(&again), Ok(again.clone()));
    }
}
