//! Conditions compared: whether one entry takes everything that another would, and whether one can
//! be met at all.

use edgeway_api::virtual_service::{HttpMatchRequest, StringMatch};
use std::collections::BTreeMap;

/// Whether every request that fits `narrow` fits `wide` too. Says no where it cannot tell.
pub(super) fn covers(wide: Option<&HttpMatchRequest>, narrow: Option<&HttpMatchRequest>) -> bool {
    let Some(wide) = wide else { return true };
    let none = HttpMatchRequest::default();
    let narrow = narrow.unwrap_or(&none);
    let port = wide.port.is_none_or(|port| port == 0 || Some(port) == narrow.port);
    let bound = wide.gateways.is_empty() || wide.gateways == narrow.gateways;
    let source =
        wide.source_labels.iter().all(|(key, value)| narrow.source_labels.get(key) == Some(value))
            && wide.source_namespace.as_ref().is_none_or(|namespace| {
                namespace.is_empty() || Some(namespace) == narrow.source_namespace.as_ref()
            });
    let without = wide
        .without_headers
        .iter()
        .all(|(name, text)| narrow.without_headers.get(name).is_some_and(|narrow| narrow == text));
    port && bound
        && source
        && without
        && path(wide, narrow)
        && whole(wide.scheme.as_ref(), narrow.scheme.as_ref())
        && whole(wide.method.as_ref(), narrow.method.as_ref())
        && whole(wide.authority.as_ref(), narrow.authority.as_ref())
        && each(&wide.headers, &narrow.headers)
        && each(&wide.query_params, &narrow.query_params)
}

/// Whether it fits everything, and so stands behind all other routes of its host.
pub(super) fn is_catch_all(entry: Option<&HttpMatchRequest>) -> bool {
    let Some(entry) = entry else { return true };
    let path = entry.uri.as_ref().is_none_or(|uri| match uri {
        StringMatch { exact: Some(_), .. } => false,
        StringMatch { prefix: Some(prefix), .. } => prefix.is_empty() || prefix == "/",
        StringMatch { regex: Some(regex), .. } => regex == ".*",
        StringMatch { exact: None, prefix: None, regex: None } => true,
    });
    let said = |text: &Option<StringMatch>| text.as_ref().is_some_and(|text| !says_nothing(text));
    path && !said(&entry.scheme)
        && !said(&entry.method)
        && !said(&entry.authority)
        && entry.headers.is_empty()
        && entry.without_headers.is_empty()
        && entry.query_params.is_empty()
}

/// Whether a regular expression fits every text, as far as one sees at a glance.
pub(super) fn fits_everything(regex: &str) -> bool {
    let inner = regex.strip_prefix('^').unwrap_or(regex);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    let inner = inner
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
        .map_or(inner, |inner| inner.strip_prefix("?:").unwrap_or(inner));
    matches!(inner, ".*" | ".*?" | "[\\s\\S]*")
}

fn says_nothing(text: &StringMatch) -> bool {
    *text == StringMatch::default()
}

fn path(wide: &HttpMatchRequest, narrow: &HttpMatchRequest) -> bool {
    let fold = |text: &str| {
        if wide.ignore_uri_case { text.to_ascii_lowercase() } else { text.to_owned() }
    };
    let Some(wider) = wide.uri.as_ref().filter(|uri| !says_nothing(uri)) else { return true };
    // Every path begins with a slash.
    match (&wider.exact, &wider.prefix, &wider.regex) {
        (None, Some(prefix), _) if prefix.is_empty() || prefix == "/" => return true,
        (None, None, Some(regex)) if fits_everything(regex) => return true,
        _ => {}
    }
    let Some(narrower) = &narrow.uri else { return false };
    if narrow.ignore_uri_case && !wide.ignore_uri_case {
        return false;
    }
    match (wider, narrower) {
        (StringMatch { exact: Some(wide), .. }, StringMatch { exact: Some(narrow), .. }) => {
            fold(wide) == fold(narrow)
        }
        (
            StringMatch { prefix: Some(wide), .. },
            StringMatch { exact: Some(narrow), .. } | StringMatch { prefix: Some(narrow), .. },
        ) => fold(narrow).starts_with(&fold(wide)),
        (StringMatch { regex: Some(wide), .. }, StringMatch { regex: Some(narrow), .. }) => {
            wide == narrow
        }
        _ => false,
    }
}

