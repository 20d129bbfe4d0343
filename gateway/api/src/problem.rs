//! A defect of the configuration: which object, which field, what is wrong, what to do.

use crate::ObjectRef;
use serde::{Serialize, Serializer};

/// How much a problem costs its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something that was asked for does not work.
    Error,
    /// It works, but probably not as meant, or a field has no effect.
    Warning,
}

/// The longest message and the longest advice: who wrote two hundred kilobytes into a field is not told
/// them all again, in logs and statuses.
const LONGEST: usize = 2048;

/// The longest path of a field.
const LONGEST_PATH: usize = 512;

/// One thing to fix. Sorted by object, so that two runs can be compared line by line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Problem {
    /// The object at fault; for a file that cannot be read at all, kind `File` and its path as name.
    #[serde(serialize_with = "as_text")]
    pub object: ObjectRef,
    /// Path of the field, such as `spec.http[0].match[1].uri.regex`; empty when it is the whole object.
    pub field: String,
    /// Stable and documented, such as `destination-not-found`.
    pub code: &'static str,
    /// Whether something does not work, or merely may not be meant.
    pub severity: Severity,
    /// What is wrong, with the offending value.
    pub message: String,
    /// What to do about it.
    pub advice: String,
    /// `file:line` the object was read from; empty for objects that come from an API server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub origin: String,
}

impl Problem {
    /// An error of `object` at `field`.
    pub fn error(object: ObjectRef, field: impl Into<String>, code: &'static str) -> Self {
        Self {
            object,
            field: line(field.into(), LONGEST_PATH),
            code,
            severity: Severity::Error,
            message: String::new(),
            advice: String::new(),
            origin: String::new(),
        }
    }

    /// A warning about `object` at `field`.
    pub fn warning(object: ObjectRef, field: impl Into<String>, code: &'static str) -> Self {
        Self { severity: Severity::Warning, ..Self::error(object, field, code) }
    }

    /// Says what is wrong.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = line(message.into(), LONGEST);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = line(advice.into(), LONGEST);
        self
    }
}

/// One line for people: `error VirtualService default/a spec.http[0].timeout: message; advice (file:line)`.
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity} [{}] {}", self.code, self.object)?;
        if !self.field.is_empty() {
            write!(f, " {}", self.field)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.advice.is_empty() {
            write!(f, "; {}", self.advice)?;
        }
        if !self.origin.is_empty() {
            write!(f, " ({})", self.origin)?;
        }
        Ok(())
    }
}

/// What people wrote, as a part of one line: whatever a field says, it begins no line of a log and tells
/// no terminal what to do. The text itself, if that is what it is already.
fn line(text: String, longest: usize) -> String {
    if text.len() <= longest && !text.contains(is_control) {
        return text;
    }
    let mut line = String::new();
    for letter in text.chars() {
        if line.len() + letter.len_utf8() > longest {
            line.push('…');
            break;
        }
        match letter {
            '\n' | '\r' | '\t' => line.push(' '),
            letter if is_control(letter) => line.extend(letter.escape_unicode()),
            letter => line.push(letter),
        }
    }
    line
}

/// Whether it is not shown but does something: control characters, ends of lines and changes of the
/// direction of writing.
fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn as_text<S: Serializer>(object: &ObjectRef, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(object)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, ObjectRef, Problem};

    fn told(text: &str) -> Problem {
        Problem::error(ObjectRef::new("VirtualService", "a", "b"), "spec", "invalid-field")
            .message(text)
    }

    #[test]
    fn whatever_a_field_says_a_problem_is_one_line() {
        for (text, line) in [
            ("`ünï` is no host name", "`ünï` is no host name"),
            ("`x\n2026 ERROR` is none", "`x 2026 ERROR` is none"),
            ("a\r\n\tb", "a   b"),
            ("`\u{1b}[2J\u{0}`", "`\\u{1b}[2J\\u{0}`"),
            ("`\u{202e}cba`", "`\\u{202e}cba`"),
        ] {
            assert_eq!(told(text).message, line);
        }
    }

    #[test]
    fn a_problem_is_not_as_large_as_what_is_wrong() {
        let large = "ü".repeat(200 * 1024);
        let problem = told(&large).advice(&large);
        for text in [&problem.message, &problem.advice] {
            assert!(text.len() < LONGEST + 4 && text.ends_with("ü…"), "{}", text.len());
        }
        let path = Problem::error(problem.object, large, "unknown-field").field;
        assert!(path.len() < LONGEST, "{}", path.len());
    }
}
