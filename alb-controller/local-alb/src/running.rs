//! Starting a local load balancer, and what can be asked of one that runs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::engine::Engine;
use crate::event::{Event, ListenerState};
use crate::state::Protocol;
use crate::wire::server;

/// How long connections may take to end after the shutdown began.
const GRACE: Duration = Duration::from_secs(5);

/// A local application load balancer.
#[derive(Clone, Copy, Debug)]
pub struct LocalAlb;

/// A local load balancer that runs.
#[derive(Debug)]
pub struct Running {
    /// Where the AWS API answers.
    pub api: SocketAddr,
    engine: Arc<Engine>,
    finished: JoinHandle<()>,
}

/// How a listener stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerView {
    /// The load balancer's name.
    pub load_balancer: String,
    /// The listener's port, as AWS would have it.
    pub port: u16,
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it answers, or why it does not.
    pub state: ListenerState,
}

/// How a target of a group stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetView {
    /// The target group's name.
    pub group: String,
    /// Address and port.
    pub target: String,
    /// Its state in AWS's words: `healthy`, `initial`, `unused` …
    pub state: &'static str,
    /// AWS's word for the reason.
    pub reason: Option<&'static str>,
}

/// How everything stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// The listeners of all load balancers.
    pub listeners: Vec<ListenerView>,
    /// The targets of all groups.
    pub targets: Vec<TargetView>,
}

impl LocalAlb {
    /// Opens the API and goes on until `shutdown` is cancelled; then connections get a few
    /// seconds to end. Must be called within a tokio runtime.
    pub async fn start(config: Config, shutdown: CancellationToken) -> io::Result<Running> {
        if config.vpc_range.prefix_len() > 24 {
            let text = format!("the VPC range {} must be /24 or larger", config.vpc_range);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let listener = TcpListener::bind(config.api).await.map_err(|why| {
            let text = format!("the AWS API cannot listen on {}: {why}", config.api);
            io::Error::new(why.kind(), text)
        })?;
        let api = listener.local_addr()?;
        let (found, findings) = mpsc::unbounded_channel();
        let engine = Engine::new(config, found, shutdown.clone()).map_err(io::Error::other)?;
        let engine = Arc::new(engine);
        let finished = tokio::spawn(run(Arc::clone(&engine), listener, findings, shutdown));
        tracing::debug!("the AWS API answers on http://{api}");
        Ok(Running { api, engine, finished })
    }
}

async fn run(
    engine: Arc<Engine>,
    listener: TcpListener,
    findings: mpsc::UnboundedReceiver<crate::plane::checks::Found>,
    shutdown: CancellationToken,
) {
    let serving = server::serve(listener, Arc::clone(&engine), shutdown.clone());
    tokio::join!(serving, engine.run(findings, shutdown));
    let connections = engine.connections();
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!("{} connections did not end in time and are cut", connections.len());
        engine.halt();
        connections.wait().await;
    }
}

impl Running {
    /// Everything that happens from now on, for the caller to log: it is told nowhere else. A
    /// reader that is too slow misses the oldest.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.engine.events()
    }

    /// How every listener and every target stands.
    pub fn overview(&self) -> Overview {
        self.engine.overview()
    }

    /// Where a listener of a load balancer is really open.
    pub fn address_of(&self, load_balancer: &str, port: u16) -> Option<SocketAddr> {
        self.overview().listeners.iter().find_map(|view| match view.state {
            ListenerState::Open(address)
                if view.load_balancer == load_balancer && view.port == port =>
            {
                Some(address)
            }
            ListenerState::Open(_) | ListenerState::Closed | ListenerState::Failed(_) => None,
        })
    }

    /// Waits until all of it has ended after a shutdown.
    pub async fn wait(self) {
        // A panic in it has been reported by its own task.
        let _ = self.finished.await;
    }
}
