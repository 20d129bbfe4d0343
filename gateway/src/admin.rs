//! What people and machines may ask the gateway about itself: readiness, metrics, configuration.

use crate::{
    metrics::{Metrics, Problems},
    ready::Ready,
    snapshot::Snapshot,
    worker::{Command, Commands},
};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use edgeway_api::{Problem, Severity};
use serde::Serialize;
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    time::{sleep, timeout},
};

/// How long a scrape waits for a worker that is busy.
const FLUSH: Duration = Duration::from_secs(1);

/// Pause before a port that could not be had is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Changes what is logged; the text is a level or a filter such as `info,edgeway_gateway=debug`.
#[derive(Clone)]
pub struct SetLogLevel(pub Arc<LogLevelSetter>);

/// Takes the text; says what is wrong with it.
pub type LogLevelSetter = dyn Fn(&str) -> Result<(), String> + Send + Sync;

impl fmt::Debug for SetLogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetLogLevel")
    }
}

/// What the answers are taken from; clones share it.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) snapshot: Snapshot,
    pub(crate) ready: Ready,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) workers: Vec<Commands>,
    /// All problems of the moment.
    pub(crate) problems: Arc<dyn Fn() -> Vec<Problem> + Send + Sync>,
    /// `None`: the level is not ours to set.
    pub(crate) log_level: Option<SetLogLevel>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("ready", &self.ready).finish_non_exhaustive()
    }
}

impl Admin {
    /// For load balancers and the kubelet.
    pub(crate) fn status(self) -> Router {
        Router::new().route("/healthz/ready", get(ready)).with_state(self)
    }

    /// For Prometheus.
    pub(crate) fn scrape(self) -> Router {
        Router::new()
            .route("/stats/prometheus", get(metrics))
            .route("/healthz/ready", get(ready))
            .with_state(self)
    }

    /// For people on this machine.
    pub(crate) fn local(self) -> Router {
        Router::new()
            .route("/ready", get(ready))
            .route("/config", get(config))
            .route("/problems", get(problems))
            .route("/stats/prometheus", get(metrics))
            .route("/log-level", get(log_level).put(set_log_level))
            .with_state(self)
    }
}

/// A port for questions. One that cannot be had costs the gateway nothing else.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    purpose: &'static str,
    socket: Option<TcpListener>,
}

impl Door {
    /// Opens the port, or says why it cannot be opened.
    pub(crate) async fn open(address: SocketAddr, purpose: &'static str) -> Self {
        match TcpListener::bind(address).await {
            Ok(socket) => Self { address, purpose, socket: Some(socket) },
            Err(error) => {
                tracing::error!(
                    "cannot listen on {address} for {purpose}: {error}; free the port or choose \
                     another; it is tried again from time to time"
                );
                Self { address, purpose, socket: None }
            }
        }
    }

    /// Where it is, or is to be.
    pub(crate) fn address(&self) -> SocketAddr {
        let bound = self.socket.as_ref().and_then(|socket| socket.local_addr().ok());
        bound.unwrap_or(self.address)
    }

    /// Answers, as soon as the port can be had, until it is dropped.
    pub(crate) async fn serve(self, router: Router) {
        let address = self.address();
        let Self { purpose, mut socket, .. } = self;
        loop {
            if let Some(socket) = socket.take() {
                tracing::info!("{purpose} at {address}");
                // It ends only with an error of the socket itself.
                let _ = axum::serve(socket, router.clone()).await;
            }
            sleep(RETRY).await;
            socket = TcpListener::bind(address).await.ok();
        }
    }
}

async fn ready(State(admin): State<Admin>) -> Response {
    match admin.ready.missing() {
        None => "ready\n".into_response(),
        Some(missing) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {missing}\n")).into_response()
        }
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let flushed = admin.workers.iter().filter_map(|worker| {
        let (done, flushed) = oneshot::channel();
        worker.send(Command::Flush(done)).ok().map(|()| flushed)
    });
    let all = async {
        for flushed in flushed.collect::<Vec<_>>() {
            // A worker that has stopped flushed when it did.
            let _ = flushed.await;
        }
    };
    let _ = timeout(FLUSH, all).await;
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    let all = (admin.problems)();
    let errors = all.iter().filter(|problem| problem.severity == Severity::Error).count();
    match admin.metrics.text(Problems { errors, warnings: all.len() - errors }) {
        Ok(text) => (kind, text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn config(State(admin): State<Admin>) -> Response {
    json(&*admin.snapshot.load())
}

async fn problems(State(admin): State<Admin>) -> Response {
    json(&(admin.problems)())
}

async fn log_level() -> &'static str {
    "PUT a level (error, warn, info, debug, trace) or a filter such as info,edgeway_gateway=debug\n"
}

async fn set_log_level(State(admin): State<Admin>, level: String) -> Response {
    let Some(SetLogLevel(set)) = &admin.log_level else {
        return (StatusCode::NOT_IMPLEMENTED, "this process does not change its level\n")
            .into_response();
    };
    match set(level.trim()) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

fn json<T: Serialize>(value: &T) -> Response {
    match serde_json::to_string_pretty(value) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
