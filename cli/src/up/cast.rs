//! The echoes that run: each keeps its port for as long as its pod is wanted, whatever is edited.

use crate::{
    echo::{Identity, serve},
    furnish::{Echo, EchoId},
};
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The running echoes.
#[derive(Debug)]
pub(super) struct Cast {
    bind: IpAddr,
    running: BTreeMap<EchoId, Running>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

#[derive(Debug)]
struct Running {
    address: SocketAddr,
    identity: watch::Sender<Arc<Identity>>,
    stop: CancellationToken,
}

impl Cast {
    /// Nobody yet; all stop with `shutdown`.
    pub(super) fn new(bind: IpAddr, shutdown: CancellationToken) -> Self {
        Self { bind, running: BTreeMap::new(), tasks: TaskTracker::new(), shutdown }
    }

    /// Starts who is missing and renames who has other labels now. Nobody is stopped: tables that
    /// send to those who are no longer wanted may still be in force, see [`Cast::retire`].
    pub(super) async fn follow(&mut self, wanted: &[Echo]) -> io::Result<Vec<EchoId>> {
        let mut started = Vec::new();
        for echo in wanted {
            let identity = Arc::new(identity(echo));
            if let Some(running) = self.running.get(&echo.id) {
                running.identity.send_if_modified(|current| {
                    let renamed = *current != identity;
                    *current = identity;
                    renamed
                });
            } else {
                self.start(echo.id.clone(), identity).await?;
                started.push(echo.id.clone());
            }
        }
        Ok(started)
    }

    /// Stops who is not wanted; requests in flight end first.
    pub(super) fn retire(&mut self, wanted: &[Echo]) -> Vec<EchoId> {
        let needless: Vec<EchoId> = self
            .running
            .keys()
            .filter(|id| !wanted.iter().any(|echo| echo.id == **id))
            .cloned()
            .collect();
        for id in &needless {
            if let Some(running) = self.running.remove(id) {
                running.stop.cancel();
            }
        }
        needless
    }

    /// Where everybody is.
    pub(super) fn places(&self) -> BTreeMap<EchoId, SocketAddr> {
        self.running.iter().map(|(id, running)| (id.clone(), running.address)).collect()
    }

    /// Waits for all to end, once the shutdown has been asked for.
    pub(super) async fn end(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn start(&mut self, id: EchoId, identity: Arc<Identity>) -> io::Result<()> {
        let listener = TcpListener::bind((self.bind, 0)).await?;
        let address = listener.local_addr()?;
        let (sender, receiver) = watch::channel(identity);
        let stop = self.shutdown.child_token();
        self.tasks.spawn(serve(listener, receiver, stop.clone()));
        self.running.insert(id, Running { address, identity: sender, stop });
        Ok(())
    }
}

fn identity(echo: &Echo) -> Identity {
    let service = format!("{}/{}", echo.id.namespace, echo.id.service);
    Identity { service, labels: echo.labels.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::net::TcpStream;

    fn echo(pod: &str, version: &str) -> Echo {
        let id = EchoId { namespace: "default".into(), service: "reviews".into(), pod: pod.into() };
        let labels = BTreeMap::from([("version".to_owned(), version.to_owned())]);
        Echo { id, labels, deployment: None }
    }

    #[tokio::test]
    async fn an_echo_keeps_its_port_over_edits() {
        let shutdown = CancellationToken::new();
        let mut cast = Cast::new(Ipv4Addr::LOCALHOST.into(), shutdown.clone());
        let (one, two) = (echo("one", "v1"), echo("two", "v1"));
        assert_eq!(cast.follow(&[one.clone(), two.clone()]).await.unwrap().len(), 2);
        let before = cast.places();

        let renamed = echo("one", "v2");
        assert_eq!(cast.follow(std::slice::from_ref(&renamed)).await.unwrap(), []);
        assert_eq!(cast.places(), before);
        assert_eq!(*cast.running[&one.id].identity.borrow().labels["version"], *"v2");

        assert_eq!(cast.retire(&[renamed]), std::slice::from_ref(&two.id));
        assert_eq!(cast.places().keys().collect::<Vec<_>>(), [&one.id]);
        TcpStream::connect(before[&one.id]).await.unwrap();
        shutdown.cancel();
        cast.end().await;
        assert!(TcpStream::connect(before[&two.id]).await.is_err());
    }
}
