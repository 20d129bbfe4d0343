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
use listing::{Listing, Stamp};
use memory::{Content, Memory};
use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch as channel},
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout, timeout_at},
};

/// Silence after which a change counts as complete.
const QUIET: Duration = Duration::from_millis(50);

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
        let mut state = State { paths: self.paths.clone(), memory: Memory::default() };
        Ok(state.first()?.0)
    }
}

/// The stamps of all files, to see whether one may have changed.
type Stamps = Vec<(PathBuf, Option<Stamp>)>;

/// What moves to the thread that reads, and back.
#[derive(Debug)]
struct State {
    paths: Vec<PathBuf>,
    memory: Memory,
}

/// How a round of reading ended.
enum Round {
    /// With this whole configuration, or with nothing new.
    Settled(Option<Arc<Objects>>),
    /// A file has just become blank or gone: better read again in a moment.
    Between,
}

impl State {
    /// The first reading: every path that was given must be there.
    fn first(&mut self) -> Result<(Objects, Stamps), Lost> {
        let mut listing = listing::list(&self.paths);
        let stamps = listing::stamps(&listing);
        let missing = listing.failures.iter().position(|(path, _)| self.paths.contains(path));
        if let Some(missing) = missing {
            let (path, error) = listing.failures.swap_remove(missing);
            return Err(if error.kind() == io::ErrorKind::NotFound {
                Lost::NotFound { path }
            } else {
                Lost::Unreadable { path, error }
            });
        }
        let objects = self.memory.settle(contents(listing)).unwrap_or_default();
        Ok((objects, stamps))
    }

    fn again(&mut self, is_final: bool) -> (Round, Stamps) {
        let listing = listing::list(&self.paths);
        let stamps = listing::stamps(&listing);
        let contents = contents(listing);
        if !is_final && self.memory.is_between(&contents) {
            return (Round::Between, stamps);
        }
        (Round::Settled(self.memory.settle(contents).map(Arc::new)), stamps)
    }
}

fn contents(listing: Listing) -> Vec<(PathBuf, Content)> {
    let read = listing.files.into_iter().map(|path| {
        let content = fs::read(&path).map_or_else(|error| failed(&error), text);
        (path, content)
    });
    let failures = listing.failures.into_iter().map(|(path, error)| (path, failed(&error)));
    read.chain(failures).collect()
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
        let (teller, changes) = mpsc::channel(1);
        // Before the first reading, so that nothing is missed between the two.
        let watch = self.watch(&teller);
        let mut state = State { paths: self.paths.clone(), memory: Memory::default() };
        let (mut state, first) = blocking(move || {
            let first = state.first();
            (state, first)
        })
        .await?;
        let (objects, stamps) = first?;
        latest.send_replace(Arc::new(objects));
        let mut follower = Follower { files: self, teller, changes, watch, stamps };
        loop {
            tokio::select! {
                () = latest.closed() => return Ok(()),
                () = follower.change() => {}
            }
            state = follower.follow(state, &latest).await?;
        }
    }
}

impl Files {
    fn watch(&self, teller: &mpsc::Sender<()>) -> Option<watch::Watch> {
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

/// Waits for changes, and reads again.
struct Follower {
    files: Files,
    teller: mpsc::Sender<()>,
    changes: mpsc::Receiver<()>,
    watch: Option<watch::Watch>,
    stamps: Stamps,
}

impl Follower {
    /// Returns when something may have changed and it is quiet again.
    async fn change(&mut self) {
        let mut look = interval_at(Instant::now() + self.files.look, self.files.look);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = self.changes.recv() => return self.quiet().await,
                _ = look.tick() => {
                    let paths = self.files.paths.clone();
                    let now = blocking(move || listing::stamps(&listing::list(&paths))).await;
                    if now.is_ok_and(|now| now != self.stamps) {
                        // Nobody told us: what we watched may have been replaced.
                        drop(self.watch.take());
                        self.watch = self.files.watch(&self.teller);
                        return;
                    }
                }
            }
        }
    }

    async fn quiet(&mut self) {
        let end = Instant::now() + PATIENCE;
        let silence = async { while timeout(QUIET, self.changes.recv()).await.is_ok() {} };
        let _ = timeout_at(end, silence).await;
    }

    async fn follow(
        &mut self,
        state: State,
        latest: &channel::Sender<Arc<Objects>>,
    ) -> Result<State, Lost> {
        let mut state = state;
        for is_final in [false, true] {
            let (back, (round, stamps)) = blocking(move || {
                let round = state.again(is_final);
                (state, round)
            })
            .await?;
            (state, self.stamps) = (back, stamps);
            match round {
                Round::Between => sleep(BETWEEN).await,
                Round::Settled(objects) => {
                    if let Some(objects) = objects {
                        latest.send_replace(objects);
                    }
                    break;
                }
            }
        }
        Ok(state)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Lost> {
    spawn_blocking(work).await.map_err(Lost::Stopped)
}
