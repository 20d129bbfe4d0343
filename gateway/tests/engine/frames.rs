//! HTTP/2 frame by frame: a client that may say what no library would.

use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// A connection whose session has begun.
pub(crate) struct Frames {
    stream: TcpStream,
}

/// What came first for a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// A response with this status, where it is one of HPACK's own.
    Response(Option<u16>),
    /// A reset with this code.
    Reset(u32),
    /// The connection's end, with this code if it gave one.
    End(Option<u32>),
}

impl Frames {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut frames = Self { stream };
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // A gateway that has had enough is noticed by reading.
        let _ = self.stream.write_all(&frame).await;
    }

    /// A request, complete or with a body to follow.
    pub(crate) async fn request(&mut self, stream: u32, fields: &[(&str, &str)], complete: bool) {
        let mut block = Vec::new();
        for (name, value) in fields {
            block.push(0);
            for text in [name, value] {
                // A length of seven bits, or what is above goes into a second byte.
                let length = text.len();
                if length < 127 {
                    block.push(u8::try_from(length).unwrap());
                } else {
                    block.extend([127, u8::try_from(length - 127).unwrap()]);
                }
                block.extend(text.as_bytes());
            }
        }
        let end = if complete { END_STREAM } else { 0 };
        self.send(HEADERS, END_HEADERS | end, stream, &block).await;
    }

    /// The rest of a body.
    pub(crate) async fn data(&mut self, stream: u32, data: &[u8]) {
        self.send(DATA, END_STREAM, stream, data).await;
    }

    /// A request called off.
    pub(crate) async fn reset(&mut self, stream: u32) {
        self.send(RST_STREAM, 0, stream, &8_u32.to_be_bytes()).await;
    }

    /// What comes of a stream.
    pub(crate) async fn outcome(&mut self, wanted: u32) -> Came {
        loop {
            let mut head = [0; 9];
            if self.stream.read_exact(&mut head).await.is_err() {
                return Came::End(None);
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).await.unwrap();
            let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
            match kind {
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
                HEADERS if stream == wanted => return Came::Response(status(&payload)),
                RST_STREAM if stream == wanted => return Came::Reset(code(0)),
                GOAWAY if code(4) != 0 => return Came::End(Some(code(4))),
                _ => {}
            }
        }
    }
}

/// The status of a head that begins with an entry of HPACK's static table, or with a literal of
/// three digits, Huffman-coded or not, of which only the plain one is read.
fn status(block: &[u8]) -> Option<u16> {
    match block.first()? {
        0x88 => Some(200),
        0x8c => Some(400),
        0x8d => Some(404),
        _ => None,
    }
}
