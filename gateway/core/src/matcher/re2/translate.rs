//! RE2's syntax, rewritten for the `regex` crate.

use super::{BadRegex, LONGEST_PATTERN, class::class, escape::escape};

/// As in RE2 and Go.
const MOST_REPETITIONS: u32 = 1000;

/// What stands before the place that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// Nothing that could be repeated.
    Nothing,
    /// Something that could.
    Item,
    /// A repetition, which is not repeated again.
    Repetition,
}

/// What is still to be read, and what was written so far.
#[derive(Debug)]
pub(super) struct Reader<'p> {
    /// Of the pattern.
    pub(super) rest: &'p str,
    /// In the crate's syntax.
    pub(super) out: String,
    before: Before,
}

/// `pattern` in the crate's syntax.
pub(super) fn translate(pattern: &str) -> Result<String, BadRegex> {
    if pattern.len() > LONGEST_PATTERN {
        let length = pattern.len();
        return Err(BadRegex(format!("{length} bytes; at most {LONGEST_PATTERN} are allowed")));
    }
    let out = String::with_capacity(pattern.len() + 16);
    let mut reader = Reader { rest: pattern, out, before: Before::Nothing };
    while let Some(c) = reader.next() {
        reader.item(c)?;
    }
    Ok(reader.out)
}

impl<'p> Reader<'p> {
    /// The next character, which is read.
    pub(super) fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }

    /// Whether `text` comes next; it is read if so.
    pub(super) fn takes(&mut self, text: &str) -> bool {
        let after = self.rest.strip_prefix(text);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// What comes before `end`, which is read too.
    pub(super) fn until(&mut self, end: &str) -> Option<&'p str> {
        let (text, after) = self.rest.split_once(end)?;
        self.rest = after;
        Some(text)
    }

    /// Writes a character that means itself.
    pub(super) fn literal(&mut self, c: char) {
        let mut buffer = [0; 4];
        regex_syntax::escape_into(c.encode_utf8(&mut buffer), &mut self.out);
    }

    fn item(&mut self, c: char) -> Result<(), BadRegex> {
        self.before = match c {
            '\\' => {
                if self.takes("Q") {
                    self.quote();
                    return Ok(());
                }
                escape(self)?;
                Before::Item
            }
            '[' => {
                class(self)?;
                Before::Item
            }
            '(' => {
                self.group()?;
                Before::Nothing
            }
            '|' => {
                self.out.push(c);
                Before::Nothing
            }
            ')' | '.' | '^' | '$' => {
                self.out.push(c);
                Before::Item
            }
            '*' | '+' | '?' => return self.repeat(c.encode_utf8(&mut [0; 4])),
            '{' => return self.brace(),
            other => {
                self.literal(other);
                Before::Item
            }
        };
        Ok(())
    }

    /// `\Q` means all up to `\E`, or to the end, literally.
    fn quote(&mut self) {
        let text = self.until("\\E").unwrap_or_else(|| std::mem::take(&mut self.rest));
        if !text.is_empty() {
            text.chars().for_each(|c| self.literal(c));
            self.before = Before::Item;
        }
    }

    /// Writes a repetition of what stands before.
    fn repeat(&mut self, how: &str) -> Result<(), BadRegex> {
        match self.before {
            Before::Nothing => return Err(BadRegex(format!("nothing before `{how}`"))),
            Before::Repetition => return Err(BadRegex(format!("`{how}` after a repetition"))),
            Before::Item => self.before = Before::Repetition,
        }
        self.out.push_str(how);
        if self.takes("?") {
            self.out.push('?');
        }
        Ok(())
    }

    /// `{2}`, `{2,}` and `{2,3}` repeat; any other brace means itself.
    fn brace(&mut self) -> Result<(), BadRegex> {
        let counts = self.rest.split_once('}').and_then(|(text, after)| {
            let (least, most) = match text.split_once(',') {
                None => (count(text)?, Some(count(text)?)),
                Some((least, "")) => (count(least)?, None),
                Some((least, most)) => (count(least)?, Some(count(most)?)),
            };
            Some((least, most, text, after))
        });
        let Some((least, most, text, after)) = counts else {
            self.literal('{');
            self.before = Before::Item;
            return Ok(());
        };
        let most = most.unwrap_or(least);
        if least > most || most > MOST_REPETITIONS {
            return Err(BadRegex(format!("invalid repetition `{{{text}}}`")));
        }
        self.rest = after;
        self.repeat(&format!("{{{text}}}"))
    }

    /// `(`, `(?P<name>`, `(?<name>`, `(?flags)` or `(?flags:`. RE2 has fewer flags than the crate.
    fn group(&mut self) -> Result<(), BadRegex> {
        self.out.push('(');
        if !self.takes("?") {
            return Ok(());
        }
        if self.takes("P<") || self.takes("<") {
            self.out.push_str("?P<");
            return Ok(());
        }
        self.out.push('?');
        let length = self.rest.find([':', ')']).unwrap_or(self.rest.len());
        let (flags, after) = self.rest.split_at(length);
        let valid = |flags: &str| flags.chars().all(|c| "imsU".contains(c));
        let known = match flags.split_once('-') {
            None => valid(flags),
            Some((on, off)) => valid(on) && valid(off) && !off.is_empty(),
        };
        if !known {
            return Err(BadRegex(format!("`(?{flags}` is no group")));
        }
        self.out.push_str(flags);
        self.rest = after;
        // `(?)` sets no flag, which the crate does not know.
        if self.takes(":") || flags.is_empty() {
            self.out.push(':');
        }
        Ok(())
    }
}

/// A number without leading zeros.
fn count(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() < 2 || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}
