//! The child's side: what it is given at its start, and what it tells its parent.

use super::message::{Message, receive, send};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpListener},
    os::fd::{AsFd, OwnedFd},
};

/// Why this process cannot be the child of a parent that supervises it.
#[derive(Debug, thiserror::Error)]
pub enum NotAChild {
    /// Started by somebody else, or its parent is gone.
    #[error("--supervised is for the process that --supervise starts; use that")]
    NoParent,
    /// The parent does not say what it should.
    #[error("cannot take over listening sockets from the parent process")]
    Handshake(#[source] io::Error),
}

/// The listening sockets that a parent keeps, and those of them that wait to be taken. Without a
/// parent there are none, and nothing is told to anybody.
#[derive(Debug, Default)]
pub struct Estate {
    parent: Option<OwnedFd>,
    given: BTreeMap<SocketAddr, Vec<TcpListener>>,
    restarts: u32,
    death: String,
    serving: bool,
}

impl Estate {
    /// Takes what the process `parent` has kept, over standard input. From now on this process ends
    /// when its parent does. Blocks until the parent has given all, which it does at once.
    pub fn receive(parent: i32) -> Result<Self, NotAChild> {
        let pid = Pid::from_raw(parent).ok_or(NotAChild::NoParent)?;
        let end = set_parent_process_death_signal(Some(Signal::KILL));
        end.map_err(|error| NotAChild::Handshake(error.into()))?;
        // It may have ended before that.
        if getppid() != Some(pid) {
            return Err(NotAChild::NoParent);
        }
        let socket = io::stdin().as_fd().try_clone_to_owned().map_err(NotAChild::Handshake)?;
        Self::read(socket).map_err(NotAChild::Handshake)
    }

    fn read(parent: OwnedFd) -> io::Result<Self> {
        let mut given: BTreeMap<_, Vec<TcpListener>> = BTreeMap::new();
        loop {
            match receive(parent.as_fd())? {
                Some((Message::Socket(address), Some(socket))) => {
                    given.entry(address).or_default().push(socket.into());
                }
                Some((Message::Start { restarts, death }, _)) => {
                    let parent = Some(parent);
                    return Ok(Self { parent, given, restarts, death, serving: false });
                }
                Some((message, _)) => {
                    return Err(io::Error::other(format!("unexpected message: {message}")));
                }
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// How many times the process was started after one had died, and what the last died of.
    pub fn history(&self) -> (u32, &str) {
        (self.restarts, &self.death)
    }

    /// The sockets of `address`, if there is one for each of `count` workers. A socket that nobody
    /// accepts from would swallow its share of connections, so another number is closed.
    pub(crate) fn take(&mut self, address: SocketAddr, count: usize) -> Option<Vec<TcpListener>> {
        let sockets = self.given.remove(&address)?;
        if sockets.len() == count {
            return Some(sockets);
        }
        drop(sockets);
        self.close(address);
        None
    }

    /// Has the parent keep these sockets.
    pub(crate) fn keep(&self, address: SocketAddr, sockets: &[TcpListener]) {
        for socket in sockets {
            self.tell(&Message::Socket(address), Some(socket));
        }
    }

    /// Has the parent close what it keeps for `address`.
    pub(crate) fn close(&self, address: SocketAddr) {
        self.tell(&Message::Close(address), None);
    }

    /// Notes that a configuration is in force: what it has not taken is closed.
    pub(crate) fn serve(&mut self) {
        if std::mem::replace(&mut self.serving, true) {
            return;
        }
        for (address, sockets) in std::mem::take(&mut self.given) {
            tracing::info!(%address, "listener closed, which nobody needs after the restart");
            drop(sockets);
            self.close(address);
        }
        self.tell(&Message::Serving, None);
    }

    fn tell(&self, message: &Message, socket: Option<&TcpListener>) {
        let Some(parent) = &self.parent else { return };
        if let Err(error) = send(parent.as_fd(), message, socket.map(AsFd::as_fd)) {
            tracing::error!(%error, %message, "cannot tell the parent process about a listener");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        let flags = SocketFlags::CLOEXEC;
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
    }

    #[test]
    fn what_is_given_is_taken_whole_or_closed() {
        let (ours, theirs) = pair();
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        for (port, count) in [(80, 2), (81, 1), (82, 2)] {
            for _ in 0..count {
                send(ours.as_fd(), &Message::Socket(at(port)), Some(socket.as_fd())).unwrap();
            }
        }
        let start = Message::Start { restarts: 1, death: "signal 9".into() };
        send(ours.as_fd(), &start, None).unwrap();
        let mut estate = Estate::read(theirs).unwrap();
        assert_eq!(estate.history(), (1, "signal 9"));

        assert_eq!(estate.take(at(80), 2).map(|sockets| sockets.len()), Some(2));
        assert!(estate.take(at(80), 2).is_none(), "taken");
        assert!(estate.take(at(81), 2).is_none(), "one for two workers");
        estate.keep(at(83), &[socket]);
        estate.serve();
        estate.serve();
        drop(estate);
        let mut told = Vec::new();
        while let Some((message, socket)) = receive(ours.as_fd()).unwrap() {
            told.push((message, socket.is_some()));
        }
        assert_eq!(
            told,
            [
                (Message::Close(at(81)), false),
                (Message::Socket(at(83)), true),
                (Message::Close(at(82)), false),
                (Message::Serving, false),
            ]
        );
    }

    #[test]
    fn a_parent_that_says_nothing_is_an_error() {
        let (ours, theirs) = pair();
        drop(ours);
        assert_eq!(Estate::read(theirs).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
