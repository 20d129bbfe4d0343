//! Learns that files may have changed: from the kernel where it tells, else by looking.

use notify::{
    Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
};
use tokio::sync::mpsc;

/// The kernel's watch over some paths; it ends when dropped.
pub(super) type Watch = RecommendedWatcher;

/// Watches folders with all that is in them, and files through their folder: editors replace files.
/// What happens comes as one token in `changes`, however much it is.
pub(super) fn watch(roots: &[PathBuf], changes: mpsc::Sender<()>) -> notify::Result<Watch> {
    let files: BTreeSet<OsString> = roots
        .iter()
        .filter(|root| !root.is_dir())
        .filter_map(|root| root.file_name().map(Into::into))
        .collect();
    let folders: Vec<PathBuf> = roots.iter().filter_map(|root| real_folder(root)).collect();
    let is_ours = move |path: &Path| {
        folders.iter().any(|folder| path.starts_with(folder))
            || path.file_name().is_some_and(|name| files.contains(name) || is_mount_link(name))
    };
    let handler = move |event: notify::Result<Event>| {
        let concerns = match &event {
            Ok(event) => {
                event.need_rescan()
                    || (is_change(event.kind) && event.paths.iter().any(|path| is_ours(path)))
            }
            Err(_) => true,
        };
        if concerns {
            // A full channel means that the token is there already.
            let _ = changes.try_send(());
        }
    };
    let mut watcher = RecommendedWatcher::new(handler, Config::default())?;
    for root in roots {
        match real_folder(root) {
            Some(folder) => watcher.watch(&folder, RecursiveMode::Recursive)?,
            None => watcher.watch(parent(root), RecursiveMode::NonRecursive)?,
        }
    }
    Ok(watcher)
}

fn real_folder(root: &Path) -> Option<PathBuf> {
    root.canonicalize().ok().filter(|root| root.is_dir())
}

fn parent(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// The link `..data` that turns to a mounted `ConfigMap`'s next version.
fn is_mount_link(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with("..")
}

/// Reading is no change, and our own reading least of all.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

#[cfg(test)]
mod tests {
    use super::watch;
    use std::{fs, time::Duration};
    use tokio::{sync::mpsc, time::timeout};

    #[tokio::test]
    async fn writing_is_told_and_reading_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "a").unwrap();
        for root in [folder.path().to_owned(), file.clone()] {
            let (teller, mut changes) = mpsc::channel(1);
            let watch = watch(&[root], teller).unwrap();
            let mut told =
                async || timeout(Duration::from_millis(200), changes.recv()).await.is_ok();
            fs::read(&file).unwrap();
            fs::read_dir(folder.path()).unwrap().count();
            assert!(!told().await, "reading");
            fs::write(&file, "b").unwrap();
            assert!(told().await, "writing");
            drop(watch);
        }
    }

    #[tokio::test]
    async fn neighbours_of_a_named_file_are_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "a").unwrap();
        let (teller, mut changes) = mpsc::channel(1);
        let _watch = watch(&[file], teller).unwrap();
        fs::write(folder.path().join("b.yaml"), "b").unwrap();
        assert!(timeout(Duration::from_millis(200), changes.recv()).await.is_err());
    }
}
