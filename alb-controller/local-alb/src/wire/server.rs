//! The API over HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::envelope::Answer;
use super::receive::receive;
use super::{Request, Service};
use crate::bucket;
use crate::chaos::{Draw, Fate};
use crate::engine::Engine;
use crate::error::{AwsError, Code};

/// The largest call.
const LARGEST: usize = 4 << 20;

/// Where keys are that check what targets are told of users. AWS has them on a host of its own,
/// `public-keys.auth.elb.REGION.amazonaws.com`.
const PUBLIC_KEYS: &str = "/public-keys/";

/// Answers calls until it is told to stop; then waits for those that are under way.
pub(crate) async fn serve(listener: TcpListener, engine: Arc<Engine>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, Arc::clone(&engine), stop.clone()));
            }
            Err(why) => {
                // Mostly too many open files: some will be closed soon.
                tracing::warn!("cannot accept a connection to the API: {why}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, engine: Arc<Engine>, stop: CancellationToken) {
    // Small answers should not wait for more; without it all works, only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let engine = Arc::clone(&engine);
        async move { answer(engine, request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(why) = ended {
        tracing::debug!("connection to the API ended: {why}");
    }
}

/// The answer to a call was lost: the connection ends without one.
#[derive(Debug, thiserror::Error)]
#[error("the answer was lost on request")]
struct Lost;

async fn answer(
    engine: Arc<Engine>,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Lost> {
    let request_id = uuid::Uuid::new_v4().to_string();
    let (parts, body) = request.into_parts();
    if let Some(id) = parts.uri.path().strip_prefix(PUBLIC_KEYS) {
        return Ok(public_key(engine.public_key(id)));
    }
    let answer = match Limited::new(body, LARGEST).collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            match receive(&parts, &body, engine.default_region()) {
                Ok(call) => carry_out(engine, call, &request_id).await?,
                Err((service, error)) => service.answer("", Err(error), &request_id),
            }
        }
        Err(why) => {
            let code = if why.is::<LengthLimitError>() {
                Code::RequestEntityTooLarge
            } else {
                Code::SerializationError
            };
            let error = AwsError::new(code, "The request could not be read");
            Service::LoadBalancing.answer("", Err(error), &request_id)
        }
    };
    Ok(response(answer, &request_id))
}

/// Carries out a call to its end, even if the client leaves meanwhile.
async fn carry_out(
    engine: Arc<Engine>,
    mut call: Request,
    request_id: &str,
) -> Result<Answer, Lost> {
    let (service, action) = (call.service, call.action.clone());
    let Draw { fate, age } = engine.draw();
    if fate == Fate::Throttled {
        let error = AwsError::new(service.throttling(), "Rate exceeded");
        return Ok(service.answer(&action, Err(error), request_id));
    }
    call.objects = bucket::fetch(engine.buckets(), &call).await;
    let calling = tokio::spawn(async move { engine.call(&call, age).await });
    let result = calling.await.unwrap_or_else(|why| {
        tracing::error!(service = service.name(), action, "the call broke down: {why}");
        Err(AwsError::new(Code::InternalFailure, "The call broke down; the log says more"))
    });
    if fate == Fate::Lost {
        return Err(Lost);
    }
    Ok(service.answer(&action, result, request_id))
}

fn public_key(key: Option<&str>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(key.unwrap_or_default().to_owned()));
    *response.status_mut() = if key.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let kind = HeaderValue::from_static("application/x-pem-file");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn response(answer: Answer, request_id: &str) -> Response<Full<Bytes>> {
    let Answer { status, content_type, error, body } = answer;
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    if let Some(code) = error {
        headers.insert(HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(code));
    }
    response
}
