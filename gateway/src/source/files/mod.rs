//! Files and folders of ordinary manifests, read again when they change.
//!
//! A broken edit changes nothing but the list of problems: what a file or an object said before
//! keeps serving ([`memory`]).

mod listing;
mod memory;
#[cfg(test)]
mod tests;
mod watch;

use super::{Lost, Source};
use edgeway_api::Objects;
use listing::{Known, Listing, Stamp};
use memory::{Content, Memory, Partial};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch as channel},
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout, timeout_at},
};
use watch::Teller;

/// Silence after which a change counts as complete, while a file is being written or has gone.
const QUIET: Duration = Duration::from_millis(50);

/// The same where each file that has changed was written to its end, or put in place.
const QUIET_AT_END: Duration = Duration::from_millis(5);

/// Longest wait for silence.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a file that has become blank, or is gone, may be so before it is believed.
const BETWEEN: Duration = Duration::from_millis(200);

/// How often we look for changes that the kernel did not tell.
const LOOK: Duration = Duration::from_secs(2);

/// Files and folders of manifests.
#[derive(Clone, Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    look: Duration,
    is_told: bool,
}

impl Files {
    /// Of folders, all `*.yaml`, `*.yml` and `*.json` below them count, but for hidden ones; files
    /// count whatever they are called.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, look: LOOK, is_told: true }
    }

    /// Reads everything once.
    pub fn read(&self) -> Result<Objects, Lost> {
        State::of(&self.paths).first().map(Arc::unwrap_or_clone)
    }
}

/// The stamps of all files, to see whether one may have changed.
type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// What moves to the thread that reads, and back.
#[derive(Debug)]
struct State {
    paths: Vec<PathBuf>,
    memory: Memory,
    known: Known,
    stamps: Stamps,
}

/// How a round of reading ended.
enum Round {
    /// With this whole configuration, or with nothing new.
    Settled(Option<Arc<Objects>>),
    /// A file has just become blank or gone: better read again in a moment.
    Between,
}

impl State {
    fn of(paths: &[PathBuf]) -> Self {
        let (memory, known) = (Memory::default(), Known::default());
        Self { paths: paths.to_owned(), memory, known, stamps: Stamps::new() }
    }

    /// The first reading: every path that was given must be there.
    fn first(&mut self) -> Result<Arc<Objects>, Lost> {
        let mut listing = self.list();
        let missing = listing.failures.iter().position(|(path, _)| self.paths.contains(path));
        if let Some(missing) = missing {
            let (path, error) = listing.failures.swap_remove(missing);
            return Err(if error.kind() == io::ErrorKind::NotFound {
                Lost::NotFound { path }
            } else {
                Lost::Unreadable { path, error }
            });
        }
        Ok(self.memory.settle(contents(listing)).unwrap_or_default())
    }

    /// What is there, and how it is now.
    fn list(&mut self) -> Listing {
        let mut listing = listing::list(&self.paths);
        self.stamps = listing::stamps(&listing);
        self.known = std::mem::take(&mut listing.known);
        listing
    }

    fn again(&mut self, is_final: bool) -> Round {
        let contents = contents(self.list());
        if !is_final && self.memory.is_between(&contents) {
            return Round::Between;
        }
        Round::Settled(self.memory.settle(contents))
    }

    /// Reads what may have changed and nothing else. Refused, where that does not tell all: then
    /// another reading must.
    fn these(&mut self, real: &BTreeSet<PathBuf>) -> Result<Option<Arc<Objects>>, Partial> {
        let mut changed = Vec::new();
        for path in real {
            match self.known.file(path) {
                Some(file) => changed.push(file.clone()),
                None if self.known.is_idle(path) => {}
                None => return Err(Partial),
            }
        }
        let stamps: Vec<_> = changed.iter().map(|path| listing::stamp_of(path)).collect();
        let contents = changed.iter().map(|path| (path.clone(), content(path)));
        let objects = self.memory.amend(contents.collect())?;
        self.stamps.extend(changed.into_iter().zip(stamps));
        Ok(objects)
    }
}

fn contents(listing: Listing) -> Vec<(PathBuf, Content)> {
    let read = listing.files.into_iter().map(|path| {
        let content = content(&path);
        (path, content)
    });
    let failures = listing.failures.into_iter().map(|(path, error)| (path, failed(&error)));
    read.chain(failures).collect()
}

