//! Literals that a regular expression demands at one end of what it covers.

use regex_syntax::{
    hir::{
        Hir,
        literal::{ExtractKind, Extractor},
    },
    parse,
};

/// An expression that begins or ends in more ways than this tells little.
const MOST: usize = 64;

/// What the text must begin or end with: one of these.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Literals {
    Front(Vec<Vec<u8>>),
    /// Each backwards.
    Back(Vec<Vec<u8>>),
    /// Nothing is known.
    None,
}

/// The literals of an expression that covers the whole text, at the end where they tell more.
pub(super) fn literals(pattern: &str) -> Literals {
    let Ok(expression) = parse(pattern) else { return Literals::None };
    let front = demanded(&expression, ExtractKind::Prefix);
    let back = demanded(&expression, ExtractKind::Suffix);
    let shortest = |list: &[Vec<u8>]| list.iter().map(Vec::len).min().unwrap_or(0);
    match (shortest(&front), shortest(&back)) {
        (0, 0) => Literals::None,
        (front_length, back_length) if front_length >= back_length => Literals::Front(front),
        _ => {
            Literals::Back(back.into_iter().map(|text| text.into_iter().rev().collect()).collect())
        }
    }
}

/// Empty if the expression demands nothing at this end.
fn demanded(expression: &Hir, kind: ExtractKind) -> Vec<Vec<u8>> {
    let mut extractor = Extractor::new();
    let found = extractor.kind(kind).limit_total(MOST).extract(expression);
    let literals = found.literals().unwrap_or_default();
    let mut texts: Vec<_> = literals.iter().map(|literal| literal.as_bytes().to_vec()).collect();
    texts.sort();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use super::{Literals, literals};
    use crate::matcher::re2;

    #[test]
    fn the_end_that_tells_more_is_taken() {
        let front =
            |list: &[&str]| Literals::Front(list.iter().map(|it| it.as_bytes().to_vec()).collect());
        let back = |list: &[&str]| {
            let backwards = |it: &&str| it.bytes().rev().collect();
            Literals::Back(list.iter().map(backwards).collect())
        };
        for (pattern, expected) in [
            ("/users/[^/]+/orders", front(&["/users/"])),
            ("/a/[^/]+/orders", back(&["/orders"])),
            (".*/orders", back(&["/orders"])),
            ("/(a|b)/.*", front(&["/a/", "/b/"])),
            ("/x(/.*)?", front(&["/x", "/x/"])),
            (".*", Literals::None),
            ("", Literals::None),
            ("[^/]+", Literals::None),
            ("a*", Literals::None),
        ] {
            assert_eq!(literals(re2::whole(pattern).unwrap().as_str()), expected, "{pattern}");
        }
    }
}
