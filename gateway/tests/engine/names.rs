//! Clusters that stand for names: DNS says where they are, and changes its mind.

use crate::{
    backend::{Backend, Step, ok},
    client::{Client, Response},
    dns::{Dns, Say},
    rig::{Made, Rig, config, forward},
};
use edgeway_core::{
    action::Action,
    cluster::{Cluster, Endpoint, Name, Names},
    table::Table,
};
use edgeway_gateway::Config;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

const NAME: &str = "db.example.org";

/// Two backends on one port of two addresses, and a gateway whose cluster stands for a name.
struct Trial {
    rig: Rig,
    dns: Dns,
    one: IpAddr,
    two: IpAddr,
    _backends: [Backend; 2],
}

impl Trial {
    async fn new(all: bool, ttl: u32) -> Self {
        let first = Backend::saying("one").await;
        let (port, one) = (first.address.port(), first.address.ip());
        let two = IpAddr::from([127, 0, 0, 2]);
        let address = SocketAddr::new(two, port);
        let second = Backend::at(address, |_| vec![Step::Send(ok("two"))]).await;
        let dns = Dns::new().await;
        let order = if all { vec![one, two] } else { vec![two, one] };
        dns.say(NAME, Say::Addresses(order, ttl));
        let config = Config { dns_servers: vec![dns.address], ..config() };
        let rig = Rig::with(table(all, port), config).await;
        Self { rig, dns, one, two, _backends: [first, second] }
    }

    async fn get(&self) -> Response {
        Client::connect(self.rig.address()).await.get("/").await
    }

    async fn bodies(&self, count: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        for _ in 0..count {
            bodies.push(self.get().await.text().to_owned());
        }
        bodies.sort();
        bodies.dedup();
        bodies
    }

    /// Asks until the answer is this one: the table that makes it so is on its way.
    async fn until(&self, fits: impl Fn(&Response) -> bool) {
        while !fits(&self.get().await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Two routes to clusters of the same name.
fn table(all: bool, port: u16) -> Table {
    let mut made = Made::default();
    for (name, prefix) in [("b", "/b"), ("a", "/")] {
        let cluster = made.cluster(name, &[]);
        made.route(prefix, Action::Forward(Box::new(forward(&[(1, Some(cluster))]))));
    }
    let mut table = made.table();
    let clusters = table.clusters.iter().map(|cluster| {
        let address = SocketAddr::from(([0, 0, 0, 0], port));
        let template = Endpoint { address, ..Endpoint::default() };
        let names = Names { all, list: vec![Name { host: NAME.into(), template }] };
        Arc::new(Cluster { names: Some(Arc::new(names)), ..(**cluster).clone() })
    });
    table.clusters = clusters.collect();
    table
}

#[tokio::test]
async fn all_addresses_of_a_name_serve_from_the_first_request_on() {
    let trial = Trial::new(true, 3600).await;
    assert_eq!(trial.bodies(4).await, ["one", "two"]);
    assert_eq!(trial.dns.asked(NAME), 2, "once for each family, though two clusters want it");
    let config = Rig::ask(trial.rig.running.admin, "/config").await;
    assert!(config.text().contains("127.0.0.2"), "{}", config.text());
}

#[tokio::test]
async fn the_first_address_serves_where_one_is_wanted() {
    let trial = Trial::new(false, 1).await;
    assert_eq!(trial.bodies(4).await, ["two"]);
    trial.dns.say(NAME, Say::Addresses(vec![trial.one, trial.two], 1));
    trial.until(|response| response.text() == "one").await;
    assert_eq!(trial.bodies(4).await, ["one"]);
}

#[tokio::test]
async fn addresses_change_when_their_time_is_over() {
    let trial = Trial::new(true, 1).await;
    trial.dns.say(NAME, Say::Addresses(vec![trial.two], 1));
    trial.dns.asked_again(NAME, 2).await;
    trial.until(|response| response.text() == "two").await;
    trial.dns.say(NAME, Say::Addresses(vec![trial.one], 1));
    trial.until(|response| response.text() == "one").await;
}

#[tokio::test]
async fn what_was_known_serves_while_dns_fails_and_no_longer_once_it_says_no() {
    let mut trial = Trial::new(true, 1).await;
    trial.dns.say(NAME, Say::Failure);
    // The second question comes after the first failure has been dealt with.
    trial.dns.asked_again(NAME, 12).await;
    assert_eq!(trial.bodies(4).await, ["one", "two"]);
    trial.dns.forget(NAME);
    trial.until(|response| response.status == 503).await;
    let problems = &mut trial.rig.running.name_problems;
    let found = problems.wait_for(|all| !all.is_empty()).await.unwrap().clone();
    assert_eq!(found.len(), 2, "one for each service: {found:?}");
    assert_eq!(found[0].code, "dns-not-resolved");
    assert!(found[0].message.contains(NAME) && found[0].advice.contains("--dns-server"));
    trial.dns.say(NAME, Say::Addresses(vec![trial.one], 60));
    trial.rig.running.name_problems.wait_for(Vec::is_empty).await.unwrap();
    trial.until(|response| response.text() == "one").await;
    let metrics = Rig::ask(trial.rig.running.metrics, "/stats/prometheus").await;
    let failures =
        metrics.text().lines().find(|line| line.starts_with("edgeway_dns_failures_total"));
    assert!(failures.is_some_and(|line| !line.ends_with(" 0")), "{failures:?}");
}
