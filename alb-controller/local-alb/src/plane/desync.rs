//! How dangerous a request is to servers that read it in another way, and what a load balancer's
//! desync mitigation mode makes of that. Classes and reasons are those of AWS's HTTP Desync Guardian.
//!
//! What cannot be read as HTTP at all never comes here: it is refused in any mode.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::tap::Framing;

/// A load balancer's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mitigation {
    Monitor,
    Defensive,
    Strictest,
}

impl Mitigation {
    /// The mode of that name.
    pub(crate) fn named(text: &str) -> Self {
        match text {
            "monitor" => Self::Monitor,
            "strictest" => Self::Strictest,
            _ => Self::Defensive,
        }
    }

    /// What becomes of a request of this class.
    pub(crate) fn verdict(self, class: Class) -> Verdict {
        match (self, class) {
            (Self::Monitor, _)
            | (_, Class::Compliant)
            | (Self::Defensive, Class::Acceptable(_)) => Verdict::Pass,
            (Self::Defensive, Class::Ambiguous(_)) => Verdict::PassAlone,
            (Self::Strictest, Class::Acceptable(_) | Class::Ambiguous(_)) => Verdict::Refuse,
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// It passes, and both its connections end with it.
    PassAlone,
    /// 400.
    Refuse,
}

/// A class, and AWS's word for the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Compliant,
    Acceptable(&'static str),
    Ambiguous(&'static str),
}

impl Class {
    /// Class and reason as access logs have them.
    pub(crate) const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Compliant => ("-", "-"),
            Self::Acceptable(reason) => ("Acceptable", reason),
            Self::Ambiguous(reason) => ("Ambiguous", reason),
        }
    }
}

/// The worst that can be said of a request of HTTP/1 that was framed like this when it came.
pub(crate) fn classify(method: &Method, headers: &HeaderMap, framing: Framing) -> Class {
    let Framing { lengths, encodings } = framing;
    let chunked = encodings > 0;
    let no_body = matches!(*method, Method::GET | Method::HEAD);
    let zero = headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() == b"0");
    if chunked && lengths > 0 {
        Class::Ambiguous("BothTeClPresent")
    } else if lengths > 1 {
        Class::Ambiguous("DuplicateContentLength")
    } else if headers.keys().any(is_disguised) {
        Class::Ambiguous("SuspiciousHeader")
    } else if no_body && chunked {
        Class::Ambiguous("UndefinedTransferEncodingSemantics")
    } else if no_body && lengths > 0 && !zero {
        Class::Ambiguous("UndefinedContentLengthSemantics")
    } else if headers.values().any(|value| value.as_bytes().trim_ascii().is_empty()) {
        Class::Ambiguous("EmptyHeader")
    } else if headers.values().any(is_odd) {
        Class::Acceptable("NonCompliantHeader")
    } else if no_body && zero {
        Class::Acceptable("GetHeadZeroContentLength")
    } else {
        Class::Compliant
    }
}

/// Whether some servers may take a name for one that tells the length of a body.
fn is_disguised(name: &HeaderName) -> bool {
    let framing = [&CONTENT_LENGTH, &TRANSFER_ENCODING];
    let letters = |text: &str| {
        text.bytes()
            .filter(u8::is_ascii_alphanumeric)
            .map(|byte| byte.to_ascii_lowercase())
            .collect()
    };
    let own: Vec<u8> = letters(name.as_str());
    !framing.contains(&name)
        && framing.iter().any(|known| own == letters(known.as_str()) as Vec<u8>)
}

fn is_odd(value: &HeaderValue) -> bool {
    value
        .as_bytes()
        .iter()
        .any(|byte| !byte.is_ascii() || (byte.is_ascii_control() && *byte != b'\t'))
}

/// A request after which the connection to its target ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alone;

#[cfg(test)]
mod tests {
    use super::Verdict::{Pass, PassAlone, Refuse};
    use super::*;

    /// A method, headers, and the class with its reason.
    type Row = (Method, &'static [(&'static str, &'static [u8])], (&'static str, &'static str));

    #[test]
    fn each_request_has_the_class_that_aws_gives_it() {
        let rows: &[Row] = &[
            (Method::GET, &[("accept", b"*/*")], ("-", "-")),
            (Method::POST, &[("content-length", b"5")], ("-", "-")),
            (Method::POST, &[("transfer-encoding", b"chunked")], ("-", "-")),
            (Method::GET, &[("content-length", b"0")], ("Acceptable", "GetHeadZeroContentLength")),
            (Method::GET, &[("x-name", b"M\xfcller")], ("Acceptable", "NonCompliantHeader")),
            (
                Method::GET,
                &[("content-length", b"5")],
                ("Ambiguous", "UndefinedContentLengthSemantics"),
            ),
            (
                Method::HEAD,
                &[("transfer-encoding", b"chunked")],
                ("Ambiguous", "UndefinedTransferEncodingSemantics"),
            ),
            (
                Method::POST,
                &[("content-length", b"5"), ("transfer-encoding", b"chunked")],
                ("Ambiguous", "BothTeClPresent"),
            ),
            (
                Method::POST,
                &[("content-length", b"5"), ("content-length", b"5")],
                ("Ambiguous", "DuplicateContentLength"),
            ),
            (Method::GET, &[("accept", b" ")], ("Ambiguous", "EmptyHeader")),
            (Method::POST, &[("content_length", b"5")], ("Ambiguous", "SuspiciousHeader")),
        ];
        for (method, headers, expected) in rows {
            let mut map = HeaderMap::new();
            for (name, value) in *headers {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                map.append(name, HeaderValue::from_bytes(value).unwrap());
            }
            let count = |name| map.get_all(name).iter().count();
            let (lengths, encodings) = (count(CONTENT_LENGTH), count(TRANSFER_ENCODING));
            let framing = Framing { lengths, encodings };
            assert_eq!(classify(method, &map, framing).names(), *expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn the_mode_decides_what_passes() {
        let classes = [Class::Compliant, Class::Acceptable("a"), Class::Ambiguous("b")];
        let verdicts = |mode: &str| classes.map(|class| Mitigation::named(mode).verdict(class));
        assert_eq!(verdicts("monitor"), [Pass, Pass, Pass]);
        assert_eq!(verdicts("defensive"), [Pass, Pass, PassAlone]);
        assert_eq!(verdicts("strictest"), [Pass, Refuse, Refuse]);
    }
}
