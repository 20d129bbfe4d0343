//! Laws of plans: every step is legal, the end is the goal, a second plan is empty, and on the way
//! there every request gets the answer that it got before or the one that it shall get.

#![expect(clippy::wildcard_enum_match_arm, reason = "the model takes few kinds of steps per thing")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop where what it has just made is not there"
)]

mod adrift;
mod cases;
mod hosts;
mod last_good;
mod model;
mod wishes;

use edgeway_alb_core::{
    AlbRequest, Desired, Observed, Plan, StackId, plan,
    rule::{Action, Condition, Patterns, Rule},
    stack::{LoadBalancer, Stack},
    target::Protocol,
};
use model::Aws;
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};
use wishes::{HOSTS, PATHS, desired, with_broken};

/// What becomes of each probe: `None` where nobody listens.
type Answers = BTreeMap<(StackId, u16, &'static str, &'static str), Option<String>>;

/// Asks the load balancers of `state` for every kind of request that wishes tell apart.
fn answers(state: &Observed) -> Answers {
    let mut answers = Answers::new();
    for (id, standing) in &state.stacks {
        for balancer in standing.load_balancers.values() {
            for (port, scheme) in [(80, Protocol::Http), (443, Protocol::Https)] {
                for host in ["a.example.com", "b.example.com", "c.example.com", "elsewhere.org"] {
                    for path in ["/x", "/x/y", "/z"] {
                        let answer = ask(balancer, scheme, port, host, path);
                        answers.insert((id.clone(), port, host, path), answer);
                    }
                }
            }
        }
    }
    answers
}

fn ask(
    balancer: &LoadBalancer,
    scheme: Protocol,
    port: u16,
    host: &str,
    path: &str,
) -> Option<String> {
    let source_ip = IpAddr::from([10, 0, 0, 9]);
    let request =
        AlbRequest { scheme, port, method: "GET", host, path, query: "", headers: &[], source_ip };
    balancer.evaluate(&request).map(|decision| {
        let login = decision.authentication.map(|login| format!("{login}, then "));
        format!("{}{}", login.unwrap_or_default(), decision.action)
    })
}

/// Target groups that a rule sends to and that have no target.
fn hollow(state: &Observed) -> BTreeSet<String> {
    let standings = || state.stacks.values();
    let sent = standings().flat_map(|s| s.load_balancers.values()).flat_map(LoadBalancer::groups);
    let groups = || standings().flat_map(|standing| standing.target_groups.values());
    let filled: BTreeSet<&str> = groups()
        .filter(|group| !group.targets.is_empty())
        .map(|group| group.name.as_str())
        .collect();
    sent.filter(|group| !filled.contains(group)).map(str::to_owned).collect()
}

/// Takes all steps; says what was wrong on the way.
fn take(aws: &mut Aws, plan: &Plan, mut after_each: impl FnMut(&Aws, String)) {
    for step in &plan.steps {
        if let Err(refusal) = aws.take(step) {
            panic!("{refusal}: {step}\n{plan}");
        }
        after_each(aws, step.to_string());
    }
}

/// Plans and takes steps until nothing is left; targets drain in between.
fn reach(aws: &mut Aws, goal: &Desired) {
    for _ in 0..4 {
        let plan = plan(goal, &aws.state);
        take(aws, &plan, |_, _| {});
        aws.drain();
        if plan.is_empty() {
            return;
        }
    }
    panic!("still something to do: {}", plan(goal, &aws.state));
}

fn assert_reached(state: &Observed, goal: &Desired) {
    assert_eq!(state.stacks.keys().collect::<Vec<_>>(), goal.stacks.keys().collect::<Vec<_>>());
    assert_eq!(state.shared.is_some(), goal.shared.is_some());
    for (id, wish) in &goal.stacks {
        let standing = &state.stacks[id];
        let balancer = &standing.load_balancers[&wish.load_balancer.name];
        assert_same_listeners(balancer, wish);
        assert_eq!(balancer.attributes, wish.load_balancer.attributes);
        assert_eq!(balancer.subnets, wish.load_balancer.subnets);
        assert_eq!(balancer.add_ons, wish.load_balancer.add_ons);
        assert_eq!(standing.security_groups.values().next(), wish.security_group.as_ref());
        for (name, group) in &wish.target_groups {
            let there = &standing.target_groups[name];
            assert_eq!(
                (&there.targets, &there.health_check),
                (&group.targets, &group.health_check)
            );
        }
        let used: BTreeSet<&str> = balancer.groups().collect();
        let there: BTreeSet<&str> = standing.target_groups.keys().map(String::as_str).collect();
        assert_eq!(used, there, "no group is missing, none is left over");
    }
}

