//! A client of HTTP/2 by the library that everyone uses.

use bytes::Bytes;
use h2::{
    RecvStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, Response};
use std::net::SocketAddr;
use tokio::{net::TcpStream, task::JoinHandle};

/// A connection to the gateway.
pub(crate) struct Client {
    pub(crate) requests: SendRequest<Bytes>,
    /// Ends when the connection does.
    pub(crate) connection: JoinHandle<Result<(), h2::Error>>,
}

/// A response, body and all.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        Self { requests, connection: tokio::spawn(connection) }
    }

    /// Sends a head; what follows it if `more`.
    pub(crate) async fn send(
        &mut self,
        request: Request<()>,
        more: bool,
    ) -> (ResponseFuture, h2::SendStream<Bytes>) {
        std::future::poll_fn(|cx| self.requests.poll_ready(cx)).await.unwrap();
        self.requests.send_request(request, !more).unwrap()
    }

    /// The response to a GET of this path of `a.example.com`.
    pub(crate) async fn get(&mut self, path: &str) -> Whole {
        let (response, _) = self.send(get(path), false).await;
        whole(response.await.unwrap()).await.unwrap()
    }
}

/// A GET of this path of `a.example.com`.
pub(crate) fn get(path: &str) -> Request<()> {
    Request::get(format!("http://a.example.com{path}")).body(()).unwrap()
}

/// A POST of the same.
pub(crate) fn post(path: &str) -> Request<()> {
    Request::post(format!("http://a.example.com{path}")).body(()).unwrap()
}

/// Reads a body to its end.
pub(crate) async fn whole(response: Response<RecvStream>) -> Result<Whole, h2::Error> {
    let (head, mut recv) = response.into_parts();
    let (body, trailers) = body(&mut recv).await?;
    Ok(Whole { status: head.status.as_u16(), headers: head.headers, body, trailers })
}

pub(crate) async fn body(recv: &mut RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut body = Vec::new();
    while let Some(part) = recv.data().await {
        let part = part?;
        recv.flow_control().release_capacity(part.len())?;
        body.extend_from_slice(&part);
    }
    Ok((body, recv.trailers().await?))
}

/// Sends all of it, as the gateway takes it.
pub(crate) async fn send_all(stream: &mut h2::SendStream<Bytes>, mut data: Bytes) {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = match stream.capacity() {
            0 => std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap(),
            room => room,
        };
        let part = data.split_to(room.min(data.len()));
        stream.send_data(part, data.is_empty()).unwrap();
    }
}
