//! Passes over an AWS of our own, in a time of our own.

use super::*;
use crate::fake::{FakeCloud, objects, stale};
use edgeway_gateway::lease::Hand;
use tokio::time::{Instant, timeout};

struct Running {
    objects: watch::Sender<Arc<Objects>>,
    status: watch::Receiver<Arc<Status>>,
    events: broadcast::Receiver<Event>,
    shutdown: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
    hand: Hand,
    cloud: Arc<FakeCloud>,
}

fn start(cloud: FakeCloud, resync: Option<Duration>) -> Running {
    let running = stand(cloud, resync);
    running.hand.set(true);
    running
}

/// As [`start`], without leading.
fn stand(cloud: FakeCloud, resync: Option<Duration>) -> Running {
    stand_until(CancellationToken::new(), cloud, resync)
}

fn stand_until(shutdown: CancellationToken, cloud: FakeCloud, resync: Option<Duration>) -> Running {
    let handle = Handle::default();
    let (objects, receiver) = watch::channel(Arc::default());
    let settings = Settings::new("test", "vpc");
    let (hand, tenure) = Tenure::by_hand();
    let cloud = Arc::new(cloud);
    let reconciler = Reconciler::new(Arc::clone(&cloud), settings, handle.metrics.clone());
    let reconciler = reconciler.under(tenure.clone()).until(shutdown.clone());
    let (status, events) = (handle.status.subscribe(), handle.events.subscribe());
    let round = Round { resync, tenure, shutdown: shutdown.clone(), handle };
    let ended = tokio::spawn(round.run(reconciler, receiver));
    Running { objects, status, events, shutdown, ended, hand, cloud }
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
    // Its targets are asked how they are, once.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let passes = running.status.borrow().passes;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(running.status.borrow().passes, passes + 1);
    let mut lines = Vec::new();
    while let Ok(event) = running.events.try_recv() {
        lines.push(event.to_string());
    }
    let settled = lines.iter().filter(|line| *line == "nothing left to do").count();
    assert_eq!(settled, 1, "it is said once: {lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_others_have_taken_away_comes_back() {
    let mut running = start(FakeCloud::default(), Some(Duration::from_secs(60)));
    running.objects.send_replace(Arc::new(objects(&["a"])));
    settled(&mut running).await;
    let made = |cloud: &FakeCloud| {
        cloud.tried().iter().filter(|step| *step == "create-load-balancer").count()
    };
    let looks = running.cloud.looks();
    assert_eq!(made(&running.cloud), 1);
    running.cloud.lose();
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!((made(&running.cloud), running.cloud.looks()), (1, looks));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((made(&running.cloud), running.cloud.looks()), (2, looks + 1));
}

#[tokio::test(start_paused = true)]
async fn what_the_first_look_shows_too_much_goes_if_the_next_shows_it_too() {
    for stays in [true, false] {
        let cloud = FakeCloud::default();
        cloud.litter(true);
        let mut running = start(cloud, None);
        running.objects.send_replace(Arc::new(objects(&["a"])));
        tokio::time::sleep(Duration::from_secs(9)).await;
        let is_gone =
            |cloud: &FakeCloud| cloud.tried().iter().any(|step| step == "delete-target-group");
        assert_eq!((is_gone(&running.cloud), running.cloud.looks()), (false, 1));
        running.cloud.litter(stays);
        settled(&mut running).await;
        assert_eq!((is_gone(&running.cloud), running.cloud.looks()), (stays, 2));
        running.shutdown.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_again_and_the_rest_is_remembered() {
    let cloud = FakeCloud::default();
    cloud.fail("create-rule", stale);
    let mut running = start(cloud, None);
    running.objects.send_replace(Arc::new(objects(&["a"])));
    settled(&mut running).await;
    assert_eq!(running.cloud.looks(), 2, "at first, and at the stack that failed");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(running.cloud.looks(), 3, "once more, when AWS shows all that was done");
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
async fn a_pod_waits_for_its_target_however_often_objects_change() {
    let mut running = start(FakeCloud::default(), None);
    let mut given = objects(&["a"]);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: web}}\n\
               spec: {readinessGates: [{conditionType: edgeway.dev/targets-healthy}]}\n\
               status: {podIP: 10.0.0.1, conditions: [{type: ContainersReady, status: 'True'}]}";
    edgeway_api::manifest::read(pod, "", &mut given);
    let given = Arc::new(given);
    running.objects.send_replace(Arc::clone(&given));
    settled(&mut running).await;
    let open = |status: &Status| status.gates.values().any(|gate| gate.is_open);
    assert!(!open(&running.status.borrow()), "nobody has asked AWS how the target is");
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        running.objects.send_replace(Arc::clone(&given));
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(open(&running.status.borrow()), "{:?}", running.status.borrow().gates);
}

#[tokio::test(start_paused = true)]
async fn who_follows_looks_and_changes_nothing() {
    let mut running = stand(FakeCloud::default(), Some(Duration::from_secs(60)));
    running.objects.send_replace(Arc::new(objects(&["a"])));
    running.status.wait_for(|status| status.seen).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(running.cloud.tried(), <[String; 0]>::default());
    running.hand.set(true);
    settled(&mut running).await;
    let steps = running.cloud.tried();
    assert!(steps.contains(&"create-load-balancer".to_owned()), "{steps:?}");
    running.hand.set(false);
    running.objects.send_replace(Arc::new(objects(&["a", "b"])));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(running.cloud.tried(), steps);
}

#[tokio::test(start_paused = true)]
async fn who_leads_no_more_leaves_the_rest_of_the_plan() {
    let cloud = FakeCloud::default();
    let hand = Arc::new(std::sync::Mutex::new(None::<Hand>));
    let taken = Arc::clone(&hand);
    cloud.before("create-listener", move || {
        if let Some(hand) = taken.lock().unwrap().as_ref() {
            hand.set(false);
        }
    });
    let mut running = stand(cloud, None);
    running.hand.set(true);
    let (own, _) = Tenure::by_hand();
    *hand.lock().unwrap() = Some(std::mem::replace(&mut running.hand, own));
    running.objects.send_replace(Arc::new(objects(&["a"])));
    running.status.wait_for(|status| status.passes > 0).await.unwrap();
    let steps = running.cloud.tried();
    assert_eq!(steps.last().map(String::as_str), Some("create-listener"), "{steps:?}");
    let mut told = Vec::new();
    while let Ok(event) = running.events.try_recv() {
        told.push(event);
    }
    assert!(told.contains(&Event::Deposed), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_stop_begins_no_other_step() {
    let cloud = FakeCloud::default();
    let stop = CancellationToken::new();
    let told = stop.clone();
    cloud.before("create-listener", move || told.cancel());
    let running = stand_until(stop, cloud, None);
    running.hand.set(true);
    running.objects.send_replace(Arc::new(objects(&["a"])));
    running.ended.await.unwrap();
    let steps = running.cloud.tried();
    assert_eq!(steps.last().map(String::as_str), Some("create-listener"), "{steps:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_not_waited_for_at_the_end() {
    let cloud = FakeCloud::default();
    cloud.slow("create-load-balancer", Duration::from_secs(3600));
    let running = start(cloud, None);
    running.objects.send_replace(Arc::new(objects(&["a"])));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let told = Instant::now();
    running.shutdown.cancel();
    running.ended.await.unwrap();
    assert_eq!(told.elapsed().as_secs(), GRACE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_source() {
    let running = start(FakeCloud::default(), None);
    drop(running.objects);
    running.ended.await.unwrap();
}
