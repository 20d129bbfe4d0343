//! Conditions in words, and which of them a request fails.

use edgeway_core::{
    matcher::{HeaderMatch, Matcher, QueryMatch, Subject, Text},
    request::Request,
};

/// All conditions of a route, such as `path prefix /api, header x-user = "beta"`.
pub(crate) fn conditions(matcher: &Matcher) -> String {
    let all = parts(matcher);
    if all.is_empty() { "everything".to_owned() } else { all.join(", ") }
}

/// The first condition that `request` does not meet, and what it has instead.
pub(super) fn unmet(matcher: &Matcher, request: &Request<'_>) -> Option<String> {
    let Matcher { path, method, scheme, authority, headers, query } = matcher;
    let texts = [
        ("path", path, request.path),
        ("method", method, request.method),
        ("scheme", scheme, request.scheme.as_str()),
        ("authority", authority, request.authority),
    ];
    for (name, condition, value) in texts {
        if let Some(text) = condition.as_ref().filter(|text| !text.matches(value)) {
            return Some(format!("{name} {value} {}", missed(text)));
        }
    }
    let header = headers.iter().find(|header| !header.matches(request));
    let parameter = query.iter().find(|parameter| !parameter.matches(request.query));
    header
        .map(|header| format!("it wants {}", of_header(header)))
        .or_else(|| parameter.map(|parameter| format!("it wants {}", of_query(parameter))))
}

fn parts(matcher: &Matcher) -> Vec<String> {
    let Matcher { path, method, scheme, authority, headers, query } = matcher;
    let texts = [("path", path), ("method", method), ("scheme", scheme), ("authority", authority)];
    let texts = texts.into_iter().filter_map(|(name, condition)| {
        condition.as_ref().map(|text| format!("{name} {}", words(text)))
    });
    texts.chain(headers.iter().map(of_header)).chain(query.iter().map(of_query)).collect()
}

fn of_header(header: &HeaderMatch) -> String {
    let HeaderMatch { subject, text, inverted } = header;
    let name = match subject {
        Subject::Header(name) => format!("header {name}"),
        Subject::Made(field) => format!("header {}, as the gateway has it", field.name()),
        Subject::Dropped(name) => format!("header {name}, which no request has behind the edge"),
        Subject::Method => "method".to_owned(),
        Subject::Authority => "authority".to_owned(),
        Subject::Path => "path and query".to_owned(),
        Subject::Scheme => "scheme".to_owned(),
        Subject::Claim(path) => format!("token claim {}", path.join(".")),
    };
    if *inverted {
        format!("not ({name} {})", words(text))
    } else {
        format!("{name} {}", words(text))
    }
}

fn of_query(parameter: &QueryMatch) -> String {
    format!("query {} {}", parameter.name, words(&parameter.text))
}

fn missed(text: &Text) -> String {
    match text {
        Text::Present => "is not there".to_owned(),
        Text::Exact(text) | Text::ExactIgnoringCase(text) => format!("is not {text}"),
        Text::Prefix(text) | Text::PrefixIgnoringCase(text) => {
            format!("does not begin with {text}")
        }
        Text::Regex(regex) => format!("does not fit {}", expression(regex.as_str())),
    }
}

fn words(text: &Text) -> String {
    match text {
        Text::Present => "present".to_owned(),
        Text::Exact(text) => format!("= {text}"),
        Text::Prefix(text) => format!("prefix {text}"),
        Text::ExactIgnoringCase(text) => format!("= {text} in any case"),
        Text::PrefixIgnoringCase(text) => format!("prefix {text} in any case"),
        Text::Regex(regex) => format!("~ {}", expression(regex.as_str())),
    }
}

/// An expression without the anchors that compile puts around it.
fn expression(whole: &str) -> &str {
    let inner = whole.strip_prefix("\\A(?:").and_then(|rest| rest.strip_suffix(")\\z"));
    inner.unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_core::request::Scheme;
    use http::HeaderMap;

    #[test]
    fn a_route_says_what_it_wants_and_what_is_missing() {
        let header = HeaderMatch {
            subject: Subject::Header("end-user".parse().unwrap()),
            text: Text::Exact("jason".into()),
            inverted: false,
        };
        let matcher = Matcher {
            path: Some(Text::Prefix("/api".into())),
            headers: vec![header],
            query: vec![QueryMatch { name: "v".into(), text: Text::Present }],
            ..Matcher::default()
        };
        assert_eq!(
            conditions(&matcher),
            "path prefix /api, header end-user = jason, query v present"
        );
        assert_eq!(conditions(&Matcher::default()), "everything");
        let mut headers = HeaderMap::new();
        let request = |path, query, headers| Request {
            method: "GET",
            scheme: Scheme::Http,
            authority: "a",
            path,
            query,
            headers,
            made: None,
            claims: None,
        };
        let none = headers.clone();
        assert_eq!(
            unmet(&matcher, &request("/x", None, &none)).unwrap(),
            "path /x does not begin with /api"
        );
        assert_eq!(
            unmet(&matcher, &request("/api", None, &none)).unwrap(),
            "it wants header end-user = jason"
        );
        headers.insert("end-user", "jason".parse().unwrap());
        assert_eq!(
            unmet(&matcher, &request("/api", None, &headers)).unwrap(),
            "it wants query v present"
        );
        assert_eq!(unmet(&matcher, &request("/api", Some("v"), &headers)), None);
    }
}
