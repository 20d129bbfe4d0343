//! Rules on a load balancer of somebody else: nothing else of it is touched.

use crate::{model::Aws, reach, take, wishes::fixed};
use edgeway_alb_core::{
    Desired, Key, Observed, Plan, Stack, StackId, plan,
    plan::Op,
    stack::{LoadBalancer, Ownership},
    target::Protocol,
};
use std::collections::{BTreeMap, BTreeSet};

const HOST: &str = "company";

/// A wish for so many rules there, for each of two stacks.
fn wish(rules: [usize; 2]) -> Desired {
    let mut stacks = BTreeMap::new();
    for (name, rules) in [("one", rules[0]), ("two", rules[1])].into_iter().filter(|it| it.1 > 0) {
        let mut stack: Stack = fixed(rules).stacks.into_values().next().expect("one");
        stack.id = StackId::Group(name.to_owned());
        stack.security_group = None;
        let groups = std::mem::take(&mut stack.target_groups).into_values();
        stack.target_groups = groups
            .map(|mut group| {
                group.name = format!("{}-{name}", group.name);
                (group.name.clone(), group)
            })
            .collect();
        let balancer = &mut stack.load_balancer;
        HOST.clone_into(&mut balancer.name);
        balancer.ownership = Ownership::Rules;
        balancer.security_groups.clear();
        for rule in balancer.listeners.values_mut().flat_map(|it| it.rules.values_mut()) {
            rule.action.rename_groups(|group| Some(format!("{group}-{name}")));
        }
        stacks.insert(stack.id.clone(), stack);
    }
    Desired { stacks, ..Desired::default() }
}

/// What each stack sees: its own rules, and the others' as foreign ones.
fn seen(aws: &Aws, desired: &Desired) -> Observed {
    let mut observed = aws.state.clone();
    let mut host = wish([1, 1]).stacks.into_values().next().expect("one").load_balancer;
    for listener in host.listeners.values_mut() {
        listener.rules.clear();
        listener.foreign = BTreeMap::from([(100, BTreeSet::new())]);
    }
    let ids: BTreeSet<&StackId> = desired.stacks.keys().chain(aws.state.stacks.keys()).collect();
    for id in ids {
        let mut own = host.clone();
        for (other, standing) in &aws.state.stacks {
            let Some(there) = standing.load_balancers.get(HOST) else { continue };
            for (port, listener) in &there.listeners {
                let found = own.listeners.get_mut(port).expect("there");
                for (number, rule) in &listener.rules {
                    if other == id {
                        found.rules.insert(*number, rule.clone());
                    } else {
                        found.foreign.insert(*number, BTreeSet::new());
                    }
                }
            }
        }
        let standing = observed.stacks.entry(id.clone()).or_default();
        standing.load_balancers.insert(HOST.to_owned(), own);
    }
    observed
}

fn numbers(aws: &Aws) -> Vec<u32> {
    let balancers = aws.state.stacks.values().flat_map(|it| it.load_balancers.values());
    let listeners = balancers.flat_map(|it: &LoadBalancer| it.listeners.values());
    let mut numbers: Vec<u32> = listeners.flat_map(|it| it.rules.keys().copied()).collect();
    numbers.sort_unstable();
    numbers
}

/// Goes on until nothing is left; says which kinds of steps were taken.
fn settle(aws: &mut Aws, goal: &Desired) -> BTreeSet<&'static str> {
    let mut kinds = BTreeSet::new();
    for _ in 0..6 {
        aws.state = seen(aws, goal);
        let way = plan(goal, &aws.state);
        kinds.extend(way.steps.iter().map(|step| step.op.kind()));
        assert_eq!(way.blocked, [], "{way}");
        if way.is_settled() {
            return kinds;
        }
        take(aws, &way, |_, _| {});
        aws.drain();
    }
    panic!("still something to do: {}", plan(goal, &aws.state));
}

#[test]
fn two_stacks_put_rules_on_one_load_balancer_and_take_only_these_away() {
    let mut aws = Aws::default();
    let made = settle(&mut aws, &wish([2, 3]));
    assert_eq!(
        made,
        ["create-rule", "create-target-group", "register-targets"].into(),
        "nothing of the load balancer itself"
    );
    let all = numbers(&aws);
    let different: BTreeSet<u32> = all.iter().copied().collect();
    assert_eq!((all.len(), different.len()), (5, 5), "{all:?}");
    assert!(!all.contains(&100), "that one is somebody else's: {all:?}");
    let gone = settle(&mut aws, &wish([0, 1]));
    assert_eq!(gone, ["delete-rule", "delete-target-group", "deregister-targets"].into());
    assert_eq!(numbers(&aws).len(), 1);
    settle(&mut aws, &Desired::default());
    assert_eq!(numbers(&aws), <[u32; 0]>::default());
}

#[test]
fn a_listener_that_is_not_there_or_speaks_otherwise_is_not_made() {
    let mut goal = wish([1, 0]);
    let mut observed = seen(&Aws::default(), &goal);
    let stack = goal.stacks.values_mut().next().expect("one");
    let listener = stack.load_balancer.listeners.remove(&80).expect("there");
    stack.load_balancer.listeners.insert(8080, listener);
    let reason = |plan: &Plan| plan.blocked.first().map(|it| it.reason.clone()).unwrap_or_default();
    let held = plan(&goal, &observed);
    assert!(reason(&held).contains("no listener there"), "{held}");
    let goal = wish([1, 0]);
    for standing in observed.stacks.values_mut() {
        let found = standing.load_balancers.get_mut(HOST).expect("there");
        found.listeners.get_mut(&80).expect("there").protocol = Protocol::Https;
    }
    let held = plan(&goal, &observed);
    assert!(reason(&held).contains("speaks HTTPS"), "{held}");
    let rules = |plan: &Plan| plan.steps.iter().any(|it| matches!(it.op, Op::CreateRule(_)));
    assert!(!rules(&held), "{held}");
}

#[test]
fn moving_from_a_load_balancer_of_its_own_needs_an_approval_to_let_that_go() {
    let mut aws = Aws::default();
    let mut own = fixed(1);
    let mut stack = own.stacks.into_values().next().expect("one");
    stack.id = StackId::Group("one".to_owned());
    own.stacks = BTreeMap::from([(stack.id.clone(), stack)]);
    reach(&mut aws, &own);
    let mut goal = wish([1, 0]);
    goal.shared = own.shared.clone();
    aws.state = seen(&aws, &goal);
    let way = plan(&goal, &aws.state);
    let of_own =
        |plan: &Plan| plan.steps.iter().any(|it| it.key == Key::LoadBalancer("lb-shop".to_owned()));
    assert!(!of_own(&way), "{way}");
    assert!(way.blocked[0].advice.contains("approve-replacement: company"), "{way}");
}
