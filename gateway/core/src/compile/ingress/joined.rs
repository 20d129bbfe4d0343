//! Gateways whose hosts come through a load balancer of a class: all of them are served at the port that
//! the class sends requests to, where TLS has ended before.

use super::doors::{Door, Doors};
use crate::{Workload, compile::pods::selects};
use edgeway_api::{
    Gateway, Objects,
    gateway::{Port, Server},
    joined::{class, name_of, redirects, speech},
};
use std::collections::BTreeSet;

/// Name of the port of the server that is added.
const NAME: &str = "http-of-load-balancer";

/// Each that comes through a door of ours, as it is to be served, and how many servers it had.
pub(super) fn joined(
    objects: &Objects,
    doors: &Doors<'_>,
    workload: &Workload,
) -> Vec<(Gateway, usize)> {
    let mut all = Vec::new();
    for gateway in &objects.gateways {
        let door = class(gateway).and_then(|class| doors.of_class(class));
        let is_ours = selects(&gateway.spec.selector, &workload.labels);
        let changed = door.filter(|_| is_ours).and_then(|door| behind(gateway, door));
        all.extend(changed.map(|changed| (changed, gateway.spec.servers.len())));
    }
    all
}

/// The Gateway behind its load balancer, if that is not what it says anyway.
fn behind(gateway: &Gateway, door: &Door) -> Option<Gateway> {
    let is_there =
        |server: &Server| server.port.as_ref().map(|it| it.number) == Some(door.port.into());
    let mut changed = gateway.clone();
    // The load balancer redirects: what comes here has come by https, or need not.
    for server in changed.spec.servers.iter_mut().filter(|it| is_there(it) && redirects(it)) {
        server.tls = None;
    }
    let (here, elsewhere): (Vec<&Server>, Vec<&Server>) =
        gateway.spec.servers.iter().filter(|it| speech(it).is_ok()).partition(|it| is_there(it));
    let known: BTreeSet<&str> =
        here.iter().flat_map(|it| &it.hosts).map(|host| name_of(host)).collect();
    let mut hosts: Vec<String> = Vec::new();
    for host in elsewhere.iter().flat_map(|server| &server.hosts) {
        if !known.contains(name_of(host)) && !hosts.contains(host) {
            hosts.push(host.clone());
        }
    }
    if !hosts.is_empty() {
        changed.spec.servers.push(Server {
            port: Some(Port {
                number: door.port.into(),
                protocol: "HTTP".to_owned(),
                name: NAME.to_owned(),
                target_port: None,
            }),
            hosts,
            ..Server::default()
        });
    }
    (changed != *gateway).then_some(changed)
}
