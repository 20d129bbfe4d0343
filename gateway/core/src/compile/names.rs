//! Host names as Istio writes them: short names, wildcards, `namespace/host`.

/// The fully qualified form of a name without dots: `reviews` in `prod` becomes
/// `reviews.prod.svc.cluster.local`. `*`, IP addresses and names with dots stay
/// (as Istio: `ResolveShortnameToFQDN`).
pub(crate) fn qualified(host: &str, namespace: &str, domain: &str) -> String {
    let plain = host.is_empty() || host == "*" || host.contains('.') || host.contains(':');
    if plain { host.to_owned() } else { format!("{host}.{namespace}.svc.{domain}") }
}

/// Whether `pattern` (exact, `*suffix` or `*`) covers everything that `name` covers.
pub(crate) fn covers(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), name.strip_prefix('*')) {
        (None, None) => pattern == name,
        (None, Some(_)) => false,
        (Some(suffix), None) => name.ends_with(suffix),
        (Some(wide), Some(narrow)) => narrow.ends_with(wide),
    }
}

/// The narrower of two patterns if they overlap (as Istio: `host.Names.Intersection`).
pub(crate) fn intersection<'h>(a: &'h str, b: &'h str) -> Option<&'h str> {
    if covers(b, a) {
        Some(a)
    } else if covers(a, b) {
        Some(b)
    } else {
        None
    }
}

/// How well `pattern` fits `name`: better first; `None` if it does not.
pub(crate) fn specificity(pattern: &str, name: &str) -> Option<Specificity> {
    if !covers(pattern, name) {
        return None;
    }
    Some(match pattern.strip_prefix('*') {
        None => Specificity::Exact,
        Some(suffix) => Specificity::Wildcard(std::cmp::Reverse(suffix.len())),
    })
}

/// Sorts best-first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Specificity {
    /// The name itself.
    Exact,
    /// The longer the suffix, the better.
    Wildcard(std::cmp::Reverse<usize>),
}

/// A Gateway server's host: which namespaces' VirtualServices may use it, and the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerHost<T> {
    /// `None`: any namespace.
    pub namespace: Option<T>,
    /// Exact, `*suffix` or `*`.
    pub name: T,
}

impl<'g> ServerHost<&'g str> {
    /// Reads `host`, `namespace/host`, `*/host` or `./host` of a Gateway in `own`.
    pub(crate) fn parse(text: &'g str, own: &'g str) -> Self {
        match text.split_once('/') {
            None => Self { namespace: None, name: text },
            Some(("*", name)) => Self { namespace: None, name },
            Some((".", name)) => Self { namespace: Some(own), name },
            Some((namespace, name)) => Self { namespace: Some(namespace), name },
        }
    }

    /// The same, to be kept.
    pub(crate) fn owned(&self) -> ServerHost<Box<str>> {
        ServerHost { namespace: self.namespace.map(Into::into), name: self.name.into() }
    }
}

impl<T: AsRef<str>> ServerHost<T> {
    /// Whether a VirtualService of `namespace` may use it.
    pub(crate) fn admits(&self, namespace: &str) -> bool {
        self.namespace.as_ref().is_none_or(|own| own.as_ref() == namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_completed() {
        for (host, expected) in [
            ("reviews", "reviews.prod.svc.cluster.local"),
            ("reviews.prod", "reviews.prod"),
            ("*", "*"),
            ("*.x", "*.x"),
            ("10.0.0.1", "10.0.0.1"),
            ("::1", "::1"),
            ("", ""),
        ] {
            assert_eq!(qualified(host, "prod", "cluster.local"), expected);
        }
    }

    #[test]
    fn the_narrower_host_survives() {
        for (a, b, expected) in [
            ("a.com", "a.com", Some("a.com")),
            ("a.com", "*.com", Some("a.com")),
            ("a.com", "*", Some("a.com")),
            ("*", "a.com", Some("a.com")),
            ("*", "*", Some("*")),
            ("*.b.com", "*.com", Some("*.b.com")),
            ("*.com", "x.b.com", Some("x.b.com")),
            ("a.com", "c.com", None),
            ("*.a.com", "a.com", None),
            ("*example.com", "my.example.com", Some("my.example.com")),
        ] {
            assert_eq!(intersection(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn better_fits_sort_first() {
        let of = |pattern| specificity(pattern, "a.b.com");
        assert!(of("a.b.com") < of("*.b.com"));
        assert!(of("*.b.com") < of("*.com"));
        assert!(of("*.com") < of("*"));
        assert_eq!(of("*.org"), None);
    }

    #[test]
    fn server_hosts_name_their_namespaces() {
        let host = |text| ServerHost::parse(text, "own");
        assert!(host("a.com").admits("any"));
        assert!(host("*/a.com").admits("any"));
        assert!(host("./a.com").admits("own") && !host("./a.com").admits("any"));
        assert!(host("ns1/a.com").admits("ns1") && !host("ns1/a.com").admits("own"));
        assert_eq!(host("ns1/*.com").name, "*.com");
    }
}
