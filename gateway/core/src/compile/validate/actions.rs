//! What an http rule does: the checks of its action and options.

use super::{
    super::{headers::operations, options::grpc_status, report::Field, retries::retry},
    primitive::{self, duration, is_label, percentage, whole_percentage},
    redirect,
    text::{at_most_one, deprecated, given, header_list, one_kind},
};
use edgeway_api::virtual_service::{
    Abort, CorsPolicy, Delay, Destination, Headers, HttpFaultInjection, HttpRetry, HttpRoute,
};

/// What `corsPolicy.allowMethods` may name.
const METHODS: &[&str] =
    &["*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];

/// Checks everything of `rule` but its conditions.
pub(super) fn validate(rule: &HttpRoute, field: &mut Field<'_>) {
    let answers = rule.redirect.is_some() || rule.direct_response.is_some();
    for (name, there) in [("fault", rule.fault.is_some()), ("rewrite", rule.rewrite.is_some())] {
        if answers && there {
            field.of(name, |field| {
                let message = format!("{name} stands beside redirect or directResponse");
                field.invalid(message, "remove one of them");
            });
        }
    }
    route(rule, field);
    headers(rule.headers.as_deref(), field);
    authorities(rule, field);
    duration(rule.timeout.as_ref(), "timeout", field);
    let each = |field: &mut Field<'_>| {
        if let Some(answer) = &rule.redirect {
            field.of("redirect", |field| redirect::redirect(answer, rule, field));
        }
        if let Some(direct) = &rule.direct_response {
            field.of("directResponse", |field| redirect::direct(direct, field));
        }
        if let Some(rewrite) = &rule.rewrite {
            field.of("rewrite", |field| redirect::rewrite(rewrite, field));
        }
        if let Some(retries) = &rule.retries {
            field.of("retries", |field| check_retries(retries, field));
        }
        if let Some(fault) = &rule.fault {
            field.of("fault", |field| check_fault(fault, field));
        }
        if let Some(cors) = &rule.cors_policy {
            field.of("corsPolicy", |field| check_cors(cors, field));
        }
    };
    each(field);
    mirrors(rule, field);
}

fn route(rule: &HttpRoute, field: &mut Field<'_>) {
    field.of("route", |field| {
        let given: Vec<_> = rule.route.iter().map(|to| to.weight.unwrap_or(0)).collect();
        weights(&given, field);
        for (index, to) in rule.route.iter().enumerate() {
            field.at(index, |field| {
                destination(&to.destination, field);
                headers(to.headers.as_deref(), field);
            });
        }
    });
}

/// With several destinations not all may be zero; none may be negative.
pub(super) fn weights(weights: &[i32], field: &mut Field<'_>) {
    for (index, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight < 0) {
        field.at(index, |field| {
            field.invalid(format!("weight {weight} is negative"), "give 0 or more");
        });
    }
    if weights.len() > 1 && weights.iter().all(|weight| *weight == 0) {
        field.invalid("all weights are zero", "give at least one destination a weight");
    }
}

/// A host, and a subset that is a label.
pub(super) fn destination(destination: &Destination, field: &mut Field<'_>) {
    field.of("destination", |field| {
        if destination.host.is_empty() || destination.host == "*" {
            field.of("host", |field| field.invalid("it names no service", "name one"));
        }
        if let Some(subset) = destination.subset.as_deref().filter(|subset| !subset.is_empty())
            && !is_label(subset)
        {
            field.of("subset", |field| {
                field
                    .invalid(format!("`{subset}` is no subset's name"), "use letters, digits, `-`");
            });
        }
        if let Some(port) = &destination.port {
            field.of("port.number", |field| primitive::port(port.number, field));
        }
    });
}

/// Operations are built for the sake of their problems; the authority is only for requests, and
/// never taken away.
fn headers(headers: Option<&Headers>, field: &mut Field<'_>) {
    field.of("headers", |field| {
        let _ = operations(headers, field);
        let Some(headers) = headers else { return };
        let sides =
            [("request", headers.request.as_ref()), ("response", headers.response.as_ref())];
        for (side, operations) in sides {
            let Some(operations) = operations else { continue };
            field.of(side, |field| {
                let written = operations.set.keys().chain(operations.add.keys());
                let written = written.filter(|_| side == "response");
                for name in written.chain(&operations.remove).filter(|name| is_authority(name)) {
                    not_writable(name, field);
                }
            });
        }
    });
}

