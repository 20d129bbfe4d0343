//! Text with `*` for any number of characters and `?` for one.

/// Whether `text` as a whole has the form of `pattern`, in which a backslash may make a wildcard
/// plain.
pub(crate) fn matches(pattern: &str, text: &str, escapes: bool) -> bool {
    let pattern = parse(pattern, escapes);
    let text: Vec<char> = text.chars().collect();
    // Where to go on after a mismatch: behind the last star, with one more character left to it.
    let (mut at, mut seen, mut retry) = (0, 0, None);
    while let Some(&have) = text.get(seen) {
        match pattern.get(at) {
            Some(Piece::Many) => {
                retry = Some((at, seen));
                at += 1;
            }
            Some(Piece::One) => (at, seen) = (at + 1, seen + 1),
            Some(Piece::Plain(wanted)) if *wanted == have => (at, seen) = (at + 1, seen + 1),
            Some(Piece::Plain(_)) | None => {
                let Some((star, start)) = retry else { return false };
                retry = Some((star, start + 1));
                (at, seen) = (star + 1, start + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|piece| *piece == Piece::Many)
}

/// How many wildcards a pattern has.
pub(crate) fn wildcards(pattern: &str) -> usize {
    pattern.chars().filter(|c| matches!(c, '*' | '?')).count()
}

#[derive(Clone, Copy, PartialEq)]
enum Piece {
    Many,
    One,
    Plain(char),
}

fn parse(pattern: &str, escapes: bool) -> Vec<Piece> {
    let mut chars = pattern.chars();
    let mut pieces = Vec::new();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::Many,
            '?' => Piece::One,
            '\\' if escapes => Piece::Plain(chars.next().unwrap_or('\\')),
            plain => Piece::Plain(plain),
        });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_take_any_number_and_question_marks_one() {
        let table = [
            ("/a/*", "/a/", true),
            ("/a/*", "/a", false),
            ("*", "", true),
            ("*.example.com", "x.y.example.com", true),
            ("*.example.com", "example.com", false),
            ("/?x*z", "/1xyyz", true),
            ("/?x*z", "/1xyy", false),
            ("*ab*ab", "abaab", true),
            ("a*b*c", "aXbYc", true),
            ("", "a", false),
        ];
        for (pattern, text, wanted) in table {
            assert_eq!(matches(pattern, text, false), wanted, "{pattern} against {text}");
        }
    }

    #[test]
    fn a_backslash_makes_a_wildcard_plain_where_that_is_allowed() {
        assert!(matches(r"a\*", "a*", true) && !matches(r"a\*", "ab", true));
        assert!(matches(r"a\*", r"a\b", false));
    }
}
