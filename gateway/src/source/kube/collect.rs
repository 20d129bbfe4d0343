//! Listens to all watches and sends wholes: when it has been quiet for a moment, and nothing is
//! missing.

use super::{
    Wants,
    collection::{Collection, Note},
    feed::Feed,
    watch::Watch,
};
use crate::source::Lost;
use edgeway_api::Objects;
use kube::Client;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until},
};

/// Changes that come so close together are one.
const QUIET: Duration = Duration::from_millis(10);

/// Changes that never end are told nevertheless.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long news wait for Secrets that they refer to for the first time.
const FOR_SECRETS: Duration = Duration::from_secs(2);

/// How long to wait for the first whole before it is said what is missing.
const SLOW: Duration = Duration::from_secs(10);

/// How long troubles are gathered, so that all of them are told together.
const GATHERED: Duration = Duration::from_secs(1);

/// What is done about what cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It is waited for, however long it takes.
    Patient,
    /// It is the end.
    Once,
}

/// Watches, and what they have told.
pub(super) struct Collector {
    client: Client,
    wants: Wants,
    revision: Arc<str>,
    notes: mpsc::Sender<Note>,
    collection: Collection,
    watches: JoinSet<()>,
    secrets: BTreeMap<Arc<Feed>, AbortHandle>,
    has_sent: bool,
    is_cut_off: bool,
    manner: Manner,
}

/// When to tell what has changed.
#[derive(Debug, Default)]
struct Pending {
    /// When the first and the last of the changes came.
    since: Option<(Instant, Instant)>,
    /// Until when they wait for Secrets.
    held: Option<Instant>,
}

impl Pending {
    fn add(&mut self, now: Instant) {
        let first = self.since.map_or(now, |(first, _)| first);
        self.since = Some((first, now));
    }

    fn due(&self) -> Option<Instant> {
        let (first, last) = self.since?;
        Some((last + QUIET).min(first + PATIENCE))
    }
}

impl Collector {
    /// Watches what `wants` says until nobody listens.
    pub(super) async fn run(
        client: Client,
        wants: Wants,
        latest: watch::Sender<Arc<Objects>>,
        manner: Manner,
    ) -> Result<(), Lost> {
        let (notes, told) = mpsc::channel(1024);
        let revision = wants.revision.as_str().into();
        let mut collector = Self {
            client,
            wants,
            revision,
            notes,
            collection: Collection::default(),
            watches: JoinSet::new(),
            secrets: BTreeMap::new(),
            has_sent: false,
            is_cut_off: false,
            manner,
        };
        let namespaces = collector.wants.namespaces.clone();
        for feed in collector.wants.kinds.iter().flat_map(|kind| Feed::all(kind, &namespaces)) {
            collector.follow(Arc::new(feed));
        }
        collector.listen(told, latest).await
    }

    async fn listen(
        mut self,
        mut told: mpsc::Receiver<Note>,
        latest: watch::Sender<Arc<Objects>>,
    ) -> Result<(), Lost> {
        let mut pending = Pending::default();
        let slow = Instant::now() + SLOW;
        let mut is_slow = false;
        let mut untold: Option<Instant> = None;
        loop {
            let due = pending.due().or(pending.held).unwrap_or(slow);
            let is_waiting =
                pending.due().is_some() || pending.held.is_some() || (!self.has_sent && !is_slow);
            tokio::select! {
                biased;
                () = latest.closed() => return Ok(()),
                // The sender is ours, so that this never ends.
                Some(note) = told.recv() => {
                    if self.take(note) {
                        pending.add(Instant::now());
                    }
                    if self.gives_up() {
                        untold.get_or_insert_with(|| Instant::now() + GATHERED);
                    }
                }
                () = sleep_until(untold.unwrap_or(slow)), if untold.is_some() => {
                    return Err(self.lost());
                }
                () = sleep_until(due), if is_waiting => {
                    if pending.due().is_some() || pending.held.is_some() {
                        self.send(&mut pending, &latest);
                    } else {
                        is_slow = true;
                        self.say_what_is_missing();
                    }
                }
            }
        }
    }