fn not_writable(name: &str, field: &mut Field<'_>) {
    field.invalid(format!("`{name}` cannot be changed here"), "remove it from the list");
}

fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

/// `rewrite.authority` and a `Host` set by header operations exclude one another.
fn authorities(rule: &HttpRoute, field: &mut Field<'_>) {
    let rewritten = rule.rewrite.as_ref().and_then(|rewrite| rewrite.authority.as_deref());
    let sets = |headers: Option<&Headers>| {
        let request = headers.and_then(|headers| headers.request.as_ref());
        request.is_some_and(|request| {
            request.set.keys().chain(request.add.keys()).any(|name| is_authority(name))
        })
    };
    let set =
        sets(rule.headers.as_deref()) || rule.route.iter().any(|to| sets(to.headers.as_deref()));
    if rewritten.is_some_and(|authority| !authority.is_empty()) && set {
        field.invalid(
            "the authority is set by `rewrite` and by `headers`",
            "keep `rewrite.authority`, or the `Host` header operation",
        );
    }
}

fn check_retries(retries: &HttpRetry, field: &mut Field<'_>) {
    let _ = retry(Some(retries), field);
    let attempts = retries.attempts.unwrap_or(0);
    if attempts < 0 {
        field.of("attempts", |field| {
            field.invalid(format!("{attempts} is negative"), "give 0 to switch retries off");
        });
    }
    let more = retries.retry_on.as_deref().is_some_and(|text| !text.is_empty())
        || retries.per_try_timeout.is_some()
        || retries.backoff.is_some()
        || retries.retry_remote_localities.is_some();
    if attempts == 0 && more {
        field.invalid("attempts is 0, so nothing else has an effect", "give attempts, or only 0");
    }
    duration(retries.per_try_timeout.as_ref(), "perTryTimeout", field);
    duration(retries.backoff.as_ref(), "backoff", field);
}

fn check_fault(fault: &HttpFaultInjection, field: &mut Field<'_>) {
    if fault.abort.is_none() && fault.delay.is_none() {
        field.invalid("it has neither abort nor delay", "give one of them");
    }
    if let Some(abort) = &fault.abort {
        field.of("abort", |field| check_abort(abort, field));
    }
    if let Some(delay) = &fault.delay {
        field.of("delay", |field| check_delay(delay, field));
    }
}

fn check_abort(abort: &Abort, field: &mut Field<'_>) {
    let kinds =
        [abort.http_status.is_some(), abort.grpc_status.is_some(), abort.http2_error.is_some()];
    at_most_one(&kinds, "httpStatus, grpcStatus and http2Error", field);
    if abort.http2_error.is_some() {
        field.of("http2Error", |field| {
            field.invalid("Istio never implemented it", "use httpStatus or grpcStatus");
        });
    } else if abort.http_status.is_none() && abort.grpc_status.is_none() {
        field.invalid("it has no status", "give httpStatus or grpcStatus");
    }
    if let Some(status) = abort.http_status.filter(|status| !(200..=599).contains(status)) {
        field.of("httpStatus", |field| {
            field.invalid(format!("{status} is no status"), "give one from 200 to 599");
        });
    }
    // Names only: a number would be as good, but the same manifest must hold in Istio.
    if let Some(status) = abort.grpc_status.as_deref()
        && (grpc_status(status).is_none() || status.parse::<u8>().is_ok())
    {
        field.of("grpcStatus", |field| {
            let message = format!("`{status}` is no name of a gRPC status");
            field.invalid(message, "write `UNAVAILABLE` or the like");
        });
    }
    if let Some(percent) = &abort.percentage {
        field.of("percentage", |field| percentage(percent.value, field));
    }
}

