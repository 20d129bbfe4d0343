//! What parent and child say to one another: one packet each, in words, with a socket or without.

use rustix::{
    cmsg_space,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::{BorrowedFd, OwnedFd},
    str::FromStr,
};

/// Longer than any message.
const LONGEST: usize = 256;

/// A message, without the socket that may come with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A socket that listens at an address comes along: to be kept, or kept for you.
    Socket(SocketAddr),
    /// Close what is kept for an address. Child to parent.
    Close(SocketAddr),
    /// The first configuration is in force. Child to parent.
    Serving,
    /// That were all the sockets. Parent to child.
    Start {
        /// How many children were started after another had died.
        restarts: u32,
        /// What the last one died of; empty if there was none.
        death: String,
    },
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => write!(f, "socket {address}"),
            Self::Close(address) => write!(f, "close {address}"),
            Self::Serving => write!(f, "serving "),
            Self::Start { restarts, death } => write!(f, "start {restarts} {death}"),
        }
    }
}

impl FromStr for Message {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let bad = || io::Error::new(io::ErrorKind::InvalidData, format!("no message: {text:?}"));
        let (word, rest) = text.split_once(' ').ok_or_else(bad)?;
        match word {
            "socket" => rest.parse().map(Self::Socket).map_err(|_| bad()),
            "close" => rest.parse().map(Self::Close).map_err(|_| bad()),
            "serving" => Ok(Self::Serving),
            "start" => {
                let (count, death) = rest.split_once(' ').ok_or_else(bad)?;
                let restarts = count.parse().map_err(|_| bad())?;
                Ok(Self::Start { restarts, death: death.to_owned() })
            }
            _ => Err(bad()),
        }
    }
}

/// Sends one message, with a socket if there is one.
pub(crate) fn send(
    to: BorrowedFd<'_>,
    message: &Message,
    socket: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let text = message.to_string();
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if let Some(socket) = &socket {
        control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(socket)));
    }
    let sent = retry(|| {
        let words = [IoSlice::new(text.as_bytes())];
        sendmsg(to, &words, &mut control, SendFlags::NOSIGNAL)
    });
    sent.map(|_| ())
}

/// The next message, and the socket that came with it; nothing when the other end is closed.
pub(crate) fn receive(from: BorrowedFd<'_>) -> io::Result<Option<(Message, Option<OwnedFd>)>> {
    let mut text = [0; LONGEST];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = retry(|| {
        let mut words = [IoSliceMut::new(&mut text)];
        recvmsg(from, &mut words, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let socket = control.drain().find_map(|message| {
        let RecvAncillaryMessage::ScmRights(mut sockets) = message else { return None };
        sockets.next()
    });
    let text = text.get(..got.bytes).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let message = String::from_utf8_lossy(text).parse()?;
    Ok(Some((message, socket)))
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            done => return done.map_err(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::{net::TcpListener, os::fd::AsFd};

    #[test]
    fn messages_arrive_as_they_were_sent_and_sockets_with_them() {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for (message, socket) in [
            (Message::Socket(address), Some(listener.as_fd())),
            (Message::Close("[::1]:443".parse().unwrap()), None),
            (Message::Serving, None),
            (Message::Start { restarts: 7, death: "signal 9".into() }, None),
            (Message::Start { restarts: 0, death: String::new() }, None),
        ] {
            send(one.as_fd(), &message, socket).unwrap();
            let (got, with) = receive(other.as_fd()).unwrap().unwrap();
            assert_eq!(got, message);
            let with = with.map(|socket| TcpListener::from(socket).local_addr().unwrap());
            assert_eq!(with, socket.map(|_| address), "{message}");
        }
        drop(one);
        assert!(receive(other.as_fd()).unwrap().is_none());
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in ["socket", "socket 1.2.3.4", "close :80", "start x y", "hello you"] {
            assert!(text.parse::<Message>().is_err(), "{text}");
        }
    }
}
