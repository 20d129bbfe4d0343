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
            field: field.into(),
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
        self.message = message.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
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

fn as_text<S: Serializer>(object: &ObjectRef, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(object)
}
