//! What AWS refuses of actions, conditions and transforms: found before it is asked, since a rule that
//! cannot be made would hold up all that come after it.

use super::value::Expected;
use crate::rule::{Condition, FixedResponse, Redirect, Transform};
use std::ops::RangeInclusive;

/// Content types of fixed responses.
const CONTENT_TYPES: &[&str] =
    &["text/plain", "text/css", "text/html", "application/javascript", "application/json"];
/// The longest body of a fixed response, in bytes.
const BODY: usize = 1024;
/// The longest part of a URL that is redirected to, in characters.
const URL_PART: usize = 128;
/// The longest name of a header or a method, in characters.
const NAME: usize = 40;
/// Seconds that a client stays with a target group.
pub(super) const STICKINESS: RangeInclusive<u32> = 1..=604_800;

/// The redirect, if AWS takes it.
pub(super) fn redirect(redirect: Redirect) -> Result<Redirect, Expected> {
    let Redirect { protocol, host, port, path, query, status } = &redirect;
    if !matches!(status.as_str(), "HTTP_301" | "HTTP_302") {
        return wrong("its statusCode is neither HTTP_301 nor HTTP_302", "write one of them");
    }
    if !matches!(protocol.as_str(), "HTTP" | "HTTPS" | "#{protocol}") {
        return wrong(format!("its protocol is {protocol:?}"), "write HTTP, HTTPS or #{protocol}");
    }
    if port != "#{port}" && !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return wrong(format!("its port is {port:?}"), "write a port from 1 to 65535, or #{port}");
    }
    if host.is_empty() || !path.starts_with('/') {
        return wrong(
            "its host is empty, or its path does not begin with a slash",
            "leave out what stays as it is",
        );
    }
    if let Some(long) = [host, path, query].into_iter().find(|it| it.chars().count() > URL_PART) {
        return wrong(format!("{long:?} is too long"), "use at most 128 characters");
    }
    Ok(redirect)
}

/// The response, if AWS takes it.
pub(super) fn fixed(fixed: FixedResponse) -> Result<FixedResponse, Expected> {
    let FixedResponse { status, content_type, body } = &fixed;
    if !matches!(status.as_bytes(), [b'2' | b'4' | b'5', b'0'..=b'9', b'0'..=b'9']) {
        return wrong("its statusCode is none of 2xx, 4xx and 5xx", "write one of these");
    }
    if let Some(other) = content_type.as_deref().filter(|it| !CONTENT_TYPES.contains(it)) {
        let advice = format!("use one of {}", CONTENT_TYPES.join(", "));
        return wrong(format!("its contentType is {other:?}"), advice);
    }
    match body.as_ref().map_or(0, String::len) {
        0..=BODY => Ok(fixed),
        long => wrong(format!("its messageBody has {long} bytes"), "use at most 1024"),
    }
}

/// The condition, if AWS takes it.
pub(super) fn condition(condition: Condition) -> Result<Condition, Expected> {
    let is_method =
        |name: &String| name.bytes().all(|b| b.is_ascii_uppercase() || matches!(b, b'-' | b'_'));
    let is_name = |name: &str| (1..=NAME).contains(&name.chars().count());
    match &condition {
        Condition::Header { name, .. } if name.eq_ignore_ascii_case("host") => {
            wrong("the header is Host", "use the field host-header")
        }
        Condition::Header { name, .. } if !is_name(name) => {
            wrong(format!("{name:?} is no name of a header"), "name one, in at most 40 characters")
        }
        Condition::Method(methods) => {
            match methods.iter().find(|method| !is_name(method) || !is_method(method)) {
                Some(method) => wrong(
                    format!("{method:?} is no method"),
                    "use capital letters, \"-\" and \"_\", at most 40",
                ),
                None => Ok(condition),
            }
        }
        Condition::Query(pairs) if pairs.iter().any(|pair| pair.value.is_empty()) => {
            wrong("a value of queryStringConfig is empty", "give it, or use *")
        }
        Condition::Header { .. }
        | Condition::Query(_)
        | Condition::Host(_)
        | Condition::Path(_)
        | Condition::SourceIp(_) => Ok(condition),
    }
}

