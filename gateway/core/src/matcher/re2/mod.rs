//! Regular expressions as Istio's users write them: RE2's syntax, matched against the whole value.
//!
//! The `regex` crate descends from RE2 but differs in details: its `\d`, `\w`, `\s` and `\b` know
//! Unicode, its classes nest and know set operations, it has no `\Q…\E`, and to it a `{` that counts
//! nothing is a mistake where RE2 sees a brace. Patterns are translated where the meaning would differ
//! and refused where RE2 refuses them, or Go, in which Istio is written and with which it looks first.

mod class;
mod escape;
mod translate;

use super::Pattern;
use regex::{Regex, RegexBuilder, bytes};
use translate::translate;

/// As Istio's validation: longer ones are refused.
const LONGEST_PATTERN: usize = 1024;

/// Compiled size that is still accepted, about what RE2's 32,768 instructions take.
pub(super) const LARGEST_PROGRAM: usize = 1 << 20;

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRegex(pub String);

impl std::fmt::Display for BadRegex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An expression that fits only the whole value.
pub fn whole(pattern: &str) -> Result<Pattern, BadRegex> {
    let translated = translate(pattern)?;
    // The pattern alone first: `)(` must not become legal by being wrapped.
    let mut parser = regex_syntax::ParserBuilder::new().utf8(false).build();
    parser.parse(&translated).map_err(|error| BadRegex(last_line(&error.to_string())))?;
    Pattern::new(format!("\\A(?:{translated})\\z"))
}

/// An expression that fits any part of the value.
pub fn part(pattern: &str) -> Result<Regex, BadRegex> {
    let translated = translate(pattern)?;
    RegexBuilder::new(&translated).size_limit(LARGEST_PROGRAM).build().map_err(bad)
}

/// RE2's replacement (`\1`, `\\`) in the `regex` crate's form; `None` if it is malformed or names a
/// group that `regex` does not have.
pub fn replacement(rewrite: &str, regex: &Regex) -> Option<String> {
    let mut out = String::with_capacity(rewrite.len());
    let mut chars = rewrite.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next()? {
                '\\' => out.push('\\'),
                digit => {
                    let group = digit.to_digit(10)?;
                    if group as usize >= regex.captures_len() {
                        return None;
                    }
                    out.extend(["${", group.to_string().as_str(), "}"]);
                }
            },
            other => out.push(other),
        }
    }
    Some(out)
}

/// The expression as it is written, for values that need not be UTF-8.
pub(super) fn build(pattern: &str) -> Result<bytes::Regex, BadRegex> {
    bytes::RegexBuilder::new(pattern).size_limit(LARGEST_PROGRAM).build().map_err(bad)
}

fn bad(error: regex::Error) -> BadRegex {
    BadRegex(match error {
        regex::Error::CompiledTooBig(_) => "the expression is too large".into(),
        error @ (regex::Error::Syntax(_) | _) => last_line(&error.to_string()),
    })
}

/// The parser's message ends with the reason, after a drawing of the pattern.
pub(super) fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or(message).trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_as_re2_would() {
        for (pattern, value, fits) in [
            ("/v[0-9]+", "/v12", true),
            ("/v[0-9]+", "/v12/", false),
            ("a|ab", "ab", true),
            (".*", "", true),
            ("", "", true),
            (r"\d+", "٣", false),
            (r"[\d.]+", "1.2", true),
            (r"[^\w]", "é", true),
            (r"\w", "é", false),
            (r"[\W]", "é", true),
            ("(?i)abc", "ABC", true),
            (r"\Qa.b\E+", "a.b", true),
            (r"\Qa.b\E", "axb", false),
            ("[a[b]", "[", true),
            ("[a&&b]+", "a&b", true),
            ("[]a]+", "]a", true),
            ("[[:alpha:]]+", "abc", true),
            (".", "\n", false),
            (".", "é", true),
            ("a{2,3}", "aaa", true),
            (r"\bfoo\b", "foo", true),
            ("(?P<x>a)", "a", true),
            (r"\pL", "é", true),
            (r"\p{^L}", "é", false),
            (r"\P{^Greek}", "α", true),
            (r"\<a\>", "<a>", true),
            (r"a\B.*", "aé", false),
            (r"a\Bb", "ab", true),
            ("/users/{id}", "/users/{id}", true),
            ("a{,2}", "a{,2}", true),
            ("a{01}", "a{01}", true),
            ("a{", "a{", true),
            ("[+--]", "-", true),
            ("[a~~b]", "~", true),
            (r"[\d-x]+", "1-x", true),
            ("[[:alpha]", ":", true),
            (r"\101\x41\x{41}", "AAA", true),
            (r"\0", "\0", true),
            (r"(?i)\x6b", "\u{212a}", true),
            (r"\_\ ", "_ ", true),
        ] {
            assert_eq!(whole(pattern).unwrap().is_match(value), fits, "{pattern} on {value:?}");
        }
    }

    #[test]
    fn refuses_what_re2_refuses() {
        for pattern in [
            ")(",
            "(",
            "[a",
            "[]",
            "(?=a)",
            r"(a)\1",
            "(?x)a b",
            "(?i-)a",
            r"\",
            r"\u0041",
            r"\é",
            r"\E",
            r"\C",
            r"\8",
            r"\x{110000}",
            "*",
            "a|*",
            "(?i)*",
            "a**b",
            "a{2}{3}",
            "a{2}??",
            "a{1001}",
            "a{3,2}",
            "[z-a]",
            "[a--]",
            "[[:foo:]]",
            r"[a\b]",
            r"\p{greek}",
            r"\p{Script=Greek}",
        ] {
            assert!(whole(pattern).is_err(), "{pattern}");
        }
        assert!(whole(&"a".repeat(LONGEST_PATTERN + 1)).is_err());
    }

    /// `testdata/re2.json`: expressions put together by chance, and what RE2 2025-11-05 makes of them.
    #[test]
    fn says_what_re2_said() {
        #[derive(serde::Deserialize)]
        struct Recorded {
            values: Vec<String>,
            cases: Vec<Case>,
        }
        #[derive(serde::Deserialize)]
        struct Case {
            pattern: String,
            /// The values that it fits; absent where it was refused.
            fits: Option<Vec<String>>,
        }
        let recorded = include_str!("../../../testdata/re2.json");
        let Recorded { values, cases } = serde_json::from_str(recorded).unwrap();
        assert!(cases.len() > 500);
        for Case { pattern, fits } in cases {
            let fitting = whole(&pattern).ok().map(|it| {
                let fitting = values.iter().filter(|value| it.is_match(value));
                fitting.cloned().collect::<Vec<_>>()
            });
            assert_eq!(fitting, fits, "{pattern:?}");
        }
    }

    #[test]
    fn replacements_are_rewritten() {
        let regex = part("/(a)/(b)").unwrap();
        for (rewrite, expected) in [
            (r"/\2/\1", Some("/${2}/${1}")),
            ("$1", Some("$$1")),
            (r"\\", Some("\\")),
            (r"\0", Some("${0}")),
            (r"\3", None),
            (r"\", None),
            (r"\x", None),
        ] {
            assert_eq!(replacement(rewrite, &regex).as_deref(), expected, "{rewrite}");
        }
    }
}
