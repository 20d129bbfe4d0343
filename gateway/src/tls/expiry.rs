//! Certificates that are about to end, told in time.

use edgeway_api::{ObjectRef, Problem};
use std::time::{Duration, SystemTime};

/// So many days before the end there is a problem.
const DAYS: i64 = 14;

const DAY: i64 = 86_400;

/// Whom a certificate is shown to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Clients.
    Clients,
    /// Endpoints.
    Endpoints,
}

/// What is to be said of the `field` of an object whose first certificate ends then.
pub(super) fn problem(
    (object, field): (ObjectRef, &str),
    shown: Shown,
    ends: i64,
    now: SystemTime,
) -> Option<Problem> {
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let left = ends.saturating_sub(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX));
    let (whose, who) = match shown {
        Shown::Clients => ("of the server", "clients"),
        Shown::Endpoints => ("for endpoints", "endpoints"),
    };
    let problem = if left < 0 {
        Problem::error(object, field, "certificate-expired").message(format!(
            "a certificate {whose}, or of those that vouch for it, is out of date: it is shown \
             nevertheless, and {who} refuse it",
        ))
    } else if left < DAYS * DAY {
        let when = match left / DAY {
            0 => "in less than a day".to_owned(),
            1 => "tomorrow".to_owned(),
            days => format!("in {days} days"),
        };
        Problem::warning(object, field, "certificate-expires").message(format!(
            "a certificate {whose}, or one of those that vouch for it, ends {when}"
        ))
    } else {
        return None;
    };
    Some(problem.advice("put a new one in its place: no connection is lost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_before_it_comes() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let rule = || ObjectRef::new("DestinationRule", "ns", "rule");
        for (left, code, word) in [
            (-1, "certificate-expired", "out of date"),
            (0, "certificate-expires", "in less than a day"),
            (DAY, "certificate-expires", "tomorrow"),
            (13 * DAY, "certificate-expires", "in 13 days"),
            (14 * DAY, "", ""),
            (i64::MAX - 1_000_000_000, "", ""),
        ] {
            for (shown, whose) in [(Shown::Clients, "server"), (Shown::Endpoints, "endpoints")] {
                let place = (rule(), "spec.trafficPolicy.tls");
                let problem = problem(place, shown, 1_000_000_000 + left, now);
                assert_eq!(problem.as_ref().map_or("", |it| it.code), code, "{left}");
                assert!(
                    problem
                        .is_none_or(|problem| problem.message.contains(word)
                            && problem.message.contains(whose)),
                    "{left}"
                );
            }
        }
    }
}
