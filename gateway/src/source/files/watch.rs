//! Learns that files may have changed: from the kernel where it tells, else by looking.

use notify::{
    Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tokio::sync::mpsc;

/// What the kernel has told, and nobody has acted on.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// What was written to its end, or put in place.
    whole: BTreeSet<PathBuf>,
    /// What is being written, or has gone.
    open: BTreeSet<PathBuf>,
    /// Whether it cannot tell.
    is_lost: bool,
}

impl Heard {
    /// Whether whoever writes has done so to the end, for all that is known.
    pub(super) fn is_whole(&self) -> bool {
        self.open.is_empty() && !self.is_lost
    }

    /// What may be otherwise now; nothing, if it may be anything.
    pub(super) fn paths(self) -> Option<BTreeSet<PathBuf>> {
        let Self { whole, open, is_lost } = self;
        (!is_lost).then(|| whole.into_iter().chain(open).collect())
    }

    fn note(&mut self, event: Event) {
        self.is_lost |= event.need_rescan() || event.paths.is_empty();
        let is_whole = matches!(
            event.kind,
            EventKind::Access(AccessKind::Close(AccessMode::Write))
                // Of a move both paths are told once more, together.
                | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both))
        );
        for path in event.paths {
            if is_whole {
                self.open.remove(&path);
                self.whole.insert(path);
            } else {
                self.open.insert(path);
            }
        }
    }
}

/// Tells that something was heard, and keeps what it was.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    heard: Arc<Mutex<Heard>>,
    token: mpsc::Sender<()>,
}

impl Teller {
    /// One that is listened to at the other end.
    pub(super) fn new() -> (Self, mpsc::Receiver<()>) {
        // One token, however much was heard.
        let (token, told) = mpsc::channel(1);
        (Self { heard: Arc::default(), token }, told)
    }

    /// Looks at what was heard, or takes it.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Heard) -> T) -> T {
        match self.heard.lock() {
            Ok(mut heard) => look(&mut heard),
            Err(_) => look(&mut Heard { is_lost: true, ..Heard::default() }),
        }
    }

    fn tell(&self, event: notify::Result<Event>) {
        self.with(|heard| match event {
            Ok(event) => heard.note(event),
            Err(_) => heard.is_lost = true,
        });
        // A full channel means that the token is there already.
        let _ = self.token.try_send(());
    }
}

/// The kernel's watch over some paths; it ends when dropped.
pub(super) type Watch = RecommendedWatcher;

/// Watches folders with all that is in them, and files through their folder: editors replace files.
pub(super) fn watch(roots: &[PathBuf], teller: Teller) -> notify::Result<Watch> {
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
            teller.tell(event);
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
    use super::{Heard, Teller, watch};
    use std::{fs, io::Write as _, mem::take, time::Duration};
    use tokio::time::timeout;

    #[tokio::test]
    async fn writing_is_told_and_reading_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "a").unwrap();
        for root in [folder.path().to_owned(), file.clone()] {
            let (teller, mut changes) = Teller::new();
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
        let (teller, mut changes) = Teller::new();
        let _watch = watch(&[file], teller).unwrap();
        fs::write(folder.path().join("b.yaml"), "b").unwrap();
        assert!(timeout(Duration::from_millis(200), changes.recv()).await.is_err());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_is_written_to_its_end_is_told_from_what_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (teller, mut changes) = Teller::new();
        let _watch = watch(std::slice::from_ref(&root), teller.clone()).unwrap();
        let mut until = async |is_so: &dyn Fn(&Heard) -> bool| {
            while !teller.with(|heard| is_so(heard)) {
                timeout(Duration::from_secs(5), changes.recv()).await.unwrap().unwrap();
            }
        };
        let mut file = fs::File::create(root.join("new")).unwrap();
        file.write_all(b"a").unwrap();
        until(&|heard| !heard.is_whole()).await;
        drop(file);
        until(&Heard::is_whole).await;
        fs::rename(root.join("new"), root.join("a.yaml")).unwrap();
        until(&|heard| heard.is_whole() && heard.whole.contains(&root.join("a.yaml"))).await;
        fs::remove_file(root.join("a.yaml")).unwrap();
        until(&|heard| !heard.is_whole()).await;
        let paths = teller.with(take).paths().unwrap();
        assert_eq!(paths.into_iter().collect::<Vec<_>>(), [root.join("a.yaml"), root.join("new")]);
    }
}
