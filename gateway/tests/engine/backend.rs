//! A backend that says what it is told to, byte by byte, and remembers what it was asked.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What is done about a request, step by step.
pub(crate) enum Step {
    /// These bytes are sent.
    Send(Vec<u8>),
    /// The value has to become true first.
    Wait(watch::Receiver<bool>),
    /// Whatever comes is sent back, until there is no more.
    Echo,
    /// The connection ends.
    Close,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// All of the head.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut names: Vec<_> = fields.map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        names
    }
}

type Script = dyn Fn(&Seen) -> Vec<Step> + Send + Sync;

/// Runs until dropped.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    accepted: AtomicUsize,
    /// How many connections have ended, so that it can be waited for.
    ended: watch::Sender<usize>,
}

impl Backend {
    pub(crate) async fn new(script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), script).await
    }

    /// At an address of this machine.
    pub(crate) async fn at(
        address: SocketAddr,
        script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: Mutex::default(),
            accepted: AtomicUsize::new(0),
            ended: watch::Sender::new(0),
        });
        let task = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    shared.accepted.fetch_add(1, Ordering::SeqCst);
                    let shared = Arc::clone(&shared);
                    tokio::spawn(async move {
                        let _ = converse(stream, &shared).await;
                        shared.ended.send_modify(|ended| *ended += 1);
                    });
                }
            }
        });
        Self { address, shared, task }
    }

    /// Answers 200 with this text.
    pub(crate) async fn saying(text: &'static str) -> Self {
        Self::new(move |_| vec![Step::Send(ok(text))]).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Returns when so many connections have ended.
    pub(crate) async fn ended(&self, count: usize) {
        self.shared.ended.subscribe().wait_for(|ended| *ended >= count).await.unwrap();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A response with a body.
pub(crate) fn ok(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

async fn converse(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer).await? {
        shared.seen.lock().unwrap().push(seen.clone());
        for step in (shared.script)(&seen) {
            match step {
                Step::Send(bytes) => stream.write_all(&bytes).await?,
                Step::Wait(mut until) => drop(until.wait_for(|yes| *yes).await.unwrap()),
                Step::Echo => {
                    stream.write_all(&std::mem::take(&mut buffer)).await?;
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await?;
                }
                Step::Close => return Ok(()),
            }
        }
    }
    Ok(())
}

async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<Seen>> {
    let end = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let rest = buffer.split_off(end);
    let head = String::from_utf8_lossy(&std::mem::replace(buffer, rest)).into_owned();
    let mut seen = Seen { head, body: Vec::new() };
    if seen.field("upgrade").is_some() || seen.field("x-unread").is_some() {
        return Ok(Some(seen));
    }
    if seen.field("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    if let Some(length) = seen.field("content-length") {
        let length: usize = length.parse().unwrap();
        while buffer.len() < length {
            if stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        }
        let rest = buffer.split_off(length);
        seen.body = std::mem::replace(buffer, rest);
    } else if seen.field("transfer-encoding").is_some() {
        match read_chunks(stream, buffer).await? {
            Some(body) => seen.body = body,
            None => return Ok(None),
        }
    }
    Ok(Some(seen))
}

/// A chunked body without trailers.
pub(crate) async fn read_chunks(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let line = loop {
            if let Some(line) = find(buffer, b"\r\n") {
                break line;
            }
            if stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        };
        let size = std::str::from_utf8(&buffer[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        while buffer.len() < line + 2 + size + 2 {
            if stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        }
        body.extend_from_slice(&buffer[line + 2..line + 2 + size]);
        buffer.drain(..line + 2 + size + 2);
        if size == 0 {
            return Ok(Some(body));
        }
    }
}

pub(crate) fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}