fn check_delay(delay: &Delay, field: &mut Field<'_>) {
    if delay.exponential_delay.is_some() {
        field.of("exponentialDelay", |field| {
            field.invalid("Istio never implemented it", "use fixedDelay");
        });
    } else if delay.fixed_delay.is_none() {
        field.invalid("it has no fixedDelay", "give one");
    }
    duration(delay.fixed_delay.as_ref(), "fixedDelay", field);
    whole_percentage(delay.percent.map(i64::from), "percent", field);
    deprecated(delay.percent.is_some(), "percent", "percentage.value", field);
    if let Some(percent) = &delay.percentage {
        field.of("percentage", |field| percentage(percent.value, field));
    }
}

fn check_cors(cors: &CorsPolicy, field: &mut Field<'_>) {
    let _ = super::super::options::cors(cors, field);
    field.of("allowOrigins", |field| {
        for (index, origin) in cors.allow_origins.iter().enumerate() {
            field.at(index, |field| {
                one_kind(origin, field);
                let texts = [&origin.exact, &origin.prefix, &origin.regex];
                if !texts.into_iter().any(|text| given(text.as_ref())) {
                    field.invalid("it names no origin", "give exact, prefix or regex");
                }
            });
        }
    });
    deprecated(!cors.allow_origin.is_empty(), "allowOrigin", "allowOrigins", field);
    header_list(&cors.allow_headers, "allowHeaders", field);
    header_list(&cors.expose_headers, "exposeHeaders", field);
    for method in &cors.allow_methods {
        if !METHODS.contains(&method.as_str()) {
            field.of("allowMethods", |field| {
                field.invalid(format!("`{method}` is no method"), "use capitals, or `*`");
            });
        }
    }
    if let Some(age) = &cors.max_age {
        field.of("maxAge", |field| {
            if age.get().is_none_or(|time| time.subsec_nanos() != 0) {
                field.invalid(format!("`{}` is not in whole seconds", age.text()), "write `24h`");
            }
        });
        duration(Some(age), "maxAge", field);
    }
}

