//! Which files are read, in which order, and how to see that one may have changed.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The files below some paths.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// In the order in which they are read, each once.
    pub files: Vec<PathBuf>,
    /// What could not be looked into.
    pub failures: Vec<(PathBuf, io::Error)>,
    /// Real folders and files that were met, as they were named: links may lead in circles.
    pub known: Known,
}

/// Where everything lies that was listed.
#[derive(Debug, Default)]
pub(super) struct Known {
    places: BTreeMap<PathBuf, PathBuf>,
    /// Folders that were given, as they really are.
    roots: Vec<PathBuf>,
    has_links: bool,
}

impl Known {
    /// How a file of ours is named that really lies there and may have been changed.
    pub(super) fn file(&self, real: &Path) -> Option<&PathBuf> {
        // What lies there may be a link now, or a folder.
        let is_file = fs::symlink_metadata(real).is_ok_and(|data| data.is_file());
        self.places.get(real).filter(|_| is_file)
    }

    /// Whether nothing can hang on what lies there, or lay there.
    pub(super) fn is_idle(&self, real: &Path) -> bool {
        let mut inside = self.roots.iter().filter_map(|root| real.strip_prefix(root).ok());
        let is_hidden = |path: &Path| {
            let is_plain = |part: &Path| is_wanted(part) || file_name(part).starts_with("..");
            path.components().any(|part| !is_plain(part.as_ref()))
        };
        !self.has_links && inside.next().is_some_and(is_hidden)
    }
}

/// What changes when a file does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// Where it lies, which tells a file that replaced another.
    place: (u64, u64),
}

/// All manifests of `roots`: files as they are named, and what is in folders.
pub(super) fn list(roots: &[PathBuf]) -> Listing {
    let mut listing = Listing::default();
    for root in roots {
        listing.known.roots.extend(fs::canonicalize(root).ok().filter(|real| real.is_dir()));
        listing.add(root);
    }
    listing
}

/// What a file is like now; nothing, if it cannot be seen.
pub(super) fn stamp_of(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|data| stamp(&data))
}

/// The files with their stamps, to compare with later.
pub(super) fn stamps(listing: &Listing) -> BTreeMap<PathBuf, Option<Stamp>> {
    let stamp = |path: &PathBuf| (path.clone(), stamp_of(path));
    let failed = listing.failures.iter().map(|(path, _)| (path.clone(), None));
    listing.files.iter().map(stamp).chain(failed).collect()
}

impl Listing {
    fn add(&mut self, path: &Path) {
        let found = fs::metadata(path).and_then(|data| Ok((data, fs::canonicalize(path)?)));
        match found {
            Ok((data, real)) => {
                self.known.has_links |= self.is_behind_link(path, &real);
                let is_new = !self.known.places.contains_key(&real);
                self.known.places.entry(real).or_insert_with(|| path.to_owned());
                if is_new && data.is_dir() {
                    self.add_folder(path);
                } else if is_new {
                    self.files.push(path.to_owned());
                }
            }
            Err(error) => self.failures.push((path.to_owned(), error)),
        }
    }

    /// Whether what lies there is met under another name than its own, in another folder's place.
    fn is_behind_link(&self, path: &Path, real: &Path) -> bool {
        let folder = real.parent().and_then(|parent| self.known.places.get(parent));
        let is_root = folder.is_none() && self.known.roots.iter().any(|root| root == real);
        let is_own = folder.is_some_and(|folder| path.parent() == Some(folder));
        !(is_root || is_own && path.file_name() == real.file_name())
    }

    fn add_folder(&mut self, folder: &Path) {
        let entries: io::Result<Vec<PathBuf>> =
            fs::read_dir(folder).and_then(|all| all.map(|entry| entry.map(|e| e.path())).collect());
        match entries {
            Ok(mut entries) => {
                entries.sort();
                let wanted = entries.iter().filter(|path| is_wanted(path));
                wanted.for_each(|path| self.add_entry(path));
            }
            Err(error) => self.failures.push((folder.to_owned(), error)),
        }
    }

    /// What is gone since its folder was listed, or was a link to nowhere, is not missed.
    fn add_entry(&mut self, path: &Path) {
        match fs::metadata(path) {
            Ok(data) if data.is_dir() || (data.is_file() && is_manifest(path)) => self.add(path),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.failures.push((path.to_owned(), error)),
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Neither hidden (so is the inside of a mounted `ConfigMap`) nor what an editor leaves for a moment.
fn is_wanted(path: &Path) -> bool {
    let name = file_name(path);
    !name.starts_with(['.', '#', '~']) && !name.ends_with('~')
}

/// By its name, whether a file of a folder is a manifest.
fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    matches!(extension.as_deref(), Some("yaml" | "yml" | "json"))
}

fn stamp(data: &Metadata) -> Stamp {
    Stamp { modified: data.modified().ok(), length: data.len(), place: place(data) }
}

#[cfg(unix)]
fn place(data: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (data.dev(), data.ino())
}

#[cfg(not(unix))]
fn place(_data: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::{list, stamps};
    use std::{fs, path::Path};

    fn names(root: &Path, roots: &[&str]) -> Vec<String> {
        let roots: Vec<_> = roots.iter().map(|path| root.join(path)).collect();
        let listing = list(&roots);
        let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
        listing.files.iter().map(|path| name(path)).collect()
    }

    #[test]
    fn manifests_are_found_in_order_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/deep")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        let files = [
            "a.yaml",
            "c.JSON",
            "b/deep/d.yml",
            "b/e.yaml",
            "notes.txt",
            ".hidden.yaml",
            "a.yaml~",
            "#a.yaml#",
            ".#a.yaml",
            "a.yaml.swp",
            "4913",
            ".git/x.yaml",
            "~$a.yaml",
        ];
        for file in files {
            fs::write(root.join(file), "").unwrap();
        }
        assert_eq!(names(root, &["."]), ["a.yaml", "b/deep/d.yml", "b/e.yaml", "c.JSON"]);
        let chosen = ["b", "notes.txt", "b/e.yaml", "b"];
        assert_eq!(names(root, &chosen), ["b/deep/d.yml", "b/e.yaml", "notes.txt"]);
        let listing = list(&[root.join("nowhere")]);
        assert_eq!((listing.files.len(), listing.failures.len()), (0, 1));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("..1")).unwrap();
        fs::write(root.join("..1/a.yaml"), "").unwrap();
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/a.yaml", root.join("a.yaml")).unwrap();
        symlink(".", root.join("circle")).unwrap();
        symlink("nowhere", root.join("broken.yaml")).unwrap();
        assert_eq!(names(root, &["."]), ["a.yaml"]);
        assert!(list(&[root.to_owned()]).failures.is_empty());
    }

    #[test]
    fn a_replaced_file_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("a.yaml"), "a").unwrap();
        let roots = [root.to_owned()];
        let before = stamps(&list(&roots));
        assert_eq!(stamps(&list(&roots)), before);
        let data = fs::metadata(root.join("a.yaml")).unwrap();
        fs::write(root.join("new"), "b").unwrap();
        let new = fs::File::options().write(true).open(root.join("new")).unwrap();
        new.set_modified(data.modified().unwrap()).unwrap();
        fs::rename(root.join("new"), root.join("a.yaml")).unwrap();
        assert_ne!(stamps(&list(&roots)), before);
    }
}
