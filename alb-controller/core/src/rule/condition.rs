//! What a rule asks of a request.

use ipnet::IpNet;
use std::fmt;

/// Text with `*` and `?`, or regular expressions; one of them must match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Patterns {
    /// `*` is any number of characters, `?` is one.
    Text(Vec<String>),
    /// Regular expressions.
    Regex(Vec<String>),
}

impl Patterns {
    /// The patterns, whichever they are.
    pub fn values(&self) -> &[String] {
        match self {
            Self::Text(values) | Self::Regex(values) => values,
        }
    }
}

/// One pair of a query string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryPair {
    /// The key; any, if absent.
    pub key: Option<String>,
    /// The value.
    pub value: String,
}

/// What a rule asks of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// The host, in any case.
    Host(Patterns),
    /// The path, without the query.
    Path(Patterns),
    /// A header's value, in any case.
    Header {
        /// Name of the header.
        name: String,
        /// Its values.
        values: Patterns,
    },
    /// The method.
    Method(Vec<String>),
    /// A pair of the query string.
    Query(Vec<QueryPair>),
    /// The peer's address.
    SourceIp(Vec<String>),
}

impl Condition {
    /// How many values it has.
    pub fn len(&self) -> usize {
        match self {
            Self::Host(values) | Self::Path(values) | Self::Header { values, .. } => {
                values.values().len()
            }
            Self::Method(values) | Self::SourceIp(values) => values.len(),
            Self::Query(pairs) => pairs.len(),
        }
    }

    /// Whether it has no value, and so can match nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All texts with wildcards.
    pub(crate) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Host(Patterns::Text(values))
            | Self::Path(Patterns::Text(values))
            | Self::Header { values: Patterns::Text(values), .. } => {
                values.iter().map(String::as_str).collect()
            }
            Self::Query(pairs) => {
                let keys = pairs.iter().filter_map(|pair| pair.key.as_deref());
                keys.chain(pairs.iter().map(|pair| pair.value.as_str())).collect()
            }
            Self::Host(Patterns::Regex(_))
            | Self::Path(Patterns::Regex(_))
            | Self::Header { values: Patterns::Regex(_), .. }
            | Self::Method(_)
            | Self::SourceIp(_) => Vec::new(),
        }
    }

    /// Two conditions, of which one holds where this one does; nothing if there is only one value.
    pub(crate) fn halves(&self) -> Option<(Self, Self)> {
        fn halved<T: Clone>(values: &[T]) -> (Vec<T>, Vec<T>) {
            let (front, back) = values.split_at(values.len().div_ceil(2));
            (front.to_vec(), back.to_vec())
        }
        if self.len() < 2 {
            return None;
        }
        let patterns = |patterns: &Patterns| match patterns {
            Patterns::Text(values) => {
                let (front, back) = halved(values);
                (Patterns::Text(front), Patterns::Text(back))
            }
            Patterns::Regex(values) => {
                let (front, back) = halved(values);
                (Patterns::Regex(front), Patterns::Regex(back))
            }
        };
        let both = |(front, back), make: fn(_) -> Self| (make(front), make(back));
        Some(match self {
            Self::Host(values) => both(patterns(values), Self::Host),
            Self::Path(values) => both(patterns(values), Self::Path),
            Self::Header { name, values } => {
                let (front, back) = patterns(values);
                let named = |values| Self::Header { name: name.clone(), values };
                (named(front), named(back))
            }
            Self::Method(values) => {
                let (front, back) = halved(values);
                (Self::Method(front), Self::Method(back))
            }
            Self::Query(pairs) => {
                let (front, back) = halved(pairs);
                (Self::Query(front), Self::Query(back))
            }
            Self::SourceIp(values) => {
                let (front, back) = halved(values);
                (Self::SourceIp(front), Self::SourceIp(back))
            }
        })
    }

    /// As a set: AWS need not tell of values in the order in which they were given, nor twice of one
    /// that was given twice, as a host is by a rule and again by a condition.
    pub(super) fn normal(&self) -> Self {
        fn sorted<T: Clone + Ord>(values: &[T]) -> Vec<T> {
            let mut values = values.to_vec();
            values.sort();
            values.dedup();
            values
        }
        let patterns = |patterns: &Patterns| match patterns {
            Patterns::Text(values) => Patterns::Text(sorted(values)),
            Patterns::Regex(values) => Patterns::Regex(sorted(values)),
        };
        match self {
            Self::Host(values) => Self::Host(patterns(values)),
            Self::Path(values) => Self::Path(patterns(values)),
            Self::Header { name, values } => {
                Self::Header { name: name.clone(), values: patterns(values) }
            }
            Self::Method(values) => Self::Method(sorted(values)),
            Self::Query(pairs) => Self::Query(sorted(pairs)),
            Self::SourceIp(values) => {
                let ranges: Vec<String> = values.iter().map(|range| canonical(range)).collect();
                Self::SourceIp(sorted(&ranges))
            }
        }
    }
}

/// A range without what its prefix leaves out, and in one spelling of the many that IPv6 has.
fn canonical(range: &str) -> String {
    range.parse::<IpNet>().map_or_else(|_| range.to_owned(), |range| range.trunc().to_string())
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(values) => write!(f, "host {values}"),
            Self::Path(values) => write!(f, "path {values}"),
            Self::Header { name, values } => write!(f, "header {name} {values}"),
            Self::Method(values) => write!(f, "method {}", values.join(" or ")),
            Self::Query(pairs) => {
                let pairs: Vec<_> = pairs.iter().map(QueryPair::to_string).collect();
                write!(f, "query {}", pairs.join(" or "))
            }
            Self::SourceIp(values) => write!(f, "source {}", values.join(" or ")),
        }
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(values) => f.write_str(&values.join(" or ")),
            Self::Regex(values) => write!(f, "~{}", values.join(" or ~")),
        }
    }
}

impl fmt::Display for QueryPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key.as_deref().unwrap_or("*"), self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_a_set() {
        let hosts = |values: &[&str]| {
            Condition::Host(Patterns::Text(values.iter().map(|it| (*it).to_owned()).collect()))
        };
        assert_eq!(hosts(&["b", "a", "b"]).normal(), hosts(&["a", "b"]).normal());
        assert_ne!(hosts(&["a", "b"]).normal(), hosts(&["a"]).normal());
        let sources = |range: &str| Condition::SourceIp(vec![range.to_owned()]);
        assert_eq!(sources("10.1.2.3/8").normal(), sources("10.0.0.0/8").normal());
        assert_eq!(sources("2001:DB8:0::/32").normal(), sources("2001:db8::/32").normal());
        let regex = Condition::Host(Patterns::Regex(vec!["a".to_owned()]));
        assert_ne!(hosts(&["a"]).normal(), regex.normal());
    }
}
