//! Wildcard patterns: `*` stands for any run of characters, `?` for exactly one.

/// A pattern, built once and unable to fail afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
    tokens: Vec<Token>,
    fold: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Any,
}

impl Pattern {
    /// A pattern in which the case of letters counts.
    pub(crate) fn exact_case(text: &str) -> Self {
        Self::build(text, false, false)
    }

    /// A pattern for which `A` and `a` are the same.
    pub(crate) fn any_case(text: &str) -> Self {
        Self::build(text, true, false)
    }

    /// As [`Pattern::any_case`], and `\` before `*`, `?` or `\` takes their meaning away.
    pub(crate) fn any_case_with_escapes(text: &str) -> Self {
        Self::build(text, true, true)
    }

    fn build(text: &str, fold: bool, escapes: bool) -> Self {
        let mut tokens = Vec::with_capacity(text.len());
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            let literal = (escapes && byte == b'\\')
                .then(|| bytes.next_if(|next| matches!(next, b'*' | b'?' | b'\\')))
                .flatten();
            tokens.push(match (literal, byte) {
                (Some(literal), _) => Token::Byte(literal),
                (None, b'*') => Token::Any,
                (None, b'?') => Token::One,
                (None, _) => Token::Byte(if fold { byte.to_ascii_lowercase() } else { byte }),
            });
        }
        Self { text: text.to_owned(), tokens, fold }
    }

    /// The pattern as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// How many wildcards it has.
    pub(crate) fn wildcards(&self) -> usize {
        self.tokens.iter().filter(|token| !matches!(token, Token::Byte(_))).count()
    }

    /// Whether the whole of `input` fits.
    pub(crate) fn matches(&self, input: &[u8]) -> bool {
        let (mut at, mut token) = (0, 0);
        // Where to go on if the run of the last `*` has to take in one byte more.
        let mut retry = None;
        while let Some(&byte) = input.get(at) {
            match self.tokens.get(token) {
                Some(Token::Any) => {
                    retry = Some((at, token + 1));
                    token += 1;
                    continue;
                }
                Some(Token::One) => {}
                Some(Token::Byte(wanted)) if *wanted == self.folded(byte) => {}
                Some(Token::Byte(_)) | None => {
                    let Some((start, next)) = retry else { return false };
                    retry = Some((start + 1, next));
                    (at, token) = (start + 1, next);
                    continue;
                }
            }
            at += 1;
            token += 1;
        }
        self.tokens.iter().skip(token).all(|rest| *rest == Token::Any)
    }

    fn folded(&self, byte: u8) -> u8 {
        if self.fold { byte.to_ascii_lowercase() } else { byte }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wildcards_span_dots_and_slashes_and_the_whole_must_fit() {
        let rows = [
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.EXAMPLE.com", true),
            ("*.example.com", "example.com", false),
            ("/api/*", "/api/", true),
            ("/api/*", "/api/v1/x", true),
            ("/api/*", "/api", false),
            ("/img/*.png", "/img/a/b.png", true),
            ("/?", "/", false),
            ("/?", "/a", true),
            ("/?", "/ab", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("**", "anything", true),
        ];
        for (pattern, input, expected) in rows {
            let got = Pattern::any_case(pattern).matches(input.as_bytes());
            assert_eq!(got, expected, "{pattern} on {input}");
        }
        assert!(!Pattern::exact_case("/API").matches(b"/api"));
    }

    #[test]
    fn escapes_are_literal_only_where_they_are_allowed() {
        assert!(Pattern::any_case_with_escapes(r"a\*b").matches(b"a*b"));
        assert!(!Pattern::any_case_with_escapes(r"a\*b").matches(b"axb"));
        assert!(Pattern::any_case_with_escapes(r"a\\b\?").matches(br"A\b?"));
        assert!(Pattern::any_case_with_escapes(r"a\n").matches(br"a\n"));
        assert!(Pattern::exact_case(r"a\*").matches(br"a\bc"));
    }

    proptest! {
        #[test]
        fn agrees_with_the_regular_expression_of_the_same_meaning(
            pattern in "[ab*?]{0,8}",
            input in "[ab]{0,10}",
        ) {
            let as_regex = pattern.replace('*', ".*").replace('?', ".");
            let regex = regex::Regex::new(&format!("^{as_regex}$")).unwrap();
            prop_assert_eq!(
                Pattern::exact_case(&pattern).matches(input.as_bytes()),
                regex.is_match(&input)
            );
        }
    }
}
