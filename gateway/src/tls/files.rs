//! Files that certificates and keys are in, re-read from time to time.
//!
//! Not watched: mounted Secrets change by links that are put in the place of others, which watchers
//! of files do not see.

use super::pem::Flaw;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

/// What is in a file. Prints nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) enum Content {
    /// None was named.
    #[default]
    Absent,
    /// This.
    Read(Arc<[u8]>),
    /// It cannot be read, and why.
    Unreadable(Arc<str>),
}

impl Content {
    /// The bytes.
    pub(super) fn get(&self) -> Result<&[u8], Flaw> {
        match self {
            Self::Absent => Err(Flaw::Missing),
            Self::Read(bytes) => Ok(bytes),
            Self::Unreadable(why) => Err(Flaw::File(why.to_string())),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Read(_) => "Read",
            Self::Unreadable(_) => "Unreadable",
        })
    }
}

/// The files that are referred to, as they were last read.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: BTreeMap<Arc<str>, Content>,
    used: BTreeSet<Arc<str>>,
}

impl Files {
    /// What is in the file at `path`.
    pub(super) fn read(&mut self, path: &Arc<str>) -> Content {
        self.used.insert(Arc::clone(path));
        self.known.entry(Arc::clone(path)).or_insert_with(|| load(path)).clone()
    }

    /// Forgets those that nobody has read since the last time.
    pub(super) fn forget_unused(&mut self) {
        let used = std::mem::take(&mut self.used);
        self.known.retain(|path, _| used.contains(path));
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Reads all again; whether anything changed.
    pub(super) fn refresh(&mut self) -> bool {
        let mut changed = false;
        for (path, content) in &mut self.known {
            let new = load(path);
            changed |= new != *content;
            *content = new;
        }
        changed
    }
}

fn load(path: &str) -> Content {
    match std::fs::read(path) {
        Ok(bytes) => Content::Read(bytes.into()),
        Err(error) => Content::Unreadable(format!("cannot read {path}: {error}").into()),
    }
}
