//! `retries` becomes a retry policy.

use super::report::Field;
use crate::action::{Retry, forward::RetryOn};
use edgeway_api::{duration::Duration, virtual_service::HttpRetry};
use std::time::Duration as Time;

/// The policy of a rule; Istio's default where it has none.
pub(super) fn retry(retries: Option<&HttpRetry>, field: &mut Field<'_>) -> Retry {
    let Some(retries) = retries else { return Retry::default() };
    let default = Retry::default();
    let attempts = u32::try_from(retries.attempts.unwrap_or(0)).unwrap_or(0);
    let (on, statuses) = match retries.retry_on.as_deref() {
        None | Some("") => (default.on, Vec::new()),
        Some(list) => field.of("retryOn", |field| conditions(list, field)),
    };
    Retry {
        attempts,
        per_try_timeout: positive(retries.per_try_timeout.as_ref().and_then(Duration::get)),
        on,
        statuses,
        backoff: positive(retries.backoff.as_ref().and_then(Duration::get))
            .unwrap_or(default.backoff),
        remote: retries.retry_remote_localities.unwrap_or(false),
        repeating: retries.retry_ignore_previous_hosts == Some(false),
    }
}

fn positive(duration: Option<Time>) -> Option<Time> {
    duration.filter(|duration| !duration.is_zero())
}

/// Names and numbers, separated by commas; numbers are statuses to repeat.
fn conditions(list: &str, field: &mut Field<'_>) -> (RetryOn, Vec<u16>) {
    let mut on = RetryOn::default();
    let mut statuses = Vec::new();
    for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if let Ok(status @ 100..=599) = word.parse::<u16>() {
            statuses.push(status);
            on.statuses = true;
            continue;
        }
        match word {
            "connect-failure" => on.connect_failure = true,
            "refused-stream" => on.refused_stream = true,
            "reset" => on.reset = true,
            "reset-before-request" => on.reset_before_request = true,
            "5xx" => on.server_error = true,
            "gateway-error" => on.gateway_error = true,
            "retriable-4xx" => on.retriable_4xx = true,
            "retriable-status-codes" => on.statuses = true,
            "cancelled" => on.grpc_cancelled = true,
            "deadline-exceeded" => on.grpc_deadline_exceeded = true,
            "internal" => on.grpc_internal = true,
            "resource-exhausted" => on.grpc_resource_exhausted = true,
            "unavailable" => on.grpc_unavailable = true,
            "retriable-headers" | "envoy-ratelimited" | "http3-post-connect-failure" => {
                field.warning(
                    "field-not-supported",
                    format!("the condition `{word}` is not supported yet and never holds"),
                    "remove it, or name the statuses to repeat",
                );
            }
            unknown => field.invalid(
                format!("`{unknown}` is no retry condition"),
                "use Envoy's names, such as `5xx,connect-failure`, or status codes",
            ),
        }
    }
    (on, statuses)
}
