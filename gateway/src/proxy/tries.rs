//! When a request is tried again.

use super::{failure::Failure, known::Known, message::Response};
use edgeway_core::action::Retry;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use std::time::Duration;

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
static X_ENVOY_RATELIMITED: HeaderName = HeaderName::from_static("x-envoy-ratelimited");

/// The pause before a retry never exceeds this many times the first.
const LONGEST_PAUSE: u32 = 10;

/// The tries of one request.
#[derive(Debug)]
pub(crate) struct Tries<'t> {
    retry: &'t Retry,
    /// How many there were.
    made: u32,
    /// Position of the endpoint that had the last.
    last: Option<usize>,
    /// Those that had one before, and the last once somebody has asked: nearly all requests have one
    /// try, and need no list.
    endpoints: Vec<usize>,
}

/// What is to be done about a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its outcome stands; it was never one to be tried again.
    Stands,
    /// Its outcome stands: it would be tried again if there were tries left.
    Exhausted,
    /// It is tried again, after a random pause shorter than this.
    Again(Duration),
}

impl<'t> Tries<'t> {
    /// No try yet.
    pub(crate) fn new(retry: &'t Retry) -> Self {
        Self { retry, made: 0, last: None, endpoints: Vec::new() }
    }

    /// Counts a try that begins.
    pub(crate) fn begin(&mut self, endpoint: usize) {
        self.made += 1;
        self.last = Some(endpoint);
    }

    /// Positions of the endpoints that had one.
    pub(crate) fn tried(&mut self) -> &[usize] {
        self.endpoints.extend(self.last.take());
        &self.endpoints
    }

    /// How many there were.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// What a failure means.
    pub(crate) fn after_failure(&self, failure: Failure) -> Verdict {
        self.verdict(failure.is_retried(self.retry.on))
    }

    /// What a response means.
    pub(crate) fn after_response(&self, response: &Response, known: Known) -> Verdict {
        self.verdict(is_retried(response, known, self.retry))
    }

    fn verdict(&self, wanted: bool) -> Verdict {
        if !wanted || self.retry.attempts == 0 {
            return Verdict::Stands;
        }
        if self.made > self.retry.attempts {
            return Verdict::Exhausted;
        }
        let doubled = 1_u32.checked_shl(self.made - 1).unwrap_or(u32::MAX);
        Verdict::Again(self.retry.backoff.saturating_mul(doubled.min(LONGEST_PAUSE)))
    }
}

/// Whether a request can be sent again although the endpoint may have seen it: the connection that
/// it was sent on had been used before and ended without a word, as when both sides give up an
/// idle connection at the same moment.
pub(crate) fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// The gRPC status of a response that has nothing but headers.
pub(crate) fn grpc_status(headers: &HeaderMap) -> Option<u16> {
    headers.get(&GRPC_STATUS)?.to_str().ok()?.parse().ok()
}

fn is_retried(response: &Response, known: Known, retry: &Retry) -> bool {
    let on = retry.on;
    let status = response.status;
    let by_status = (on.server_error && status.is_server_error())
        || (on.gateway_error && (502..=504).contains(&status.as_u16()))
        || (on.retriable_4xx && status == StatusCode::CONFLICT)
        || (on.statuses && retry.statuses.contains(&status.as_u16()));
    let status_in_grpc =
        if known.has(Known::GRPC_STATUS) { grpc_status(&response.headers) } else { None };
    let wanted = by_status
        || match status_in_grpc {
            Some(1) => on.grpc_cancelled,
            Some(4) => on.grpc_deadline_exceeded,
            Some(8) => on.grpc_resource_exhausted,
            Some(13) => on.grpc_internal,
            Some(14) => on.grpc_unavailable,
            Some(_) | None => false,
        };
    wanted && !response.headers.contains_key(&X_ENVOY_RATELIMITED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::message::Body;
    use edgeway_core::action::forward::RetryOn;

    fn response(status: u16, grpc: Option<&'static str>) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(grpc) = grpc {
            headers.insert(&GRPC_STATUS, http::HeaderValue::from_static(grpc));
        }
        Response { status: StatusCode::from_u16(status).unwrap(), headers, body: Body::Nothing }
    }

    fn retry(on: RetryOn) -> Retry {
        Retry { on, statuses: vec![418], ..Retry::default() }
    }

    #[test]
    fn pauses_double_up_to_ten_times_the_first() {
        let retry = Retry { attempts: 7, ..Retry::default() };
        let mut tries = Tries::new(&retry);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            tries.begin(0);
            match tries.after_failure(Failure::Refused) {
                Verdict::Again(pause) => pauses.push(pause.as_millis()),
                other @ (Verdict::Stands | Verdict::Exhausted) => panic!("{other:?}"),
            }
        }
        assert_eq!(pauses, [25, 50, 100, 200, 250, 250, 250]);
        tries.begin(0);
        assert_eq!(tries.after_failure(Failure::Refused), Verdict::Exhausted);
    }

    #[test]
    fn responses_are_retried_as_the_conditions_say() {
        let default = retry(Retry::default().on);
        let server_error = retry(RetryOn { server_error: true, ..RetryOn::default() });
        let gateway = retry(RetryOn { gateway_error: true, ..RetryOn::default() });
        let conflict = retry(RetryOn { retriable_4xx: true, ..RetryOn::default() });
        for (retry, status, grpc, expected) in [
            (&default, 503, None, false),
            (&default, 418, None, true),
            (&default, 200, Some("14"), true),
            (&default, 200, Some("4"), false),
            (&server_error, 500, None, true),
            (&server_error, 404, None, false),
            (&gateway, 502, None, true),
            (&gateway, 500, None, false),
            (&conflict, 409, None, true),
        ] {
            let response = response(status, grpc);
            let known = Known::of(&response.headers);
            assert_eq!(is_retried(&response, known, retry), expected, "{status} {grpc:?}");
        }
    }

    #[test]
    fn no_attempts_means_that_nothing_is_exhausted() {
        let retry = Retry { attempts: 0, ..Retry::default() };
        let mut tries = Tries::new(&retry);
        tries.begin(0);
        assert_eq!(tries.after_failure(Failure::Refused), Verdict::Stands);
    }
}
