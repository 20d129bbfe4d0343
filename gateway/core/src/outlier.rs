//! Which endpoints are out for a while because they fail, as Envoy's outlier detection.
//!
//! A [`Tally`] counts failures in a row, one per endpoint, without a lock. When it says that an
//! endpoint has failed too often, [`Ejections`], one per cluster, decides whether it is taken out,
//! and later, whenever it is [swept](Ejections::sweep), who comes back. Time is an argument.

use crate::cluster::Outlier;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Instant,
};

/// How a try went, as far as its endpoint is to be blamed or praised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with this HTTP status.
    Status(u16),
    /// It did not: the connection failed, broke before an answer, or time ran out.
    NoAnswer,
}

impl Outcome {
    /// What a status of gRPC amounts to (as Envoy: `grpcToHttpStatus`).
    pub fn of_grpc(status: u16) -> Self {
        Self::Status(match status {
            0 => 200,
            1 => 499,
            3 | 9 | 11 => 400,
            4 => 504,
            5 => 404,
            6 | 10 => 409,
            7 => 403,
            8 => 429,
            12 => 501,
            14 => 503,
            16 => 401,
            _ => 500,
        })
    }
}

/// Failures in a row of one endpoint.
#[derive(Debug, Default)]
pub struct Tally {
    errors: AtomicU32,
    gateway_errors: AtomicU32,
    local_errors: AtomicU32,
}

impl Tally {
    /// Counts an outcome; true if with it the endpoint has failed as often as `policy` bears. Then
    /// the count begins anew.
    pub fn record(&self, policy: &Outlier, outcome: Outcome) -> bool {
        let apart = policy.consecutive_local_errors.is_some();
        match outcome {
            Outcome::NoAnswer if apart => {
                add(&self.local_errors, policy.consecutive_local_errors, true)
            }
            Outcome::NoAnswer => self.add_external(policy, true, true),
            Outcome::Status(status) => {
                reset(&self.local_errors);
                let error = match &*policy.error_statuses {
                    [] => (500..600).contains(&status),
                    listed => listed.contains(&status),
                };
                self.add_external(policy, error, error && (502..=504).contains(&status))
            }
        }
    }

    fn add_external(&self, policy: &Outlier, error: bool, gateway_error: bool) -> bool {
        let gateway = add(&self.gateway_errors, policy.consecutive_gateway_errors, gateway_error);
        add(&self.errors, policy.consecutive_errors, error) || gateway
    }
}

/// Only who sees the limit reached says so, however many count at once.
fn add(count: &AtomicU32, limit: Option<u32>, failed: bool) -> bool {
    let Some(limit) = limit.filter(|_| failed) else {
        reset(count);
        return false;
    };
    let reached = count.fetch_add(1, Relaxed).saturating_add(1) == limit;
    if reached {
        reset(count);
    }
    reached
}

/// Writes only what changes: nearly always nothing does, and all workers can go on sharing it.
fn reset(count: &AtomicU32) {
    if count.load(Relaxed) != 0 {
        count.store(0, Relaxed);
    }
}

/// What has become of a wish to take an endpoint out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ejection {
    /// It is out.
    Made,
    /// It was out already.
    Standing,
    /// Too many are: it stays.
    Refused,
}

/// The endpoints of a cluster that are out, or were of late.
#[derive(Debug, Default)]
pub struct Ejections {
    known: HashMap<SocketAddr, Known>,
    out: usize,
    next_sweep: Option<Instant>,
}

/// What is known of an endpoint.
#[derive(Debug, Default)]
struct Known {
    /// How often it was out of late.
    times: u32,
    out_since: Option<Instant>,
}

impl Ejections {
    /// Takes the endpoint at `address` out, if not too many of the `total` of them are.
    ///
    /// As Envoy there is no "at least one": of 5 endpoints none is ever out at 10 %.
    pub fn eject(
        &mut self,
        policy: &Outlier,
        address: SocketAddr,
        total: usize,
        now: Instant,
    ) -> Ejection {
        if self.is_out(address) {
            return Ejection::Standing;
        }
        let percent = u128::from(policy.max_ejection_percent);
        if (self.out as u128 + 1) * 100 > percent * total as u128 {
            return Ejection::Refused;
        }
        let known = self.known.entry(address).or_default();
        if policy.base_ejection.saturating_mul(known.times) < policy.max_ejection {
            known.times += 1;
        }
        known.out_since = Some(now);
        self.out += 1;
        self.next_sweep.get_or_insert(now + policy.interval);
        Ejection::Made
    }

    /// Lets those come back whose time is over, once every interval; how many do.
    pub fn sweep(&mut self, policy: &Outlier, now: Instant) -> usize {
        if self.next_sweep.is_none_or(|next| now < next) {
            return 0;
        }
        let mut back = 0;
        self.known.retain(|_, known| {
            match known.out_since {
                None => known.times -= 1,
                Some(since) => {
                    let longest = policy.max_ejection.max(policy.base_ejection);
                    let time = policy.base_ejection.saturating_mul(known.times).min(longest);
                    if now.saturating_duration_since(since) >= time {
                        known.out_since = None;
                        back += 1;
                    }
                }
            }
            known.out_since.is_some() || known.times > 0
        });
        self.out -= back;
        self.next_sweep = (!self.known.is_empty()).then(|| now + policy.interval);
        back
    }

    /// Whether the endpoint at `address` is out.
    pub fn is_out(&self, address: SocketAddr) -> bool {
        self.known.get(&address).is_some_and(|known| known.out_since.is_some())
    }

    /// How many are out.
    pub fn len(&self) -> usize {
        self.out
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.out == 0
    }

