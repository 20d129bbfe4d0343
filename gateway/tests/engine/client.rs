//! A client that sends bytes and reads responses.

use crate::backend::{find, read_chunks};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// A connection to the gateway.
pub(crate) struct Client {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    buffer: Vec<u8>,
}

/// A response, body and all.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Over a connection that is made.
    pub(crate) fn over(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        Self { read, write, buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.write.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends to a gateway that may already have had enough.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.write.write_all(bytes).await;
    }

    /// Sends no more.
    pub(crate) async fn end(&mut self) {
        self.write.shutdown().await.unwrap();
    }

    /// The response to a GET of this path of `a.example.com`.
    pub(crate) async fn get(&mut self, path: &str) -> Response {
        self.exchange(format!("GET {path} HTTP/1.1\r\nHost: a.example.com\r\n\r\n")).await
    }

    /// Sends and reads at the same time.
    pub(crate) async fn exchange(&mut self, bytes: impl AsRef<[u8]>) -> Response {
        let Self { read, write, buffer } = self;
        let sending = write.write_all(bytes.as_ref());
        let (sent, response) = tokio::join!(sending, read_response(read, buffer, "GET"));
        sent.unwrap();
        response.expect("a whole response")
    }

    /// The next response, interim ones included.
    pub(crate) async fn response(&mut self) -> Response {
        self.response_to("GET").await.expect("a whole response")
    }

    /// The next response; `None` if the connection ends before it does.
    pub(crate) async fn response_to(&mut self, method: &str) -> Option<Response> {
        read_response(&mut self.read, &mut self.buffer, method).await
    }

    /// The head of the next response.
    pub(crate) async fn head(&mut self) -> Response {
        self.response_to("HEAD").await.expect("a head")
    }

    /// What follows of a body in chunks.
    pub(crate) async fn chunks(&mut self) -> Vec<u8> {
        read_chunks(&mut self.read, &mut self.buffer).await.unwrap().expect("a whole body")
    }

    /// What comes until the connection ends.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        let _ = self.read.read_to_end(&mut self.buffer).await;
        self.buffer
    }

    /// The next bytes, as many.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(self.read.read_buf(&mut self.buffer).await.unwrap() > 0, "it ended");
        }
        let rest = self.buffer.split_off(count);
        std::mem::replace(&mut self.buffer, rest)
    }
}

async fn read_response(
    read: &mut OwnedReadHalf,
    buffer: &mut Vec<u8>,
    method: &str,
) -> Option<Response> {
    let end = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
        if read.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let rest = buffer.split_off(end);
    let head = String::from_utf8(std::mem::replace(buffer, rest)).unwrap();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut response = Response { status, head, body: Vec::new() };
    if method == "HEAD" || status < 200 || matches!(status, 204 | 304) {
        return Some(response);
    }
    if response.field("transfer-encoding").is_some() {
        response.body = read_chunks(read, buffer).await.ok()??;
    } else {
        let length = response.field("content-length").expect("a length").parse().unwrap();
        while buffer.len() < length {
            if read.read_buf(buffer).await.ok()? == 0 {
                return None;
            }
        }
        let rest = buffer.split_off(length);
        response.body = std::mem::replace(buffer, rest);
    }
    Some(response)
}
