//! What the path of an Ingress takes.

use edgeway_api::{
    k8s_openapi::api::networking::v1::HTTPIngressPath,
    virtual_service::{HttpMatchRequest, StringMatch},
};
use std::cmp::Reverse;

/// The place of a path among those of its host, in the order in which a load balancer tries them: exact
/// ones, prefixes by their length in bytes, all others.
pub(super) type Rank = (u8, Reverse<usize>);

/// The place of a path.
pub(super) fn rank(path: &HTTPIngressPath) -> Rank {
    let length = path.path.as_deref().map_or(0, str::len);
    match path.path_type.as_str() {
        "Exact" => (0, Reverse(0)),
        "Prefix" => (1, Reverse(length)),
        _ => (2, Reverse(0)),
    }
}

/// Conditions, one of which must hold; none take every path. `None` for a path that cannot be one.
/// Where `has_wildcards`, those of neither kind mean what they mean to a load balancer; otherwise
/// what they mean to Istio.
pub(super) fn conditions(
    path: &HTTPIngressPath,
    has_wildcards: bool,
) -> Option<Vec<HttpMatchRequest>> {
    let text = path.path.as_deref().unwrap_or_default();
    if text.is_empty() {
        return Some(Vec::new());
    }
    if !text.starts_with('/') || text.chars().any(char::is_whitespace) {
        return None;
    }
    let all = match path.path_type.as_str() {
        "Exact" => vec![exact(text)],
        "Prefix" => elements(text),
        _ if has_wildcards => vec![pattern(text)],
        _ => as_istio(text).into_iter().collect(),
    };
    let request = |uri| HttpMatchRequest { uri: Some(uri), ..HttpMatchRequest::default() };
    Some(all.into_iter().map(request).collect())
}

fn exact(text: &str) -> StringMatch {
    StringMatch { exact: Some(text.to_owned()), ..StringMatch::default() }
}

fn prefix(text: &str) -> StringMatch {
    StringMatch { prefix: Some(text.to_owned()), ..StringMatch::default() }
}

/// A prefix ends where an element of the path does.
fn elements(text: &str) -> Vec<StringMatch> {
    match text.trim_end_matches('/') {
        "" => vec![prefix("/")],
        stem => vec![exact(stem), prefix(&format!("{stem}/"))],
    }
}

/// `*` is any text, `?` any letter.
fn pattern(text: &str) -> StringMatch {
    let is_plain = |text: &str| !text.contains(['*', '?']);
    match text.strip_suffix('*') {
        None if is_plain(text) => exact(text),
        Some(stem) if is_plain(stem) => prefix(stem),
        _ => {
            let mut regex = String::new();
            for letter in text.chars() {
                match letter {
                    '*' => regex.push_str(".*"),
                    '?' => regex.push('.'),
                    _ => regex.push_str(&regex_syntax::escape(letter.encode_utf8(&mut [0; 4]))),
                }
            }
            StringMatch { regex: Some(regex), ..StringMatch::default() }
        }
    }
}

/// As Istio: `createFallbackStringMatch`.
fn as_istio(text: &str) -> Option<StringMatch> {
    if text == "/*" {
        return None;
    }
    let stem = text.strip_suffix(".*").or_else(|| text.strip_suffix("/*"));
    Some(stem.map_or_else(|| exact(text), prefix))
}

#[cfg(test)]
mod tests {
    use super::{HTTPIngressPath, conditions};

    fn shown(kind: &str, text: &str, has_wildcards: bool) -> String {
        let path = HTTPIngressPath {
            path: Some(text.to_owned()),
            path_type: kind.to_owned(),
            ..HTTPIngressPath::default()
        };
        let Some(all) = conditions(&path, has_wildcards) else { return "none".to_owned() };
        let each = all.into_iter().filter_map(|it| it.uri).map(|uri| {
            let parts = [("=", uri.exact), ("^", uri.prefix), ("~", uri.regex)];
            parts.into_iter().filter_map(|(kind, text)| Some(kind.to_owned() + &text?)).collect()
        });
        each.collect::<Vec<String>>().join(" ")
    }

    #[test]
    fn paths_mean_what_they_mean_to_kubernetes_to_load_balancers_and_to_istio() {
        for (kind, text, behind_load_balancer, of_istio) in [
            ("Exact", "/a", "=/a", "=/a"),
            ("Exact", "/a*", "=/a*", "=/a*"),
            ("Prefix", "/", "^/", "^/"),
            ("Prefix", "/a", "=/a ^/a/", "=/a ^/a/"),
            ("Prefix", "/a/", "=/a ^/a/", "=/a ^/a/"),
            ("ImplementationSpecific", "/a", "=/a", "=/a"),
            ("ImplementationSpecific", "/*", "^/", ""),
            ("ImplementationSpecific", "/a/*", "^/a/", "^/a"),
            ("ImplementationSpecific", "/a.*", "^/a.", "^/a"),
            ("ImplementationSpecific", "/a/*/b?.js", r"~/a/.*/b.\.js", "=/a/*/b?.js"),
            ("ImplementationSpecific", "", "", ""),
            ("Prefix", "a", "none", "none"),
            ("Prefix", "/a b", "none", "none"),
        ] {
            assert_eq!(shown(kind, text, true), behind_load_balancer, "{kind} {text}");
            assert_eq!(shown(kind, text, false), of_istio, "{kind} {text}");
        }
    }
}
