//! From configuration to the table that serves: compile, swap, report.
//!
//! The channel of the source is what settles changes: while one set is compiled, those that come in
//! meanwhile replace one another.

use crate::{
    last_good::{LastGood, Outcome},
    retired::Retired,
    shelf::Shelf,
    snapshot::Snapshot,
    store::{Kept, Store},
    subject::Subject,
};
use edgeway_api::{ObjectRef, Objects, Problem};
use edgeway_core::{Workload, analyze, concerned};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};

/// What became of a configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Counts the configurations that were put in force; 0 before the first.
    pub generation: u64,
    /// Everything that is wrong with it, and what could be better, sorted.
    pub problems: Vec<Problem>,
    /// How many objects it was made of.
    pub objects: usize,
    /// How long it took to compile.
    pub compiled_in: Duration,
    /// What there is something to say about.
    pub(crate) subjects: Arc<Vec<Subject>>,
    /// Whether it was kept on disk, because its source has said nothing yet.
    pub(crate) kept: Option<Age>,
}

/// How old a configuration is that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age {
    /// When it was kept.
    pub(crate) since: SystemTime,
    /// Whether nothing was left out.
    pub(crate) is_complete: bool,
}

/// What is kept on disk.
#[derive(Clone, Debug, Default)]
pub struct Keep {
    /// The folder for what stands in for something broken.
    pub stand_ins: Option<PathBuf>,
    /// The whole, for a source that may be away when we start.
    pub whole: Option<Store>,
}

/// How long a source may say nothing before what was kept serves.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the whole is kept.
const KEPT_EVERY: Duration = Duration::from_secs(10);

/// A table is in force: what is wrong is known, and not yet what could be better.
#[derive(Clone, Debug, Default)]
struct Draft {
    report: Report,
    accepted: Arc<Objects>,
}

/// Puts every new configuration of `latest` in force, and tells so in `report`, until its source
/// ends. What stands in for something broken is kept in the folder `last_good` over a restart. Of
/// configurations that come faster than advice on them can be given, the newest is told.
///
/// Only what is sent after `latest` was made counts: the value that a channel begins with is no
/// configuration.
pub async fn publish(
    latest: watch::Receiver<Arc<Objects>>,
    workload: Workload,
    snapshot: Snapshot,
    report: watch::Sender<Arc<Report>>,
    keep: Keep,
) {
    let Keep { stand_ins, whole } = keep;
    let workload = Arc::new(workload);
    let (drafts, drafted) = watch::channel(Draft::default());
    tokio::join!(
        put_in_force(
            (latest, whole.clone()),
            Arc::clone(&workload),
            snapshot,
            (drafts, Shelf::new(stand_ins))
        ),
        store(drafted.clone(), whole),
        advise(drafted, workload, report),
    );
}

async fn put_in_force(
    (mut latest, whole): (watch::Receiver<Arc<Objects>>, Option<Store>),
    workload: Arc<Workload>,
    snapshot: Snapshot,
    (drafts, mut shelf): (watch::Sender<Draft>, Shelf),
) {
    let mut good = LastGood::from(Arc::new(kept(&shelf).await));
    let mut retired = Retired::default();
    let mut generation = 0;
    let mut waiting = whole;
    let patience = Instant::now() + PATIENCE;
    loop {
        let mut kept = None;
        tokio::select! {
            changed = latest.changed() => if changed.is_err() { return } else { waiting = None },
            () = sleep_until(patience), if waiting.is_some() => {
                kept = stored(waiting.take()).await;
                if kept.is_none() { continue }
            }
            () = retired.wait() => {
                retired.drop_unused().await;
                continue;
            }
        }
        let (objects, age) = match kept {
            Some((objects, age)) => (objects, Some(age)),
            None => (Arc::clone(&latest.borrow_and_update()), None),
        };
        let start = Instant::now();
        let Some((outcome, subjects)) = compiled(&mut good, &objects, &workload).await else {
            continue;
        };
        let compiled_in = start.elapsed();
        retired.push(snapshot.swap(Arc::new(outcome.table)));
        generation += 1;
        let (count, problems) = (objects.count(), outcome.problems);
        let subjects = Arc::new(subjects);
        let report =
            Report { generation, problems, objects: count, compiled_in, subjects, kept: age };
        shelf = keep(shelf, outcome.stand_ins).await;
        drafts.send_replace(Draft { report, accepted: Arc::clone(good.objects()) });
    }
}

