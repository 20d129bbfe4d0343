//! Regular expressions that cover the whole value, as tables of states: asked without a lock, and
//! without memory that grows as they are asked.
//!
//! An expression whose table would be large is left to the `regex` crate, which works out the part that
//! it needs as it goes.

use super::re2::{BadRegex, LARGEST_PROGRAM, build, last_line};
use regex::bytes::Regex;
use regex_automata::{
    Anchored, MatchKind,
    dfa::{Automaton, StartKind, dense},
    nfa::thompson::{self, NFA, WhichCaptures},
    util::{primitives::StateID, start, syntax},
};
use serde::{Serialize, Serializer};
use std::fmt;

/// The most that the table of one expression takes.
const LARGEST_TABLE: usize = 1 << 14;

/// An expression that fits only the whole value.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    program: Program,
}

#[derive(Clone)]
enum Program {
    Table(Box<Table>),
    General(Regex),
}

/// Expressions that are asked at once.
#[derive(Clone)]
pub(crate) struct Table {
    states: dense::DFA<Vec<u32>>,
    start: StateID,
}

impl Pattern {
    /// The expression `text`, in the `regex` crate's syntax.
    pub(super) fn new(text: String) -> Result<Self, BadRegex> {
        let program = match Table::of(&nfa(&[&text])?, LARGEST_TABLE) {
            Some(table) => Program::Table(Box::new(table)),
            None => Program::General(build(&text)?),
        };
        Ok(Self { text: text.into(), program })
    }

    /// As it is written, anchored at both ends.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it fits.
    pub fn is_match(&self, value: &str) -> bool {
        self.is_match_bytes(value.as_bytes())
    }

    /// Whether it fits a value that need not be UTF-8; what is not fits no `.` either.
    pub fn is_match_bytes(&self, value: &[u8]) -> bool {
        match &self.program {
            Program::Table(table) => table.end(value).is_some(),
            Program::General(regex) => regex.is_match(value),
        }
    }
}

impl Table {
    /// All of `patterns` in one, if that takes no more than `most` bytes.
    pub(crate) fn of_all(patterns: &[&str], most: usize) -> Option<Self> {
        Self::of(&nfa(patterns).ok()?, most)
    }

    fn of(nfa: &NFA, most: usize) -> Option<Self> {
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .match_kind(MatchKind::All)
            .accelerate(false)
            .dfa_size_limit(Some(most))
            .determinize_size_limit(Some(most * 4));
        let states = dense::Builder::new().configure(config).build_from_nfa(nfa).ok()?;
        let start = states.start_state(&start::Config::new().anchored(Anchored::Yes)).ok()?;
        Some(Self { states, start })
    }

    /// Positions of the expressions that fit the whole value.
    pub(crate) fn fitting(&self, value: &[u8]) -> impl Iterator<Item = usize> {
        let end = self.end(value);
        end.into_iter().flat_map(move |end| {
            let count = self.states.match_len(end);
            (0..count).map(move |at| self.states.match_pattern(end, at).as_usize())
        })
    }

    /// The state at the end of a value that any of the expressions fits.
    fn end(&self, value: &[u8]) -> Option<StateID> {
        let mut state = self.start;
        for byte in value {
            state = self.states.next_state(state, *byte);
            if self.states.is_special_state(state) && self.states.is_dead_state(state) {
                return None;
            }
        }
        let end = self.states.next_eoi_state(state);
        self.states.is_match_state(end).then_some(end)
    }
}

fn nfa(patterns: &[&str]) -> Result<NFA, BadRegex> {
    let config = thompson::Config::new()
        .which_captures(WhichCaptures::None)
        .utf8(false)
        .nfa_size_limit(Some(LARGEST_PROGRAM.saturating_mul(patterns.len())));
    let built = thompson::Compiler::new()
        .configure(config)
        .syntax(syntax::Config::new().utf8(false))
        .build_many(patterns);
    built.map_err(|error| {
        if error.size_limit().is_some() {
            return BadRegex("the expression is too large".into());
        }
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        BadRegex(last_line(&cause.unwrap_or_else(|| error.to_string())))
    })
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table of {} bytes", self.states.memory_usage())
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::re2;

    /// What the `regex` crate says is right, whichever way an expression is asked.
    #[test]
    fn a_table_says_what_the_expression_says() {
        for pattern in [
            "",
            "a*",
            ".*",
            "/a/[^/]+",
            "(?i)/A(b|c)?",
            "[^a]",
            "a|ab|abc",
            "(a|b)*c",
            "\\d{2,}",
            "é+",
            "^/a$",
            "(?:a|^b)$",
            "a{3}",
            "(?s).",
            ".",
            "[^/]{1,200}x[^/]{1,200}",
        ] {
            let whole = re2::whole(pattern).unwrap();
            let regex = Regex::new(whole.as_str()).unwrap();
            for value in [
                "", "a", "ab", "abc", "aaa", "/a/b", "/a/b/c", "/A", "/AC", "é", "éé", "12", "1",
                "b", "aac", "\n", "x", "ax/", "axb",
            ] {
                let expected = regex.is_match(value.as_bytes());
                assert_eq!(whole.is_match(value), expected, "{pattern} on {value:?}");
            }
        }
    }

    #[test]
    fn large_expressions_have_no_table() {
        let kind = |pattern: &str| match re2::whole(pattern).unwrap().program {
            Program::Table(_) => "table",
            Program::General(_) => "general",
        };
        assert_eq!(kind("/users/[^/]+/orders"), "table");
        assert_eq!(kind(".*a[^/]{100}"), "general");
    }

    #[test]
    fn many_are_asked_at_once() {
        let patterns = ["/[^/]+/a", "/x/.*", "/[^/]+/b", ".*"].map(|it| re2::whole(it).unwrap());
        let texts: Vec<&str> = patterns.iter().map(Pattern::as_str).collect();
        let table = Table::of_all(&texts, 1 << 20).unwrap();
        for (value, expected) in
            [("/x/a", &[0, 1, 3][..]), ("/y/b", &[2, 3]), ("/y/c", &[3]), ("\n", &[])]
        {
            let mut found: Vec<_> = table.fitting(value.as_bytes()).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{value}");
        }
        assert!(Table::of_all(&texts, 64).is_none());
    }
}