fn content(path: &Path) -> Content {
    fs::read(path).map_or_else(|error| failed(&error), text)
}

fn text(bytes: Vec<u8>) -> Content {
    match String::from_utf8(bytes) {
        Ok(text) => Content::Text(text),
        Err(_) => Content::Unreadable("it is no UTF-8 text".into()),
    }
}

fn failed(error: &io::Error) -> Content {
    if error.kind() == io::ErrorKind::NotFound {
        Content::Gone
    } else {
        Content::Unreadable(error.to_string())
    }
}

impl Source for Files {
    async fn run(self, latest: channel::Sender<Arc<Objects>>) -> Result<(), Lost> {
        let (teller, changes) = Teller::new();
        // Before the first reading, so that nothing is missed between the two.
        let watch = self.watch(&teller);
        let mut state = State::of(&self.paths);
        let (mut state, first) = blocking(move || {
            let first = state.first();
            (state, first)
        })
        .await?;
        latest.send_replace(first?);
        let mut follower = Follower { files: self, teller, changes, watch };
        loop {
            let real = tokio::select! {
                () = latest.closed() => return Ok(()),
                real = follower.change(&state.stamps) => real,
            };
            state = follow(state, real, &latest).await?;
        }
    }
}

impl Files {
    fn watch(&self, teller: &Teller) -> Option<watch::Watch> {
        if !self.is_told {
            return None;
        }
        watch::watch(&self.paths, teller.clone())
            .inspect_err(|error| {
                let seconds = self.look.as_secs();
                tracing::warn!(%error, seconds, "files are not watched but looked at now and then");
            })
            .ok()
    }
}

/// Waits for changes.
struct Follower {
    files: Files,
    teller: Teller,
    changes: mpsc::Receiver<()>,
    watch: Option<watch::Watch>,
}

impl Follower {
    /// Returns when something may have changed and it is quiet again: what it is, if that is known.
    async fn change(&mut self, stamps: &Stamps) -> Option<BTreeSet<PathBuf>> {
        let mut look = interval_at(Instant::now() + self.files.look, self.files.look);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = self.changes.recv() => return self.told().await,
                _ = look.tick() => {}
            }
            let paths = self.files.paths.clone();
            let now = blocking(move || listing::stamps(&listing::list(&paths)));
            // Looking at thousands of files takes a while: what is told of meanwhile need not wait for it.
            let now = tokio::select! {
                _ = self.changes.recv() => return self.told().await,
                now = now => now,
            };
            if now.is_ok_and(|now| now != *stamps) {
                // Who tells of changes may be about to.
                if timeout(QUIET, self.changes.recv()).await.is_ok() {
                    return self.told().await;
                }
                // Nobody told us: what we watched may have been replaced.
                drop(self.watch.take());
                self.watch = self.files.watch(&self.teller);
                return None;
            }
        }
    }

    /// What has changed, when it is quiet, if that was told with it.
    async fn told(&mut self) -> Option<BTreeSet<PathBuf>> {
        self.quiet().await;
        self.teller.with(std::mem::take).paths()
    }

    async fn quiet(&mut self) {
        let end = Instant::now() + PATIENCE;
        let silence = async {
            loop {
                let is_whole = self.teller.with(|heard| heard.is_whole());
                let quiet = if is_whole { QUIET_AT_END } else { QUIET };
                if timeout(quiet, self.changes.recv()).await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout_at(end, silence).await;
    }
}

/// Reads again: these files, if they are known, and all if that is not enough.
async fn follow(
    mut state: State,
    real: Option<BTreeSet<PathBuf>>,
    latest: &channel::Sender<Arc<Objects>>,
) -> Result<State, Lost> {
    if let Some(real) = real {
        let (back, amended) = blocking(move || {
            let amended = state.these(&real);
            (state, amended)
        })
        .await?;
        state = back;
        if let Ok(objects) = amended {
            objects.map(|objects| latest.send_replace(objects));
            return Ok(state);
        }
    }
    for is_final in [false, true] {
        let (back, round) = blocking(move || {
            let round = state.again(is_final);
            (state, round)
        })
        .await?;
        state = back;
        match round {
            Round::Between => sleep(BETWEEN).await,
            Round::Settled(objects) => {
                objects.map(|objects| latest.send_replace(objects));
                break;
            }
        }
    }
    Ok(state)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Lost> {
    spawn_blocking(work).await.map_err(Lost::Stopped)
}