/// What was kept when a gateway ran here before.
async fn kept(shelf: &Shelf) -> Objects {
    let shelf = shelf.clone();
    spawn_blocking(move || shelf.read()).await.unwrap_or_default()
}

/// What was kept of the whole, and said to be so.
async fn stored(whole: Option<Store>) -> Option<(Arc<Objects>, Age)> {
    let whole = whole?;
    let Kept { mut objects, since, is_complete } =
        spawn_blocking(move || whole.read()).await.ok()??;
    let seconds = since.elapsed().unwrap_or_default().as_secs();
    let server = ObjectRef::new("ApiServer", "", "kube");
    let problem = Problem::warning(server, "", "configuration-kept")
        .message(format!(
            "the API server has not been reached: what serves is what was kept {seconds} s before"
        ))
        .advice("look at the API server and at the way there; it is tried all the time");
    objects.defects.push(problem);
    Some((Arc::new(objects), Age { since, is_complete }))
}

/// Keeps the whole of what is in force, now and then.
async fn store(mut drafted: watch::Receiver<Draft>, whole: Option<Store>) {
    let Some(whole) = whole else { return };
    while drafted.changed().await.is_ok() {
        let Draft { report, accepted } = drafted.borrow_and_update().clone();
        // What was kept is not younger for having been read.
        if report.kept.is_some() {
            continue;
        }
        let whole = whole.clone();
        if let Err(error) = spawn_blocking(move || whole.write(&accepted)).await {
            tracing::error!(%error, "the configuration is not kept");
        }
        sleep(KEPT_EVERY).await;
    }
}

/// Keeps what stands in for something broken, in case that the gateway is started again.
async fn keep(mut shelf: Shelf, stand_ins: Objects) -> Shelf {
    let writing = spawn_blocking(move || {
        shelf.write(&stand_ins);
        shelf
    });
    writing.await.unwrap_or_default()
}

/// Completes drafts by advice, on a thread that no request waits for.
async fn advise(
    mut drafted: watch::Receiver<Draft>,
    workload: Arc<Workload>,
    report: watch::Sender<Arc<Report>>,
) {
    while drafted.changed().await.is_ok() {
        let Draft { report: mut complete, accepted } = drafted.borrow_and_update().clone();
        let workload = Arc::clone(&workload);
        match spawn_blocking(move || analyze(&accepted, &workload)).await {
            Ok(advice) => complete.problems.extend(advice),
            Err(error) => tracing::error!(%error, "the configuration broke the analysis"),
        }
        complete.problems.sort();
        report.send_replace(Arc::new(complete));
    }
}

