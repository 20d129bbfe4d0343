//! Backends that do as they are told: each knows its place among its siblings and counts what it gets.
//!
//! Small HTTP/1.1 servers of their own, on addresses of the loopback network and one common port, as
//! the pods of a Service are.

use crate::message::Message;
use std::{
    io::{BufReader, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What a backend does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Answers with this status; the body is the backend's number.
    Answer(u16),
    /// Answers with this status and a header field of this name, with the value 2.
    Says(u16, &'static str),
    /// Answers 200 once it is told to ([`Crowd::release`]).
    Hold,
    /// Answers with this status after a while.
    Late(u16, Duration),
    /// Resets the connection without a word.
    Reset,
    /// Closes the connection without a word.
    Close,
    /// Answers with something that is not HTTP.
    Garbage,
    /// Sends a head that promises more of a body than comes.
    CutBody,
}

/// A request that a backend got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// The backend's number.
    pub backend: usize,
    /// Counts the connections of a backend.
    pub connection: usize,
    /// The request's path.
    pub path: String,
    /// Its header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Length of its body.
    pub body: usize,
    /// When its body was complete.
    pub at: Instant,
}

impl Got {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Some backends of one service. They stop listening when dropped.
#[derive(Debug)]
pub struct Crowd {
    port: u16,
    addresses: Vec<Ipv4Addr>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stopped: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    does: Vec<Does>,
    got: Vec<Got>,
    /// Requests that hold may be answered: so many.
    released: usize,
    /// Of each backend: connections made, open, most open at once.
    connections: Vec<(usize, usize, usize)>,
    active: usize,
    most_active: usize,
}

/// Tells the networks of several crowds in one process apart.
static NEXT: AtomicU8 = AtomicU8::new(1);

impl Crowd {
    /// Starts `count` backends; all answer 200.
    pub fn start(count: usize) -> Self {
        let network = NEXT.fetch_add(1, Ordering::Relaxed);
        // Other test processes use the same network: the common port is what tells them apart.
        let at = |index: usize| {
            let host = u8::try_from(index + 1).expect("a crowd is smaller than 250");
            Ipv4Addr::new(127, 88, network, host)
        };
        let addresses: Vec<_> = (0..count).map(at).collect();
        let first = TcpListener::bind((addresses[0], 0)).expect("loopback has a free port");
        let port = first.local_addr().expect("a bound socket has an address").port();
        let mut listeners = vec![first];
        for address in addresses.iter().skip(1) {
            listeners.push(TcpListener::bind((*address, port)).expect("nobody else has it"));
        }
        let state = State {
            does: vec![Does::Answer(200); count],
            connections: vec![(0, 0, 0); count],
            ..State::default()
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
        });
        for (backend, listener) in listeners.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(backend, &listener, &shared));
        }
        Self { port, addresses, shared }
    }

    /// Their common port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where each listens.
    pub fn addresses(&self) -> &[Ipv4Addr] {
        &self.addresses
    }

    /// Tells one what to do from now on.
    pub fn tell(&self, backend: usize, does: Does) {
        self.state().does[backend] = does;
    }

    /// Tells all.
    pub fn tell_all(&self, does: Does) {
        self.state().does.fill(does);
    }

    /// Lets so many of those that hold answer, in the order in which they came.
    pub fn release(&self, count: usize) {
        self.state().released += count;
        self.shared.changed.notify_all();
    }

    /// What has come since the last time this was asked.
    pub fn take(&self) -> Vec<Got> {
        std::mem::take(&mut self.state().got)
    }

    /// How much each got since [`Crowd::take`].
    pub fn take_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.addresses.len()];
        self.take().iter().for_each(|got| counts[got.backend] += 1);
        counts
    }

    /// Requests that are with the backends now, and the most that were at once.
    pub fn active(&self) -> (usize, usize) {
        let state = self.state();
        (state.active, state.most_active)
    }

    /// Connections made to a backend, open now, and the most that were open at once.
    pub fn connections(&self, backend: usize) -> (usize, usize, usize) {
        self.state().connections[backend]
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.state().released = usize::MAX / 2;
        self.shared.changed.notify_all();
        for address in &self.addresses {
            // Wakes the loop that accepts.
            let _ = TcpStream::connect_timeout(
                &SocketAddr::from((*address, self.port)),
                Duration::from_secs(1),
            );
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no backend has panicked")
    }

    /// Waits until a request that holds may go on.
    fn wait_for_release(&self) {
        let mut state = self.state();
        while state.released == 0 {
            state = self.changed.wait(state).expect("no backend has panicked");
        }
        state.released -= 1;
    }
}

fn accept(backend: usize, listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().map_while(Result::ok) {
        if shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let connection = {
                let mut state = shared.state();
                let (made, open, most) = &mut state.connections[backend];
                *made += 1;
                *open += 1;
                *most = (*most).max(*open);
                *made - 1
            };
            // An error is how the other side ends it.
            let _ = serve(backend, connection, &stream, &shared);
            shared.state().connections[backend].1 -= 1;
        });
    }
}

fn serve(
    backend: usize,
    connection: usize,
    stream: &TcpStream,
    shared: &Shared,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = Message::read(&mut reader)? {
        let (path, body) = (request.word(1).to_owned(), request.body.len());
        let headers = request.headers;
        let got = Got { backend, connection, path, headers, body, at: Instant::now() };
        let does = {
            let mut state = shared.state();
            state.got.push(got);
            state.active += 1;
            state.most_active = state.most_active.max(state.active);
            state.does[backend]
        };
        let goes_on = act(backend, does, stream, shared);
        shared.state().active -= 1;
        if !goes_on? {
            return Ok(());
        }
    }
    Ok(())
}

/// Does as told; whether the connection goes on.
fn act(
    backend: usize,
    does: Does,
    mut stream: &TcpStream,
    shared: &Shared,
) -> std::io::Result<bool> {
    let mut say = |status: u16, field: &str| {
        let body = backend.to_string();
        let length = body.len();
        // In one write: the kernel holds back the second of two until the first is acknowledged.
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{field}");
        stream.write_all(format!("{head}\r\n{body}").as_bytes())
    };
    let mut answer = |status| say(status, "");
    match does {
        Does::Answer(status) => answer(status)?,
        Does::Says(status, field) => say(status, &format!("{field}: 2\r\n"))?,
        Does::Hold => {
            shared.wait_for_release();
            answer(200)?;
        }
        Does::Late(status, after) => {
            thread::sleep(after);
            answer(status)?;
        }
        Does::Reset => {
            rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
            return Ok(false);
        }
        Does::Close => {
            stream.shutdown(Shutdown::Both)?;
            return Ok(false);
        }
        Does::Garbage => {
            stream.write_all(b"what?\r\n\r\n")?;
            return Ok(false);
        }
        Does::CutBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")?;
            return Ok(false);
        }
    }
    Ok(true)
}
