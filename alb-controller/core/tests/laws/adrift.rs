//! What becomes of things while it is not known whose they are.

use crate::{
    model::Aws,
    reach,
    wishes::{fixed, with_broken},
};
use edgeway_alb_core::{
    Desired, Plan, StackId,
    goal::Followed,
    plan,
    stack::{Ingress, SecurityGroupRef, Source},
    target::TargetId,
};
use std::collections::{BTreeMap, BTreeSet};

fn kinds(plan: &Plan) -> Vec<&'static str> {
    plan.steps.iter().map(|step| step.op.kind()).collect()
}

/// A wish for a rule, and for a door to the common group.
fn wish() -> Desired {
    let source = Source::Group(SecurityGroupRef::Ours("k8s-traffic".to_owned()));
    let door = Ingress { from: 8080, to: 8080, source, description: String::new() };
    let doors = BTreeMap::from([("sg-nodes".to_owned(), BTreeSet::from([door]))]);
    Desired { doors, ..fixed(1) }
}

fn standing() -> Aws {
    let mut aws = Aws::default();
    reach(&mut aws, &wish());
    assert!(!aws.state.doors.is_empty());
    aws
}

#[test]
fn what_an_ingress_has_stays_where_its_class_is_lost_which_named_the_group() {
    let aws = standing();
    let without = |names: &[&str]| Desired {
        adrift: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Desired::default()
    };
    let kept = plan(&without(&["app/one"]), &aws.state);
    assert!(kept.is_settled() && kept.blocked.is_empty(), "{kept}");
    let of_others = plan(&without(&["app/on", "app/two"]), &aws.state);
    assert!(kinds(&of_others).contains(&"delete-load-balancer"), "{of_others}");
    let mut others = wish();
    for stack in others.stacks.values_mut() {
        stack.load_balancer.listeners.values_mut().for_each(|listener| listener.rules.clear());
        stack.target_groups.clear();
    }
    others.adrift.insert("app/one".to_owned());
    let kept = plan(&others, &aws.state);
    assert!(kept.is_settled(), "others of its group are there: {kept}");
}

#[test]
fn doors_stay_open_while_a_member_cannot_be_understood() {
    let aws = standing();
    let broken = with_broken(Desired { doors: BTreeMap::new(), ..wish() }, 0);
    let kept = plan(&broken, &aws.state);
    assert!(kept.is_settled(), "its targets are sent requests: {kept}");
    let gone = Desired { doors: BTreeMap::new(), ..wish() };
    assert_eq!(kinds(&plan(&gone, &aws.state)), ["revoke-ingress"]);
    let elsewhere =
        Desired { held: [(StackId::parse("other"), ["app/x".to_owned()].into())].into(), ..gone };
    assert_eq!(kinds(&plan(&elsewhere, &aws.state)), ["revoke-ingress"], "that one has nothing");
}

#[test]
fn endpoints_come_and_go_where_a_member_cannot_be_understood() {
    let aws = standing();
    let group = fixed(1).stacks.into_values().next().expect("one").target_groups;
    let resource = group.into_values().next().expect("one").resource;
    let new = TargetId { id: "10.0.0.99".to_owned(), port: 8080 };
    let followed = |lent: bool| Followed {
        v4: [(new.clone(), None)].into(),
        known: lent.then(|| BTreeSet::from([new.clone()])),
        ..Followed::default()
    };
    let with = |wish: Desired, lent| Desired {
        followed: [(resource.clone(), followed(lent))].into(),
        ..wish
    };
    let broken = with_broken(wish(), 0);
    let way = plan(&with(broken.clone(), false), &aws.state);
    assert_eq!(kinds(&way), ["register-targets", "deregister-targets"]);
    let way = plan(&with(broken, true), &aws.state);
    assert_eq!(kinds(&way), ["register-targets"], "others may have registered the rest");
    let held = [(StackId::parse("shop"), ["app/one".to_owned()].into())].into();
    let way = plan(&with(Desired { held, ..Desired::default() }, false), &aws.state);
    assert_eq!(kinds(&way), ["register-targets", "deregister-targets"], "nobody else is there");
}