/// Compiles on a thread that no request waits for. `None` if that broke down, in which case what
/// serves goes on, and nothing that was remembered is trusted any more.
async fn compiled(
    good: &mut LastGood,
    objects: &Arc<Objects>,
    workload: &Arc<Workload>,
) -> Option<(Outcome, Vec<Subject>)> {
    let (objects, workload) = (Arc::clone(objects), Arc::clone(workload));
    let known = Arc::clone(good.objects());
    let mut own = std::mem::take(good);
    let compiling = spawn_blocking(move || {
        let outcome = own.compile(&objects, &workload);
        let sets = (&outcome.rejected, &outcome.replaced);
        let subjects = Subject::all(&objects, &concerned(&objects, &workload), sets);
        (own, (outcome, subjects))
    });
    match compiling.await {
        Ok((own, result)) => {
            *good = own;
            Some(result)
        }
        Err(error) => {
            tracing::error!(%error, "the configuration broke the compiler; the one before serves on");
            *good = LastGood::from(known);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Keep, Report, publish};
    use crate::snapshot::Snapshot;
    use edgeway_api::{Objects, manifest};
    use edgeway_core::{Workload, table::Table};
    use std::{
        sync::{Arc, Weak},
        time::Duration,
    };
    use tokio::{sync::watch, task::JoinHandle};

    struct Trial {
        latest: watch::Sender<Arc<Objects>>,
        snapshot: Snapshot,
        report: watch::Receiver<Arc<Report>>,
        running: JoinHandle<()>,
    }

    impl Trial {
        fn start() -> Self {
            let (latest, receiver) = watch::channel(Arc::default());
            let (sender, report) = watch::channel(Arc::default());
            let snapshot = Snapshot::default();
            let running = tokio::spawn(publish(
                receiver,
                Workload::default(),
                snapshot.clone(),
                sender,
                Keep::default(),
            ));
            Self { latest, snapshot, report, running }
        }

        async fn send(&mut self, text: &str) -> Arc<Report> {
            let mut objects = Objects::default();
            manifest::read(text, "f.yaml", &mut objects);
            self.latest.send_replace(Arc::new(objects));
            self.report.changed().await.unwrap();
            Arc::clone(&self.report.borrow_and_update())
        }
    }

    fn gateway(port: u16) -> String {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: a, namespace: \
             istio-system}}\nspec: {{selector: {{istio: ingressgateway}}, servers: [{{port: {{number: \
             {port}, name: http, protocol: HTTP}}, hosts: ['*']}}]}}\n"
        )
    }

    fn ports(table: &Table) -> Vec<u16> {
        table.listeners.iter().map(|listener| listener.id.port).collect()
    }

    #[tokio::test]
    async fn each_configuration_is_put_in_force_and_reported() {
        let mut trial = Trial::start();
        let report = trial.send(&gateway(80)).await;
        assert_eq!((report.generation, report.objects, report.problems.len()), (1, 1, 0));
        assert_eq!(ports(&trial.snapshot.load()), [80]);
        let report = trial.send(&(gateway(81) + "---\nkind: [\n")).await;
        assert_eq!((report.generation, report.objects, report.problems.len()), (2, 1, 1));
        assert_eq!(ports(&trial.snapshot.load()), [81]);
        drop(trial.latest);
        trial.running.await.unwrap();
    }

    #[tokio::test]
    async fn a_rejected_edit_keeps_the_table_and_is_reported() {
        let mut trial = Trial::start();
        trial.send(&gateway(80)).await;
        let report = trial.send(&gateway(0)).await;
        assert_eq!(ports(&trial.snapshot.load()), [80]);
        assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
        assert!(report.problems[0].message.contains("keeps serving"), "{:?}", report.problems);
    }

    #[tokio::test]
    async fn advice_is_part_of_the_report() {
        let mut trial = Trial::start();
        let nobody = gateway(80).replace("ingressgateway", "egressgateway");
        let report = trial.send(&nobody).await;
        let codes: Vec<_> = report.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["gateway-selects-nothing"]);
    }

    #[tokio::test]
    async fn what_a_channel_begins_with_is_no_configuration() {
        let trial = Trial::start();
        tokio::task::yield_now().await;
        assert_eq!(trial.report.borrow().generation, 0);
    }

    #[tokio::test]
    async fn a_table_is_dropped_when_the_last_request_let_go_of_it() {
        let mut trial = Trial::start();
        trial.send(&gateway(80)).await;
        let request = trial.snapshot.load();
        let table: Weak<Table> = Arc::downgrade(&request);
        trial.send(&gateway(81)).await;
        tokio::time::pause();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(Weak::strong_count(&table) == 2, "the request and the list of retired tables");
        drop(request);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(Weak::strong_count(&table), 0);
    }
}
