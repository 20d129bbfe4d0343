//! Answers of the gateway's own, and what becomes of path and authority.

use super::{
    super::report::Field,
    primitive,
    text::{at_most_one, given},
};
use edgeway_api::virtual_service::{
    HttpDirectResponse, HttpMatchRequest, HttpRedirect, HttpRewrite, HttpRoute,
};

/// Largest `directResponse` body, in bytes.
const LARGEST_BODY: usize = 1 << 20;

/// A body that is still accepted, though it does not belong into a manifest.
const LARGE_BODY: usize = 100_000;

/// Checks a redirect of `rule`; `field` stands at it.
pub(super) fn redirect(redirect: &HttpRedirect, rule: &HttpRoute, field: &mut Field<'_>) {
    let prefix = given(redirect.prefix_rewrite.as_ref());
    at_most_one(
        &[redirect.port.is_some(), redirect.derive_port.is_some()],
        "port and derivePort",
        field,
    );
    let nothing = !given(redirect.uri.as_ref())
        && !given(redirect.authority.as_ref())
        && !given(redirect.scheme.as_ref())
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
    let by_prefix = |entry: &HttpMatchRequest| {
        entry.uri.as_ref().is_none_or(|uri| uri.exact.is_none() && uri.regex.is_none())
    };
    if prefix && !rule.matches.iter().all(by_prefix) {
        field.of("prefixRewrite", |field| {
            field.invalid("a match is not by prefix", "use `uri`, or match by prefix only");
        });
    }
    if prefix && given(redirect.uri.as_ref()) {
        field.invalid("uri and prefixRewrite exclude one another", "keep one");
    }
}

/// Checks an answer of the gateway's own; `field` stands at it.
pub(super) fn direct(direct: &HttpDirectResponse, field: &mut Field<'_>) {
    if !(200..=600).contains(&direct.status) {
        field.of("status", |field| {
            field.invalid(format!("{} is no status", direct.status), "give one from 200 to 599");
        });
    }
    let Some(body) = &direct.body else { return };
    field.of("body", |field| {
        at_most_one(&[body.string.is_some(), body.bytes.is_some()], "string and bytes", field);
    });
    let length = body.bytes().len();
    if length > LARGEST_BODY {
        field.of("body", |field| {
            field.invalid(format!("{length} bytes are too many"), "keep it below 1 MiB");
        });
    } else if length > LARGE_BODY {
        field.of("body", |field| {
            field.warning(
                "body-large",
                format!("{length} bytes are held in memory with every table"),
                "serve files from a backend, and keep this below 100 kB",
            );
        });
    }
}

/// Checks a rewrite; `field` stands at it.
pub(super) fn rewrite(rewrite: &HttpRewrite, field: &mut Field<'_>) {
    let regex = rewrite.uri_regex_rewrite.as_ref();
    if !given(rewrite.uri.as_ref()) && !given(rewrite.authority.as_ref()) && regex.is_none() {
        field.invalid("it changes nothing", "give uri, uriRegexRewrite or authority");
    }
    if given(rewrite.uri.as_ref()) && regex.is_some() {
        field.invalid("uri and uriRegexRewrite exclude one another", "keep one");
    }
    let Some(regex) = regex else { return };
    field.of("uriRegexRewrite", |field| {
        if !given(regex.match_.as_ref()) || !given(regex.rewrite.as_ref()) {
            field.invalid("match and rewrite belong together", "give both");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::unit;

    fn table(rows: &[(&str, &str)]) {
        for (rule, expected) in rows {
            let spec = format!("{{hosts: [a.com], gateways: [gw], http: [{{{rule}}}]}}");
            unit::table("VirtualService", &[(&spec, expected)]);
        }
    }

    #[test]
    fn a_redirect_leads_elsewhere() {
        table(&[
            ("redirect: {uri: /, redirectCode: 308, scheme: https, port: 443}", ""),
            ("redirect: {}", "redirect: it changes nothing"),
            ("redirect: {uri: /, redirectCode: 200}", "redirect.redirectCode: 200"),
            ("redirect: {scheme: ftp}", "redirect.scheme: `ftp`"),
            ("redirect: {port: 70000}", "redirect.port: 70000"),
            ("redirect: {port: 80, derivePort: FROM_REQUEST_PORT}", "more than one of port"),
            ("redirect: {uri: /, prefixRewrite: /}", "redirect: uri and prefixRewrite"),
            ("match: [{uri: {prefix: /a}}], redirect: {prefixRewrite: /b}", ""),
            (
                "match: [{uri: {exact: /a}}], redirect: {prefixRewrite: /b}",
                "redirect.prefixRewrite: a match is not by prefix",
            ),
        ]);
    }

    #[test]
    fn an_answer_has_a_status_and_at_most_one_body() {
        let body = |length: usize| {
            format!("directResponse: {{status: 200, body: {{string: {}}}}}", "a".repeat(length))
        };
        table(&[
            ("directResponse: {status: 200, body: {string: a}}", ""),
            ("directResponse: {status: 99}", "directResponse.status: 99"),
            ("directResponse: {status: 200, body: {string: a, bytes: YQ==}}", "string and bytes"),
            (&body(100_000), ""),
            (&body(100_001), "[body-large]"),
            (&body((1 << 20) + 1), "directResponse.body: 1048577 bytes"),
        ]);
    }

    #[test]
    fn a_rewrite_changes_path_or_authority() {
        let of =
            |rewrite: &str| format!("route: [{{destination: {{host: b}}}}], rewrite: {rewrite}");
        table(&[
            (&of("{uri: /b, authority: b.com}"), ""),
            (&of("{}"), "rewrite: it changes nothing"),
            (&of("{uri: /, uriRegexRewrite: {match: a, rewrite: b}}"), "uri and uriRegexRewrite"),
            (&of("{uriRegexRewrite: {match: a}}"), "uriRegexRewrite: match and rewrite belong"),
        ]);
    }
}
