//! Metrics and readiness over HTTP.

use crate::run::Handle;
use axum::{Router, extract::State, http::StatusCode, routing::get};
use std::{io, net::SocketAddr};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves `/metrics` and `/healthz/ready` until `shutdown`; returns where.
pub(crate) async fn serve(
    address: SocketAddr,
    handle: Handle,
    shutdown: CancellationToken,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let text = format!("cannot listen on {address} ({error}); choose another with --metrics");
        io::Error::new(error.kind(), text)
    })?;
    let told = listener.local_addr()?;
    let app = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz/ready", get(ready))
        .with_state(handle);
    tokio::spawn(async move {
        let served = axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned());
        if let Err(error) = served.await {
            tracing::warn!("metrics are told no more: {error}");
        }
    });
    Ok(told)
}

async fn metrics(State(handle): State<Handle>) -> String {
    handle.metrics.text()
}

/// Ready once AWS has been seen.
async fn ready(State(handle): State<Handle>) -> StatusCode {
    let status = handle.status.borrow().clone();
    if status.seen && status.unreachable.is_none() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}
