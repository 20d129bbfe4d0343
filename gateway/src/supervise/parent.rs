//! The parent: starts children, keeps their sockets, passes signals on.
//!
//! It holds what must not be lost, so it does as little as possible: one thread waits for signals, one
//! for the child's messages, and there is no runtime.

use super::{
    decide::{End, Lives, Next},
    message::{Message, receive, send},
};
use rustix::{
    net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair},
    process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait},
};
use signal_hook::{
    consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::Signals,
};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, Write},
    net::SocketAddr,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Instant,
};

/// Signals that ask a child to end.
const ENDING: [i32; 4] = [SIGTERM, SIGINT, SIGHUP, SIGQUIT];

/// Why there is nobody to supervise.
#[derive(Debug, thiserror::Error)]
pub enum CannotSupervise {
    /// No signals.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    /// No child.
    #[error("cannot start the gateway as a child; leave out --supervise to do without")]
    Start(#[source] io::Error),
}

/// Runs this program again with `arguments`, as a child that is started again when it crashes, until
/// it ends by itself, is told to end, or crashes again and again. The result is the code to end with.
///
/// To be called before there is any other thread.
pub fn supervise(arguments: Vec<OsString>) -> Result<u8, CannotSupervise> {
    let passed = [&ENDING[..], &[SIGUSR1, SIGUSR2, SIGCHLD]].concat();
    let mut signals = Signals::new(passed).map_err(CannotSupervise::Signals)?;
    let program = std::env::current_exe().map_err(CannotSupervise::Start)?;
    let birth = Birth { program, arguments };
    let mut lives = Lives::default();
    let kept = Arc::<Mutex<Kept>>::default();
    let mut child = birth.start(&kept, 0, "").map_err(CannotSupervise::Start)?;
    for signal in signals.forever() {
        if signal != SIGCHLD {
            if ENDING.contains(&signal) {
                lives.stop();
            }
            child.signal(signal);
            continue;
        }
        let Some(end) = reap(child.pid) else { continue };
        let time = child.since.elapsed();
        child.finish();
        let served = std::mem::take(&mut lock(&kept).serving);
        match lives.ended(end, time, served) {
            Next::Exit(code) => return Ok(code),
            Next::Start => {
                let again = birth.start(&kept, lives.restarts, &end.to_string());
                child = again.map_err(CannotSupervise::Start)?;
            }
        }
    }
    Ok(0)
}

/// What is kept for the next child.
#[derive(Debug, Default)]
struct Kept {
    sockets: BTreeMap<SocketAddr, Vec<OwnedFd>>,
    /// Whether the child has a configuration in force.
    serving: bool,
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How children are started.
struct Birth {
    program: PathBuf,
    arguments: Vec<OsString>,
}

/// A child that runs.
struct Child {
    pid: Pid,
    since: Instant,
    socket: Arc<OwnedFd>,
    listening: JoinHandle<()>,
}

impl Birth {
    fn start(&self, kept: &Arc<Mutex<Kept>>, restarts: u32, death: &str) -> io::Result<Child> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.arg(format!("--supervised={}", getpid().as_raw_nonzero()));
        // A terminal's signals come to us alone, who pass them on.
        command.stdin(Stdio::from(theirs)).process_group(0);
        let child = command.spawn()?;
        // So that our end shows when the child is gone.
        drop(command);
        let since = Instant::now();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::Unsupported)?;
        if let Err(error) = give(&ours, &lock(kept), restarts, death) {
            // It has died already, which the signal says, too.
            say(&format!("cannot hand listening sockets to process {pid:?}: {error}"));
        }
        let socket = Arc::new(ours);
        let (from, kept) = (Arc::clone(&socket), Arc::clone(kept));
        let listening = thread::Builder::new().spawn(move || listen(&from, &kept))?;
        Ok(Child { pid, since, socket, listening })
    }
}

impl Child {
    fn signal(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            // Who has died needs none.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Hears the last that it has said.
    fn finish(self) {
        // Programs that it has started may hold its end of the socket.
        let _ = shutdown(&*self.socket, Shutdown::Read);
        let _ = self.listening.join();
    }
}

fn give(to: &OwnedFd, kept: &Kept, restarts: u32, death: &str) -> io::Result<()> {
    for (address, sockets) in &kept.sockets {
        for socket in sockets {
            send(to.as_fd(), &Message::Socket(*address), Some(socket.as_fd()))?;
        }
    }
    send(to.as_fd(), &Message::Start { restarts, death: death.to_owned() }, None)
}

/// Follows what a child says until it has ended.
fn listen(from: &OwnedFd, kept: &Mutex<Kept>) {
    loop {
        match receive(from.as_fd()) {
            Ok(Some((Message::Socket(address), Some(socket)))) => {
                lock(kept).sockets.entry(address).or_default().push(socket);
            }
            Ok(Some((Message::Close(address), _))) => {
                lock(kept).sockets.remove(&address);
            }
            Ok(Some((Message::Serving, _))) => lock(kept).serving = true,
            Ok(Some((message, _))) => say(&format!("unexpected message: {message}")),
            Ok(None) => return,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => say(&error.to_string()),
            Err(_) => return,
        }
    }
}

/// How the child ended, if it has; waits for others, too, whose parents are gone.
fn reap(child: Pid) -> Option<End> {
    let mut end = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == child {
            end = Some(end_of(status));
        }
    }
    end
}

fn end_of(status: WaitStatus) -> End {
    let code = status.exit_status().map(|code| u8::try_from(code).unwrap_or(u8::MAX));
    let signal = status.terminating_signal().unwrap_or_default();
    code.map_or(End::Signal(signal), End::Exit)
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "edgeway-gateway --supervise: {text}");
}
