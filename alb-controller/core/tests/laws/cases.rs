//! Single plans: what is held back, what takes its time, how it reads.

use crate::{
    model::Aws,
    reach, take,
    wishes::{fixed, target_groups},
};
use edgeway_alb_core::{
    Desired, Key, Plan, StackId, plan,
    plan::Risk,
    stack::{Ingress, Scheme, SecurityGroupRef, Source, Stack},
    tags::{CONTROLLER, OWNER},
    target::Version,
};
use std::collections::{BTreeMap, BTreeSet};

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

/// Another stack with the same load balancer's name.
fn with_rival(desired: &Desired) -> Desired {
    let mut both = desired.clone();
    let mut rival = stack(&mut both).clone();
    rival.id = StackId::Group("store".into());
    let guard = rival.security_group.as_mut().expect("its own");
    let (old, new) = (guard.name.clone(), "sg-store".to_owned());
    guard.name.clone_from(&new);
    for group in &mut rival.load_balancer.security_groups {
        if *group == SecurityGroupRef::Ours(old.clone()) {
            *group = SecurityGroupRef::Ours(new.clone());
        }
    }
    for (_, mut group) in std::mem::take(&mut rival.target_groups) {
        group.name = format!("{}-store", group.name);
        rival.target_groups.insert(group.name.clone(), group);
    }
    let listeners = rival.load_balancer.listeners.values_mut();
    for rule in listeners.flat_map(|listener| listener.rules.values_mut()) {
        rule.action.rename_groups(|name| Some(format!("{name}-store")));
    }
    both.stacks.insert(rival.id.clone(), rival);
    both
}

