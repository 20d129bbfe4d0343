//! One watch: lists or streams what there is, tells what changes, and goes on after whatever ends it.

use super::{
    backoff::Backoff,
    collection::{Note, Told},
    feed::{Feed, Question},
    kinds::Presence,
    object::{self, Lens, Line},
    trouble::Stop,
};
use futures_util::{AsyncBufRead, AsyncBufReadExt};
use http::{Request, header::ACCEPT};
use kube::Client;
use rand::Rng;
use serde::Deserialize;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

/// How long an answer may take to begin.
const ANSWER: Duration = Duration::from_secs(30);

/// How long a watch may be silent: the API server gives a sign of life every minute.
const SILENCE: Duration = Duration::from_secs(90);

/// A watch that lasts so long was a good one.
const GOOD: Duration = Duration::from_secs(5);

/// How long a kind must be absent before what was there of it is believed to be gone.
const ABSENCE: Duration = Duration::from_secs(30);

/// How often to look whether a kind is there: at first, and at last.
const LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Follows one feed until nobody listens.
pub(super) struct Watch {
    client: Client,
    feed: Arc<Feed>,
    revision: Arc<str>,
    notes: mpsc::Sender<Note>,
    /// The version in which the kind is served, once that is known.
    version: Option<&'static str>,
    /// From where changes are asked for; `None` if all is to be told anew.
    since: Option<String>,
    can_stream: bool,
    /// Since when there is no such kind.
    absent: Option<Instant>,
    is_known: bool,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    resources: Vec<Served>,
}

#[derive(Deserialize)]
struct Served {
    name: String,
}

impl Watch {
    pub(super) fn new(
        client: Client,
        feed: Arc<Feed>,
        revision: Arc<str>,
        notes: mpsc::Sender<Note>,
    ) -> Self {
        Self {
            client,
            feed,
            revision,
            notes,
            version: None,
            since: None,
            can_stream: true,
            absent: None,
            is_known: false,
        }
    }

