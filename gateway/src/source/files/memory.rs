//! What each file said last, so that a broken edit changes nothing: no I/O here.

use edgeway_api::{Item, ObjectRef, Objects, Problem, Severity, manifest};
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Added to what is wrong with an object or a file whose older version stands in for it.
const KEEPS_SERVING: &str = "; the version before keeps serving";

/// What is found at a path.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// A file's text.
    Text(String),
    /// A file or folder that cannot be read, and why.
    Unreadable(String),
    /// A path that was given by name and is not there any more.
    Gone,
}

/// What some files say does not tell what there is now: all must be read.
#[derive(Debug)]
pub(super) struct Partial;

/// All files as they were read last.
#[derive(Debug, Default)]
pub(super) struct Memory {
    files: Vec<(PathBuf, Said)>,
    is_settled: bool,
    /// All of it together, where nothing is wrong and nothing stands in for anything.
    whole: Option<Arc<Objects>>,
}

/// What a file said. There may be thousands of files with an object each, so it is small.
#[derive(Clone, Debug, Default)]
struct Said {
    found: Option<Found>,
    /// What it says now: objects, each with its line.
    items: Box<[(Item, u32)]>,
    /// What of it could not be read.
    defects: Box<[Problem]>,
    /// What it said before, as far as it stands in for what is broken now.
    kept: Option<Box<Objects>>,
}

/// Enough of a content to see whether another is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Blank,
    Text(u64),
    Unreadable(String),
    Gone,
}

impl Memory {
    /// Whether a file that had text is blank or gone now. That may be a moment between an editor's
    /// two steps.
    pub(super) fn is_between(&self, contents: &[(PathBuf, Content)]) -> bool {
        let filled = contents.iter().filter(|(_, content)| match found(content) {
            Found::Text(_) | Found::Unreadable(_) => true,
            Found::Blank | Found::Gone => false,
        });
        let filled: BTreeSet<&Path> = filled.map(|(path, _)| path.as_path()).collect();
        let mut had_text = self.files.iter().filter_map(|(path, said)| {
            matches!(said.found, Some(Found::Text(_))).then_some(path.as_path())
        });
        had_text.any(|path| !path.ancestors().any(|path| filled.contains(path)))
    }

    /// The whole configuration, from what is found at all paths, in order; `None` if nothing
    /// changed.
    pub(super) fn settle(&mut self, contents: Vec<(PathBuf, Content)>) -> Option<Arc<Objects>> {
        let mut before: BTreeMap<PathBuf, Said> = self.files.drain(..).collect();
        let mut changed = !self.is_settled;
        for (path, content) in with_insides(contents, &before) {
            let last = before.remove(&path).unwrap_or_default();
            let said = if last.found.as_ref() == Some(&found(&content)) {
                last
            } else {
                changed = true;
                last.followed_by(&path, &content)
            };
            self.files.push((path, said));
        }
        self.is_settled = true;
        (changed || !before.is_empty()).then(|| self.remembered())
    }

    /// The whole, which is remembered if changes to it can be made one by one.
    fn remembered(&mut self) -> Arc<Objects> {
        let whole = Arc::new(self.whole());
        let is_plain =
            whole.defects.is_empty() && self.files.iter().all(|(_, said)| said.kept.is_none());
        self.whole = is_plain.then(|| Arc::clone(&whole));
        whole
    }

    /// As [`Memory::settle`], where only what is found at these paths may be otherwise; refused
    /// if one was not there, or says nothing any more.
    pub(super) fn amend(
        &mut self,
        contents: Vec<(PathBuf, Content)>,
    ) -> Result<Option<Arc<Objects>>, Partial> {
        let mut new = Vec::new();
        for (path, content) in contents {
            let at = self.files.iter().position(|(known, _)| *known == path).ok_or(Partial)?;
            match found(&content) {
                Found::Text(_) | Found::Unreadable(_) => new.push((at, content)),
                Found::Blank | Found::Gone => return Err(Partial),
            }
        }
        let mut changed = false;
        for (at, content) in new {
            let Some((path, said)) = self.files.get_mut(at) else { continue };
            if said.found.as_ref() == Some(&found(&content)) {
                continue;
            }
            changed = true;
            let last = std::mem::take(said);
            let before = last.fresh(path);
            *said = last.followed_by(path, &content);
            let is_plain = said.defects.is_empty() && said.kept.is_none();
            let now = said.fresh(path);
            self.whole = self.whole.take().filter(|_| is_plain).and_then(|whole| {
                let mut whole = Arc::unwrap_or_clone(whole);
                let fits = whole.exchange(&before, now);
                fits.then(|| Arc::new(whole))
            });
        }
        Ok(changed.then(|| self.whole.clone().unwrap_or_else(|| self.remembered())))
    }

    /// First what all files say now; then what is kept, unless another file says it now.
    fn whole(&self) -> Objects {
        let mut whole = Objects::default();
        for (path, said) in &self.files {
            whole.absorb(said.fresh(path));
        }
        for kept in self.files.iter().filter_map(|(_, said)| said.kept.as_deref()) {
            let mut kept = kept.clone();
            kept.retain(|object| !whole.origins.contains_key(object));
            whole.absorb(kept);
        }
        whole
    }
}

