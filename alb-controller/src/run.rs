//! Passes without end: when objects change, when something is to be waited for, when a step failed,
//! and now and then, since AWS may have been changed by others.

use crate::{
    aws::{Aws, Cloud, CloudError, Connection},
    backoff::Backoff,
    event::{Event, Status},
    metrics::Metrics,
    reconcile::{Pass, Reconciler},
};
use edgeway_alb_core::Settings;
use edgeway_api::Objects;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{broadcast, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// How often to look whether what is waited for has happened: first, and at last.
const LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// How a controller is started.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whose classes are served, and where.
    pub settings: Settings,
    /// Which AWS.
    pub connection: Connection,
    /// How often AWS is compared though nothing has changed; nothing for never.
    pub resync: Option<Duration>,
}

/// What a running controller tells, and to whom.
#[derive(Clone, Debug)]
pub struct Handle {
    /// One event for each thing that happens. Whoever is slow misses some.
    pub events: broadcast::Sender<Event>,
    /// How things stand after each pass.
    pub status: watch::Sender<Arc<Status>>,
    /// Counters.
    pub metrics: Metrics,
}

impl Default for Handle {
    fn default() -> Self {
        let (events, _) = broadcast::channel(1024);
        let (status, _) = watch::channel(Arc::default());
        Self { events, status, metrics: Metrics::default() }
    }
}

impl Handle {
    /// Tells whoever listens.
    pub(crate) fn tell(&self, event: Event) {
        // Nobody need listen.
        drop(self.events.send(event));
    }
}

/// Keeps AWS in line with `objects` until `shutdown`, or until nobody sends objects any more.
///
/// Only what is sent after `objects` was made counts: the value that a channel begins with is no
/// configuration.
pub async fn run(
    config: Config,
    objects: watch::Receiver<Arc<Objects>>,
    shutdown: CancellationToken,
    handle: Handle,
) {
    let aws = Aws::connect(&config.connection, &config.settings, handle.metrics.clone()).await;
    let reconciler = Reconciler::new(aws, config.settings, handle.metrics.clone());
    follow(reconciler, config.resync, objects, (shutdown, handle)).await;
}

/// The loop, over any cloud.
async fn follow<C: Cloud>(
    mut reconciler: Reconciler<C>,
    resync: Option<Duration>,
    mut objects: watch::Receiver<Arc<Objects>>,
    (shutdown, handle): (CancellationToken, Handle),
) {
    let mut rhythm = Rhythm::new(resync);
    let mut next: Option<Duration> = None;
    loop {
        let wait = async {
            match next {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = objects.changed() => {
                if changed.is_err() {
                    return;
                }
                rhythm.changed();
            }
            () = wait => {
                // Right after steps what they have done is known. Otherwise time has done something.
                if next != Some(Duration::ZERO) {
                    reconciler.look_again();
                }
            }
        }
        let current = Arc::clone(&objects.borrow_and_update());
        let tell = |event| handle.tell(event);
        // A step that has been begun is ended: what AWS has done must be known.
        let result = reconciler.pass(&current, &tell).await;
        handle.status.send_replace(Arc::new(reconciler.status().clone()));
        next = rhythm.next(&result, &handle);
    }
}

/// When the next pass comes.
#[derive(Debug)]
struct Rhythm {
    resync: Option<Duration>,
    backoff: Backoff,
    look: Duration,
    /// Whether it was said that nothing is left to do.
    said: bool,
}

impl Rhythm {
    fn new(resync: Option<Duration>) -> Self {
        Self { resync, backoff: Backoff::default(), look: LOOK.0, said: false }
    }

    fn changed(&mut self) {
        self.look = LOOK.0;
        self.backoff.reset();
        self.said = false;
    }

    fn next(&mut self, result: &Result<Pass, CloudError>, handle: &Handle) -> Option<Duration> {
        let errors: Vec<&CloudError> = match result {
            Err(error) => {
                handle.tell(Event::looking_failed(error));
                vec![error]
            }
            Ok(pass) => pass.failures.iter().map(|failure| &failure.error).collect(),
        };
        if !errors.is_empty() {
            let wait = self.backoff.next(errors.into_iter());
            handle.tell(Event::Retry(wait));
            self.said = false;
            return Some(wait);
        }
        self.backoff.reset();
        let Ok(pass) = result else { return self.resync };
        if pass.plan.is_settled() {
            self.look = LOOK.0;
            if !std::mem::replace(&mut self.said, true) {
                handle.tell(Event::Settled);
            }
            return self.resync;
        }
        // Right after steps the plan is looked at once more; then ever less often.
        let wait =
            if pass.taken > 0 && pass.plan.pending.is_empty() { Duration::ZERO } else { self.look };
        self.look = (self.look * 2).min(LOOK.1);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeCloud, objects, stale};
    use tokio::time::{Instant, timeout};

    struct Running {
        objects: watch::Sender<Arc<Objects>>,
        status: watch::Receiver<Arc<Status>>,
        events: broadcast::Receiver<Event>,
        shutdown: CancellationToken,
        ended: tokio::task::JoinHandle<()>,
    }

    fn start(cloud: FakeCloud, resync: Option<Duration>) -> Running {
        let handle = Handle::default();
        let (objects, receiver) = watch::channel(Arc::default());
        let shutdown = CancellationToken::new();
        let settings = Settings::new("test", "vpc");
        let reconciler = Reconciler::new(cloud, settings, handle.metrics.clone());
        let (status, events) = (handle.status.subscribe(), handle.events.subscribe());
        let ended = tokio::spawn(follow(reconciler, resync, receiver, (shutdown.clone(), handle)));
        Running { objects, status, events, shutdown, ended }
    }

    async fn settled(running: &mut Running) -> Arc<Status> {
        let status = running.status.wait_for(|status| status.settled).await.unwrap();
        Arc::clone(&status)
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_done_before_objects_are_sent() {
        let running = start(FakeCloud::default(), Some(Duration::from_secs(60)));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(running.status.borrow().passes, 0);
        running.shutdown.cancel();
        running.ended.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn objects_become_addresses_and_aws_is_compared_now_and_then() {
        let mut running = start(FakeCloud::default(), Some(Duration::from_secs(60)));
        running.objects.send_replace(Arc::new(objects(&["a"])));
        let status = settled(&mut running).await;
        let address = status.addresses.values().next().unwrap();
        assert!(address.ends_with(".example.amazonaws.com"), "{address}");
        assert_eq!(status.members.values().flatten().count(), 1);
        let passes = status.passes;
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(running.status.borrow().passes, passes + 1);
        let mut lines = Vec::new();
        while let Ok(event) = running.events.try_recv() {
            lines.push(event.to_string());
        }
        let settled = lines.iter().filter(|line| *line == "nothing left to do").count();
        assert_eq!(settled, 1, "it is said once: {lines:#?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_followed_by_another_try_and_a_change_by_one_at_once() {
        let cloud = FakeCloud::default();
        cloud.fail("create-rule", stale);
        let mut running = start(cloud, None);
        let begin = Instant::now();
        running.objects.send_replace(Arc::new(objects(&["a"])));
        settled(&mut running).await;
        assert!(begin.elapsed() >= Duration::from_millis(500), "{:?}", begin.elapsed());
        let passes = running.status.borrow().passes;
        running.objects.send_replace(Arc::new(objects(&["a", "b"])));
        let more = running.status.wait_for(|status| status.passes > passes);
        timeout(Duration::from_millis(10), more).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_its_source() {
        let running = start(FakeCloud::default(), None);
        drop(running.objects);
        running.ended.await.unwrap();
    }
}
