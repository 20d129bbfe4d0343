//! A backend that speaks HTTP/2 by the library that everyone uses.

use crate::h2_clients::{body, send_all};
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, Request, Response, request::Parts};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What is done about a request.
#[derive(Clone)]
pub(crate) enum Does {
    /// Answers with this text.
    Says(&'static str),
    /// Waits for the value, then answers with this text.
    Waits(watch::Receiver<bool>, &'static str),
    /// Sends everything back as it comes, and the trailers, too.
    Echoes,
    /// As a gRPC server that sends everything back, and these trailers.
    EchoesInGrpc(&'static [(&'static str, &'static str)]),
    /// Answers with these fields and no body.
    Heads(&'static [(&'static str, &'static str)]),
    /// Calls the request off.
    Resets(Reason),
    /// Calls the request off once all of it has come.
    TakesAndResets(Reason),
    /// Begins an answer, and calls it off once the value is there.
    Breaks(watch::Receiver<bool>),
    /// Answers, then asks the other end to go elsewhere.
    SaysAndLeaves,
    /// Agrees to speak another protocol, in which everything is sent back.
    Tunnels,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: Arc<Parts>,
    /// The number of its connection.
    pub(crate) connection: usize,
}

type Script = dyn Fn(&Parts) -> Does + Send + Sync;

/// Runs until dropped.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    script: Box<Script>,
    /// It offers to speak other protocols on streams.
    tunnels: bool,
    seen: Mutex<Vec<Seen>>,
    trailers: Mutex<Vec<HeaderMap>>,
    accepted: AtomicUsize,
    ended: watch::Sender<usize>,
}

impl Backend {
    pub(crate) async fn new(script: impl Fn(&Parts) -> Does + Send + Sync + 'static) -> Self {
        Self::offering(false, script).await
    }

    /// One that may offer to speak other protocols on streams.
    pub(crate) async fn offering(
        tunnels: bool,
        script: impl Fn(&Parts) -> Does + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            tunnels,
            seen: Mutex::default(),
            trailers: Mutex::default(),
            accepted: AtomicUsize::new(0),
            ended: watch::Sender::new(0),
        });
        let task = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
                    let shared = Arc::clone(&shared);
                    tokio::spawn(async move {
                        converse(stream, number, &shared).await;
                        shared.ended.send_modify(|ended| *ended += 1);
                    });
                }
            }
        });
        Self { address, shared, task }
    }

    pub(crate) async fn doing(does: Does) -> Self {
        Self::new(move |_| does.clone()).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The fields behind the bodies that were read to their ends.
    pub(crate) fn trailers(&self) -> Vec<HeaderMap> {
        self.shared.trailers.lock().unwrap().clone()
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

async fn converse(stream: TcpStream, number: usize, shared: &Arc<Shared>) {
    let mut builder = h2::server::Builder::new();
    if shared.tunnels {
        builder.enable_connect_protocol();
    }
    let Ok(mut connection) = builder.handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (head, recv) = Request::into_parts(request);
        let does = (shared.script)(&head);
        let head = Arc::new(head);
        shared.seen.lock().unwrap().push(Seen { head, connection: number });
        if matches!(does, Does::SaysAndLeaves) {
            connection.graceful_shutdown();
        }
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let _ = act(does, recv, respond, &shared).await;
        });
    }
}

async fn act(
    does: Does,
    mut recv: RecvStream,
    mut respond: SendResponse<Bytes>,
    shared: &Shared,
) -> Result<(), h2::Error> {
    match does {
        Does::Says(text) => say(text, recv, respond, shared).await,
        Does::SaysAndLeaves => say("bye", recv, respond, shared).await,
        Does::Waits(mut until, text) => {
            drop(until.wait_for(|yes| *yes).await.unwrap());
            say(text, recv, respond, shared).await
        }
        Does::Heads(fields) => {
            let mut response = Response::builder();
            for (name, value) in fields {
                response = response.header(*name, *value);
            }
            respond.send_response(response.body(()).unwrap(), true).map(drop)
        }
        Does::Resets(reason) => {
            respond.send_reset(reason);
            Ok(())
        }
        Does::TakesAndResets(reason) => {
            while let Some(data) = recv.data().await {
                recv.flow_control().release_capacity(data?.len())?;
            }
            respond.send_reset(reason);
            Ok(())
        }
        Does::Breaks(mut until) => {
            let mut send = respond.send_response(Response::new(()), false)?;
            send.send_data(Bytes::from_static(b"half"), false)?;
            drop(until.wait_for(|yes| *yes).await.unwrap());
            send.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
        Does::EchoesInGrpc(fields) => {
            let head = Response::builder().header("content-type", "application/grpc");
            let mut send = respond.send_response(head.body(()).unwrap(), false)?;
            echo(&mut recv, &mut send).await?;
            let field = |(name, value): &(&'static str, &'static str)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            };
            send.send_trailers(fields.iter().map(field).collect())
        }
        Does::Tunnels => {
            let mut send = respond.send_response(Response::new(()), false)?;
            echo(&mut recv, &mut send).await?;
            send.send_data(Bytes::new(), true)
        }
        Does::Echoes => {
            let mut send = respond.send_response(Response::new(()), false)?;
            echo(&mut recv, &mut send).await?;
            let trailers = recv.trailers().await?.unwrap_or_default();
            send.send_trailers(trailers)
        }
    }
}

async fn say(
    text: &'static str,
    mut recv: RecvStream,
    mut respond: SendResponse<Bytes>,
    shared: &Shared,
) -> Result<(), h2::Error> {
    let (_, trailers) = body(&mut recv).await?;
    shared.trailers.lock().unwrap().extend(trailers);
    let mut send = respond.send_response(Response::new(()), false)?;
    send.send_data(Bytes::from_static(text.as_bytes()), true)
}

async fn echo(recv: &mut RecvStream, send: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    while let Some(part) = recv.data().await {
        let part = part?;
        recv.flow_control().release_capacity(part.len())?;
        send_some(send, part).await;
    }
    Ok(())
}

/// Like [`send_all`], without the end.
async fn send_some(stream: &mut SendStream<Bytes>, mut data: Bytes) {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = match stream.capacity() {
            0 => std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap(),
            room => room,
        };
        let part = data.split_to(room.min(data.len()));
        stream.send_data(part, false).unwrap();
    }
}

/// Sends all of it and these fields.
pub(crate) async fn send_with_trailers(
    stream: &mut SendStream<Bytes>,
    data: Bytes,
    trailers: HeaderMap,
) {
    send_some(stream, data).await;
    stream.send_trailers(trailers).unwrap();
}

/// Sends all of it and no more.
pub(crate) async fn send(stream: &mut SendStream<Bytes>, data: Bytes) {
    send_all(stream, data).await;
}
