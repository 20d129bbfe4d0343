//! `exportTo`: which namespaces may see an object.

/// Where an object is visible.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Visibility {
    /// Everywhere; also the default.
    Public,
    /// In these namespaces; empty for nowhere.
    Namespaces(Vec<String>),
}

impl Visibility {
    /// Reads `exportTo` of an object in `own`: `*`, `.`, `~` or names.
    pub(crate) fn parse<'e>(export_to: impl IntoIterator<Item = &'e str>, own: &str) -> Self {
        let mut namespaces = Vec::new();
        let mut any = false;
        for entry in export_to {
            any = true;
            match entry.trim() {
                "*" => return Self::Public,
                "~" => {}
                "." => namespaces.push(own.to_owned()),
                name => namespaces.push(name.to_owned()),
            }
        }
        if !any {
            return Self::Public;
        }
        namespaces.sort();
        namespaces.dedup();
        Self::Namespaces(namespaces)
    }

    /// Whether `namespace` sees it.
    pub(crate) fn admits(&self, namespace: &str) -> bool {
        match self {
            Self::Public => true,
            Self::Namespaces(names) => names.iter().any(|name| name == namespace),
        }
    }

    /// Whether only its own namespace sees it.
    pub(crate) fn is_private(&self, own: &str) -> bool {
        matches!(self, Self::Namespaces(names) if names.iter().all(|name| name == own))
    }
}

#[cfg(test)]
mod tests {
    use super::Visibility;

    #[test]
    fn export_lists_are_read() {
        let of = |list: &[&'static str]| Visibility::parse(list.iter().copied(), "own");
        assert!(of(&[]).admits("any"));
        assert!(of(&["*"]).admits("any"));
        assert!(of(&["."]).admits("own") && !of(&["."]).admits("any"));
        assert!(of(&["a", "b"]).admits("b") && !of(&["a", "b"]).admits("own"));
        assert!(!of(&["~"]).admits("own"));
        assert!(of(&["."]).is_private("own") && !of(&["a", "."]).is_private("own"));
    }
}
