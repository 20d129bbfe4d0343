//! Candidates against a registry in memory, in time that passes when it is told to.

use super::{
    super::tenure::{Tenure, Told},
    CancellationToken, Candidate, Duration, Record, Refusal, Registry, Terms, watch,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

/// One lease, as all see it who are not cut off.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Option<Record>>>);

struct Line {
    store: Store,
    is_cut: Arc<AtomicBool>,
    delay: Duration,
}

impl Line {
    /// A question takes its time, there and back.
    async fn travel(&self) -> Result<(), Refusal> {
        sleep(self.delay).await;
        if self.is_cut.load(Ordering::Relaxed) {
            return Err(Refusal::Unreachable("cut".into()));
        }
        Ok(())
    }
}

impl Registry for Line {
    async fn read(&self) -> Result<Option<Record>, Refusal> {
        self.travel().await?;
        let found = self.store.0.lock().unwrap().clone();
        self.travel().await?;
        Ok(found)
    }

    async fn write(&self, mut wish: Record) -> Result<(), Refusal> {
        self.travel().await?;
        {
            let mut stored = self.store.0.lock().unwrap();
            let version = stored.as_ref().and_then(|record| record.version.clone());
            if version != wish.version {
                return Err(Refusal::Conflict("version".into()));
            }
            let next = version.and_then(|it| it.parse::<u64>().ok()).unwrap_or_default() + 1;
            wish.version = Some(next.to_string());
            *stored = Some(wish);
        }
        // It may be written though the answer is lost.
        self.travel().await
    }
}

struct Standing {
    tenure: Tenure,
    is_cut: Arc<AtomicBool>,
    withdraw: CancellationToken,
    task: JoinHandle<()>,
}

fn stand(store: &Store, identity: &str, delay: u64) -> Standing {
    let (told, tenure) = Told::new();
    let (problem, _) = watch::channel(Vec::new());
    let terms = Terms { identity: identity.into(), ..Terms::default() };
    let is_cut = Arc::new(AtomicBool::new(false));
    let delay = Duration::from_millis(delay);
    let registry = Line { store: store.clone(), is_cut: Arc::clone(&is_cut), delay };
    let withdraw = CancellationToken::new();
    let candidate = Candidate { registry, terms, told, problem };
    let task = tokio::spawn(candidate.run(withdraw.clone()));
    Standing { tenure, is_cut, withdraw, task }
}

/// How long it takes until `tenure` holds.
async fn until(tenure: &Tenure) -> Duration {
    let start = Instant::now();
    while !tenure.holds() {
        sleep(Duration::from_millis(50)).await;
        assert!(start.elapsed() < Duration::from_secs(60), "nobody leads");
    }
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_another_when_it_has_given_back() {
    let store = Store::default();
    let one = stand(&store, "one", 1);
    until(&one.tenure).await;
    let two = stand(&store, "two", 1);
    sleep(Duration::from_secs(60)).await;
    assert!(one.tenure.holds() && !two.tenure.holds());
    one.withdraw.cancel();
    one.task.await.unwrap();
    assert!(!one.tenure.holds());
    assert!(until(&two.tenure).await <= Duration::from_secs(5));
    let record = store.0.lock().unwrap().clone().unwrap();
    assert_eq!((record.holder.as_str(), record.transitions), ("two", 1));
}

/// Wherever it stood in its rhythm: the last renewal is seen up to 4.4 s late (2 s, and the jitter),
/// and 2 s old when the holder dies.
#[tokio::test(start_paused = true)]
async fn who_dies_is_followed_when_the_lease_is_over() {
    for _ in 0..100 {
        let store = Store::default();
        let one = stand(&store, "one", 1);
        until(&one.tenure).await;
        let two = stand(&store, "two", 1);
        sleep(Duration::from_secs(9)).await;
        one.task.abort();
        let waited = until(&two.tenure).await;
        let (least, most) = (Duration::from_secs(13), Duration::from_millis(19_500));
        assert!(waited >= least && waited <= most, "{waited:?}");
        two.task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_cut_off_stops_before_another_begins_and_comes_back() {
    let store = Store::default();
    let one = stand(&store, "one", 1);
    until(&one.tenure).await;
    let two = stand(&store, "two", 1);
    sleep(Duration::from_secs(9)).await;
    one.is_cut.store(true, Ordering::Relaxed);
    let start = Instant::now();
    while one.tenure.holds() {
        sleep(Duration::from_millis(50)).await;
    }
    assert!(start.elapsed() <= Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(!two.tenure.holds());
    until(&two.tenure).await;
    one.is_cut.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(30)).await;
    assert!(!one.tenure.holds() && two.tenure.holds());
}

#[tokio::test(start_paused = true)]
async fn never_do_two_lead_whatever_happens_to_their_lines() {
    for seed in 0..25 {
        let mut chance = StdRng::seed_from_u64(seed);
        let store = Store::default();
        let names = ["one", "two", "three"];
        let all: Vec<Standing> =
            names.iter().map(|name| stand(&store, name, chance.random_range(1..2_000))).collect();
        let mut led = 0;
        for _ in 0..1_200 {
            sleep(Duration::from_millis(250)).await;
            let leaders = all.iter().filter(|one| one.tenure.holds()).count();
            assert!(leaders <= 1, "seed {seed}: {leaders} lead");
            led += leaders;
            for one in &all {
                if chance.random_bool(0.02) {
                    one.is_cut.store(chance.random_bool(0.5), Ordering::Relaxed);
                }
            }
        }
        assert!(led > 0, "seed {seed}: nobody ever led");
        for one in &all {
            one.task.abort();
        }
    }
}
