//! Clients that ask the load balancer again and again.

use edgeway_tests::{Ask, http::client, wait_for};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How many ask at a time.
pub(crate) const CLIENTS: usize = 6;

/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(10);

/// What failed: which request, a status or an error, and when.
pub(crate) type Failure = (usize, String, Instant);

/// How long it was from the first failure to the last.
pub(crate) fn span(failures: &[Failure]) -> Duration {
    let first = failures.iter().map(|(_, _, at)| *at).min();
    let last = failures.iter().map(|(_, _, at)| *at).max();
    first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first)
}

/// The clients.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<Failure>>>,
}

impl Load {
    /// Starts them, each on connections of its own, all with the same request.
    pub(crate) fn start(ask: &Ask) -> Self {
        let (is_over, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let clients = (0..CLIENTS).map(|_| {
            let (is_over, asked) = (Arc::clone(&is_over), Arc::clone(&asked));
            let ask = ask.clone();
            thread::spawn(move || {
                let agent = client();
                let mut failures = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let at = asked.fetch_add(1, Ordering::Relaxed);
                    match ask.send_with(&agent) {
                        Ok(answer) if answer.status == 200 => {}
                        Ok(answer) => {
                            failures.push((at, answer.status.to_string(), Instant::now()));
                        }
                        Err(error) => failures.push((at, error.to_string(), Instant::now())),
                    }
                    thread::sleep(PAUSE);
                }
                failures
            })
        });
        let clients = clients.collect();
        let load = Self { is_over, asked, clients };
        load.go_on();
        load
    }

    /// Waits until some more requests are made.
    pub(crate) fn go_on(&self) {
        let enough = self.asked.load(Ordering::Relaxed) + 40 * CLIENTS;
        wait_for("requests", || (self.asked.load(Ordering::Relaxed) > enough).then_some(()));
    }

    /// Ends it: how many were asked, and which failed.
    pub(crate) fn finish(self) -> (usize, Vec<Failure>) {
        self.is_over.store(true, Ordering::Relaxed);
        let failures = self.clients.into_iter().flat_map(|it| it.join().unwrap()).collect();
        (self.asked.load(Ordering::Relaxed), failures)
    }
}