    /// Follows the feed until nobody listens.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut look = LOOK.0;
        loop {
            let start = Instant::now();
            let end = self.session().await;
            if start.elapsed() >= GOOD {
                backoff.reset();
            }
            match end {
                Ok(()) if start.elapsed() >= GOOD => {}
                Ok(()) => sleep(backoff.next()).await,
                Err(Stop::Deaf) => return,
                Err(Stop::Expired) => {
                    self.since = None;
                    sleep(backoff.next()).await;
                }
                Err(Stop::CannotStream) => self.can_stream = false,
                Err(Stop::NotServed) => {
                    (self.version, self.since) = (None, None);
                    if self.tell_absent().await.is_err() {
                        return;
                    }
                    sleep(look).await;
                    look = (look * 2).min(LOOK.1);
                    continue;
                }
                Err(Stop::Trouble(trouble)) => {
                    if self.tell(Told::Trouble(trouble)).await.is_err() {
                        return;
                    }
                    sleep(backoff.next()).await;
                }
            }
            look = LOOK.0;
        }
    }

    /// A kind that was there is believed to be gone only after a while.
    async fn tell_absent(&mut self) -> Result<(), Stop> {
        let since = *self.absent.get_or_insert_with(Instant::now);
        if self.is_known && since.elapsed() < ABSENCE {
            return Ok(());
        }
        self.is_known = false;
        self.tell(Told::Absent).await
    }

    /// One connection, from its beginning to its end.
    async fn session(&mut self) -> Result<(), Stop> {
        let version = match self.version {
            Some(version) => version,
            None => *self.version.insert(self.served().await?),
        };
        if self.since.is_none() && !self.can_stream {
            self.list(version).await?;
        }
        let since = self.since.clone();
        let question = match &since {
            Some(since) => Question::Changes { since },
            None => Question::Stream,
        };
        let is_stream = question == Question::Stream;
        let request = self.request(version, question)?;
        let asked = in_time(self.client.request_stream(request)).await?;
        let lines = asked.map_err(|error| Stop::of(&error, is_stream))?;
        if is_stream {
            self.tell(Told::Began).await?;
        }
        self.tell(Told::Fine).await?;
        self.absent = None;
        self.read(version, lines).await
    }

    /// Reads lines until the watch ends, which it does now and then.
    async fn read(&mut self, version: &'static str, lines: impl AsyncBufRead) -> Result<(), Stop> {
        let mut lines = std::pin::pin!(lines);
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = timeout(SILENCE, lines.read_until(b'\n', &mut text)).await;
            if !matches!(read, Ok(Ok(1..))) {
                // Cut off, silent or at its end: what has changed meanwhile is asked for.
                return Ok(());
            }
            match object::line(&text, self.lens(version)) {
                Ok((line, reached)) => self.take(line, reached).await?,
                // Half a line, or an object without metadata: there is nothing to name.
                Err(error) => tracing::debug!(%error, feed = %self.feed, "a line is left out"),
            }
        }
    }

    async fn take(&mut self, line: Line, reached: String) -> Result<(), Stop> {
        match line {
            Line::Put(key, entry) => self.tell(Told::Put(key, entry)).await?,
            Line::Gone(key) => self.tell(Told::Gone(key)).await?,
            Line::Mark { is_whole: true } => {
                self.tell(Told::Whole).await?;
                self.is_known = true;
                self.since = Some(String::new());
            }
            Line::Mark { is_whole: false } => {}
            Line::Failed { code, message } => return Err(Stop::of_status(code, &message, false)),
        }
        // Before all is told there is no point to go on from.
        if let Some(since) = self.since.as_mut().filter(|_| !reached.is_empty()) {
            *since = reached;
        }
        Ok(())
    }

    /// Tells all there is, page by page.
    async fn list(&mut self, version: &'static str) -> Result<(), Stop> {
        self.tell(Told::Began).await?;
        let mut next: Option<String> = None;
        loop {
            let request = self.request(version, Question::List { next: next.as_deref() })?;
            let asked = in_time(self.client.request_text(request)).await?;
            let text = asked.map_err(|error| Stop::of(&error, false))?;
            let page =
                object::page(&text, self.lens(version)).map_err(|error| Stop::lost(&error))?;
            for (key, entry) in page.objects {
                self.tell(Told::Put(key, entry)).await?;
            }
            next = page.next;
            if next.is_none() {
                self.since = Some(page.version);
                self.is_known = true;
                return self.tell(Told::Whole).await;
            }
        }
    }

    /// The newest version of ours in which the kind is served.
    async fn served(&self) -> Result<&'static str, Stop> {
        let kind = self.feed.kind;
        if kind.presence != Presence::Installed {
            return kind.versions.first().copied().ok_or(Stop::NotServed);
        }
        // An API server that is coming up does not know yet what has been installed.
        self.ask("/readyz").await?;
        for version in kind.versions {
            let text = match self.ask(&format!("/apis/{}/{version}", kind.group)).await {
                Ok(text) => text,
                Err(Stop::NotServed) => continue,
                Err(other) => return Err(other),
            };
            let found: Resources =
                serde_json::from_str(&text).map_err(|error| Stop::lost(&error))?;
            if found.resources.iter().any(|served| served.name == kind.plural) {
                return Ok(version);
            }
        }
        Err(Stop::NotServed)
    }

    async fn ask(&self, path: &str) -> Result<String, Stop> {
        let request = Request::get(path).body(Vec::new()).map_err(|error| Stop::lost(&error))?;
        let asked = in_time(self.client.request_text(request)).await?;
        asked.map_err(|error| Stop::of(&error, false))
    }

    fn request(&self, version: &str, question: Question<'_>) -> Result<Request<Vec<u8>>, Stop> {
        // Watches of many replicas should not end together.
        let seconds = rand::rng().random_range(240..300);
        Request::get(self.feed.path(version, question, seconds))
            .header(ACCEPT, self.feed.accept(question))
            .body(Vec::new())
            .map_err(|error| Stop::lost(&error))
    }

    fn lens(&self, version: &'static str) -> Lens<'_> {
        Lens { kind: self.feed.kind, version, revision: &self.revision }
    }

    async fn tell(&self, told: Told) -> Result<(), Stop> {
        let note = Note { feed: Arc::clone(&self.feed), told };
        self.notes.send(note).await.map_err(|_| Stop::Deaf)
    }
}

async fn in_time<T>(asking: impl Future<Output = T>) -> Result<T, Stop> {
    timeout(ANSWER, asking).await.map_err(|_| Stop::late())
}

#[cfg(test)]
mod tests;
