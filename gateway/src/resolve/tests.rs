//! When tables are published, and with what: replies come by hand, nobody is asked.

use super::{Desk, INTERVAL, Reply, Resolver, fill::tests::table};
use crate::{metrics::Metrics, snapshot::Snapshot};
use edgeway_api::Problem;
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, advance},
};

struct Trial {
    desk: Desk,
    served: Snapshot,
    problems: watch::Receiver<Vec<Problem>>,
    _inbox: mpsc::UnboundedReceiver<Reply>,
}

impl Trial {
    fn new() -> Self {
        let (sender, problems) = watch::channel(Vec::new());
        let resolver = Resolver {
            // Nobody is there.
            servers: vec![([127, 0, 0, 1], 9).into()],
            metrics: Arc::new(Metrics::new().unwrap()),
            problems: sender,
        };
        let (replies, inbox) = mpsc::unbounded_channel();
        let served = Snapshot::default();
        Self { desk: Desk::new(resolver, served.clone(), replies), served, problems, _inbox: inbox }
    }

    fn reply(&mut self, host: &str, addresses: Result<&[[u8; 4]], &str>) {
        let addresses = addresses
            .map(|list| list.iter().copied().map(IpAddr::from).collect())
            .map_err(str::to_owned);
        self.desk.note(Reply { host: host.into(), addresses });
    }

    /// Publishes if it is time.
    fn tick(&mut self) -> bool {
        let due = self.desk.due().is_some_and(|due| due <= Instant::now());
        if due {
            self.desk.publish();
        }
        due
    }

    fn addresses(&self, at: usize) -> Vec<String> {
        let table = self.served.load();
        let endpoints = table.clusters.iter().nth(at).unwrap().endpoints.iter();
        endpoints.map(|endpoint| endpoint.address.to_string()).collect()
    }

    fn codes(&self) -> Vec<String> {
        self.problems.borrow().iter().map(|problem| problem.message.clone()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_table_waits_for_its_names_but_not_for_ever() {
    let mut trial = Trial::new();
    trial.desk.take(table(true, &["a", "b"]));
    trial.reply("a", Ok(&[[10, 0, 0, 1]]));
    assert!(!trial.tick());
    trial.reply("b", Ok(&[[10, 0, 0, 2]]));
    assert!(trial.tick());
    assert_eq!(trial.addresses(1), ["10.0.0.2:8080"]);

    let mut trial = Trial::new();
    trial.desk.take(table(true, &["a"]));
    assert!(!trial.tick());
    advance(Duration::from_secs(5)).await;
    assert!(trial.tick());
    assert_eq!(trial.codes(), ["`a`: DNS has not answered yet"]);
}

#[tokio::test(start_paused = true)]
async fn a_table_without_new_names_waits_for_nothing() {
    let mut trial = Trial::new();
    let plain = table(true, &[]);
    trial.desk.take(Arc::clone(&plain));
    assert!(trial.tick() && Arc::ptr_eq(&plain, &trial.served.load()));
    trial.desk.take(table(true, &["a"]));
    assert!(!trial.tick());
    trial.reply("a", Ok(&[[10, 0, 0, 1]]));
    assert!(trial.tick());
    trial.desk.take(table(true, &["a"]));
    assert!(trial.tick());
    assert_eq!(trial.addresses(0), ["10.0.0.1:8080"]);
}

#[tokio::test(start_paused = true)]
async fn answers_are_gathered_and_those_that_change_nothing_make_no_table() {
    let mut trial = Trial::new();
    trial.desk.take(table(true, &["a"]));
    trial.reply("a", Ok(&[[10, 0, 0, 1], [10, 0, 0, 2]]));
    assert!(trial.tick());
    let first = trial.served.load();
    trial.reply("a", Ok(&[[10, 0, 0, 2], [10, 0, 0, 1]]));
    assert!(!trial.tick());
    advance(INTERVAL).await;
    assert!(trial.tick() && Arc::ptr_eq(&first, &trial.served.load()));
    trial.reply("a", Ok(&[[10, 0, 0, 3]]));
    advance(INTERVAL).await;
    assert!(trial.tick());
    assert_eq!(trial.addresses(0), ["10.0.0.3:8080"]);
}

#[tokio::test(start_paused = true)]
async fn silence_keeps_addresses_and_a_name_without_any_is_a_problem() {
    let mut trial = Trial::new();
    trial.desk.take(table(true, &["a"]));
    trial.reply("a", Ok(&[[10, 0, 0, 1]]));
    assert!(trial.tick());
    for (reply, addresses, problems) in [
        (Err("no DNS server answers"), &["10.0.0.1:8080"][..], &[][..]),
        (Ok(&[][..]), &[], &["`a`: DNS has no address for it"]),
        (Err("no DNS server answers"), &[], &["`a`: no DNS server answers"]),
        (Ok(&[[10, 0, 0, 1]]), &["10.0.0.1:8080"], &[]),
    ] {
        trial.reply("a", reply);
        advance(INTERVAL).await;
        assert!(trial.tick());
        assert_eq!(trial.addresses(0), addresses, "{reply:?}");
        assert_eq!(trial.codes(), problems, "{reply:?}");
    }
    let problems = trial.problems.borrow().clone();
    assert!(problems.is_empty(), "{problems:?}");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_forgotten_with_the_last_cluster_that_needs_it() {
    let mut trial = Trial::new();
    trial.desk.take(table(true, &["a", "b"]));
    let task = |trial: &Trial, host: &str| trial.desk.names.contains_key(host);
    assert!(task(&trial, "a") && task(&trial, "b"));
    trial.desk.take(table(true, &["b"]));
    assert!(!task(&trial, "a") && task(&trial, "b"));
    trial.reply("a", Ok(&[[10, 0, 0, 1]]));
    trial.reply("b", Ok(&[[10, 0, 0, 2]]));
    assert!(trial.tick());
    assert_eq!(trial.addresses(0), ["10.0.0.2:8080"]);
}
