//! The session of a user: what is known of it, in cookies of at most 4 KiB each.

use std::time::{Duration, SystemTime};

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::seal::Seal;

/// The most bytes of a cookie with its name that every browser keeps.
const LARGEST_COOKIE: usize = 4096;
/// The most bytes that claims and tokens may have together.
const LARGEST: usize = 11 * 1024;
/// What sessions are sealed for.
const PURPOSE: &str = "session";

/// What is known of a user who logged in.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Session {
    /// Which agreement it comes from.
    pub(crate) bond: String,
    /// What the provider tells of the user.
    pub(crate) claims: Map<String, Value>,
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    /// The second at which the access token ends, if the provider told.
    pub(crate) renew: Option<u64>,
    /// The second at which the session ends.
    pub(crate) until: u64,
}

impl Session {
    /// The user's name at the provider.
    pub(crate) fn subject(&self) -> &str {
        self.claims.get("sub").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it is more than cookies can hold.
    pub(crate) fn too_large(&self) -> bool {
        let claims = serde_json::to_string(&self.claims).map_or(0, |text| text.len());
        claims + self.access.len() + self.refresh.as_ref().map_or(0, String::len) > LARGEST
    }

    /// The session that a client's cookies of this name hold, if it has not ended.
    pub(crate) fn read(seal: &Seal, sent: &HeaderMap, name: &str, now: u64) -> Option<Self> {
        let mut sealed = String::new();
        for number in 0.. {
            match cookie(sent, &format!("{name}-{number}")) {
                Some(shard) => sealed.push_str(shard),
                None => break,
            }
        }
        let session: Self = seal.open(PURPOSE, &sealed)?;
        (session.until > now).then_some(session)
    }

    /// The cookies that hold it; what is left over of a longer one is removed.
    pub(crate) fn cookies(
        &self,
        seal: &Seal,
        name: &str,
        sent: &HeaderMap,
    ) -> Option<Vec<HeaderValue>> {
        let sealed = seal.close(PURPOSE, self)?;
        let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(self.until);
        // The name, a hyphen, a digit and an equals sign.
        let size = LARGEST_COOKIE.saturating_sub(name.len() + 3).max(1);
        let mut cookies = Vec::new();
        let mut rest = sealed.as_str();
        while !rest.is_empty() {
            let (shard, more) = rest.split_at(rest.len().min(size));
            cookies.push(given(&format!("{name}-{}", cookies.len()), shard, ends)?);
            rest = more;
        }
        let mut number = cookies.len();
        while cookie(sent, &format!("{name}-{number}")).is_some() {
            cookies.push(given(&format!("{name}-{number}"), "", SystemTime::UNIX_EPOCH)?);
            number += 1;
        }
        Some(cookies)
    }
}

/// The value of a cookie that a client sent.
pub(crate) fn cookie<'a>(sent: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let texts = sent.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';'));
    pairs.find_map(|pair| {
        let (known, value) = pair.trim().split_once('=')?;
        (known == name && !value.is_empty()).then_some(value)
    })
}

/// A cookie that only the load balancer is to see again.
pub(crate) fn given(name: &str, value: &str, ends: SystemTime) -> Option<HeaderValue> {
    let expires = httpdate::fmt_http_date(ends);
    HeaderValue::try_from(format!("{name}={value}; Expires={expires}; Path=/; Secure; HttpOnly"))
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn session(size: usize) -> Session {
        let claims =
            [("sub".to_owned(), "ann".into()), ("note".to_owned(), "x".repeat(size).into())];
        Session {
            bond: "b".into(),
            claims: claims.into_iter().collect(),
            access: "access".into(),
            refresh: None,
            renew: None,
            until: 1000,
        }
    }

    fn sent(cookies: &[HeaderValue]) -> HeaderMap {
        let pairs =
            cookies.iter().map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
        let line = pairs.collect::<Vec<_>>().join("; ");
        HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(line).unwrap())])
    }

    #[test]
    fn a_long_session_has_several_cookies_and_a_short_one_removes_the_rest() {
        let seal = Seal::new().unwrap();
        let long = session(9000).cookies(&seal, "AWSELBAuthSessionCookie", &HeaderMap::new());
        let long = long.unwrap();
        assert_eq!(long.len(), 3);
        for (number, cookie) in long.iter().enumerate() {
            let text = cookie.to_str().unwrap();
            assert!(text.starts_with(&format!("AWSELBAuthSessionCookie-{number}=")), "{text}");
            assert!(text.split(';').next().unwrap().len() <= 4096, "{text}");
            assert!(text.ends_with("; Path=/; Secure; HttpOnly"), "{text}");
        }
        let short = session(10).cookies(&seal, "AWSELBAuthSessionCookie", &sent(&long)).unwrap();
        let gone = "=; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        let removed = short.iter().map(|cookie| cookie.to_str().unwrap().contains(gone));
        assert_eq!(removed.collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn a_session_ends() {
        let seal = Seal::new().unwrap();
        let cookies = session(10).cookies(&seal, "c", &HeaderMap::new()).unwrap();
        let at = |now| Session::read(&seal, &sent(&cookies), "c", now).is_some();
        assert_eq!([at(999), at(1000)], [true, false]);
    }

    proptest! {
        #[test]
        fn what_cookies_hold_is_what_was_put_there(size in 0_usize..11_000, name in "[A-Za-z]{1,40}") {
            let seal = Seal::new().unwrap();
            let session = session(size);
            let cookies = session.cookies(&seal, &name, &HeaderMap::new()).unwrap();
            prop_assert_eq!(Session::read(&seal, &sent(&cookies), &name, 0), Some(session));
        }
    }
}
