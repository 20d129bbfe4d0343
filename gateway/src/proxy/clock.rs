//! Deadlines of one request: exact, and free of charge where there is none.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};

/// One deadline, which begins to run when it is started.
#[derive(Debug)]
pub(crate) enum Timer {
    /// There is none.
    Never,
    /// It has not begun to run.
    Waiting(Duration),
    /// It runs.
    Running(Pin<Box<Sleep>>),
}

/// The deadlines of a request.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Of the request as a whole, from when it has been received completely.
    pub(crate) request: Timer,
    /// Of one try, from when it has been sent completely, until its response begins.
    pub(crate) attempt: Timer,
}

impl Timer {
    /// A deadline this long after its start.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        limit.map_or(Self::Never, Self::Waiting)
    }

    /// Starts it, unless it runs.
    pub(crate) fn start(&mut self) {
        if let Self::Waiting(limit) = *self {
            *self = Self::Running(Box::pin(sleep(limit)));
        }
    }

    /// What is left of it, the whole if it has not begun.
    pub(crate) fn left(&self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::Waiting(limit) => Some(*limit),
            Self::Running(sleep) => {
                Some(sleep.deadline().saturating_duration_since(Instant::now()))
            }
        }
    }

    /// Ready when it has passed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Never | Self::Waiting(_) => Poll::Pending,
            Self::Running(sleep) => sleep.as_mut().poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn a_timer_runs_from_its_first_start() {
        let mut timer = Timer::new(Some(Duration::from_secs(1)));
        assert_eq!(timer.left(), Some(Duration::from_secs(1)));
        let begin = Instant::now();
        tokio::time::advance(Duration::from_secs(5)).await;
        timer.start();
        tokio::time::advance(Duration::from_millis(400)).await;
        timer.start();
        assert_eq!(timer.left(), Some(Duration::from_millis(600)));
        poll_fn(|cx| timer.poll(cx)).await;
        assert_eq!(begin.elapsed().as_millis(), 6000);
    }
}