    /// Forgets the endpoints that `stays` does not want; whether one of them was out.
    pub fn retain(&mut self, stays: impl Fn(SocketAddr) -> bool) -> bool {
        let before = self.out;
        self.known.retain(|address, _| stays(*address));
        self.out = self.known.values().filter(|known| known.out_since.is_some()).count();
        self.out != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn policy() -> Outlier {
        Outlier {
            consecutive_errors: Some(3),
            interval: Duration::from_secs(1),
            base_ejection: Duration::from_secs(2),
            max_ejection_percent: 100,
            ..Outlier::default()
        }
    }

    fn address(last: u8) -> SocketAddr {
        ([10, 0, 0, last], 80).into()
    }

    /// The place in `outcomes` at which the endpoint has failed too often.
    fn reached(policy: &Outlier, outcomes: &[Outcome]) -> Option<usize> {
        let tally = Tally::default();
        outcomes.iter().position(|outcome| tally.record(policy, *outcome))
    }

    #[test]
    fn failures_count_in_a_row() {
        use Outcome::{NoAnswer, Status};
        let gateway = Outlier {
            consecutive_errors: None,
            consecutive_gateway_errors: Some(2),
            ..Outlier::default()
        };
        let apart = Outlier { consecutive_local_errors: Some(2), ..policy() };
        let listed = Outlier { error_statuses: vec![429], ..policy() };
        for (policy, outcomes, expected) in [
            (&policy(), &[Status(500), Status(599), NoAnswer][..], Some(2)),
            (&policy(), &[Status(500), Status(500), Status(404), Status(500)], None),
            (&policy(), &[Status(499), Status(429), Status(404)], None),
            (&gateway, &[Status(502), Status(504)], Some(1)),
            (&gateway, &[Status(503), Status(500), Status(503)], None),
            (&gateway, &[NoAnswer, NoAnswer], Some(1)),
            (&apart, &[NoAnswer, NoAnswer], Some(1)),
            (&apart, &[NoAnswer, Status(500), NoAnswer, Status(500), Status(500)], Some(4)),
            (&listed, &[Status(429), Status(429), Status(429)], Some(2)),
            (&listed, &[Status(500), Status(500), Status(500)], None),
        ] {
            assert_eq!(reached(policy, outcomes), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn statuses_of_grpc_are_judged_as_those_of_http() {
        for (grpc, http) in [(0, 200), (4, 504), (8, 429), (13, 500), (14, 503), (99, 500)] {
            assert_eq!(Outcome::of_grpc(grpc), Outcome::Status(http));
        }
    }

    /// Measured pairs of Istio.
    #[test]
    fn no_more_than_the_percentage_is_out() {
        for (total, percent, out) in [
            (2, 10, 0),
            (2, 50, 1),
            (2, 51, 1),
            (2, 100, 2),
            (3, 50, 1),
            (3, 67, 2),
            (5, 0, 0),
            (10, 19, 1),
            (10, 20, 2),
            (10, 50, 5),
        ] {
            let policy = Outlier { max_ejection_percent: percent, ..policy() };
            let mut ejections = Ejections::default();
            for last in 0..total {
                let total = usize::from(total);
                ejections.eject(&policy, address(last), total, Instant::now());
            }
            assert_eq!(ejections.len(), out, "{percent} % of {total}");
        }
    }

    #[test]
    fn each_time_is_longer_until_the_endpoint_has_held_out() {
        let policy = policy();
        let mut ejections = Ejections::default();
        let mut now = Instant::now();
        let mut out_for = |ejections: &mut Ejections| {
            assert_eq!(ejections.eject(&policy, address(1), 1, now), Ejection::Made);
            assert_eq!(ejections.eject(&policy, address(1), 1, now), Ejection::Standing);
            let since = now;
            while ejections.is_out(address(1)) {
                now += Duration::from_millis(250);
                ejections.sweep(&policy, now);
            }
            let out = now - since;
            now += Duration::from_millis(100);
            out.as_secs()
        };
        let times: Vec<_> = (0..3).map(|_| out_for(&mut ejections)).collect();
        assert_eq!(times, [2, 4, 6]);
        for _ in 0..12 {
            now += Duration::from_secs(1);
            ejections.sweep(&policy, now);
        }
        assert!(ejections.known.is_empty());
        assert_eq!(ejections.eject(&policy, address(1), 1, now), Ejection::Made);
        assert_eq!(ejections.known[&address(1)].times, 1);
    }

    #[test]
    fn who_goes_is_forgotten() {
        let mut ejections = Ejections::default();
        for last in 0..4 {
            ejections.eject(&policy(), address(last), 4, Instant::now());
        }
        assert!(ejections.retain(|kept| kept == address(2)));
        assert_eq!((ejections.len(), ejections.is_out(address(2))), (1, true));
        assert!(!ejections.retain(|_| true));
    }

    proptest! {
        #[test]
        fn the_share_out_never_exceeds_the_percentage(
            percent in 0_u32..150,
            steps in prop::collection::vec((0_u8..12, 0_u64..4000, any::<bool>()), 0..80),
        ) {
            let policy = Outlier { max_ejection_percent: percent, ..policy() };
            let mut ejections = Ejections::default();
            let mut now = Instant::now();
            for (last, pause, sweeps) in steps {
                now += Duration::from_millis(pause);
                if sweeps {
                    ejections.sweep(&policy, now);
                } else {
                    ejections.eject(&policy, address(last), 12, now);
                }
                let out = (0..12).filter(|last| ejections.is_out(address(*last))).count();
                prop_assert_eq!(out, ejections.len());
                prop_assert!(out * 100 <= percent as usize * 12);
            }
        }
    }
}
