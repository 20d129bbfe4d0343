//! Looking at all of AWS now and then, so slowly that nobody notices: others may have changed what is
//! ours.

use crate::aws::CloudError;
use edgeway_alb_core::{Desired, Lookups, Needs, Observed};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// What was seen, and what was wished when the look began.
#[derive(Debug)]
pub(crate) struct Sighting {
    pub(crate) desired: Arc<Desired>,
    pub(crate) needs: Needs,
    pub(crate) lookups: Lookups,
    pub(crate) observed: Observed,
}

/// What is the matter with the patrol.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It is to begin.
    Due,
    /// It has ended.
    Seen(Result<Box<Sighting>, CloudError>),
}

/// Begins, ends, and waits.
#[derive(Debug)]
pub(crate) struct Patrol {
    /// From the end of one to the begin of the next; nothing for never.
    every: Option<Duration>,
    due: Option<Instant>,
    running: Option<JoinHandle<Result<Sighting, CloudError>>>,
}

impl Patrol {
    pub(crate) fn new(every: Option<Duration>) -> Self {
        Self { every, due: None, running: None }
    }

    /// The next one is in a while, unless there is one already.
    pub(crate) fn plan(&mut self) {
        if self.running.is_none() {
            self.due = self.due.or(self.every.map(|every| Instant::now() + every));
        }
    }

    /// Begins it, if it can.
    pub(crate) fn begin<F>(&mut self, look: Option<F>)
    where
        F: Future<Output = Result<Sighting, CloudError>> + Send + 'static,
    {
        self.due = None;
        match look {
            Some(look) => self.running = Some(tokio::spawn(look)),
            None => self.plan(),
        }
    }

    /// None goes on, and none comes.
    pub(crate) fn stop(&mut self) {
        self.due = None;
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }

    /// Waits for the next thing to happen. May be dropped at any time.
    pub(crate) async fn turn(&mut self) -> Turn {
        loop {
            if let Some(running) = &mut self.running {
                let seen = running.await;
                self.running = None;
                self.plan();
                if let Ok(seen) = seen {
                    return Turn::Seen(seen.map(Box::new));
                }
            } else if let Some(due) = self.due {
                sleep_until(due).await;
                return Turn::Due;
            } else {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Patrol {
    fn drop(&mut self) {
        self.stop();
    }
}
