//! Regular expressions as Istio's users write them: RE2's syntax, matched against the whole value.
//!
//! The `regex` crate descends from RE2 but differs in details: its `\d`, `\w`, `\s` and `\b` know
//! Unicode, its classes nest and know set operations, it has no `\Q…\E`. Patterns are translated
//! where the meaning would differ and refused where RE2 refuses them.

use super::Pattern;
use regex::{Regex, RegexBuilder};

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
    regex_syntax::parse(&translated).map_err(|error| BadRegex(last_line(&error.to_string())))?;
    Pattern::new(format!("\\A(?:{translated})\\z"))
}

/// An expression that fits any part of the value.
pub fn part(pattern: &str) -> Result<Regex, BadRegex> {
    build(&translate(pattern)?)
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

/// The expression as it is written.
pub(super) fn build(pattern: &str) -> Result<Regex, BadRegex> {
    RegexBuilder::new(pattern).size_limit(LARGEST_PROGRAM).build().map_err(|error| {
        BadRegex(match error {
            regex::Error::CompiledTooBig(_) => "the expression is too large".into(),
            error @ (regex::Error::Syntax(_) | _) => last_line(&error.to_string()),
        })
    })
}

/// The parser's message ends with the reason, after a drawing of the pattern.
pub(super) fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or(message).trim_start_matches("error: ").to_owned()
}

fn translate(pattern: &str) -> Result<String, BadRegex> {
    if pattern.len() > LONGEST_PATTERN {
        let length = pattern.len();
        return Err(BadRegex(format!("{length} bytes; at most {LONGEST_PATTERN} are allowed")));
    }
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = match c {
            '\\' => escape(rest, &mut out, false)?,
            '[' => class(rest, &mut out)?,
            '(' => group(rest, &mut out)?,
            _ => copy(rest, c, &mut out),
        };
    }
    Ok(out)
}

fn copy<'p>(rest: &'p str, c: char, out: &mut String) -> &'p str {
    out.push(c);
    rest.get(c.len_utf8()..).unwrap_or_default()
}

/// `(?x)` and `(?u)` are flags of the `regex` crate alone.
fn group<'p>(rest: &'p str, out: &mut String) -> Result<&'p str, BadRegex> {
    if let Some(flags) = rest.strip_prefix("(?") {
        let flags = flags.split([':', ')', '<', 'P']).next().unwrap_or_default();
        if let Some(bad) = flags.chars().find(|c| !"imsU-=!".contains(*c)) {
            return Err(BadRegex(format!("invalid flag `{bad}`")));
        }
    }
    Ok(copy(rest, '(', out))
}

fn escape<'p>(rest: &'p str, out: &mut String, in_class: bool) -> Result<&'p str, BadRegex> {
    let after = rest.get(1..).unwrap_or_default();
    let Some(c) = after.chars().next() else {
        return Err(BadRegex("trailing backslash".into()));
    };
    let tail = after.get(c.len_utf8()..).unwrap_or_default();
    let ascii = match (c, in_class) {
        ('d', false) => "[0-9]",
        ('D', false) => "[^0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('W', false) => "[^0-9A-Za-z_]",
        ('s', false) => "[\\t\\n\\x0C\\r ]",
        ('S', false) => "[^\\t\\n\\x0C\\r ]",
        ('d', true) => "0-9",
        ('w', true) => "0-9A-Za-z_",
        ('s', true) => "\\t\\n\\x0C\\r ",
        // The crate nests classes where RE2 has a plain escape for the complement.
        ('D', true) => "[^0-9]",
        ('W', true) => "[^0-9A-Za-z_]",
        ('S', true) => "[^\\t\\n\\x0C\\r ]",
        ('b', false) => "(?-u:\\b)",
        ('Q', false) => return Ok(quote(tail, out)),
        ('E', false) => return Ok(tail),
        ('u' | 'U', _) => return Err(BadRegex(format!("invalid escape `\\{c}`"))),
        ('1'..='9', _) => return Err(BadRegex("back-references are not supported".into())),
        _ => {
            out.push('\\');
            return Ok(copy(after, c, out));
        }
    };
    out.push_str(ascii);
    Ok(tail)
}

fn quote<'p>(tail: &'p str, out: &mut String) -> &'p str {
    let (literal, after) = tail.split_once("\\E").unwrap_or((tail, ""));
    out.push_str(&regex::escape(literal));
    after
}

/// A bracketed class: inner `[`, `&&`, `~~` and `--` are plain characters in RE2.
fn class<'p>(rest: &'p str, out: &mut String) -> Result<&'p str, BadRegex> {
    let mut rest = copy(rest, '[', out);
    if rest.starts_with('^') {
        rest = copy(rest, '^', out);
    }
    if let Some(after) = rest.strip_prefix(']') {
        out.push_str("\\]");
        rest = after;
    }
    while let Some(c) = rest.chars().next() {
        rest = match c {
            ']' => return Ok(copy(rest, ']', out)),
            '\\' => escape(rest, out, true)?,
            '[' if rest.starts_with("[:") => named(rest, out),
            '[' | '&' | '~' => {
                out.push('\\');
                copy(rest, c, out)
            }
            _ => copy(rest, c, out),
        };
    }
    Err(BadRegex("missing closing ]".into()))
}

/// `[:alpha:]` and the like are the same in both.
fn named<'p>(rest: &'p str, out: &mut String) -> &'p str {
    let length = rest.find(":]").map_or(1, |end| end + 2);
    let (name, after) = rest.split_at(length);
    if length == 1 {
        out.push('\\');
    }
    out.push_str(name);
    after
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
        ] {
            assert_eq!(whole(pattern).unwrap().is_match(value), fits, "{pattern} on {value:?}");
        }
    }

    #[test]
    fn refuses_what_re2_refuses() {
        for pattern in [")(", "(", "[a", "(?=a)", r"(a)\1", "(?x)a b", r"\", r"\u0041", "*", "a**b"]
        {
            let refused = whole(pattern).is_err();
            assert_eq!(refused, pattern != "a**b", "{pattern}");
        }
        assert!(whole(&"a".repeat(LONGEST_PATTERN + 1)).is_err());
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
