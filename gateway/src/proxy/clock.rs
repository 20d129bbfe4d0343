//! Deadlines of one request: exact, and free of charge where there is none.

use crate::edge::Limits;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

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
    /// Of a client that takes nothing of what waits for it.
    pub(crate) write: Stall,
}

/// How long something has not been in use. The timer is set anew when it fires, and not for each use.
#[derive(Debug)]
pub(crate) struct Unused {
    limit: Duration,
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

/// Notices that something does not move. Costs nothing as long as nobody has to wait for it.
#[derive(Debug)]
pub(crate) struct Stall {
    limit: Option<Duration>,
    /// Where it stood.
    mark: u64,
    /// It need not move now.
    rests: bool,
    /// Since when it stands, once somebody had to wait.
    unused: Option<Unused>,
}

impl Clock {
    /// The deadline of a request as a whole; nothing about a client that does not move.
    pub(crate) fn new(request: Timer) -> Self {
        Self { request, attempt: Timer::Never, write: Stall::new(None) }
    }

    /// The same, with the limits for clients.
    pub(crate) fn with(self, limits: &Limits) -> Self {
        Self { write: Stall::new(limits.write_timeout), ..self }
    }
}

impl Unused {
    /// From now on, for at most so long.
    pub(crate) fn new(limit: Duration) -> Self {
        let since = Instant::now();
        Self { limit, since, timer: Box::pin(sleep_until(since + limit)) }
    }

    /// It was in use just now.
    pub(crate) fn restart(&mut self) {
        self.since = Instant::now();
    }

    /// Ready when it has not been for too long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let until = self.since + self.limit;
            if until <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(until);
        }
    }
}

impl Stall {
    /// Of what may stand still this long.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { limit, mark: 0, rests: false, unused: None }
    }

    /// Ready when what now stands at `mark` has stood there for too long.
    pub(crate) fn poll(&mut self, mark: u64, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let moved = mark != std::mem::replace(&mut self.mark, mark);
        let rested = std::mem::replace(&mut self.rests, false);
        let unused = self.unused.get_or_insert_with(|| Unused::new(limit));
        if moved || rested {
            unused.restart();
        }
        unused.poll(cx)
    }

    /// It need not move.
    pub(crate) fn rest(&mut self) {
        self.rests = true;
    }
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

    #[tokio::test(start_paused = true)]
    async fn what_does_not_move_is_noticed_and_what_does_is_not() {
        let second = Duration::from_secs(1);
        let mut stall = Stall::new(Some(second));
        let begin = Instant::now();
        for mark in 0..5 {
            let stalled = poll_fn(|cx| Poll::Ready(stall.poll(mark, cx))).await;
            assert!(stalled.is_pending(), "{mark}");
            tokio::time::advance(second * 9 / 10).await;
        }
        poll_fn(|cx| stall.poll(4, cx)).await;
        assert_eq!(begin.elapsed().as_millis(), 4600);
        // A rest is no stall.
        stall.rest();
        tokio::time::advance(second * 5).await;
        assert!(poll_fn(|cx| Poll::Ready(stall.poll(4, cx))).await.is_pending());
        let mut never = Stall::new(None);
        tokio::time::advance(second * 5).await;
        assert!(poll_fn(|cx| Poll::Ready(never.poll(0, cx))).await.is_pending());
    }
}
