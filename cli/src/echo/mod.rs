//! A backend that tells what it was asked, for trying out routes without an application.
//!
//! It speaks HTTP/1.1 and HTTP/2 with prior knowledge, and misbehaves if a request says so
//! (`x-echo: status=503,delay=200ms,reset,close,size=65536`).

mod answer;
mod line;
mod script;

use answer::{Answer, Arrival};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use line::{Fate, Line};
use script::{Cut, Script};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long requests in flight may take once the server is to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Who answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `namespace/name` of the Service it stands for.
    pub service: String,
    /// Labels of the pod it stands for.
    pub labels: BTreeMap<String, String>,
}

/// A request that gets no answer, by its own wish.
#[derive(Debug, Error)]
enum Silence {
    #[error("the request asked for no answer")]
    Asked,
    #[error("the request body could not be read")]
    Body(#[source] hyper::Error),
}

/// Answers on `listener` as the identity that is current, until `shutdown`; then drains.
pub async fn serve(
    listener: TcpListener,
    identity: watch::Receiver<Arc<Identity>>,
    shutdown: CancellationToken,
) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, remote)) => {
                let _ = stream.set_nodelay(true);
                connections.spawn(talk(stream, remote, identity.clone(), shutdown.clone()));
            }
            // Out of descriptors: better late than busy.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    drop(listener);
    connections.close();
    let _ = tokio::time::timeout(DRAIN, connections.wait()).await;
}

/// One connection, to its end.
async fn talk(
    stream: TcpStream,
    remote: SocketAddr,
    identity: watch::Receiver<Arc<Identity>>,
    shutdown: CancellationToken,
) {
    let fate = Fate::default();
    let line = TokioIo::new(Line::new(stream, fate.clone()));
    let service = service_fn(move |request| {
        let identity = Arc::clone(&identity.borrow());
        handle(request, identity, remote, fate.clone())
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    let connection = builder.serve_connection(line, service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(DRAIN, connection).await;
}

async fn handle(
    request: Request<Incoming>,
    identity: Arc<Identity>,
    remote: SocketAddr,
    fate: Fate,
) -> Result<Answer, Silence> {
    let (head, body) = request.into_parts();
    let script = match Script::of(&head.headers) {
        Ok(script) => script,
        Err(bad) => return Ok(answer::refuse(StatusCode::BAD_REQUEST, bad.to_string())),
    };
    let body_bytes = count(body).await.map_err(Silence::Body)?;
    if !script.delay.is_zero() {
        tokio::time::sleep(script.delay).await;
    }
    match script.cut {
        // An HTTP/2 stream is reset by the error alone; its siblings go on.
        Some(Cut::Reset) if head.version == http::Version::HTTP_2 => Err(Silence::Asked),
        Some(cut) => {
            fate.seal(cut);
            Err(Silence::Asked)
        }
        None => Ok(answer::answer(&identity, &Arrival { head, body_bytes, remote }, &script)),
    }
}

async fn count(mut body: Incoming) -> Result<u64, hyper::Error> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
