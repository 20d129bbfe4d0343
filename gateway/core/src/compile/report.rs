//! Where compile puts what it finds wrong.

use edgeway_api::{ObjectRef, Objects, Problem, Resource, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// Problems, as they are found.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
}

impl Report {
    /// A place in `object` to report about.
    pub(super) fn object(&mut self, object: ObjectRef) -> Field<'_> {
        Field { report: self, object, path: String::new(), errors: 0 }
    }

    /// What was found, as it was found.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// All problems that there are, each as often as it was found: what finds them again when something
/// changes takes its own away first.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<Problem, usize>);

impl Ledger {
    /// Adds problems.
    pub(super) fn add(&mut self, problems: &[Problem]) {
        for problem in problems {
            *self.0.entry(problem.clone()).or_default() += 1;
        }
    }

    /// Takes away problems that were added.
    pub(super) fn remove(&mut self, problems: &[Problem]) {
        for problem in problems {
            let Some(count) = self.0.get_mut(problem) else { continue };
            *count -= 1;
            if *count == 0 {
                self.0.remove(problem);
            }
        }
    }

    /// Everything found, and what could not be read of `objects`: sorted, each once, with where its
    /// object was read.
    pub(super) fn problems(&self, objects: &Objects) -> Vec<Problem> {
        let found = self.0.keys().chain(&objects.defects);
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
        problems
    }
}

/// The objects that were refused as a whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Rejected(BTreeSet<ObjectRef>);

impl Rejected {
    /// Whether this object was.
    pub(super) fn contains<T: Resource>(&self, object: &T) -> bool {
        !self.0.is_empty() && self.0.contains(&object.reference())
    }

    /// Adds an object.
    pub(super) fn insert<T: Resource>(&mut self, object: &T) {
        self.0.insert(object.reference());
    }

    /// Takes an object away.
    pub(super) fn remove<T: Resource>(&mut self, object: &T) {
        if !self.0.is_empty() {
            self.0.remove(&object.reference());
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> &BTreeSet<ObjectRef> {
        &self.0
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
        let problem = Problem::error(self.object.clone(), &*self.path, code);
        let problem = problem.message(message).advice(advice);
        self.report.problems.push(Problem { severity, ..problem });
    }
}
