//! One condition on one piece of text.

use super::Pattern;
use serde::Serialize;

/// A StringMatch, ready to be asked. Comparison is by byte, except where said.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Text {
    /// Anything, as long as it is there.
    Present,
    /// This and nothing else.
    Exact(Box<str>),
    /// Whatever starts with this.
    Prefix(Box<str>),
    /// [`Text::Exact`] without regard to the case of ASCII letters.
    ExactIgnoringCase(Box<str>),
    /// [`Text::Prefix`] without regard to the case of ASCII letters.
    PrefixIgnoringCase(Box<str>),
    /// What the expression covers from end to end.
    Regex(Pattern),
}

impl Text {
    /// Whether `value` fits.
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(text) => **text == *value,
            Self::Prefix(text) => value.starts_with(&**text),
            Self::ExactIgnoringCase(text) => value.eq_ignore_ascii_case(text),
            Self::PrefixIgnoringCase(text) => value
                .as_bytes()
                .get(..text.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes())),
            Self::Regex(regex) => regex.is_match(value),
        }
    }

    /// [`Text::matches`] for a header's value, which need not be UTF-8.
    pub fn matches_bytes(&self, value: &[u8]) -> bool {
        match (self, std::str::from_utf8(value)) {
            (_, Ok(text)) => self.matches(text),
            (Self::Present, Err(_)) => true,
            (Self::Prefix(text), Err(_)) => value.starts_with(text.as_bytes()),
            (Self::Regex(regex), Err(_)) => regex.is_match_bytes(value),
            (Self::Exact(_) | Self::ExactIgnoringCase(_) | Self::PrefixIgnoringCase(_), Err(_)) => {
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_as_istio_does() {
        for (text, value, fits) in [
            (Text::Present, "", true),
            (Text::Exact("a".into()), "a", true),
            (Text::Exact("a".into()), "A", false),
            (Text::Exact("".into()), "", true),
            (Text::Prefix("/foo".into()), "/foobar", true),
            (Text::Prefix("/foo/".into()), "/foo", false),
            (Text::ExactIgnoringCase("/Foo".into()), "/fOO", true),
            (Text::PrefixIgnoringCase("/Foo".into()), "/fooBar", true),
            (Text::PrefixIgnoringCase("/Foo".into()), "/fo", false),
            (Text::PrefixIgnoringCase("/é".into()), "/é1", true),
        ] {
            assert_eq!(text.matches(value), fits, "{text:?} on {value}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_compared_as_bytes() {
        assert!(Text::Present.matches_bytes(b"\xff"));
        assert!(Text::Prefix("a".into()).matches_bytes(b"a\xff"));
        assert!(!Text::Exact("a".into()).matches_bytes(b"\xff"));
    }
}
