//! Single plans: what is held back, what takes its time, how it reads.

use crate::{
    model::Aws,
    reach, take,
    wishes::{fixed, target_groups},
};
use edgeway_alb_core::{
    Desired, Key, Plan, StackId, plan,
    plan::Risk,
    stack::{Scheme, Stack},
    target::Version,
};
use std::collections::BTreeMap;

fn stack(desired: &mut Desired) -> &mut Stack {
    desired.stacks.values_mut().next().expect("one")
}

fn standing(desired: &Desired) -> Aws {
    let mut aws = Aws::default();
    reach(&mut aws, desired);
    aws
}

fn kinds(plan: &Plan) -> Vec<&'static str> {
    plan.steps.iter().map(|step| step.op.kind()).collect()
}

#[test]
fn things_are_made_in_the_order_in_which_they_need_one_another() {
    let plan = plan(&fixed(1), &Aws::default().state);
    assert_eq!(
        kinds(&plan),
        [
            "create-security-group",
            "create-security-group",
            "create-target-group",
            "register-targets",
            "create-load-balancer",
            "create-listener",
            "create-rule",
            "modify-load-balancer-attributes",
            "set-web-acl",
            "reserve-capacity",
        ]
    );
    assert_eq!(plan.summary().to_string(), "6 to create, 4 to change, 0 to delete");
    let json = serde_json::to_value(&plan).expect("json");
    assert_eq!(
        json["steps"][6],
        serde_json::json!({
            "stack": "shop",
            "kind": "create-rule",
            "key": "lb-shop:80/100",
            "detail": "host a.example.com → forward to tg-shop-0-plain",
            "reason": "an Ingress has this rule",
            "risk": "in-place",
        })
    );
    let text = plan.to_string();
    assert!(text.contains("\nshop\n  + create-security-group sg-shop: "), "{text}");
    assert!(text.contains("\n  ~ register-targets tg-shop-0-plain 10.0.0.1:8080: "), "{text}");
}

#[test]
fn a_target_group_that_is_replaced_drains_before_it_goes() {
    let first = fixed(1);
    let mut aws = standing(&first);
    let mut second = first.clone();
    let wish = stack(&mut second);
    for (_, mut group) in std::mem::take(&mut wish.target_groups) {
        group.name = format!("{}-h2", group.name);
        group.kind.version = Version::Http2;
        wish.target_groups.insert(group.name.clone(), group);
    }
    for rule in wish.load_balancer.listeners.values_mut().flat_map(|l| l.rules.values_mut()) {
        rule.action.rename_groups(|name| Some(format!("{name}-h2")));
    }
    let replace = plan(&second, &aws.state);
    assert_eq!(
        kinds(&replace),
        ["create-target-group", "register-targets", "modify-rule", "deregister-targets"]
    );
    assert_eq!(replace.steps[0].risk, Risk::Replace);
    assert_eq!(replace.pending.len(), 1);
    take(&mut aws, &replace, |_, _| {});
    let wait = plan(&second, &aws.state);
    assert!(wait.is_empty() && !wait.is_settled(), "{wait}");
    aws.drain();
    assert_eq!(kinds(&plan(&second, &aws.state)), ["delete-target-group"]);
}

#[test]
fn another_scheme_needs_approval_and_then_comes_before_the_old_goes() {
    let first = fixed(1);
    let mut aws = standing(&first);
    let mut second = first.clone();
    let wish = stack(&mut second);
    wish.load_balancer.scheme = Scheme::InternetFacing;
    wish.load_balancer.name = "lb-new".into();

    let held = plan(&second, &aws.state);
    assert!(held.is_empty(), "{held}");
    assert_eq!(held.blocked[0].key, Key::LoadBalancer("lb-shop".into()));
    assert!(held.blocked[0].advice.contains("approve-replacement: lb-new"), "{held}");

    stack(&mut second).approved.insert("lb-new".into());
    let replace = plan(&second, &aws.state);
    assert!(kinds(&replace).contains(&"create-load-balancer"), "{replace}");
    assert!(!kinds(&replace).contains(&"delete-load-balancer"), "{replace}");
    take(&mut aws, &replace, |_, _| {});
    let retire = plan(&second, &aws.state);
    assert_eq!(kinds(&retire)[0], "delete-load-balancer", "{retire}");
    reach(&mut aws, &second);
    let balancers = &aws.state.stacks[&StackId::Group("shop".into())].load_balancers;
    assert_eq!(balancers.keys().collect::<Vec<_>>(), ["lb-new"]);
}

#[test]
fn what_is_protected_does_not_go() {
    let mut first = fixed(1);
    let protected = ("deletion_protection.enabled".to_owned(), "true".to_owned());
    stack(&mut first).load_balancer.attributes.extend([protected]);
    let aws = standing(&first);
    let plan = plan(&Desired::default(), &aws.state);
    assert_eq!(kinds(&plan), <[&str; 0]>::default());
    assert!(plan.blocked[0].reason.contains("protection"), "{plan}");
}

#[test]
fn nothing_goes_while_something_cannot_be_read_or_understood() {
    let aws = standing(&fixed(1));
    let unread =
        Desired { incomplete: Some("File x.yaml cannot be read".into()), ..Desired::default() };
    let unread = plan(&unread, &aws.state);
    assert!(unread.is_empty() && unread.blocked[0].reason.contains("x.yaml"), "{unread}");
    let held = Desired { held: [StackId::Group("shop".into())].into(), ..Desired::default() };
    let held = plan(&held, &aws.state);
    assert!(held.is_settled() && held.blocked.is_empty(), "{held}");
}

#[test]
fn without_subnets_a_load_balancer_is_not_made_and_one_that_stands_goes_on() {
    let mut wish = fixed(1);
    stack(&mut wish).load_balancer.subnets.clear();
    let nothing = plan(&wish, &Aws::default().state);
    assert!(nothing.blocked[0].reason.contains("subnet"), "{nothing}");
    assert!(!kinds(&nothing).contains(&"create-target-group"), "{nothing}");
    assert!(plan(&wish, &standing(&fixed(1)).state).is_settled());
}

#[test]
fn things_that_stand_under_other_names_are_taken_over() {
    let mut aws = standing(&fixed(2));
    let standing = aws.state.stacks.values_mut().next().expect("one");
    let rename = |name: &str| format!("old-{name}");
    standing.target_groups = target_groups(&standing.target_groups, rename);
    let balancers = std::mem::take(&mut standing.load_balancers);
    for (name, mut balancer) in balancers {
        balancer.name = rename(&name);
        for rule in balancer.listeners.values_mut().flat_map(|l| l.rules.values_mut()) {
            rule.action.rename_groups(|name| Some(rename(name)));
        }
        standing.load_balancers.insert(balancer.name.clone(), balancer);
    }
    let groups = std::mem::take(&mut standing.security_groups);
    standing.security_groups = groups
        .into_values()
        .map(|mut group| {
            group.name = rename(&group.name);
            (group.name.clone(), group)
        })
        .collect::<BTreeMap<_, _>>();
    for balancer in standing.load_balancers.values_mut() {
        for group in &mut balancer.security_groups {
            if *group == edgeway_alb_core::stack::SecurityGroupRef::Ours("sg-shop".into()) {
                *group = edgeway_alb_core::stack::SecurityGroupRef::Ours("old-sg-shop".into());
            }
        }
    }
    let plan = plan(&fixed(2), &aws.state);
    assert!(plan.is_settled(), "{plan}");
}