/// A condition on a pseudo header, which is always there.
fn whole(wide: Option<&StringMatch>, narrow: Option<&StringMatch>) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(wide), _) if says_nothing(wide) => true,
        (Some(wide), Some(narrow)) => text(wide, narrow),
        (Some(_), None) => false,
    }
}

/// Conditions by name; each asks for presence at least.
fn each(wide: &BTreeMap<String, StringMatch>, narrow: &BTreeMap<String, StringMatch>) -> bool {
    wide.iter().all(|(name, wide)| {
        narrow.get(name).is_some_and(|narrow| {
            let present = says_nothing(wide) || wide.regex.as_deref() == Some("*");
            present || text(wide, narrow)
        })
    })
}

fn text(wide: &StringMatch, narrow: &StringMatch) -> bool {
    match (wide, narrow) {
        (StringMatch { regex: Some(regex), .. }, _) if fits_everything(regex) => true,
        (
            StringMatch { prefix: Some(wide), .. },
            StringMatch { exact: Some(narrow), .. } | StringMatch { prefix: Some(narrow), .. },
        ) => narrow.starts_with(wide.as_str()),
        (wide, narrow) => wide == narrow,
    }
}

#[cfg(test)]
mod tests {
    use super::{HttpMatchRequest, covers, fits_everything, is_catch_all};

    fn entry(text: &str) -> HttpMatchRequest {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn a_wider_condition_covers_a_narrower_one() {
        for (wide, narrow, expected) in [
            ("{}", "{uri: {exact: /a}}", true),
            ("{uri: {prefix: /}}", "{headers: {x: {exact: a}}}", true),
            ("{uri: {prefix: /a}}", "{uri: {prefix: /ab}}", true),
            ("{uri: {prefix: /ab}}", "{uri: {prefix: /a}}", false),
            ("{uri: {prefix: /a}}", "{uri: {exact: /a/b}}", true),
            ("{uri: {exact: /a}}", "{uri: {prefix: /a}}", false),
            ("{uri: {prefix: /A}, ignoreUriCase: true}", "{uri: {exact: /ab}}", true),
            ("{uri: {prefix: /a}}", "{uri: {exact: /ab}, ignoreUriCase: true}", false),
            ("{uri: {regex: /a.*}}", "{uri: {regex: /a.*}}", true),
            ("{uri: {regex: .*}}", "{uri: {exact: /b}}", true),
            ("{uri: {regex: /a.*}}", "{uri: {exact: /ab}}", false),
            ("{headers: {x: {}}}", "{headers: {x: {exact: a}, y: {exact: b}}}", true),
            ("{headers: {x: {prefix: a}}}", "{headers: {x: {exact: ab}}}", true),
            ("{headers: {x: {exact: a}}}", "{headers: {x: {}}}", false),
            ("{headers: {x: {}}}", "{}", false),
            ("{withoutHeaders: {x: {}}}", "{withoutHeaders: {x: {}}}", true),
            ("{withoutHeaders: {x: {}}}", "{}", false),
            ("{method: {exact: GET}}", "{method: {exact: GET}, uri: {exact: /a}}", true),
            ("{method: {exact: GET}}", "{}", false),
            ("{queryParams: {q: {regex: .*}}}", "{queryParams: {q: {exact: a}}}", true),
            ("{port: 80}", "{port: 80}", true),
            ("{port: 80}", "{}", false),
            ("{gateways: [a]}", "{gateways: [a], uri: {exact: /}}", true),
            ("{gateways: [a]}", "{}", false),
            ("{sourceLabels: {a: b}}", "{}", false),
        ] {
            let covered = covers(Some(&entry(wide)), Some(&entry(narrow)));
            assert_eq!(covered, expected, "{wide} {narrow}");
        }
        assert!(covers(None, None));
    }

    #[test]
    fn what_fits_everything_is_seen() {
        for (regex, expected) in [
            (".*", true),
            ("^.*$", true),
            ("(.*)", true),
            ("^(?:.*)$", true),
            (".+", false),
            ("/.*", false),
            ("(.*", false),
        ] {
            assert_eq!(fits_everything(regex), expected, "{regex}");
        }
        for (text, expected) in [
            ("{}", true),
            ("{uri: {prefix: /}, port: 80}", true),
            ("{uri: {prefix: /a}}", false),
            ("{uri: {prefix: /}, headers: {x: {}}}", false),
        ] {
            assert_eq!(is_catch_all(Some(&entry(text))), expected, "{text}");
        }
    }
}
