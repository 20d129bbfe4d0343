//! A match entry becomes a matcher.

use super::report::Field;
use crate::matcher::{HeaderMatch, Matcher, QueryMatch, Subject, Text, re2};
use edgeway_api::virtual_service::{HttpMatchRequest, StringMatch};
use http::HeaderName;

/// Prefix of header keys that select a claim of a verified token.
const CLAIMS: &str = "@request.auth.claims";

/// The conditions of `entry` on a request; those on the port, the gateway and the source are
/// decided when routes are built.
pub(super) fn matcher(entry: &HttpMatchRequest, field: &mut Field<'_>) -> Matcher {
    let ignore_case = entry.ignore_uri_case;
    let uri = entry.uri.as_ref();
    let whole = |text: &Option<StringMatch>, name: &str, field: &mut Field<'_>| {
        text.as_ref().and_then(|text| field.of(name, |field| constraint(text, field)))
    };
    Matcher {
        path: field.of("uri", |field| {
            let path = uri.and_then(|uri| path(uri, field));
            if ignore_case { path.map(ignoring_case) } else { path }
        }),
        method: whole(&entry.method, "method", field),
        scheme: whole(&entry.scheme, "scheme", field),
        authority: whole(&entry.authority, "authority", field),
        headers: headers(entry, field),
        query: field.of("queryParams", |field| {
            let parameters = entry.query_params.iter();
            let built = parameters.filter_map(|(name, text)| {
                let text = field.of(name, |field| presence_or(text, field))?;
                Some(QueryMatch { name: name.as_str().into(), text })
            });
            built.collect()
        }),
    }
}

fn headers(entry: &HttpMatchRequest, field: &mut Field<'_>) -> Vec<HeaderMatch> {
    let lists =
        [("headers", &entry.headers, false), ("withoutHeaders", &entry.without_headers, true)];
    let mut built = Vec::new();
    for (name, list, inverted) in lists {
        field.of(name, |field| {
            for (key, text) in list {
                let text = field.of(key, |field| {
                    let text = presence_or(text, field)?;
                    Some((subject(key, field)?, text))
                });
                built.extend(text.map(|(subject, text)| HeaderMatch { subject, text, inverted }));
            }
        });
    }
    built
}

/// What a header key looks at. The forwarded scheme is the gateway's own, never the client's word.
fn subject(key: &str, field: &mut Field<'_>) -> Option<Subject> {
    let lower = key.to_ascii_lowercase();
    if lower.starts_with(CLAIMS) {
        return claim(key.get(CLAIMS.len()..)?, field).map(Subject::Claim);
    }
    match lower.as_str() {
        ":method" => Some(Subject::Method),
        ":path" => Some(Subject::Path),
        ":authority" | "host" => Some(Subject::Authority),
        ":scheme" | "x-forwarded-proto" => Some(Subject::Scheme),
        name => {
            let name = HeaderName::from_bytes(name.as_bytes()).ok();
            if name.is_none() {
                field.invalid(format!("`{key}` is no header name"), "use letters, digits and `-`");
            }
            name.map(Subject::field)
        }
    }
}

/// `.a.b` or `[a][b]`.
fn claim(path: &str, field: &mut Field<'_>) -> Option<Vec<String>> {
    let dotted = path.strip_prefix('.').map(|path| path.split('.').map(str::to_owned).collect());
    let bracketed = || {
        let inner = path.strip_prefix('[')?.strip_suffix(']')?;
        Some(inner.split("][").map(str::to_owned).collect::<Vec<_>>())
    };
    let names: Option<Vec<String>> = dotted.or_else(bracketed);
    let names = names.filter(|names| names.iter().all(|name| !name.is_empty()));
    if names.is_none() {
        let message = format!("`{CLAIMS}{path}` names no claim");
        field.invalid(message, format!("write `{CLAIMS}.name` or `{CLAIMS}[name]`"));
    }
    names
}

/// A path condition. An empty prefix fits everything, but is none of the catch-alls that go behind
/// other rules (as Istio: `IsCatchAllRoute`).
fn path(text: &StringMatch, field: &mut Field<'_>) -> Option<Text> {
    match text {
        StringMatch { exact: Some(exact), .. } => Some(Text::Exact(exact.as_str().into())),
        StringMatch { prefix: Some(prefix), .. } => Some(Text::Prefix(prefix.as_str().into())),
        StringMatch { regex: Some(pattern), .. } => regex(pattern, field),
        StringMatch { exact: None, prefix: None, regex: None } => None,
    }
}

/// An origin of a `corsPolicy`; one that allows nothing in particular is none.
pub(super) fn origin(text: &StringMatch, field: &mut Field<'_>) -> Option<Text> {
    match text {
        StringMatch { exact: Some(exact), .. } if exact == "*" => Some(Text::Present),
        other => constraint(other, field),
    }
}

/// A condition on a pseudo header; `{}` is none.
fn constraint(text: &StringMatch, field: &mut Field<'_>) -> Option<Text> {
    match text {
        StringMatch { prefix: Some(prefix), .. } if prefix.is_empty() => {
            field.of("prefix", |field| empty(field));
            None
        }
        other => path(other, field),
    }
}

/// A condition on a header or parameter; `{}` and the regex `*` ask for presence.
fn presence_or(text: &StringMatch, field: &mut Field<'_>) -> Option<Text> {
    match text {
        StringMatch { exact: None, prefix: None, regex: None } => Some(Text::Present),
        StringMatch { regex: Some(pattern), .. } if pattern == "*" => Some(Text::Present),
        other => constraint(other, field),
    }
}

fn regex(pattern: &str, field: &mut Field<'_>) -> Option<Text> {
    field.of("regex", |field| {
        if pattern.is_empty() {
            empty(field);
            return None;
        }
        match re2::whole(pattern) {
            Ok(regex) => Some(Text::Regex(regex)),
            Err(reason) => {
                let message = format!("`{pattern}` is no RE2 expression: {reason}");
                field.invalid(message, "correct it; see https://github.com/google/re2/wiki/Syntax");
                None
            }
        }
    })
}

fn empty(field: &mut Field<'_>) {
    field.invalid("it is empty", "give a value, or `{}` to ask for presence");
}

fn ignoring_case(text: Text) -> Text {
    match text {
        Text::Exact(text) => Text::ExactIgnoringCase(text),
        Text::Prefix(text) => Text::PrefixIgnoringCase(text),
        other @ (Text::Present
        | Text::Regex(_)
        | Text::ExactIgnoringCase(_)
        | Text::PrefixIgnoringCase(_)) => other,
    }
}
