//! Takes a text apart into its documents, without understanding them.
//!
//! Only a `---` or `...` in the first column ends a document (in YAML it does so even inside a block
//! scalar), so a broken document cannot swallow the next.

/// One document of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document<'t> {
    /// Its text, with its `---` line.
    pub text: &'t str,
    /// The line of the file on which `text` begins.
    pub first_line: usize,
    /// The line of the file on which its content begins.
    pub content_line: usize,
}

/// The documents of `text` that are not empty.
pub(super) fn documents(text: &str) -> Vec<Document<'_>> {
    let mut found = Vec::new();
    let mut open = Open { start: 0, line: 1, content: None };
    let mut position = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let (number, end) = (index + 1, position + line.len());
        match kind(line) {
            Line::Start { content } => {
                let before = open.close(text, position);
                open = match before {
                    // Directives belong to the document that follows.
                    Some(directives) if is_directives(directives.text) => open,
                    before => {
                        found.extend(before);
                        Open { start: position, line: number, content: None }
                    }
                };
                open.content = content.then_some(number);
            }
            Line::End => {
                found.extend(open.close(text, position));
                open = Open { start: end, line: number + 1, content: None };
            }
            Line::Blank => {}
            Line::Content => open.content = open.content.or(Some(number)),
        }
        position = end;
    }
    found.extend(open.close(text, position));
    found
}

/// A document whose end is not reached yet.
struct Open {
    start: usize,
    line: usize,
    content: Option<usize>,
}

impl Open {
    fn close<'t>(&self, text: &'t str, end: usize) -> Option<Document<'t>> {
        let content_line = self.content?;
        let text = text.get(self.start..end)?.trim_start_matches('\u{feff}');
        Some(Document { text, first_line: self.line, content_line })
    }
}

enum Line {
    Start { content: bool },
    End,
    Blank,
    Content,
}

fn kind(line: &str) -> Line {
    let line = line.trim_start_matches('\u{feff}');
    let marks = |mark| line.strip_prefix(mark).filter(|rest: &&str| is_mark_end(rest));
    if let Some(rest) = marks("---") {
        return Line::Start { content: !is_blank(rest) };
    }
    if marks("...").is_some() {
        return Line::End;
    }
    if is_blank(line) { Line::Blank } else { Line::Content }
}

fn is_mark_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])
}

fn is_blank(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.starts_with('#')
}

fn is_directives(text: &str) -> bool {
    text.lines().all(|line| line.starts_with('%') || is_blank(line))
}

#[cfg(test)]
mod tests {
    use super::documents;

    /// Content of each document and where it begins, to compare.
    fn parts(text: &str) -> Vec<(usize, &str)> {
        documents(text).into_iter().map(|document| (document.content_line, document.text)).collect()
    }

    #[test]
    fn texts_are_taken_apart_at_separators_of_the_first_column() {
        type Row = (&'static str, &'static str, &'static [(usize, &'static str)]);
        let rows: &[Row] = &[
            ("nothing", "", &[]),
            ("one", "a: 1\n", &[(1, "a: 1\n")]),
            ("no end of line", "a: 1", &[(1, "a: 1")]),
            ("two", "a: 1\n---\nb: 2\n", &[(1, "a: 1\n"), (3, "---\nb: 2\n")]),
            ("led by a separator", "---\na: 1\n", &[(2, "---\na: 1\n")]),
            ("empty ones", "---\n---\n\n---\na: 1\n---\n", &[(5, "---\na: 1\n")]),
            ("comments only", "# a\n---\n# b\na: 1\n", &[(4, "---\n# b\na: 1\n")]),
            (
                "a comment after the separator",
                "a: 1\n--- # next\nb: 2\n",
                &[(1, "a: 1\n"), (3, "--- # next\nb: 2\n")],
            ),
            ("content after the separator", "--- {a: 1}\n", &[(1, "--- {a: 1}\n")]),
            (
                "indented in a block scalar",
                "a: |\n  x\n  ---\n  y\n---\nb: 2\n",
                &[(1, "a: |\n  x\n  ---\n  y\n"), (6, "---\nb: 2\n")],
            ),
            ("no separator at all", "a: ---\n----\n---x\n", &[(1, "a: ---\n----\n---x\n")]),
            (
                "windows line ends",
                "a: 1\r\n---\r\nb: 2\r\n",
                &[(1, "a: 1\r\n"), (3, "---\r\nb: 2\r\n")],
            ),
            ("a mark of byte order", "\u{feff}a: 1\n", &[(1, "a: 1\n")]),
            (
                "one in front of a separator",
                "a: 1\n\u{feff}---\nb: 2\n",
                &[(1, "a: 1\n"), (3, "---\nb: 2\n")],
            ),
            (
                "ends by dots",
                "a: 1\n...\nb: 2\n...\n---\nc: 3\n",
                &[(1, "a: 1\n"), (3, "b: 2\n"), (6, "---\nc: 3\n")],
            ),
            (
                "directives",
                "%YAML 1.2\n---\na: 1\n...\n# x\n%YAML 1.2\n---\nb: 2\n",
                &[(3, "%YAML 1.2\n---\na: 1\n"), (8, "# x\n%YAML 1.2\n---\nb: 2\n")],
            ),
        ];
        for (name, text, expected) in rows {
            assert_eq!(parts(text), *expected, "{name}");
        }
    }

    #[test]
    fn the_first_line_is_where_the_text_begins() {
        let lines: Vec<usize> =
            documents("# one\na: 1\n---\n\n\nb: 2\n").iter().map(|d| d.first_line).collect();
        assert_eq!(lines, [1, 3]);
    }
}