fn assert_same_listeners(balancer: &LoadBalancer, wish: &Stack) {
    let ports = |balancer: &LoadBalancer| balancer.listeners.keys().copied().collect::<Vec<_>>();
    if wish.broken.is_empty() {
        assert_eq!(ports(balancer), ports(&wish.load_balancer));
    }
    for (port, listener) in &wish.load_balancer.listeners {
        let there = &balancer.listeners[port];
        let held = |rule: &&Rule| !wish.broken.contains(rule.owner().unwrap_or_default());
        let text = |rule: &Rule| format!("{rule} {:?} {}", rule.authentication, rule.action);
        let found: Vec<_> = there.rules.values().filter(held).map(text).collect();
        let wanted: Vec<_> = listener.rules.values().map(text).collect();
        assert_eq!(found, wanted);
        let is_all = wish.broken.is_empty();
        // What nobody has a wish about may be theirs who cannot be understood.
        if is_all || listener.default_action != Action::answer(404, None) {
            assert!(there.default_action.equals(&listener.default_action));
            assert_eq!(there.authentication, listener.authentication);
        }
        assert_eq!(there.certificate, listener.certificate);
        assert_eq!(there.mutual_tls, listener.mutual_tls);
        let mut more = there.more_certificates.clone();
        more.retain(|certificate| Some(certificate) != there.certificate.as_ref());
        assert!(more.is_superset(&listener.more_certificates));
        assert!(!is_all || more == listener.more_certificates);
    }
}

