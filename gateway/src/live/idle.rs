//! Connections between two requests, and the right to have one.

use super::gate::{Kept, Place, Turn};
use crate::{
    io::{Conn, Io},
    tls::ClientTls,
};
use std::{net::SocketAddr, sync::Arc, time::Instant};
use tokio::sync::oneshot;

/// What a connection has behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// When it was made.
    pub(crate) born: Instant,
    /// Requests that it has served.
    pub(crate) uses: u32,
}

/// A connection that waits for its next request.
#[derive(Debug)]
pub(crate) struct Idle {
    /// What a session speaks on.
    pub(crate) io: Box<Io>,
    /// Its pacing side.
    pub(crate) conn: Arc<Conn>,
    /// What it has behind it.
    pub(crate) life: Life,
    pub(super) name: TlsName,
    pub(super) until: Instant,
}

/// The TLS of a connection: one is used again only by who would have made the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsName {
    /// How it was made; `None`: plain text.
    pub(crate) tls: Option<Arc<ClientTls>>,
    /// The name that was asked for, where each request may ask for its own.
    pub(crate) host: Option<Arc<str>>,
}

impl PartialEq for TlsName {
    fn eq(&self, other: &Self) -> bool {
        self.tls.as_ref().map(Arc::as_ptr) == other.tls.as_ref().map(Arc::as_ptr)
            && self.host == other.host
    }
}

/// The right to have a connection, where connections are limited.
pub(crate) type Room = Option<Place<Idle>>;

/// What a request that wants a connection gets.
#[derive(Debug)]
pub(crate) enum Seat {
    /// A connection.
    Used(Idle, Room),
    /// Leave to make one.
    New(Room),
}

/// What it is told.
#[derive(Debug)]
pub(crate) enum Seating {
    /// Here.
    Now(Seat),
    /// It has to wait.
    Later(Waiting),
    /// Too many wait already.
    Full,
}

/// Resolves when it is one's turn.
#[derive(Debug)]
pub(crate) struct Waiting(pub(super) oneshot::Receiver<Turn<Idle>>);

/// A connection that is free again.
#[derive(Debug)]
pub(crate) struct Free {
    /// What a session speaks on.
    pub(crate) io: Box<Io>,
    /// Its pacing side.
    pub(crate) conn: Arc<Conn>,
    /// What it has behind it.
    pub(crate) life: Life,
    /// The right to have it.
    pub(crate) room: Room,
    /// Its TLS.
    pub(crate) name: TlsName,
}

impl Free {
    /// A connection that was made just now.
    pub(crate) fn new(io: Box<Io>, conn: Arc<Conn>, room: Room, name: TlsName) -> Self {
        Self { io, conn, life: Life { born: Instant::now(), uses: 0 }, room, name }
    }

    /// One that waited.
    pub(crate) fn from_idle(idle: Idle, room: Room) -> Self {
        let Idle { io, conn, life, name, until: _ } = idle;
        Self { io, conn, life, room, name }
    }
}

impl Kept for Idle {
    fn address(&self) -> SocketAddr {
        self.conn.peer()
    }

    fn is_usable(&self) -> bool {
        self.conn.is_quiet()
    }
}

impl Seat {
    /// The same, if the name is this one; else leave to make one that is.
    pub(crate) fn fit(self, name: &TlsName) -> Self {
        match self {
            Self::Used(idle, room) if idle.name != *name => Self::New(room),
            fits @ (Self::Used(..) | Self::New(_)) => fits,
        }
    }
}

impl From<Turn<Idle>> for Seat {
    fn from(turn: Turn<Idle>) -> Self {
        match turn {
            Turn::Used(idle, place) => Self::Used(idle, Some(place)),
            Turn::New(place) => Self::New(Some(place)),
        }
    }
}

impl Waiting {
    /// The seat, when it is one's turn; `None` if that will never be. It may not fit.
    pub(crate) async fn turn(self) -> Option<Seat> {
        self.0.await.ok().map(Seat::from)
    }
}
