//! Conditions: built once, then unable to fail.

pub mod header;
pub mod pattern;
pub mod query;
pub mod re2;
pub mod text;

pub use header::{HeaderMatch, Subject};
pub use pattern::Pattern;
pub use query::QueryMatch;
pub use text::Text;

use crate::request::Request;
use serde::{Serialize, Serializer};

/// All conditions of one match entry; an empty one fits everything.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Matcher {
    /// On the normalised path, without query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
    /// On the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Text>,
    /// On the scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Text>,
    /// On the authority as sent, port and case included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<Text>,
    /// All must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderMatch>,
    /// All must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<QueryMatch>,
}

impl Matcher {
    /// Whether `request` fits.
    pub fn matches(&self, request: &Request<'_>) -> bool {
        let fits = |text: &Option<Text>, value: &str| {
            text.as_ref().is_none_or(|condition| condition.matches(value))
        };
        fits(&self.path, request.path)
            && fits(&self.method, request.method)
            && fits(&self.scheme, request.scheme.as_str())
            && fits(&self.authority, request.authority)
            && self.headers.iter().all(|header| header.matches(request))
            && self.query.iter().all(|query| query.matches(request.query))
    }

    /// Whether it fits every request of its host: such a route ends a VirtualService's list and
    /// goes behind all others of the host (as Istio: `route.IsCatchAllRoute`).
    pub fn is_catch_all(&self) -> bool {
        let Self { path, method, scheme, authority, headers, query } = self;
        let any_path = match path {
            None => true,
            Some(Text::Prefix(prefix) | Text::PrefixIgnoringCase(prefix)) => **prefix == *"/",
            Some(Text::Regex(regex)) => regex.as_str() == "\\A(?:.*)\\z",
            Some(Text::Present) => true,
            Some(Text::Exact(_) | Text::ExactIgnoringCase(_)) => false,
        };
        any_path
            && method.is_none()
            && scheme.is_none()
            && authority.is_none()
            && headers.is_empty()
            && query.is_empty()
    }
}

pub(crate) fn regex_as_text<S: Serializer>(
    regex: &regex::Regex,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(regex.as_str())
}
