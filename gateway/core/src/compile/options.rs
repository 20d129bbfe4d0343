//! What a rule does beside forwarding: cross-origin answers and faults.

use super::{matching::origin, report::Field};
use crate::action::{
    Cors,
    fault::{Abort, AbortStatus, Delay, Fault, share},
};
use edgeway_api::{
    duration::Duration,
    virtual_service::{
        Abort as AbortPolicy, CorsPolicy, Delay as DelayPolicy, HttpFaultInjection, StringMatch,
        UnmatchedPreflights,
    },
};
use http::HeaderValue;

/// gRPC's statuses by name; the position is the number.
const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The number of a gRPC status, given by name or number.
pub(super) fn grpc_status(text: &str) -> Option<u8> {
    let by_name = GRPC.iter().position(|name| *name == text);
    let number = by_name.or_else(|| text.parse().ok().filter(|number| *number < GRPC.len()))?;
    u8::try_from(number).ok()
}

/// The policy, its lists joined. Origins that are no expression are reported and left out.
pub(super) fn cors(policy: &CorsPolicy, field: &mut Field<'_>) -> Cors {
    let older = policy
        .allow_origin
        .iter()
        .map(|exact| StringMatch { exact: Some(exact.clone()), ..StringMatch::default() });
    let all: Vec<_> = policy.allow_origins.iter().cloned().chain(older).collect();
    let origins = field.of("allowOrigins", |field| {
        let read = all.iter().enumerate();
        read.filter_map(|(index, text)| field.at(index, |field| origin(text, field))).collect()
    });
    let seconds = policy.max_age.as_ref().and_then(Duration::get).map(|age| age.as_secs());
    Cors {
        origins,
        methods: list("allowMethods", &policy.allow_methods, field),
        headers: list("allowHeaders", &policy.allow_headers, field),
        expose: list("exposeHeaders", &policy.expose_headers, field),
        max_age: seconds.map(HeaderValue::from),
        credentials: policy.allow_credentials == Some(true),
        ignore_unmatched: policy.unmatched_preflights == Some(UnmatchedPreflights::Ignore),
    }
}

fn list(name: &str, items: &[String], field: &mut Field<'_>) -> Option<HeaderValue> {
    if items.is_empty() {
        return None;
    }
    let value = HeaderValue::from_str(&items.join(","));
    if value.is_err() {
        field.of(name, |field| {
            field.invalid("it has characters that no header may carry", "use plain names");
        });
    }
    value.ok()
}

/// The faults; `None` if neither ever happens.
pub(super) fn fault(fault: &HttpFaultInjection) -> Option<Fault> {
    let fault = Fault {
        delay: fault.delay.as_ref().and_then(delay),
        abort: fault.abort.as_ref().and_then(abort),
    };
    (fault != Fault::default()).then_some(fault)
}

fn delay(delay: &DelayPolicy) -> Option<Delay> {
    let older = delay.percent.map(f64::from);
    let percent = delay.percentage.as_ref().map(|percent| percent.value).or(older);
    let share = share(percent.unwrap_or(0.0));
    let time = delay.fixed_delay.as_ref().and_then(Duration::get)?;
    (share > 0).then_some(Delay { time, share })
}

/// Without a percentage it never happens (as Istio).
fn abort(abort: &AbortPolicy) -> Option<Abort> {
    let share = share(abort.percentage.as_ref().map_or(0.0, |percent| percent.value));
    let http = abort.http_status.and_then(|status| u16::try_from(status).ok());
    let grpc = abort.grpc_status.as_deref().and_then(grpc_status);
    let status = grpc.map(AbortStatus::Grpc).or(http.map(AbortStatus::Http))?;
    (share > 0).then_some(Abort { status, share })
}
