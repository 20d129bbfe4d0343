//! Transforms at work: the host and the URL that a target gets to see.

use std::borrow::Cow;

use crate::state::rule::{Part, Transform};

/// A rewrite that gave something that is no host or no URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unusable;

/// The host after the transforms.
pub(crate) fn host<'a>(transforms: &[Transform], host: &'a str) -> Result<Cow<'a, str>, Unusable> {
    apply(transforms, Part::Host, host)
}

/// Path and query after the transforms.
pub(crate) fn url<'a>(transforms: &[Transform], url: &'a str) -> Result<Cow<'a, str>, Unusable> {
    apply(transforms, Part::Url, url)
}

/// A transform that finds nothing leaves the request as it is.
fn apply<'a>(
    transforms: &[Transform],
    part: Part,
    text: &'a str,
) -> Result<Cow<'a, str>, Unusable> {
    let Some(transform) = transforms.iter().find(|transform| transform.part == part) else {
        return Ok(Cow::Borrowed(text));
    };
    let replaced = transform.regex.replace(text.as_bytes(), transform.template().as_bytes());
    String::from_utf8(replaced.into_owned()).map(Cow::Owned).map_err(|_| Unusable)
}

impl Transform {
    /// The replacement as the engine takes it: `$1x` is group 1 and an x, not a group named `1x`.
    fn template(&self) -> String {
        let mut out = String::with_capacity(self.replace.len() + 8);
        let mut letters = self.replace.chars().peekable();
        while let Some(letter) = letters.next() {
            match (letter, letters.peek().copied()) {
                ('$', Some(digit @ '0'..='9')) => {
                    letters.next();
                    out.extend(["${", digit.encode_utf8(&mut [0; 4]), "}"]);
                }
                ('$', _) => out.push_str("$$"),
                _ => out.push(letter),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use regex::bytes::Regex;

    use super::*;

    #[test]
    fn the_first_match_is_replaced_and_groups_are_single_digits() {
        let rows = [
            ("^/api/(.*)$", "/v2/$1", "/api/users?x=1", "/v2/users?x=1"),
            ("a", "b", "/aa", "/ba"),
            ("^/(x)", "/$1y", "/x", "/xy"),
            ("^/x", "/$y$", "/x", "/$y$"),
            ("none", "y", "/x", "/x"),
        ];
        for (regex, replace, input, expected) in rows {
            let regex = Regex::new(regex).unwrap();
            let transforms = [Transform { part: Part::Url, regex, replace: replace.into() }];
            assert_eq!(url(&transforms, input).unwrap(), expected);
            assert_eq!(host(&transforms, input).unwrap(), input, "not the host's transform");
        }
    }
}