#[test]
fn a_name_is_one_load_balancers_until_that_goes() {
    let shop = StackId::Group("shop".into());
    let store = StackId::Group("store".into());
    let mut both = with_rival(&fixed(1));
    let mut aws = Aws::default();

    let first = plan(&both, &aws.state);
    assert!(first.steps.iter().all(|step| step.stack.as_ref() != Some(&store)), "{first}");
    assert_eq!(first.blocked[0].key, Key::LoadBalancer("lb-shop".into()));
    assert_eq!(first.blocked[0].stack.as_ref(), Some(&store));
    assert!(first.blocked[0].reason.contains("shop has this name"), "{first}");
    reach(&mut aws, &both);

    // Who has it keeps it, though another comes before it by now.
    let early = StackId::Group("early".into());
    let mut moved = both.stacks.remove(&store).expect("there");
    moved.id = early.clone();
    both.stacks.insert(early.clone(), moved);
    let second = plan(&both, &aws.state);
    assert!(second.is_empty() && second.blocked[0].stack.as_ref() == Some(&early), "{second}");

    both.stacks.remove(&shop);
    let third = plan(&both, &aws.state);
    assert!(third.blocked.is_empty() && third.pending[0].stack.as_ref() == Some(&early), "{third}");
    reach(&mut aws, &both);
    assert!(aws.state.stacks[&early].load_balancers.contains_key("lb-shop"));
    assert!(!aws.state.stacks.contains_key(&shop));
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
    let held = Desired {
        held: [(StackId::Group("shop".into()), ["app/one".to_owned()].into())].into(),
        ..Desired::default()
    };
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

/// A door to a security group, on a port.
fn door(group: &str, port: u16) -> BTreeMap<String, BTreeSet<Ingress>> {
    let source = Source::Group(SecurityGroupRef::Ours(group.to_owned()));
    let door = Ingress { from: port, to: port, source, description: String::new() };
    BTreeMap::from([("sg-nodes".to_owned(), BTreeSet::from([door]))])
}

#[test]
fn doors_to_a_stacks_own_group_are_opened_after_it_is_made_and_closed_before_it_goes() {
    let open = |port| {
        let mut wish = fixed(1);
        wish.shared = None;
        stack(&mut wish)
            .load_balancer
            .security_groups
            .retain(|group| *group == SecurityGroupRef::Ours("sg-shop".to_owned()));
        wish.doors = door("sg-shop", port);
        stack(&mut wish).doors = wish.doors.clone();
        wish
    };
    let mut aws = standing(&open(8080));
    assert_eq!(aws.state.doors, door("sg-shop", 8080));
    reach(&mut aws, &open(9090));
    assert_eq!(aws.state.doors, door("sg-shop", 9090));
    reach(&mut aws, &Desired::default());
    assert!(aws.state.stacks.is_empty() && aws.state.doors.values().all(BTreeSet::is_empty));
}

/// Takes our mark from all that stands.
fn without_marks(aws: &mut Aws) {
    for standing in aws.state.stacks.values_mut() {
        let balancers = standing.load_balancers.values_mut().map(|it| &mut it.tags);
        let groups = standing.target_groups.values_mut().map(|it| &mut it.tags);
        let guards = standing.security_groups.values_mut().map(|it| &mut it.tags);
        balancers.chain(groups).chain(guards).for_each(|tags| drop(tags.remove(CONTROLLER)));
    }
}

#[test]
fn what_the_other_controller_has_made_waits_until_somebody_asks() {
    let mut aws = standing(&fixed(1));
    without_marks(&mut aws);
    let mut wish = fixed(2);
    let door = Ingress {
        from: 8080,
        to: 8080,
        source: Source::Ipv4("10.0.0.0/8".into()),
        description: String::new(),
    };
    let doors = BTreeMap::from([("sg-nodes".to_owned(), BTreeSet::from([door]))]);
    wish.doors = doors.clone();
    stack(&mut wish).doors = doors;
    let held = plan(&wish, &aws.state);
    assert!(held.is_empty(), "{held}");
    let reason = &held.blocked[0].reason;
    assert!(reason.contains("1 to create, 3 to change, 0 to delete"), "{reason}");

    stack(&mut wish).adopts = true;
    let taken = plan(&wish, &aws.state);
    let marks = taken.steps.iter().filter(|step| step.reason == "it is taken over").count();
    assert_eq!((marks, kinds(&taken)[0]), (3, "authorize-ingress"), "{taken}");
    reach(&mut aws, &wish);
    stack(&mut wish).adopts = false;
    assert!(plan(&wish, &aws.state).is_settled());
}

#[test]
fn what_the_other_controller_has_made_is_never_deleted() {
    let mut aws = standing(&fixed(1));
    without_marks(&mut aws);
    let plan = plan(&Desired::default(), &aws.state);
    assert!(plan.is_empty() && plan.blocked[0].advice.contains(CONTROLLER), "{plan}");
}

#[test]
fn a_replacing_step_of_a_takeover_needs_an_approval_of_its_own() {
    let mut aws = standing(&fixed(1));
    without_marks(&mut aws);
    let mut wish = fixed(1);
    stack(&mut wish).adopts = true;
    for group in stack(&mut wish).target_groups.values_mut() {
        group.kind.version = Version::Http2;
    }
    let held = plan(&wish, &aws.state);
    assert!(held.is_empty() && held.blocked[0].reason.contains("replaces: "), "{held}");
    stack(&mut wish).approved.insert("lb-shop".into());
    assert!(kinds(&plan(&wish, &aws.state)).contains(&"create-target-group"));
}

#[test]
fn what_is_for_other_namespaces_stays() {
    let aws = standing(&fixed(1));
    let of = |names: &[&str]| {
        let namespaces = names.iter().map(|name| (*name).to_owned()).collect();
        let plan = plan(&Desired { namespaces, ..Desired::default() }, &aws.state);
        kinds(&plan).contains(&"delete-load-balancer")
    };
    assert!(of(&[]), "all are looked at");
    assert!(!of(&["other"]), "its rule is of an Ingress in app");
    let mut single = aws.clone();
    let standing = single.state.stacks.values().next().expect("one").clone();
    for (namespace, goes) in [("app", true), ("other", false)] {
        single.state.stacks = [(StackId::ingress(namespace, "ing"), standing.clone())].into();
        let wish = Desired { namespaces: ["app".to_owned()].into(), ..Desired::default() };
        let plan = plan(&wish, &single.state);
        assert_eq!(kinds(&plan).contains(&"delete-load-balancer"), goes, "{namespace}: {plan}");
    }
}

#[test]
fn a_takeover_deletes_no_rule_that_may_be_of_a_member_that_is_not_understood() {
    let mut aws = standing(&fixed(3));
    without_marks(&mut aws);
    for standing in aws.state.stacks.values_mut() {
        let listeners =
            standing.load_balancers.values_mut().flat_map(|it| it.listeners.values_mut());
        for rule in listeners.flat_map(|it| it.rules.values_mut()) {
            rule.tags.remove(OWNER);
        }
    }
    let mut wish = fixed(1);
    stack(&mut wish).adopts = true;
    stack(&mut wish).broken.insert("app/two".to_owned());
    let taken = plan(&wish, &aws.state);
    assert!(!kinds(&taken).contains(&"delete-rule"), "{taken}");
    assert_eq!(kinds(&taken).iter().filter(|kind| **kind == "add-tags").count(), 4, "{taken}");
    reach(&mut aws, &wish);
    let rules = |aws: &Aws| {
        let balancers = aws.state.stacks.values().flat_map(|it| it.load_balancers.values());
        balancers.map(edgeway_alb_core::stack::LoadBalancer::rules).sum::<usize>()
    };
    assert_eq!(rules(&aws), 3);
    stack(&mut wish).broken.clear();
    reach(&mut aws, &wish);
    assert_eq!(rules(&aws), 1);
}
