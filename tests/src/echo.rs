//! Backends that answer with what they saw, or as the request's `x-echo` header says: `status=503`,
//! `sleep=0.6` (seconds), `action=reset`, `header=name:value,…`; with `until=2` only in the first two tries.

use crate::message::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io::{self, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// Backends at any number of addresses.
#[derive(Debug, Default)]
pub struct Echo {
    listening: BTreeSet<SocketAddr>,
    stopped: Arc<AtomicBool>,
}

impl Echo {
    /// Listens there too.
    pub fn listen(&mut self, address: SocketAddr) {
        if !self.listening.insert(address) {
            return;
        }
        let listener = TcpListener::bind(address)
            .unwrap_or_else(|error| panic!("cannot listen at {address}: {error}"));
        let stopped = Arc::clone(&self.stopped);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // An error is how the other side ends it.
                thread::spawn(move || serve(&stream, address));
            }
        });
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        for address in &self.listening {
            // Wakes the loop that accepts.
            let _ = TcpStream::connect_timeout(address, Duration::from_secs(1));
        }
    }
}

fn serve(mut stream: &TcpStream, address: SocketAddr) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = Message::read(&mut reader)? {
        let wish = Wish::of(&request);
        if let Some(sleep) = wish.get("sleep").and_then(|text| text.parse().ok()) {
            thread::sleep(Duration::from_secs_f64(sleep));
        }
        if wish.get("action").is_some() {
            rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
            return Ok(());
        }
        stream.write_all(&answer(&request, &wish, address))?;
    }
    Ok(())
}

/// What `x-echo` asks for.
struct Wish(BTreeMap<String, String>);

impl Wish {
    fn of(request: &Message) -> Self {
        let text = request.header("x-echo").unwrap_or_default();
        let pairs = text.split(';').filter_map(|part| part.split_once('='));
        let all: BTreeMap<_, _> = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u32>().ok());
        let tried = number(request.header("x-envoy-attempt-count")).unwrap_or(1);
        let until = number(all.get("until").cloned()).unwrap_or(u32::MAX);
        Self(if tried <= until { all } else { BTreeMap::new() })
    }

    fn get(&self, name: &str) -> Option<&String> {
        self.0.get(name)
    }
}

/// The answer's body is the request itself; `x-echo-at` says who got it.
fn answer(request: &Message, wish: &Wish, address: SocketAddr) -> Vec<u8> {
    let status = wish.get("status").map_or("200", String::as_str);
    let mut body = format!("{}\r\n", request.first);
    for (name, value) in &request.headers {
        let _ = write!(body, "{name}: {value}\r\n");
    }
    body.push_str("\r\n");
    let mut head = format!("HTTP/1.1 {status} X\r\nx-echo-at: {address}\r\n");
    let more = wish.get("header").map(String::as_str).unwrap_or_default();
    for (name, value) in more.split(',').filter_map(|pair| pair.split_once(':')) {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let _ = write!(head, "content-length: {}\r\n\r\n", body.len());
    if request.word(0) != "HEAD" {
        head.push_str(&body);
    }
    head.into_bytes()
}