    /// Whether something cannot be told that is not waited for.
    fn gives_up(&self) -> bool {
        self.manner == Manner::Once && !self.collection.troubles().is_empty()
    }

    fn lost(&self) -> Lost {
        Lost::Untold { why: self.collection.troubles().into_iter().map(str::to_owned).collect() }
    }

    fn take(&mut self, note: Note) -> bool {
        let is_news = self.collection.take(note);
        let is_cut_off = self.collection.unreachable() > 0;
        match (self.is_cut_off, is_cut_off) {
            (false, true) => tracing::warn!(
                "the API server cannot be reached; what is known stays, and it is tried again"
            ),
            (true, false) => tracing::info!("the API server can be reached again"),
            (true, true) | (false, false) => {}
        }
        self.is_cut_off = is_cut_off;
        is_news
    }

    /// Sends all, unless something is missing.
    fn send(&mut self, pending: &mut Pending, latest: &watch::Sender<Arc<Objects>>) {
        pending.since = None;
        if !self.has_sent && !self.collection.is_whole() {
            return;
        }
        let mut objects = self.collection.objects();
        if self.follow_secrets((self.wants.secrets)(&objects)) {
            objects = self.collection.objects();
        }
        if !self.collection.is_whole() {
            let held = *pending.held.get_or_insert_with(|| Instant::now() + FOR_SECRETS);
            if !self.has_sent || Instant::now() < held {
                return;
            }
        }
        pending.held = None;
        self.has_sent = true;
        latest.send_replace(Arc::new(objects));
    }

    /// Watches these Secrets and no others; whether one is not watched any more.
    fn follow_secrets(&mut self, wanted: BTreeSet<(String, String)>) -> bool {
        let feed = |(namespace, name): (String, String)| Arc::new(Feed::secret(&namespace, &name));
        let wanted: BTreeSet<Arc<Feed>> = wanted.into_iter().map(feed).collect();
        let unwanted: Vec<Arc<Feed>> =
            self.secrets.keys().filter(|feed| !wanted.contains(*feed)).cloned().collect();
        for feed in &unwanted {
            if let Some(watch) = self.secrets.remove(feed) {
                watch.abort();
            }
            self.collection.forget(feed);
        }
        for feed in wanted {
            if !self.secrets.contains_key(&feed) {
                let watch = self.follow(Arc::clone(&feed));
                self.secrets.insert(feed, watch);
            }
        }
        !unwanted.is_empty()
    }

    fn follow(&mut self, feed: Arc<Feed>) -> AbortHandle {
        self.collection.expect(Arc::clone(&feed));
        let (client, notes) = (self.client.clone(), self.notes.clone());
        // Those that were ended are not kept.
        while self.watches.try_join_next().is_some() {}
        self.watches.spawn(Watch::new(client, feed, Arc::clone(&self.revision), notes).run())
    }

    fn say_what_is_missing(&self) {
        for problem in self.collection.objects().defects {
            tracing::error!("{problem}");
        }
        let missing: Vec<String> =
            self.collection.missing().iter().map(ToString::to_string).collect();
        tracing::warn!(missing = missing.join(", "), "nothing is served before all is known");
    }
}

#[cfg(test)]
mod tests {
    use super::{Instant, PATIENCE, Pending, QUIET};

    #[test]
    fn changes_are_told_when_it_is_quiet_and_in_the_end_anyway() {
        let start = Instant::now();
        let mut pending = Pending::default();
        assert_eq!(pending.due(), None);
        pending.add(start);
        assert_eq!(pending.due(), Some(start + QUIET));
        pending.add(start + QUIET / 2);
        assert_eq!(pending.due(), Some(start + QUIET / 2 + QUIET));
        pending.add(start + PATIENCE);
        assert_eq!(pending.due(), Some(start + PATIENCE));
    }
}
