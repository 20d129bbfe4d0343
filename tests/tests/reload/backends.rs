//! Two backends of HTTP, which also send bytes back as a WebSocket would, and two of gRPC.

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use std::net::Ipv4Addr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

/// Their ports; the first of a kind is at 127.0.0.1, the second at 127.0.0.2.
pub(crate) struct Backends {
    pub(crate) http: [u16; 2],
    pub(crate) grpc: [u16; 2],
}

impl Backends {
    pub(crate) async fn start() -> Self {
        let mut ports = Vec::new();
        for at in [1, 2] {
            ports.push(listen(at, |stream| drop(tokio::spawn(http(stream)))).await);
        }
        for at in [1, 2] {
            ports.push(listen(at, |stream| drop(tokio::spawn(grpc(stream)))).await);
        }
        Self { http: [ports[0], ports[1]], grpc: [ports[2], ports[3]] }
    }
}

async fn listen(at: u8, serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, at), 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            serve(stream);
        }
    });
    port
}

/// Requests without bodies, until one wants to be a WebSocket.
async fn http(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        while !buffer.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8_lossy(&std::mem::take(&mut buffer)).to_ascii_lowercase();
        if head.contains("upgrade: websocket") {
            let agreed = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                           Upgrade: websocket\r\n\r\n";
            stream.write_all(agreed).await?;
            let (mut read, mut write) = stream.split();
            return copy(&mut read, &mut write).await.map(drop);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine").await?;
    }
}

async fn grpc(stream: TcpStream) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(call(request, respond));
    }
}

async fn call(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut send = respond.send_response(head, false)?;
    let mut recv = request.into_body();
    while let Some(part) = recv.data().await {
        let part = part?;
        recv.flow_control().release_capacity(part.len())?;
        send.send_data(part, false)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    send.send_trailers(trailers)
}
