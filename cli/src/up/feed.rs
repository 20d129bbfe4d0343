//! From what was read to what is served: backends are started, and objects completed with them.

use super::cast::Cast;
use crate::furnish::{Echo, Places, Role, Scene};
use edgeway_api::Objects;
use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};

/// How long a backend that is no longer wanted goes on: tables that send to it may be in force.
const RETIRE: Duration = Duration::from_secs(3);

/// Completes objects.
#[derive(Debug)]
pub(super) struct Feed {
    role: Role,
    gateway: (IpAddr, u16),
    cast: Cast,
    wanted: Vec<Echo>,
    told: BTreeSet<String>,
    retire: Option<Instant>,
    complete: watch::Sender<Arc<Objects>>,
}

impl Feed {
    /// Nothing yet. The gateway is in `role`, listens at an address, and adds an offset to its ports.
    pub(super) fn new(role: Role, gateway: (IpAddr, u16), cast: Cast) -> Self {
        Self {
            role,
            gateway,
            cast,
            wanted: Vec::new(),
            told: BTreeSet::new(),
            retire: None,
            complete: watch::Sender::new(Arc::default()),
        }
    }

    /// The completed objects, from the next ones on.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Objects>> {
        self.complete.subscribe()
    }

    /// Completes `objects` and passes them on.
    pub(super) async fn take(&mut self, objects: &Objects) {
        let scene = Scene::of(objects, self.role.clone());
        match self.cast.follow(&scene.echoes).await {
            Ok(started) if !started.is_empty() => {
                let services: BTreeSet<_> =
                    started.iter().map(|id| (&id.namespace, &id.service)).collect();
                let (echoes, services) = (started.len(), services.len());
                tracing::info!(echoes, services, "backends stand in for pods");
            }
            Ok(_) => {}
            Err(error) => tracing::error!("a backend cannot be started: {error}"),
        }
        self.tell(&scene.notes);
        let (gateway, gateway_offset) = self.gateway;
        let places = Places { echoes: self.cast.places(), gateway, gateway_offset };
        self.complete.send_replace(Arc::new(scene.furnish(&places)));
        self.wanted = scene.echoes;
        self.retire = Some(Instant::now() + RETIRE);
    }

    /// Stops backends that have not been wanted for a while; waits until that is due.
    pub(super) async fn retire(&mut self) {
        match self.retire {
            Some(time) => tokio::time::sleep_until(time).await,
            None => std::future::pending().await,
        }
        self.retire = None;
        for id in self.cast.retire(&self.wanted) {
            tracing::info!("echo {id} is not needed any more");
        }
    }

    /// The Gateway server ports that lead to a port that the gateway listens on.
    pub(super) fn server_ports(&self, listening: u16) -> Vec<u16> {
        self.role.server_ports(&self.complete.borrow(), listening)
    }

    /// Waits for all backends to end, once the shutdown has been asked for.
    pub(super) async fn end(self) {
        self.cast.end().await;
    }

    /// Each note once, for as long as it holds.
    fn tell(&mut self, notes: &[String]) {
        let now: BTreeSet<String> = notes.iter().cloned().collect();
        for note in now.difference(&self.told) {
            tracing::info!("{note}");
        }
        self.told = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_api::manifest;
    use std::net::{Ipv4Addr, SocketAddr};
    use tokio::net::TcpStream;
    use tokio_util::sync::CancellationToken;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn objects(services: &[&str]) -> Objects {
        let mut objects = Objects::default();
        for name in services {
            let text = format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: \
                 {{app: {name}}}, ports: [{{name: http, port: 80}}]}}\n"
            );
            manifest::read(&text, &format!("{name}.yaml"), &mut objects);
        }
        objects
    }

    fn places(objects: &Objects) -> Vec<SocketAddr> {
        let ports = objects.endpoint_slices.iter().map(|slice| {
            let port = slice.ports.as_ref().unwrap()[0].port.unwrap();
            SocketAddr::new(HERE, u16::try_from(port).unwrap())
        });
        ports.collect()
    }

    #[tokio::test]
    async fn a_backend_outlives_the_edit_that_removes_it_for_a_while() {
        let shutdown = CancellationToken::new();
        let role = Role::of(&Objects::default());
        let cast = Cast::new(HERE, shutdown.clone());
        let mut feed = Feed::new(role, (HERE, 18_000), cast);
        let complete = feed.subscribe();

        feed.take(&objects(&["a", "b"])).await;
        let before = places(&complete.borrow());
        assert_eq!(before.len(), 2);
        feed.take(&objects(&["b"])).await;
        let after = places(&complete.borrow());
        assert_eq!(after, before[1..]);
        TcpStream::connect(before[0]).await.unwrap();

        tokio::time::pause();
        feed.retire().await;
        tokio::time::resume();
        while TcpStream::connect(before[0]).await.is_ok() {
            tokio::task::yield_now().await;
        }
        TcpStream::connect(before[1]).await.unwrap();
        shutdown.cancel();
        feed.end().await;
    }
}