/// If a folder cannot be read, neither can the files that were in it.
fn with_insides(
    contents: Vec<(PathBuf, Content)>,
    before: &BTreeMap<PathBuf, Said>,
) -> Vec<(PathBuf, Content)> {
    let listed: BTreeSet<PathBuf> = contents.iter().map(|(path, _)| path.clone()).collect();
    let mut all = Vec::new();
    for (path, content) in contents {
        if let Content::Unreadable(_) = content {
            let inside =
                before.keys().filter(|file| file.starts_with(&path) && !listed.contains(*file));
            all.extend(inside.map(|file| (file.clone(), content.clone())));
        }
        all.push((path, content));
    }
    all
}

impl Said {
    /// What the file says now that `content` is found, having said `self` before.
    fn followed_by(self, path: &Path, content: &Content) -> Self {
        let origin = path.display().to_string();
        let found = Some(found(content));
        let mut fresh = Objects::default();
        let defect = |code, message: String, advice: &str| Problem {
            origin: origin.clone(),
            ..Problem::error(manifest::file(&origin), "", code).message(message).advice(advice)
        };
        let kept = match content {
            Content::Text(text) => {
                manifest::read(text, &origin, &mut fresh);
                self.standing_in(path, &mut fresh)
            }
            Content::Unreadable(why) => {
                let message = format!("it cannot be read: {why}{KEEPS_SERVING}");
                fresh.defects.push(defect("unreadable-file", message, "look at its permissions"));
                self.all(path)
            }
            Content::Gone => {
                let message = "it is not there any more, and its objects are gone with it".into();
                fresh.defects.push(defect(
                    "missing-file",
                    message,
                    "put it back, or stop naming it",
                ));
                Objects::default()
            }
        };
        let kept = (kept.count() > 0).then(|| Box::new(kept));
        let defects = std::mem::take(&mut fresh.defects).into();
        let lines = std::mem::take(&mut fresh.origins);
        let line = |item: &Item| lines.get(&item.reference())?.rsplit_once(':')?.1.parse().ok();
        let items = fresh.into_items().into_iter().map(|item| {
            let line = line(&item).unwrap_or(0);
            (item, line)
        });
        Self { found, items: items.collect(), defects, kept }
    }

    /// What the file at `path` says now.
    fn fresh(&self, path: &Path) -> Objects {
        let mut fresh = Objects { defects: self.defects.to_vec(), ..Objects::default() };
        for (item, line) in &self.items {
            fresh.origins.insert(item.reference(), format!("{}:{line}", path.display()));
            fresh.push(item.clone());
        }
        fresh
    }

    /// The objects that stand in for what is broken in `fresh`, whose defects then say so.
    ///
    /// A broken object that tells its name is replaced by the one of that name. A broken document
    /// that does not could have held any of the objects that are missing: all of them stay, for as
    /// long as it is broken.
    fn standing_in(&self, path: &Path, fresh: &mut Objects) -> Objects {
        let mut kept = self.all(path);
        let (here, known) = (fresh.references(), kept.references());
        let broken = || fresh.defects.iter().filter(|defect| is_loss(defect, &here));
        let named: BTreeSet<ObjectRef> =
            broken().map(|defect| &defect.object).filter(|o| known.contains(o)).cloned().collect();
        let nameless = || broken().filter(|defect| !known.contains(&defect.object));
        let is_old = |defect: &Problem| self.defects.iter().any(|old| is_same(defect, old));
        let (any, any_new) = (nameless().next().is_some(), nameless().any(|d| !is_old(d)));
        let still_kept = self.kept.as_ref().map(|kept| kept.references()).unwrap_or_default();
        kept.retain(|object| {
            let may_be_in_there = any && (any_new || still_kept.contains(object));
            !here.contains(object) && (named.contains(object) || may_be_in_there)
        });
        let stand_in = kept.references();
        let more = stand_in.difference(&named).next().is_some();
        for defect in fresh.defects.iter_mut().filter(|defect| is_loss(defect, &here)) {
            if stand_in.contains(&defect.object) || (more && !known.contains(&defect.object)) {
                defect.message.push_str(KEEPS_SERVING);
            }
        }
        kept
    }

    /// Everything that counts as said by the file.
    fn all(&self, path: &Path) -> Objects {
        let mut all = self.fresh(path);
        all.defects.clear();
        if let Some(kept) = &self.kept {
            all.absorb((**kept).clone());
        }
        all
    }
}

/// Whether an object is missing because of `defect`. A kind that is not supported never was there.
fn is_loss(defect: &Problem, here: &BTreeSet<ObjectRef>) -> bool {
    defect.severity == Severity::Error
        && !matches!(defect.code, "kind-not-supported" | "duplicate-object")
        && !here.contains(&defect.object)
}

/// Whether `old` is the same defect, perhaps in another line, and with a note added.
fn is_same(new: &Problem, old: &Problem) -> bool {
    (&new.object, &new.field, new.code) == (&old.object, &old.field, old.code)
        && old.message.starts_with(&new.message)
}

fn found(content: &Content) -> Found {
    match content {
        Content::Text(text) if text.trim().is_empty() => Found::Blank,
        Content::Text(text) => {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            Found::Text(hasher.finish())
        }
        Content::Unreadable(why) => Found::Unreadable(why.clone()),
        Content::Gone => Found::Gone,
    }
}

#[cfg(test)]
mod tests;
