//! Every code that the sources report has a page in `docs/problems`, and every page a code.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeSet, fs, path::Path};

/// Where problems are made.
const SOURCES: &[&str] = &[
    "gateway/src",
    "gateway/api/src",
    "gateway/core/src",
    "alb-controller/src",
    "alb-controller/core/src",
];

/// What makes one: the last kebab-case word among its arguments is the code.
const CALLS: &[&str] = &["add", "defect", "error", "fault", "report", "warning"];

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let mut codes = BTreeSet::new();
    for folder in SOURCES {
        collect(&edgeway_tests::root().join(folder), &mut codes);
    }
    let pages = edgeway_tests::root().join("docs/problems");
    let index = fs::read_to_string(pages.join("README.md")).unwrap();
    let pages: BTreeSet<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "README")
        .collect();
    let lacking: Vec<_> = codes.difference(&pages).collect();
    let idle: Vec<_> = pages.difference(&codes).collect();
    assert!(
        lacking.is_empty() && idle.is_empty(),
        "codes without a page in docs/problems: {lacking:?}; pages without a code: {idle:?}"
    );
    for code in &codes {
        assert!(index.contains(&format!("({code}.md)")), "{code} is missing in README.md");
    }
}

fn collect(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            collect(&path, codes);
        } else if path.is_file() && name != "tests" {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            codes.extend(codes_of(code));
        }
    }
}

/// Codes among the arguments of calls, and at the front of triples of code, message and advice.
fn codes_of(text: &str) -> Vec<String> {
    let opening = text.match_indices('(');
    let found = opening.filter_map(|(at, _)| {
        let word = text[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        let called = CALLS.contains(&word);
        let tuple = text[..at].ends_with([' ', '\n', '(']);
        if !called && !tuple {
            return None;
        }
        let arguments = arguments(&text[at + 1..]);
        let mut words = arguments.iter().filter(|argument| is_kebab(argument));
        let word = if called {
            words.next_back()
        } else {
            words.next().filter(|word| arguments.len() == 3 && arguments.first() == Some(*word))
        };
        word.map(|word| word.trim_matches('"').to_owned())
    });
    found.collect()
}

/// The arguments up to the closing parenthesis; a text without its quotes, others as they are.
fn arguments(text: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for c in text.chars() {
        match c {
            '"' if !escaped => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted && depth == 0 => break,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
        arguments.last_mut().unwrap().push(c);
    }
    arguments.retain(|argument| !argument.trim().is_empty());
    arguments.iter().map(|argument| argument.trim().to_owned()).collect()
}

/// A quoted word of small letters, digits and at least one hyphen.
fn is_kebab(argument: &str) -> bool {
    let quoted = argument.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    quoted.is_some_and(|word| {
        word.contains('-')
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    })
}

#[test]
fn codes_are_found_where_problems_are_made() {
    for (text, expected) in [
        (r#"field.error("a-b", "x", "y")"#, "a-b"),
        (r#"Problem::warning(object, format!("{f}.c-d"), "a-b")"#, "a-b"),
        (r#"report(member, "listen-ports", "group-conflict", message)"#, "group-conflict"),
        (r#"x => ("a-b", format!("(\""), "c".to_owned()),"#, "a-b"),
        (r#"("a-b", Support::No)"#, ""),
        (r#"header("a-b")"#, ""),
        (r#"tracing::error!("a-b")"#, ""),
    ] {
        assert_eq!(codes_of(text).concat(), expected, "{text}");
    }
}
