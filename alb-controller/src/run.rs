//! Passes without end: when objects change, when something is to be waited for, when a step failed,
//! and now and then, since AWS may have been changed by others.

use crate::{
    aws::{Aws, Cloud, Connection},
    event::{Event, Status},
    metrics::Metrics,
    patrol::{Patrol, Turn},
    reconcile::Reconciler,
    rhythm::{Clock, LOOK, Rhythm},
};
use edgeway_alb_core::Settings;
use edgeway_api::Objects;
use edgeway_gateway::lease::Tenure;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{broadcast, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// How long a step that has been begun is waited for once all is to end: less than Kubernetes gives a pod, which is
/// to leave its Lease to another replica before.
const GRACE: Duration = Duration::from_secs(10);

/// How a controller is started.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whose classes are served, and where.
    pub settings: Settings,
    /// Which AWS.
    pub connection: Connection,
    /// From one check of AWS for drift to the next; nothing for never.
    pub resync: Option<Duration>,
    /// Whether this replica leads: only then is anything changed.
    pub tenure: Tenure,
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
/// configuration. After `shutdown` no step is begun, and one that has been is waited for 10 s.
pub async fn run(
    config: Config,
    objects: watch::Receiver<Arc<Objects>>,
    shutdown: CancellationToken,
    handle: Handle,
) {
    let Config { settings, connection, resync, tenure } = config;
    let aws = Aws::connect(&connection, &settings, handle.metrics.clone()).await;
    let aws = aws.under(tenure.clone());
    let reconciler = Reconciler::new(aws, settings, handle.metrics.clone());
    let reconciler = reconciler.under(tenure.clone()).until(shutdown.clone());
    let round = Round { resync, tenure, shutdown, handle };
    round.run(reconciler, objects).await;
}

/// What the loop goes by.
struct Round {
    resync: Option<Duration>,
    tenure: Tenure,
    shutdown: CancellationToken,
    handle: Handle,
}

impl Round {
    /// The loop, and its end even where AWS does not answer.
    async fn run<C: Cloud + 'static>(
        self,
        reconciler: Reconciler<C>,
        objects: watch::Receiver<Arc<Objects>>,
    ) {
        let shutdown = self.shutdown.clone();
        let overdue = async {
            shutdown.cancelled().await;
            sleep(GRACE).await;
        };
        tokio::select! {
            () = self.follow(reconciler, objects) => {}
            () = overdue => {}
        }
    }

    /// The loop, over any cloud.
    async fn follow<C: Cloud + 'static>(
        mut self,
        mut reconciler: Reconciler<C>,
        mut objects: watch::Receiver<Arc<Objects>>,
    ) {
        let mut rhythm = Rhythm::default();
        let mut patrol = Patrol::new(self.resync);
        let mut clock = Clock::default();
        let mut has_objects = false;
        let mut led = false;
        loop {
            let (mut is_change, mut is_late) = (false, false);
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                changed = objects.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    (has_objects, is_change) = (true, true);
                    rhythm.changed();
                }
                () = self.tenure.changed() => {}
                turn = patrol.turn() => if !self.take(turn, &mut reconciler, &mut patrol) {
                    continue;
                },
                struck = clock.strikes() => is_late = struck,
            }
            self.tenure.mark_seen();
            let leads = self.tenure.holds();
            let led_before = std::mem::replace(&mut led, leads);
            self.tell_office(led_before, leads);
            if is_late {
                reconciler.later();
            }
            if led_before != leads {
                // Whoever led meanwhile has done something, too.
                reconciler.begin();
                patrol.stop();
            }
            if !has_objects {
                continue;
            }
            let current = Arc::clone(&objects.borrow_and_update());
            if leads {
                let tell = |event| self.handle.tell(event);
                reconciler.hasten(&current, &tell).await;
                // A step that has been begun is ended: what AWS has done must be known.
                reconciler.heed(objects.clone());
                let result = reconciler.pass(&current, &tell).await;
                patrol.plan();
                clock.set(rhythm.next(&result, &self.handle), is_late);
            } else if reconciler.status().seen && is_change {
                // Whoever leads acts on it. AWS need not be asked by all.
                continue;
            } else {
                clock.set(self.look(&mut reconciler, &current).await, is_late);
            }
            self.handle.status.send_replace(Arc::new(reconciler.status().clone()));
        }
    }

    /// What comes of the patrol; whether there is something to compare.
    fn take<C: Cloud + 'static>(
        &self,
        turn: Turn,
        reconciler: &mut Reconciler<C>,
        patrol: &mut Patrol,
    ) -> bool {
        match turn {
            Turn::Due => patrol.begin(reconciler.sighting()),
            Turn::Seen(Ok(sighting)) => {
                reconciler.take_in(*sighting);
                return true;
            }
            Turn::Seen(Err(error)) => self.handle.tell(Event::looking_failed(&error)),
        }
        false
    }

    /// What a replica does that follows; after how long again.
    async fn look<C: Cloud>(
        &self,
        reconciler: &mut Reconciler<C>,
        objects: &Objects,
    ) -> Option<Duration> {
        match reconciler.look_on(objects).await {
            Ok(()) => None,
            Err(error) => {
                self.handle.tell(Event::looking_failed(&error));
                Some(LOOK.1)
            }
        }
    }

    fn tell_office(&self, led: bool, leads: bool) {
        self.handle.metrics.set_leads(leads);
        match (led, leads) {
            (false, true) => self.handle.tell(Event::Leads),
            (true, false) => self.handle.tell(Event::Follows),
            (true, true) | (false, false) => {}
        }
    }
}

#[cfg(test)]
mod tests;
