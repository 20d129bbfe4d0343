//! What a parent does about what happens to its child. No process and no clock here.

use std::{fmt, time::Duration};

/// A child that ends sooner than this has ended early.
const EARLY: Duration = Duration::from_secs(10);

/// So many early ends in a row are left to whoever started us.
const MOST_EARLY: u32 = 3;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with this code.
    Exit(u8),
    /// By this signal.
    Signal(i32),
}

/// What a parent does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Start another child.
    Start,
    /// End with this code.
    Exit(u8),
}

/// What is remembered of the children so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lives {
    /// How many were started after another had died.
    pub(crate) restarts: u32,
    /// How many ended early in a row.
    early: u32,
    stopping: bool,
}

impl End {
    /// The code that shells give it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Exit(code) => code,
            Self::Signal(signal) => u8::try_from(signal).map_or(u8::MAX, |it| it | 128),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

impl Lives {
    /// Notes that the child was told to end.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    /// What follows from `end`, of a child that lived for `time` and `served` or did not.
    pub(crate) fn ended(&mut self, end: End, time: Duration, served: bool) -> Next {
        let is_first = self.restarts == 0;
        // Who fails before it serves would fail again; a first child leaves nothing to keep.
        let is_hopeless = !served && (is_first || matches!(end, End::Exit(_)));
        self.early = if time < EARLY { self.early + 1 } else { 0 };
        if self.stopping || end == End::Exit(0) || is_hopeless || self.early >= MOST_EARLY {
            return Next::Exit(end.code());
        }
        self.restarts += 1;
        Next::Start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(1);
    const LATE: Duration = Duration::from_secs(11);

    #[test]
    fn a_crash_while_serving_starts_another_and_anything_else_ends() {
        let mut stopping = Lives::default();
        stopping.stop();
        let again = Lives { restarts: 1, ..Lives::default() };
        let first = Lives::default();
        for (what, lives, end, served, wanted) in [
            ("killed", &first, End::Signal(9), true, Next::Start),
            ("panicked", &first, End::Exit(101), true, Next::Start),
            ("has ended", &first, End::Exit(0), true, Next::Exit(0)),
            ("bad arguments", &first, End::Exit(2), false, Next::Exit(2)),
            ("killed before it served", &first, End::Signal(9), false, Next::Exit(137)),
            ("killed again before it served", &again, End::Signal(11), false, Next::Start),
            ("fails when started again", &again, End::Exit(1), false, Next::Exit(1)),
            ("told to end", &stopping, End::Signal(15), true, Next::Exit(143)),
            ("told twice", &stopping, End::Exit(130), true, Next::Exit(130)),
        ] {
            assert_eq!(lives.clone().ended(end, LATE, served), wanted, "{what}");
        }
    }

    #[test]
    fn the_third_early_end_in_a_row_is_the_last() {
        let crash = End::Signal(6);
        let mut lives = Lives::default();
        for time in [SOON, SOON, LATE, SOON, SOON] {
            assert_eq!(lives.ended(crash, time, true), Next::Start);
        }
        assert_eq!(lives.restarts, 5);
        assert_eq!(lives.ended(crash, SOON, true), Next::Exit(134));
    }
}
