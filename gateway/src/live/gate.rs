//! The connections of a cluster that has a limit of them: who may open one, and who waits.
//!
//! All workers share it, so that the limit is exact: where nothing is limited, nobody comes here.
//! Unused connections are kept here, too, since a worker that keeps one would keep others from
//! their turn. Who waits is served in order.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// What a gate keeps.
pub(crate) trait Kept {
    /// Where it leads.
    fn address(&self) -> SocketAddr;

    /// Whether it can be used.
    fn is_usable(&self) -> bool;
}

/// The connections of one cluster.
#[derive(Debug)]
pub(crate) struct Gate<C: Kept>(Mutex<Inner<C>>);

#[derive(Debug)]
struct Inner<C: Kept> {
    /// How many may be open.
    most: u32,
    /// How many are, the unused ones among them.
    open: u32,
    unused: Vec<C>,
    queue: VecDeque<Waiting<C>>,
}

#[derive(Debug)]
struct Waiting<C: Kept> {
    address: SocketAddr,
    turn: oneshot::Sender<Turn<C>>,
}

/// Counts as an open connection while it lives.
#[derive(Debug)]
pub(crate) struct Place<C: Kept>(Option<Arc<Gate<C>>>);

/// What one gets whose turn it is.
#[derive(Debug)]
pub(crate) enum Turn<C: Kept> {
    /// A connection to the endpoint.
    Used(C, Place<C>),
    /// A connection may be opened.
    New(Place<C>),
}

/// What one is told who wants a connection.
#[derive(Debug)]
pub(crate) enum Entry<C: Kept> {
    /// It is one's turn.
    Now(Turn<C>),
    /// It will be.
    Later(oneshot::Receiver<Turn<C>>),
    /// Too many wait already.
    Full,
}

impl<C: Kept> Default for Gate<C> {
    fn default() -> Self {
        let inner = Inner { most: 0, open: 0, unused: Vec::new(), queue: VecDeque::new() };
        Self(Mutex::new(inner))
    }
}

impl<C: Kept> Gate<C> {
    /// Asks for a connection to `address` where `most` may be open, and `pending` may wait.
    pub(crate) fn enter(
        self: &Arc<Self>,
        address: SocketAddr,
        most: u32,
        pending: Option<u32>,
    ) -> Entry<C> {
        let mut inner = self.inner();
        inner.most = most;
        while let Some(at) = inner.unused.iter().rposition(|kept| kept.address() == address) {
            let kept = inner.unused.remove(at);
            if kept.is_usable() {
                return Entry::Now(Turn::Used(kept, self.place()));
            }
            inner.open -= 1;
        }
        if inner.open < most {
            inner.open += 1;
            return Entry::Now(Turn::New(self.place()));
        }
        if !inner.unused.is_empty() {
            // One to another endpoint makes room.
            inner.unused.remove(0);
            return Entry::Now(Turn::New(self.place()));
        }
        inner.queue.retain(|waiting| !waiting.turn.is_closed());
        if pending.is_some_and(|pending| inner.queue.len() >= pending as usize) {
            return Entry::Full;
        }
        let (turn, later) = oneshot::channel();
        inner.queue.push_back(Waiting { address, turn });
        Entry::Later(later)
    }

    /// Closes the unused connections that are not to stay.
    pub(crate) fn sweep(self: &Arc<Self>, stays: impl Fn(&C) -> bool) {
        let mut inner = self.inner();
        if inner.unused.is_empty() {
            return;
        }
        let before = inner.unused.len();
        inner.unused.retain(stays);
        let closed = u32::try_from(before - inner.unused.len()).unwrap_or(u32::MAX);
        inner.open = inner.open.saturating_sub(closed);
    }

    /// Lets in who can come in.
    fn let_in(self: &Arc<Self>) {
        loop {
            let waiting = {
                let mut inner = self.inner();
                if inner.open >= inner.most {
                    return;
                }
                let Some(waiting) = inner.queue.pop_front() else { return };
                inner.open += 1;
                waiting
            };
            if let Err(Turn::New(mut place) | Turn::Used(_, mut place)) =
                waiting.turn.send(Turn::New(self.place()))
            {
                // Nobody waits there any more.
                place.0 = None;
                self.inner().open -= 1;
            }
        }
    }

