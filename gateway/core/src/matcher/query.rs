//! Conditions on query parameters, as Envoy reads a query: split at `&`, first `=`, nothing decoded.

use super::Text;
use serde::Serialize;

/// A condition on one parameter; of several with the same name the first counts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryMatch {
    /// Name, compared as sent.
    pub name: Box<str>,
    /// What its value must fit; a parameter without `=` has an empty one.
    pub text: Text,
}

impl QueryMatch {
    /// Whether `query` (without `?`) fits.
    pub fn matches(&self, query: Option<&str>) -> bool {
        let pairs = query.into_iter().flat_map(|query| query.split('&'));
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(name, _)| *name == &*self.name)
            .is_some_and(|(_, value)| self.text.matches(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts_and_nothing_is_decoded() {
        for (name, value, query, fits) in [
            ("v", "1", "v=1&v=2", true),
            ("v", "2", "v=1&v=2", false),
            ("v", "a b", "v=a+b", false),
            ("v", "a+b", "v=a+b", true),
            ("v", "%61", "v=%61", true),
            ("v", "a", "%76=a", false),
            ("v", "1;w=2", "v=1;w=2", true),
            ("v", "", "v", true),
            ("v", "", "v=", true),
            ("v", "", "w", false),
            ("v", "a=b", "v=a=b", true),
        ] {
            let condition = QueryMatch { name: name.into(), text: Text::Exact(value.into()) };
            assert_eq!(condition.matches(Some(query)), fits, "{name}={value} on {query}");
        }
        let present = QueryMatch { name: "v".into(), text: Text::Present };
        assert!(!present.matches(None));
        assert!(present.matches(Some("a&v")));
    }
}
