//! What an http rule does: the checks of its action and options.

use super::{
    super::{headers::operations, options::grpc_status, report::Field, retries::retry},
    primitive::{self, duration, is_label, percentage},
};
use edgeway_api::virtual_service::{
    CorsPolicy, Destination, Headers, HttpDirectResponse, HttpFaultInjection, HttpRedirect,
    HttpRetry, HttpRewrite, HttpRoute,
};

/// What `corsPolicy.allowMethods` may name.
const METHODS: &[&str] =
    &["*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];

/// Largest `directResponse` body, in bytes.
const LARGEST_BODY: usize = 1 << 20;

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
    headers(rule.headers.as_ref(), field);
    authorities(rule, field);
    duration(rule.timeout.as_ref(), "timeout", field);
    let each = |field: &mut Field<'_>| {
        if let Some(redirect) = &rule.redirect {
            field.of("redirect", |field| check_redirect(redirect, rule, field));
        }
        if let Some(direct) = &rule.direct_response {
            field.of("directResponse", |field| check_direct(direct, field));
        }
        if let Some(rewrite) = &rule.rewrite {
            field.of("rewrite", |field| check_rewrite(rewrite, field));
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
                headers(to.headers.as_ref(), field);
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

/// Operations are built for the sake of their problems; pseudo headers are only for the request's
/// authority.
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
                for name in written {
                    let authority = is_authority(name);
                    if (authority && side == "response") || (name.starts_with(':') && !authority) {
                        not_writable(name, field);
                    }
                }
                for name in operations.remove.iter().filter(|name| is_authority(name)) {
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
    let set = sets(rule.headers.as_ref()) || rule.route.iter().any(|to| sets(to.headers.as_ref()));
    if rewritten.is_some_and(|authority| !authority.is_empty()) && set {
        field.invalid(
            "the authority is set by `rewrite` and by `headers`",
            "keep `rewrite.authority`, or the `Host` header operation",
        );
    }
}

fn check_redirect(redirect: &HttpRedirect, rule: &HttpRoute, field: &mut Field<'_>) {
    let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let prefix = given(&redirect.prefix_rewrite);
    let nothing = !given(&redirect.uri)
        && !given(&redirect.authority)
        && !given(&redirect.scheme)
        && !prefix
        && redirect.port.is_none()
        && redirect.derive_port.is_none();
    if nothing {
        field.invalid(
            "it changes nothing",
            "give uri, prefixRewrite, authority, scheme, port or derivePort",
        );
    }
    if let Some(code) =
        redirect.redirect_code.filter(|code| *code != 0 && !(300..400).contains(code))
    {
        field.of("redirectCode", |field| {
            field.invalid(format!("{code} is no redirect"), "give a code from 300 to 399");
        });
    }
    if let Some(scheme) =
        redirect.scheme.as_deref().filter(|scheme| !matches!(*scheme, "" | "http" | "https"))
    {
        field.of("scheme", |field| {
            field.invalid(format!("`{scheme}` is no scheme"), "give `http` or `https`");
        });
    }
    if let Some(port) = redirect.port {
        field.of("port", |field| primitive::port(port, field));
    }
    let by_prefix = |entry: &edgeway_api::virtual_service::HttpMatchRequest| {
        entry.uri.as_ref().is_none_or(|uri| uri.exact.is_none() && uri.regex.is_none())
    };
    if prefix && !rule.matches.iter().all(by_prefix) {
        field.of("prefixRewrite", |field| {
            field.invalid("a match is not by prefix", "use `uri`, or match by prefix only");
        });
    }
    if prefix && given(&redirect.uri) {
        field.invalid("uri and prefixRewrite exclude one another", "keep one");
    }
}

fn check_direct(direct: &HttpDirectResponse, field: &mut Field<'_>) {
    if !(200..=600).contains(&direct.status) {
        field.of("status", |field| {
            field.invalid(format!("{} is no status", direct.status), "give one from 200 to 599");
        });
    }
    let Some(body) = &direct.body else { return };
    let length = body.bytes().len();
    if length > LARGEST_BODY {
        field.of("body", |field| {
            field.invalid(format!("{length} bytes are too many"), "keep it below 1 MiB");
        });
    }
}

fn check_rewrite(rewrite: &HttpRewrite, field: &mut Field<'_>) {
    let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let regex = rewrite.uri_regex_rewrite.as_ref();
    if !given(&rewrite.uri) && !given(&rewrite.authority) && regex.is_none() {
        field.invalid("it changes nothing", "give uri, uriRegexRewrite or authority");
    }
    if given(&rewrite.uri) && regex.is_some() {
        field.invalid("uri and uriRegexRewrite exclude one another", "keep one");
    }
    let Some(regex) = regex else { return };
    field.of("uriRegexRewrite", |field| {
        if !given(&regex.match_) || !given(&regex.rewrite) {
            field.invalid("match and rewrite belong together", "give both");
        }
    });
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
        field.of("abort", |field| {
            if let Some(status) = abort.http_status.filter(|status| !(200..=599).contains(status)) {
                field.of("httpStatus", |field| {
                    field.invalid(format!("{status} is no status"), "give one from 200 to 599");
                });
            }
            if let Some(status) = abort.grpc_status.as_deref()
                && grpc_status(status).is_none()
            {
                field.of("grpcStatus", |field| {
                    field.invalid(format!("`{status}` is no gRPC status"), "write `UNAVAILABLE`");
                });
            }
            if abort.http_status.is_none() && abort.grpc_status.is_none() {
                field.invalid("it has no status", "give httpStatus or grpcStatus");
            }
            if let Some(percent) = &abort.percentage {
                field.of("percentage", |field| percentage(percent.value, field));
            }
        });
    }
    if let Some(delay) = &fault.delay {
        field.of("delay", |field| {
            if delay.fixed_delay.is_none() {
                field
                    .invalid("it has no fixedDelay", "give one; exponentialDelay is not supported");
            }
            duration(delay.fixed_delay.as_ref(), "fixedDelay", field);
            if let Some(percent) = &delay.percentage {
                field.of("percentage", |field| percentage(percent.value, field));
            }
        });
    }
}

fn check_cors(cors: &CorsPolicy, field: &mut Field<'_>) {
    let _ = super::super::options::cors(cors, field);
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
    }
}

fn mirrors(rule: &HttpRoute, field: &mut Field<'_>) {
    if rule.mirror.is_some() && !rule.mirrors.is_empty() {
        field.invalid("mirror and mirrors exclude one another", "use mirrors alone");
    }
    if let Some(mirror) = &rule.mirror {
        field.of("mirror", |field| destination(mirror, field));
    }
    if let Some(percent) = &rule.mirror_percentage {
        field.of("mirrorPercentage", |field| percentage(percent.value, field));
    }
    field.of("mirrors", |field| {
        for (index, mirror) in rule.mirrors.iter().enumerate() {
            field.at(index, |field| {
                if let Some(to) = &mirror.destination {
                    destination(to, field);
                }
                if let Some(percent) = &mirror.percentage {
                    field.of("percentage", |field| percentage(percent.value, field));
                }
            });
        }
    });
}