/// Whether AWS takes these conditions of one rule together.
pub(crate) fn together(conditions: &[Condition]) -> Result<(), Expected> {
    let count = |is: fn(&Condition) -> bool| conditions.iter().filter(|it| is(it)).count();
    let fields = [
        ("http-request-method", count(|it| matches!(it, Condition::Method(_)))),
        ("source-ip", count(|it| matches!(it, Condition::SourceIp(_)))),
    ];
    match fields.into_iter().find(|(_, count)| *count > 1) {
        Some((field, _)) => wrong(
            format!("a rule cannot have several conditions of {field}"),
            "put their values into one",
        ),
        None => Ok(()),
    }
}

/// The transforms of one rule, if AWS takes them together.
pub(crate) fn transforms(transforms: Vec<Transform>) -> Result<Vec<Transform>, Expected> {
    let urls = transforms.iter().filter(|it| matches!(it, Transform::Url(_))).count();
    if urls > 1 || transforms.len() - urls > 1 {
        return wrong("there are several transforms of one type", "leave one of each");
    }
    Ok(transforms)
}

fn wrong<T>(wrong: impl Into<String>, advice: impl Into<String>) -> Result<T, Expected> {
    Err(Expected::new(wrong, advice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Patterns, QueryPair, Rewrite};

    fn to(set: impl FnOnce(&mut Redirect)) -> Result<Redirect, Expected> {
        let mut wish = Redirect { port: "443".to_owned(), ..Redirect::default() };
        wish.status = "HTTP_301".to_owned();
        set(&mut wish);
        redirect(wish)
    }

    #[test]
    fn redirects_have_a_form() {
        assert!(to(|_| ()).is_ok() && to(|it| it.query.clear()).is_ok());
        let bad: [fn(&mut Redirect); 8] = [
            |it| it.status = "301".to_owned(),
            |it| it.protocol = "https".to_owned(),
            |it| it.port = "0".to_owned(),
            |it| it.port = "https".to_owned(),
            |it| it.host.clear(),
            |it| it.path = "login".to_owned(),
            |it| it.path = format!("/{}", "a".repeat(128)),
            |it| it.query = "a".repeat(129),
        ];
        for (row, set) in bad.into_iter().enumerate() {
            assert!(to(set).is_err(), "{row}");
        }
    }

    #[test]
    fn responses_have_limits() {
        let answer = |status: &str, kind: Option<&str>, length: usize| {
            let (status, content_type) = (status.to_owned(), kind.map(str::to_owned));
            fixed(FixedResponse { status, content_type, body: Some("a".repeat(length)) }).is_ok()
        };
        assert!(answer("404", None, 1024) && answer("200", Some("application/json"), 0));
        assert!(!answer("301", None, 0) && !answer("2000", None, 0));
        assert!(!answer("200", Some("text/weird"), 0) && !answer("200", None, 1025));
    }

    #[test]
    fn conditions_have_a_form() {
        let texts = |values: &[&str]| values.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let method = |values: &[&str]| Condition::Method(texts(values));
        let header = |name: &str| Condition::Header {
            name: name.to_owned(),
            values: Patterns::Text(texts(&["a"])),
        };
        let query =
            |value: &str| Condition::Query(vec![QueryPair { key: None, value: value.to_owned() }]);
        for good in [method(&["GET", "M-SEARCH"]), header("X-V"), query("*")] {
            assert!(condition(good.clone()).is_ok(), "{good}");
        }
        for bad in [method(&["GET", "get"]), method(&[""]), header(""), header("Host"), query("")] {
            assert!(condition(bad.clone()).is_err(), "{bad}");
        }
        assert!(together(&[method(&["GET"]), header("A"), header("B")]).is_ok());
        assert!(together(&[method(&["GET"]), method(&["PUT"])]).is_err());
    }

    #[test]
    fn there_is_one_transform_of_each_type() {
        let rewrite = || vec![Rewrite { regex: "^/a".to_owned(), replace: "/".to_owned() }];
        let (url, host) = (Transform::Url(rewrite()), Transform::Host(rewrite()));
        assert!(transforms(vec![url.clone(), host.clone()]).is_ok());
        assert!(transforms(vec![url.clone(), host, url]).is_err());
    }
}