fn mirrors(rule: &HttpRoute, field: &mut Field<'_>) {
    if rule.mirror.is_some() && !rule.mirrors.is_empty() {
        field.invalid("mirror and mirrors exclude one another", "use mirrors alone");
    }
    if let Some(mirror) = &rule.mirror {
        field.of("mirror", |field| destination(mirror, field));
    }
    whole_percentage(rule.mirror_percent.map(i64::from), "mirrorPercent", field);
    deprecated(rule.mirror_percent.is_some(), "mirrorPercent", "mirrorPercentage.value", field);
    if let Some(percent) = &rule.mirror_percentage {
        field.of("mirrorPercentage", |field| percentage(percent.value, field));
    }
    field.of("mirrors", |field| {
        for (index, mirror) in rule.mirrors.iter().enumerate() {
            field.at(index, |field| {
                match &mirror.destination {
                    Some(to) => destination(to, field),
                    None => field.invalid("it has no destination", "say who gets the copies"),
                }
                if let Some(percent) = &mirror.percentage {
                    field.of("percentage", |field| percentage(percent.value, field));
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::unit;

    fn table(rows: &[(&str, &str)]) {
        for (rest, expected) in rows {
            let spec = format!(
                "{{hosts: [a.com], gateways: [gw], http: [{{route: [{{destination: {{host: b}}}}], \
                 {rest}}}]}}"
            );
            unit::table("VirtualService", &[(&spec, expected)]);
        }
    }

    #[test]
    fn headers_and_authority_are_written_once() {
        table(&[
            ("headers: {request: {set: {x-a: b, Host: c}, remove: [x-b]}}", ""),
            ("headers: {request: {set: {':path': /}}}", "headers.request"),
            ("headers: {request: {remove: [host]}}", "headers.request: `host` cannot be changed"),
            ("headers: {response: {set: {Host: a}}}", "headers.response: `Host` cannot"),
            ("headers: {request: {set: {x: '50%'}}}", "headers.request.set: the value `50%`"),
            (
                "rewrite: {authority: a}, headers: {request: {set: {Host: b}}}",
                "the authority is set by",
            ),
        ]);
    }

    #[test]
    fn times_and_retries_are_positive() {
        table(&[
            ("timeout: 1s, retries: {attempts: 0}", ""),
            ("timeout: 0s", "timeout: `0s`"),
            ("timeout: 1.0005s", "timeout: `1.0005s`"),
            ("retries: {attempts: -1}", "retries.attempts: -1"),
            ("retries: {attempts: 0, perTryTimeout: 1s}", "retries: attempts is 0"),
            ("retries: {attempts: 1, perTryTimeout: 0s}", "retries.perTryTimeout: `0s`"),
            ("retries: {attempts: 1, backoff: 1us}", "retries.backoff: `1us`"),
            ("retries: {attempts: 1, retryOn: 'bogus'}", "retries.retryOn: `bogus`"),
            ("retries: {attempts: 1, retryOn: '503,5xx'}", ""),
        ]);
    }

    #[test]
    fn faults_are_those_that_exist() {
        table(&[
            ("fault: {abort: {httpStatus: 500, percentage: {value: 0.0001}}}", ""),
            ("fault: {}", "fault: it has neither"),
            ("fault: {abort: {}}", "fault.abort: it has no status"),
            ("fault: {abort: {httpStatus: 9999}}", "fault.abort.httpStatus: 9999"),
            ("fault: {abort: {grpcStatus: UNAVAILABLE}}", ""),
            ("fault: {abort: {grpcStatus: '14'}}", "fault.abort.grpcStatus: `14`"),
            ("fault: {abort: {httpStatus: 500, grpcStatus: UNKNOWN}}", "httpStatus, grpcStatus"),
            ("fault: {abort: {http2Error: REFUSED}}", "fault.abort.http2Error"),
            ("fault: {abort: {httpStatus: 500, percentage: {value: 101}}}", "percentage: 101"),
            ("fault: {delay: {fixedDelay: 1s, percentage: {value: 5}}}", ""),
            ("fault: {delay: {exponentialDelay: 1s}}", "fault.delay.exponentialDelay"),
            ("fault: {delay: {percentage: {value: 5}}}", "fault.delay: it has no fixedDelay"),
            ("fault: {delay: {fixedDelay: 1s, percent: 5}}", "[field-deprecated]"),
        ]);
    }

    #[test]
    fn other_origins_and_copies_are_checked() {
        table(&[
            ("corsPolicy: {allowOrigins: [{exact: a}], allowHeaders: ['*', x-a], maxAge: 24h}", ""),
            ("corsPolicy: {allowOrigins: [{exact: a, prefix: b}]}", "allowOrigins[0]: more than"),
            ("corsPolicy: {allowOrigins: [{}]}", "allowOrigins[0]: it names no origin"),
            ("corsPolicy: {allowOrigins: [{exact: ''}]}", "allowOrigins[0]: it names no origin"),
            ("corsPolicy: {maxAge: 0s}", "corsPolicy.maxAge: `0s` is not at least"),
            ("corsPolicy: {allowMethods: [get]}", "allowMethods: `get`"),
            ("corsPolicy: {allowHeaders: ['x y']}", "corsPolicy.allowHeaders[0]: `x y`"),
            ("corsPolicy: {exposeHeaders: ['']}", "corsPolicy.exposeHeaders[0]: ``"),
            ("corsPolicy: {maxAge: 1.5s}", "corsPolicy.maxAge: `1.5s`"),
            ("corsPolicy: {allowOrigin: [a]}", "[field-deprecated]"),
            ("mirror: {host: c}, mirrorPercentage: {value: 5}", ""),
            ("mirror: {host: c}, mirrors: [{destination: {host: d}}]", "mirror and mirrors"),
            ("mirrors: [{percentage: {value: 5}}]", "mirrors[0]: it has no destination"),
            ("mirror: {host: c}, mirrorPercentage: {value: 101}", "mirrorPercentage: 101"),
            ("mirror: {host: c}, mirrorPercent: 5", "[field-deprecated]"),
        ]);
    }
}
