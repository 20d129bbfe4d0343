//! Staying with a target or a target group by cookies.
//!
//! AWS encrypts what its cookies hold. Ours hold a digest of the name of the target (or group)
//! and the second at which the stay ends, which says nothing about addresses but is not secret.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::table::{Endpoint, Group};
use crate::state::ids::Arn;
use crate::state::rule::{Forward, WeightedGroup};

/// The cookies of a stay with a target.
const TARGET: [&str; 2] = ["AWSALBCORS", "AWSALB"];
/// The cookie of a stay that an application's cookie binds.
const APPLICATION: [&str; 1] = ["AWSALBAPP-0"];
/// The cookies of a stay with a group.
const GROUP: [&str; 2] = ["AWSALBTGCORS", "AWSALBTG"];
/// How long browsers keep the cookies; how long a stay is stands in their values.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The group that a client stays with, if it is still among those of the action.
pub(crate) fn group<'f>(
    forward: &'f Forward,
    headers: &HeaderMap,
    now: SystemTime,
) -> Option<&'f WeightedGroup> {
    forward.stickiness?;
    let wanted = read(headers, &GROUP, now)?;
    forward.groups.iter().find(|group| group.weight > 0 && digest(group.arn.as_str()) == wanted)
}

/// The target that a client stays with, if it may still get traffic.
pub(crate) fn target<'t>(
    group: &Group,
    candidates: &[&'t Endpoint],
    headers: &HeaderMap,
    now: SystemTime,
) -> Option<&'t Endpoint> {
    let stickiness = group.stickiness.as_ref()?;
    let names: &[&str] =
        if stickiness.application_cookie.is_some() { &APPLICATION } else { &TARGET };
    let wanted = read(headers, names, now)?;
    candidates.iter().find(|target| digest(&target_name(group, target)) == wanted).copied()
}

/// Gives a client the cookies to come back by.
pub(crate) fn give(
    response: &mut HeaderMap,
    forward: &Forward,
    group: &Group,
    target: &Endpoint,
    now: SystemTime,
) {
    if let Some(seconds) = forward.stickiness {
        let value = write(group.arn.as_str(), now, Duration::from_secs(seconds.into()));
        set(response, "AWSALBTG", &value, now, false);
        set(response, "AWSALBTGCORS", &value, now, true);
    }
    let Some(stickiness) = &group.stickiness else { return };
    let value = write(&target_name(group, target), now, stickiness.duration);
    match &stickiness.application_cookie {
        None => {
            set(response, "AWSALB", &value, now, false);
            set(response, "AWSALBCORS", &value, now, true);
        }
        // The stay begins when the application sets its cookie.
        Some(name) if sets(response, name) => set(response, "AWSALBAPP-0", &value, now, false),
        Some(_) => {}
    }
}

fn target_name(group: &Group, target: &Endpoint) -> String {
    let arn: &Arn = &group.arn;
    format!("{arn} {}", target.key)
}

fn digest(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn write(name: &str, now: SystemTime, duration: Duration) -> String {
    format!("{:016x}{:012x}", digest(name), seconds(now + duration))
}

fn read(headers: &HeaderMap, names: &[&str], now: SystemTime) -> Option<u64> {
    let cookies = || {
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
    };
    names.iter().find_map(|name| {
        let (_, value) = cookies().find(|(known, _)| known == name)?;
        let (digest, until) = value.split_at_checked(16)?;
        let until = u64::from_str_radix(until, 16).ok()?;
        (until > seconds(now)).then(|| u64::from_str_radix(digest, 16).ok())?
    })
}

fn set(headers: &mut HeaderMap, name: &str, value: &str, now: SystemTime, cross_site: bool) {
    let expires = httpdate::fmt_http_date(now + KEPT);
    let rest = if cross_site { "; SameSite=None; Secure" } else { "" };
    let cookie = format!("{name}={value}; Expires={expires}; Path=/{rest}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.append(SET_COOKIE, cookie);
    }
}

fn sets(headers: &HeaderMap, name: &str) -> bool {
    let prefix = format!("{name}=");
    headers
        .get_all(SET_COOKIE)
        .iter()
        .any(|cookie| cookie.as_bytes().starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_was_given_is_understood_until_it_ends() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let forward = Forward {
            groups: ["a", "b"].map(|arn| WeightedGroup { arn: arn.into(), weight: 1 }).into(),
            stickiness: Some(60),
        };
        let value = write("b", now, Duration::from_secs(60));
        let mut headers = HeaderMap::new();
        let cookies = format!("x=1; AWSALBTG={value}");
        headers.insert(COOKIE, HeaderValue::from_str(&cookies).unwrap());
        let at = |time| group(&forward, &headers, time).map(|group| group.arn.to_string());
        assert_eq!(at(now + Duration::from_secs(59)).as_deref(), Some("b"));
        assert_eq!(at(now + Duration::from_secs(60)), None);
    }

    #[test]
    fn nonsense_in_a_cookie_is_no_stay() {
        let now = SystemTime::UNIX_EPOCH;
        for value in ["", "x", "ä", "zzzzzzzzzzzzzzzz1", "0000000000000000", "ffff"] {
            let mut headers = HeaderMap::new();
            let cookie = format!("AWSALBTG={value}");
            headers.insert(COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).unwrap());
            assert_eq!(read(&headers, &GROUP, now), None, "{value}");
        }
    }
}
