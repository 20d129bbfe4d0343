//! A target written against bare sockets, so that nothing of the load balancer's own HTTP can
//! hide an error of its own.
//!
//! What it does stands in the path: `/status/503`, `/slow/300` (milliseconds), `/close` (hangs up
//! without an answer), `/never` (keeps silent), `/chunks/20`. Anything else is answered with 200.
//! The body of an answer is the request as it came, after the name of the target.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running target.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
    task: JoinHandle<()>,
}

/// What a target counts, and how it is.
#[derive(Default)]
pub(crate) struct State {
    name: String,
    /// Requests other than health checks.
    pub(crate) served: AtomicU32,
    pub(crate) checked: AtomicU32,
    pub(crate) connections: AtomicU32,
    pub(crate) ill: AtomicBool,
}

impl Target {
    pub(crate) async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { name: name.to_owned(), ..State::default() });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(connection(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state, task }
    }

    pub(crate) fn served(&self) -> u32 {
        self.state.served.load(Ordering::SeqCst)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(mut stream: TcpStream, state: Arc<State>) {
    let mut buffer = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut buffer).await {
        let check = head.contains("ELB-HealthChecker/2.0");
        let counter = if check { &state.checked } else { &state.served };
        counter.fetch_add(1, Ordering::SeqCst);
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut parts = path.trim_start_matches('/').split('/');
        let (what, number) = (parts.next(), parts.next().and_then(|n| n.parse::<u64>().ok()));
        let mut status = if check && state.ill.load(Ordering::SeqCst) { 503 } else { 200 };
        match (what, number) {
            (Some("status"), Some(code)) => status = u16::try_from(code).unwrap(),
            (Some("slow"), Some(millis)) => tokio::time::sleep(Duration::from_millis(millis)).await,
            (Some("never"), _) => tokio::time::sleep(Duration::from_secs(60)).await,
            (Some("close"), _) => return,
            (Some("chunks"), Some(count)) => {
                chunks(&mut stream, count).await;
                continue;
            }
            (Some("echo"), _) if head.to_ascii_lowercase().contains("\r\nupgrade: echo") => {
                return upgrade(stream, buffer).await;
            }
            _ => {}
        }
        let text = format!("{}\n{head}\r\n\r\n{body}", state.name);
        let length = if status == 204 {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", text.len())
        };
        let text = if status == 204 || head.starts_with("HEAD") { "" } else { &text };
        let reply = format!(
            "HTTP/1.1 {status} Whatever\r\nServer: target\r\nX-Target: {}\r\nKeep-Alive: timeout=9\r\n{length}\r\n{text}",
            state.name
        );
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The head and body of the next request; what is read beyond stays in the buffer.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, String)> {
    let at = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..at]).into_owned();
    buffer.drain(..at + 4);
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = Vec::new();
    if lower.contains("transfer-encoding: chunked") {
        loop {
            let line = line(stream, buffer).await?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            take(stream, buffer, size, &mut body).await?;
            take(stream, buffer, 2, &mut Vec::new()).await?;
            if size == 0 {
                break;
            }
        }
    } else {
        take(stream, buffer, length.unwrap_or(0), &mut body).await?;
    }
    Some((head, String::from_utf8_lossy(&body).into_owned()))
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(buffer).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(()),
    }
}

async fn line(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(at) = buffer.windows(2).position(|two| two == b"\r\n") {
            let line = String::from_utf8_lossy(&buffer[..at]).into_owned();
            buffer.drain(..at + 2);
            return Some(line);
        }
        more(stream, buffer).await?;
    }
}

async fn take(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    mut size: usize,
    into: &mut Vec<u8>,
) -> Option<()> {
    while size > 0 {
        if buffer.is_empty() {
            more(stream, buffer).await?;
        }
        let now = size.min(buffer.len());
        into.extend(buffer.drain(..now));
        size -= now;
    }
    Some(())
}

async fn chunks(stream: &mut TcpStream, count: u64) {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let _ = stream.write_all(head.as_bytes()).await;
    for number in 0..count {
        let _ = stream.write_all(format!("2\r\n{:02}\r\n", number % 100).as_bytes()).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = stream.write_all(b"0\r\n\r\n").await;
}

async fn upgrade(mut stream: TcpStream, early: Vec<u8>) {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&early).await;
    let (mut read, mut write) = stream.split();
    let _ = tokio::io::copy(&mut read, &mut write).await;
}
