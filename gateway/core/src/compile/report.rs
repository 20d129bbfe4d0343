//! Where compile puts what it finds wrong.

use edgeway_api::{ObjectRef, Objects, Problem, Severity};
use std::collections::BTreeSet;

/// Problems and rejected objects, as they are found.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
    rejected: BTreeSet<ObjectRef>,
}

impl Report {
    /// Adds a problem.
    pub(super) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Marks an object as refused as a whole.
    pub(super) fn reject(&mut self, object: ObjectRef) {
        self.rejected.insert(object);
    }

    /// Whether the object was refused.
    pub(super) fn is_rejected(&self, object: &ObjectRef) -> bool {
        self.rejected.contains(object)
    }

    /// A place in `object` to report about.
    pub(super) fn object(&mut self, object: ObjectRef) -> Field<'_> {
        Field { report: self, object, path: String::new(), errors: 0 }
    }

    /// What was found, as it was found.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Everything found, sorted, each once, with where its object was read.
    pub(super) fn finish(&self, objects: &Objects) -> (Vec<Problem>, BTreeSet<ObjectRef>) {
        let found = self.problems.iter().chain(&objects.defects);
        let mut problems: Vec<Problem> = found.cloned().collect();
        for problem in &mut problems {
            if let Some(origin) = objects.origins.get(&problem.object)
                && problem.origin.is_empty()
            {
                problem.origin.clone_from(origin);
            }
        }
        problems.sort();
        problems.dedup();
        (problems, self.rejected.clone())
    }
}

/// A field of one object: walked down as the object is read, so that a problem knows its path.
#[derive(Debug)]
pub(super) struct Field<'r> {
    report: &'r mut Report,
    object: ObjectRef,
    path: String,
    errors: usize,
}

impl Field<'_> {
    /// Goes to a child field for as long as `inside` runs.
    pub(super) fn of<T>(&mut self, name: &str, inside: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        if before > 0 && !name.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(name);
        let result = inside(self);
        self.path.truncate(before);
        result
    }

    /// Goes to an item of a list.
    pub(super) fn at<T>(&mut self, index: usize, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.of(&format!("[{index}]"), inside)
    }

    /// The value is one that Istio's validation refuses: the object is not used.
    pub(super) fn invalid(&mut self, message: impl Into<String>, advice: impl Into<String>) {
        self.errors += 1;
        self.add(Severity::Error, "invalid-field", message.into(), advice.into());
    }

    /// Something does not work, though the object is used.
    pub(super) fn error(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(Severity::Error, code, message.into(), advice.into());
    }

    /// Something is probably not meant, or has no effect.
    pub(super) fn warning(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(Severity::Warning, code, message.into(), advice.into());
    }

    /// The field is read but not acted on.
    pub(super) fn unsupported(&mut self, what_happens: &str) {
        self.add(
            Severity::Warning,
            "field-not-supported",
            format!("this field is not supported yet: {what_happens}"),
            "remove it, or follow the list of supported fields in docs/compatibility.md".into(),
        );
    }

    /// Where it stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// How many fields were [`Field::invalid`].
    pub(super) fn invalid_count(&self) -> usize {
        self.errors
    }

    fn add(&mut self, severity: Severity, code: &'static str, message: String, advice: String) {
        self.report.push(Problem {
            object: self.object.clone(),
            field: self.path.clone(),
            code,
            severity,
            message,
            advice,
            origin: String::new(),
        });
    }
}