    fn place(self: &Arc<Self>) -> Place<C> {
        Place(Some(Arc::clone(self)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Kept> Place<C> {
    /// Gives a connection back that can be used again: to who waits, or to be kept.
    pub(crate) fn give_back(mut self, mut kept: C) {
        let Some(gate) = self.0.clone() else { return };
        loop {
            let mut inner = gate.inner();
            if inner.open > inner.most {
                // The limit was lowered: both end here.
                return;
            }
            let Some(waiting) = inner.queue.pop_front() else {
                self.0 = None;
                inner.unused.push(kept);
                return;
            };
            drop(inner);
            let same = waiting.address == kept.address();
            let turn = if same { Turn::Used(kept, self) } else { Turn::New(self) };
            match waiting.turn.send(turn) {
                Ok(()) => return,
                // Nobody waits there any more.
                Err(Turn::Used(back, place)) => (kept, self) = (back, place),
                Err(Turn::New(_)) => return,
            }
        }
    }
}

impl<C: Kept> Drop for Place<C> {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            let mut inner = gate.inner();
            inner.open = inner.open.saturating_sub(1);
            drop(inner);
            gate.let_in();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Connection(u16);

    impl Kept for Connection {
        fn address(&self) -> SocketAddr {
            at(self.0)
        }

        fn is_usable(&self) -> bool {
            true
        }
    }

    fn at(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn place(entry: Entry<Connection>) -> Place<Connection> {
        match entry {
            Entry::Now(Turn::New(place)) => place,
            other @ (Entry::Now(Turn::Used(..)) | Entry::Later(_) | Entry::Full) => {
                panic!("{other:?}")
            }
        }
    }

    fn later(entry: Entry<Connection>) -> oneshot::Receiver<Turn<Connection>> {
        match entry {
            Entry::Later(later) => later,
            other @ (Entry::Now(_) | Entry::Full) => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_waits_is_served_in_order_and_a_full_queue_refuses() {
        let gate = Arc::new(Gate::default());
        let first = place(gate.enter(at(1), 1, Some(2)));
        let mut second = later(gate.enter(at(1), 1, Some(2)));
        let mut third = later(gate.enter(at(2), 1, Some(2)));
        assert!(matches!(gate.enter(at(1), 1, Some(2)), Entry::Full));
        first.give_back(Connection(1));
        let Ok(Turn::Used(connection, place)) = second.try_recv() else { panic!() };
        assert!(third.try_recv().is_err());
        // The third wants another endpoint: this connection ends.
        place.give_back(connection);
        assert!(matches!(third.try_recv(), Ok(Turn::New(_))));
    }

    #[test]
    fn who_has_gone_is_passed_over() {
        let gate = Arc::new(Gate::default());
        let first = place(gate.enter(at(1), 1, None));
        for _ in 0..3 {
            drop(later(gate.enter(at(1), 1, None)));
        }
        let mut waits = later(gate.enter(at(1), 1, None));
        drop(first);
        let Ok(Turn::New(place)) = waits.try_recv() else { panic!() };
        drop(later(gate.enter(at(1), 1, None)));
        place.give_back(Connection(1));
        let Entry::Now(Turn::Used(connection, place)) = gate.enter(at(1), 1, None) else {
            panic!()
        };
        assert_eq!(connection, Connection(1));
        // Who goes after the turn has come frees it again.
        let gone = later(gate.enter(at(1), 1, None));
        place.give_back(connection);
        drop(gone);
        assert_eq!(gate.inner().open, 0);
    }

    #[test]
    fn an_unused_connection_makes_room_for_one_elsewhere() {
        let gate = Arc::new(Gate::default());
        place(gate.enter(at(1), 1, None)).give_back(Connection(1));
        let second = place(gate.enter(at(2), 1, None));
        drop(later(gate.enter(at(1), 1, None)));
        drop(second);
        place(gate.enter(at(1), 1, None)).give_back(Connection(1));
        gate.sweep(|_| false);
        drop(place(gate.enter(at(1), 1, None)));
        assert_eq!(gate.inner().open, 0);
    }

    #[test]
    fn a_limit_that_is_lowered_holds_as_connections_end() {
        let gate = Arc::new(Gate::default());
        let places: Vec<_> = (0..3).map(|_| place(gate.enter(at(1), 3, None))).collect();
        let mut waits = later(gate.enter(at(1), 1, None));
        for (left, place) in (0..3).rev().zip(places) {
            assert!(waits.try_recv().is_err());
            place.give_back(Connection(1));
            assert_eq!(gate.inner().open, left.max(1));
        }
        assert!(waits.try_recv().is_ok());
    }
}
