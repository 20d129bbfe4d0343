//! A request's body on its way to a mirror: handed over without waiting, kept within bounds.

use crate::context::Copies;
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
};
use tokio::sync::mpsc;

/// How much of a body a mirror may be behind.
const MOST_BEHIND: usize = 1024 * 1024;

/// The end at which parts go in. Dropped before [`Tee::finish`], it cuts the copy off.
#[derive(Debug)]
pub(crate) struct Tee {
    parts: mpsc::UnboundedSender<Bytes>,
    state: Rc<State>,
}

/// The end at which they come out.
#[derive(Debug)]
pub(super) struct Copy {
    parts: mpsc::UnboundedReceiver<Bytes>,
    state: Rc<State>,
    over: bool,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A part of the body.
    Data(Bytes),
    /// Its end.
    End,
    /// Nothing: the mirror was too far behind.
    Lost,
    /// Nothing: the request was cut off.
    Cut,
}

/// Counts one copy, and what it holds, for as long as it lives.
#[derive(Debug)]
struct State {
    copies: Rc<Copies>,
    behind: Cell<usize>,
    complete: Cell<bool>,
    lost: Cell<bool>,
    /// Nothing goes in any more.
    closed: Cell<bool>,
    /// Who wants to know.
    waker: RefCell<Option<Waker>>,
}

/// A new copy; `None` if there are too many.
pub(super) fn pair(copies: &Rc<Copies>) -> Option<(Tee, Copy)> {
    copies.begin().then(|| {
        let (sender, parts) = mpsc::unbounded_channel();
        let state = Rc::new(State::new(Rc::clone(copies)));
        let copy = Copy { parts, state: Rc::clone(&state), over: false };
        (Tee { parts: sender, state }, copy)
    })
}

impl Tee {
    /// Hands a part over; false if the mirror gets no more.
    pub(crate) fn send(&self, part: &Bytes) -> bool {
        let behind = self.state.behind.get() + part.len();
        let fits = behind <= MOST_BEHIND && self.state.copies.hold(part.len());
        if !fits {
            self.state.lost.set(true);
            return false;
        }
        self.state.behind.set(behind);
        self.parts.send(part.clone()).is_ok()
    }

    /// There are no more parts.
    pub(crate) fn finish(self) {
        self.state.complete.set(true);
    }
}

impl Copy {
    /// Whether there is no more.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The next part.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Part> {
        self.parts.poll_recv(cx).map(|part| {
            if let Some(part) = part {
                self.state.behind.set(self.state.behind.get() - part.len());
                self.state.copies.release(part.len());
                return Part::Data(part);
            }
            self.over = true;
            self.state.end()
        })
    }

    /// How it will end, for a mirror that cannot take the next part yet.
    pub(super) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<Part> {
        if self.state.closed.get() {
            return Poll::Ready(self.state.end());
        }
        self.state.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.state.closed.set(true);
        if let Some(waker) = self.state.waker.take() {
            waker.wake();
        }
    }
}

impl State {
    fn new(copies: Rc<Copies>) -> Self {
        Self {
            copies,
            behind: Cell::default(),
            complete: Cell::default(),
            lost: Cell::default(),
            closed: Cell::default(),
            waker: RefCell::default(),
        }
    }

    /// How it ended, once it has.
    fn end(&self) -> Part {
        match (self.complete.get(), self.lost.get()) {
            (true, _) => Part::End,
            (false, true) => Part::Lost,
            (false, false) => Part::Cut,
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.copies.release(self.behind.get());
        self.copies.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    async fn next(copy: &mut Copy) -> Part {
        poll_fn(|cx| copy.poll_next(cx)).await
    }

    #[tokio::test]
    async fn parts_come_out_in_order_and_the_end_is_known() {
        let copies = Rc::new(Copies::default());
        let (tee, mut copy) = pair(&copies).unwrap();
        assert!(tee.send(&Bytes::from_static(b"a")) && tee.send(&Bytes::from_static(b"b")));
        tee.finish();
        assert_eq!(next(&mut copy).await, Part::Data("a".into()));
        assert_eq!(next(&mut copy).await, Part::Data("b".into()));
        assert_eq!(next(&mut copy).await, Part::End);
        let (tee, mut copy) = pair(&copies).unwrap();
        drop(tee);
        assert_eq!(next(&mut copy).await, Part::Cut);
    }

    #[tokio::test]
    async fn who_falls_behind_loses_the_copy_and_frees_what_it_held() {
        let copies = Rc::new(Copies::default());
        let (tee, mut copy) = pair(&copies).unwrap();
        let part = Bytes::from(vec![0; MOST_BEHIND]);
        assert!(tee.send(&part));
        assert!(!tee.send(&Bytes::from_static(b"x")));
        assert!(futures_util::FutureExt::now_or_never(poll_fn(|cx| copy.poll_end(cx))).is_none());
        drop(tee);
        assert_eq!(poll_fn(|cx| copy.poll_end(cx)).await, Part::Lost);
        assert!(matches!(next(&mut copy).await, Part::Data(_)));
        assert_eq!(next(&mut copy).await, Part::Lost);
        drop(copy);
        assert!(copies.is_empty());
    }

    #[test]
    fn all_copies_together_have_a_bound() {
        let copies = Rc::new(Copies::default());
        let part = Bytes::from(vec![0; MOST_BEHIND]);
        let mut held = Vec::new();
        while let Some((tee, copy)) = pair(&copies) {
            if !tee.send(&part) {
                break;
            }
            held.push((tee, copy));
        }
        assert!(held.len() > 1);
        drop(held);
        assert!(copies.is_empty());
    }
}