/// The first state, reached from nothing, with numbers as the AWS Load Balancer Controller gives
/// them if `dense`, and with rules of somebody else at the given priorities.
fn start(first: &Desired, dense: bool, foreign: &[u32]) -> Aws {
    let mut aws = Aws::default();
    reach(&mut aws, first);
    for standing in aws.state.stacks.values_mut() {
        for listener in standing.load_balancers.values_mut().flat_map(|b| b.listeners.values_mut())
        {
            if dense {
                let rules = std::mem::take(&mut listener.rules).into_values();
                listener.rules = (1..).zip(rules).collect();
            }
            let free = foreign.iter().filter(|priority| !listener.rules.contains_key(priority));
            listener.foreign = free.map(|priority| (*priority, BTreeSet::new())).collect();
        }
    }
    aws
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_step_is_legal_and_the_end_is_the_goal(
        first in desired(), second in desired(), dense: bool,
    ) {
        let mut aws = start(&first, dense, &[]);
        reach(&mut aws, &second);
        assert_reached(&aws.state, &second);
        prop_assert!(plan(&second, &aws.state).is_settled());
    }

    #[test]
    fn on_the_way_every_request_gets_its_old_or_its_new_answer(
        first in desired(), second in desired(), dense: bool,
    ) {
        let mut aws = start(&first, dense, &[]);
        let before = answers(&aws.state);
        let plan = plan(&second, &aws.state);
        let mut end = aws.clone();
        take(&mut end, &plan, |_, _| {});
        let after = answers(&end.state);
        take(&mut aws, &plan, |aws, step| {
            let now = answers(&aws.state);
            // Where nobody listened, nobody was answered.
            for (probe, answer) in before.iter().filter(|(_, answer)| answer.is_some()) {
                let now = now.get(probe).cloned().flatten();
                let then = after.get(probe).cloned().flatten();
                assert!(now == *answer || now == then, "{probe:?} gets {now:?} after {step}, was {answer:?}, shall be {then:?}\n{plan}");
            }
        });
    }

    #[test]
    fn what_is_remembered_of_steps_is_what_stands(
        first in desired(), second in desired(), dense: bool,
    ) {
        let mut aws = start(&first, dense, &[]);
        let mut memory = aws.state.clone();
        let plan = plan(&second, &memory);
        for step in &plan.steps {
            aws.take(step).expect("legal");
            memory.take(step);
        }
        memory.attach();
        prop_assert!(edgeway_alb_core::plan(&second, &memory).is_empty() || !plan.pending.is_empty());
        aws.state.stacks.retain(|_, standing| !standing.is_empty());
        aws.state.doors.retain(|_, doors| !doors.is_empty());
        for standing in memory.stacks.values_mut().chain(aws.state.stacks.values_mut()) {
            // What AWS gives to all that is new is not part of the model.
            standing.load_balancers.values_mut().for_each(|b| b.attributes.retain(|k, _| k == "idle"));
            standing.target_groups.values_mut().for_each(|group| group.attributes.clear());
        }
        prop_assert_eq!(memory, aws.state);
    }

    #[test]
    fn no_rule_ever_sends_to_a_group_without_targets(
        first in desired(), second in desired(), dense: bool,
    ) {
        let mut aws = start(&first, dense, &[]);
        let plan = plan(&second, &aws.state);
        take(&mut aws, &plan, |aws, step| {
            assert_eq!(hollow(&aws.state), BTreeSet::new(), "after {step}\n{plan}");
        });
    }

    #[test]
    fn rules_of_a_member_that_cannot_be_understood_stay(
        first in desired(), second in desired(), owner in 0..2_usize,
    ) {
        let mut aws = start(&first, false, &[]);
        let second = with_broken(second, owner);
        let owned = |state: &Observed| -> Vec<String> {
            let stacks = state.stacks.iter().filter(|(id, _)| second.stacks.contains_key(id));
            let balancers = stacks.flat_map(|(_, standing)| standing.load_balancers.values());
            let listeners = balancers.flat_map(|balancer| balancer.listeners.values());
            let rules = listeners.flat_map(|listener| listener.rules.values());
            let broken = |rule: &&Rule| {
                second.stacks.values().any(|s| s.broken.contains(rule.owner().unwrap_or_default()))
            };
            rules.filter(broken).map(|rule| format!("{rule} {}", rule.action)).collect()
        };
        let before = owned(&aws.state);
        reach(&mut aws, &second);
        prop_assert_eq!(owned(&aws.state), before);
        for (id, wish) in &second.stacks {
            let balancer = &aws.state.stacks[id].load_balancers[&wish.load_balancer.name];
            assert_same_listeners(balancer, wish);
        }
    }

    #[test]
    fn rules_of_somebody_else_keep_their_numbers(
        first in desired(), second in desired(), foreign in prop::collection::vec(1..900_u32, 0..4),
    ) {
        let mut aws = start(&first, false, &foreign);
        let numbers = |state: &Observed| -> BTreeMap<(StackId, u16), BTreeSet<u32>> {
            let mut all = BTreeMap::new();
            for (id, standing) in &state.stacks {
                for (port, listener) in standing.load_balancers.values().flat_map(|b| &b.listeners) {
                    all.insert((id.clone(), *port), listener.foreign.keys().copied().collect());
                }
            }
            all
        };
        let before = numbers(&aws.state);
        for _ in 0..4 {
            let plan = plan(&second, &aws.state);
            take(&mut aws, &plan, |_, _| {});
            aws.drain();
        }
        let after = numbers(&aws.state);
        for (listener, numbers) in before {
            if !numbers.is_empty() {
                prop_assert_eq!(after.get(&listener), Some(&numbers));
            }
        }
    }
}

/// As many rules as a load balancer can have, of hosts that begin with `name`.
fn full(name: &str, backwards: bool) -> Desired {
    let mut wish = wishes::fixed(1);
    let stack = wish.stacks.values_mut().next().expect("one");
    let listener = stack.load_balancer.listeners.values_mut().next().expect("one");
    let rule = listener.rules.values().next().expect("one").clone();
    let rules = (0..100).map(|number| {
        let mut rule = rule.clone();
        let number = if backwards { 99 - number } else { number };
        let host = Patterns::Text(vec![format!("{name}-{number}.example.com")]);
        rule.conditions = vec![Condition::Host(host)];
        rule
    });
    listener.rules = (1..).zip(rules).collect();
    wish
}

#[test]
fn a_full_load_balancer_can_still_be_changed() {
    for second in [full("b", false), full("a", true), full("a", false)] {
        let mut aws = start(&full("a", false), true, &[]);
        aws.rules = Some(100);
        reach(&mut aws, &second);
        assert_reached(&aws.state, &second);
    }
}

#[test]
fn probes_tell_all_wishes_apart() {
    assert_eq!((HOSTS.len(), PATHS.len()), (3, 3), "teach `answers` about the new one");
}
