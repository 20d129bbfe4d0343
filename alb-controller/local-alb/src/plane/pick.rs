//! Choosing a target group by weight and a target by its group's algorithm; chance and time are
//! arguments.

use std::time::SystemTime;

use super::live::Live;
use super::table::{Algorithm, Endpoint, Group};
use crate::state::rule::{Forward, WeightedGroup};

/// The group that `ticket` (any number) falls on; nothing if all weights are zero. If that group
/// has no targets, no other is tried: that is how AWS does it.
pub(crate) fn group(forward: &Forward, ticket: u64) -> Option<&WeightedGroup> {
    let total: u64 = forward.groups.iter().map(|group| u64::from(group.weight)).sum();
    let mut left = ticket.checked_rem(total)?;
    forward.groups.iter().find(|group| {
        let width = u64::from(group.weight);
        let hit = left < width;
        left = left.saturating_sub(width);
        hit
    })
}

/// The targets that may get traffic: the healthy ones, or all if too few are healthy.
pub(crate) fn candidates(group: &Group) -> Vec<&Endpoint> {
    let healthy: Vec<&Endpoint> = group.targets.iter().filter(|target| target.healthy).collect();
    if healthy.len() >= group.least_healthy { healthy } else { group.targets.iter().collect() }
}

/// A target for a request; nothing if the group has none.
pub(crate) fn target<'t>(
    group: &'t Group,
    live: &Live,
    ticket: u64,
    now: SystemTime,
) -> Option<&'t Endpoint> {
    let candidates = candidates(group);
    let nth = |number: u64| {
        let index = number.checked_rem(candidates.len() as u64)?;
        candidates.get(usize::try_from(index).ok()?).copied()
    };
    match group.algorithm {
        Algorithm::RoundRobin if candidates.iter().any(|target| target.ramp.is_some()) => {
            by_share(&candidates, ticket, now)
        }
        Algorithm::RoundRobin => nth(live.turn(&group.arn)),
        Algorithm::Random => nth(ticket),
        Algorithm::LeastOutstanding => {
            let loads = live.loads(&group.arn, candidates.iter().map(|target| &target.key));
            // Among equals the turn decides, or the first target would get all idle traffic.
            let least = loads.iter().min()?;
            let equals: Vec<_> =
                candidates.iter().zip(&loads).filter(|(_, load)| *load == least).collect();
            let index = live.turn(&group.arn).checked_rem(equals.len() as u64)?;
            equals.get(usize::try_from(index).ok()?).map(|(target, _)| **target)
        }
    }
}

/// The one that `ticket` falls on, where some are still starting slowly.
fn by_share<'t>(candidates: &[&'t Endpoint], ticket: u64, now: SystemTime) -> Option<&'t Endpoint> {
    let share = |target: &Endpoint| target.ramp.map_or(1000, |ramp| ramp.share(now));
    let total: u64 = candidates.iter().map(|target| share(target)).sum();
    let mut left = ticket.checked_rem(total)?;
    let hit = |target: &&&Endpoint| {
        let width = share(target);
        let hit = left < width;
        left = left.saturating_sub(width);
        hit
    };
    candidates.iter().find(hit).copied()
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::time::Duration;

    use super::*;
    use crate::state::health::Ramp;
    use crate::state::load_balancer::Protocol;
    use crate::state::target_group::{Codes, HealthCheck, TargetKey, Version};

    fn group_of(algorithm: Algorithm, healthy: &[bool]) -> Group {
        let targets = (1..).zip(healthy).map(|(port, healthy)| Endpoint {
            key: TargetKey { id: "127.0.0.1".into(), port },
            address: ([127, 0, 0, 1], port).into(),
            healthy: *healthy,
            ramp: None,
        });
        Group {
            made_of: Weak::new(),
            arn: "g".into(),
            protocol: Protocol::Http,
            version: Version::Http1,
            check: HealthCheck {
                protocol: Protocol::Http,
                port: None,
                path: "/".into(),
                interval: 30,
                timeout: 5,
                healthy: 5,
                unhealthy: 2,
                codes: Codes::read("200", 200, 499).unwrap(),
            },
            targets: targets.collect(),
            algorithm,
            stickiness: None,
            least_healthy: 1,
            optimized: false,
        }
    }

    fn ports(group: &Group, live: &Live, times: u64) -> Vec<u16> {
        (0..times)
            .map(|n| target(group, live, n, SystemTime::UNIX_EPOCH).unwrap().key.port)
            .collect()
    }

    #[test]
    fn shares_follow_the_weights() {
        let weighted = |weights: &[u32]| Forward {
            groups: (1..)
                .zip(weights)
                .map(|(n, weight): (u8, _)| WeightedGroup {
                    arn: format!("g{n}").into(),
                    weight: *weight,
                })
                .collect(),
            stickiness: None,
        };
        let forward = weighted(&[80, 0, 20]);
        let share = |arn: &str| {
            (0..100).filter(|n| group(&forward, *n).unwrap().arn.as_str() == arn).count()
        };
        assert_eq!([share("g1"), share("g2"), share("g3")], [80, 0, 20]);
        assert!(group(&weighted(&[0, 0]), 3).is_none());
        assert!(group(&weighted(&[]), 3).is_none());
    }

    #[test]
    fn only_healthy_targets_get_traffic_while_there_are_any() {
        let live = Live::default();
        let some = group_of(Algorithm::RoundRobin, &[true, false, true]);
        assert_eq!(ports(&some, &live, 4), [1, 3, 1, 3]);
        let none = group_of(Algorithm::RoundRobin, &[false, false]);
        assert_eq!(ports(&none, &Live::default(), 4), [1, 2, 1, 2], "fail-open");
        assert!(
            target(&group_of(Algorithm::RoundRobin, &[]), &live, 0, SystemTime::UNIX_EPOCH)
                .is_none()
        );
    }

    #[test]
    fn the_least_loaded_target_is_taken() {
        let (live, group) = (Live::default(), group_of(Algorithm::LeastOutstanding, &[true; 3]));
        let busy = live.enter(&group.arn, &group.targets[0].key);
        assert!(!ports(&group, &live, 6).contains(&1));
        drop(busy);
        assert_eq!(
            ports(&group, &live, 3).iter().collect::<std::collections::HashSet<_>>().len(),
            3
        );
    }

    #[test]
    fn a_target_that_starts_slowly_gets_a_growing_share() {
        let mut group = group_of(Algorithm::RoundRobin, &[true, true]);
        let begin = SystemTime::UNIX_EPOCH;
        let takes = Duration::from_secs(30);
        group.targets[1].ramp = Some(Ramp { begin, takes });
        for (seconds, expected) in [(0, 0..4), (15, 320..345), (30, 490..510), (3000, 490..510)] {
            let now = begin + Duration::from_secs(seconds);
            let live = Live::default();
            let tickets = (0..1000).map(|n| n * 1009);
            let slow = tickets.filter(|n| target(&group, &live, *n, now).unwrap().key.port == 2);
            let slow = slow.count();
            assert!(expected.contains(&slow), "{slow} of 1000 after {seconds} s");
        }
    }
}
