//! What holds after any calls: a refused one has changed nothing, and what is kept up to date piece by
//! piece is what it would be if it were made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Account, SUBNETS};
use crate::plane::table::Table;
use crate::state::Region;
use crate::state::health::{Failure, Finding};
use crate::state::ids::Arn;
use crate::state::target_group::TargetKey;
use crate::state::uses::groups_in;

/// Calls, where `LB` and the like stand for one of those that are there.
const CALLS: [&str; 20] = [
    "CreateLoadBalancer Name=NAME&SUBNETS",
    "DeleteLoadBalancer LoadBalancerArn=LB",
    "ModifyLoadBalancerAttributes LoadBalancerArn=LB&Attributes.member.1.Key=idle_timeout.timeout_seconds\
     &Attributes.member.1.Value=NUMBER&Attributes.member.2.Key=no.such&Attributes.member.2.Value=NUMBER",
    "CreateListener LoadBalancerArn=LB&Protocol=HTTP&Port=8NUMBER&DefaultActions.member.1.Type=forward\
     &DefaultActions.member.1.TargetGroupArn=GROUP",
    "ModifyListener ListenerArn=LISTENER&DefaultActions.member.1.Type=forward\
     &DefaultActions.member.1.TargetGroupArn=GROUP",
    "DeleteListener ListenerArn=LISTENER",
    "CreateRule ListenerArn=LISTENER&Priority=NUMBER&CONDITION&Actions.member.1.Type=forward\
     &Actions.member.1.TargetGroupArn=GROUP",
    "ModifyRule RuleArn=RULE&Actions.member.1.Type=forward&Actions.member.1.TargetGroupArn=GROUP",
    "ModifyRule RuleArn=RULE&CONDITION",
    "DeleteRule RuleArn=RULE",
    "SetRulePriorities RulePriorities.member.1.RuleArn=RULE&RulePriorities.member.1.Priority=NUMBER",
    "CreateTargetGroup Name=NAME&Protocol=HTTP&Port=80&VpcId=vpc-10ca1a1b&TargetType=ip",
    "ModifyTargetGroup TargetGroupArn=GROUP&HealthCheckPath=/NUMBER",
    "ModifyTargetGroupAttributes TargetGroupArn=GROUP\
     &Attributes.member.1.Key=deregistration_delay.timeout_seconds&Attributes.member.1.Value=NUMBER",
    "DeleteTargetGroup TargetGroupArn=GROUP",
    "RegisterTargets TargetGroupArn=GROUP&Targets.member.1.Id=127.0.0.1&Targets.member.1.Port=NUMBER",
    "RegisterTargets TargetGroupArn=GROUP&Targets.member.1.Id=127.0.0.1&Targets.member.2.Id=1.2.3.4",
    "DeregisterTargets TargetGroupArn=GROUP&Targets.member.1.Id=127.0.0.1&Targets.member.1.Port=NUMBER",
    "AddTags ResourceArns.member.1=GROUP&ResourceArns.member.2=RULE&Tags.member.1.Key=tag-NUMBER",
    "RemoveTags ResourceArns.member.1=GROUP&TagKeys.member.1=tag-NUMBER",
];

const CONDITION: &str =
    "Conditions.member.1.Field=path-pattern&Conditions.member.1.Values.member.1=/NUMBER";

/// What may happen, and how things are chosen for it.
#[derive(Clone, Debug)]
enum Deed {
    Call(&'static str, Index),
    Found(Index, bool),
    Wait(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let call = (select(CALLS.to_vec()), any::<Index>());
    prop_oneof![
        12 => call.prop_map(|(call, which)| Deed::Call(call, which)),
        2 => (any::<Index>(), any::<bool>()).prop_map(|(which, well)| Deed::Found(which, well)),
        1 => (0..4u64).prop_map(Deed::Wait),
    ]
}

fn region(account: &Account) -> &Region {
    account.world.regions().next().unwrap()
}

/// The call with names of what is there, and of what was not made.
fn fill(account: &Account, call: &str, which: Index) -> (String, String) {
    let region = region(account);
    let one = |arns: Vec<&Arn>, kind: &str| match arns.as_slice() {
        [] => format!("arn:aws:elasticloadbalancing:eu-west-1:000000000000:{kind}/none"),
        arns => arns[which.index(arns.len())].to_string(),
    };
    let rules = region.listeners.values().flat_map(|l| &l.rules).map(|rule| &rule.arn);
    let text = call
        .replace("SUBNETS", SUBNETS)
        .replace("CONDITION", CONDITION)
        .replace("LISTENER", &one(region.listeners.values().map(|l| &l.arn).collect(), "listener"))
        .replace("RULE", &one(rules.collect(), "listener-rule"))
        .replace("GROUP", &one(region.groups.values().map(|g| &g.arn).collect(), "targetgroup"))
        .replace(
            "LB",
            &one(region.load_balancers.values().map(|l| &l.arn).collect(), "loadbalancer"),
        )
        .replace("NAME", &format!("name-{}", which.index(3)))
        .replace("NUMBER", &(1 + which.index(4)).to_string());
    let (action, form) = text.split_once(' ').unwrap();
    (action.to_owned(), form.to_owned())
}

fn carry_out(account: &mut Account, deed: &Deed) -> Result<(), TestCaseError> {
    match deed {
        Deed::Call(call, which) => {
            let (action, form) = fill(account, call, *which);
            let before = format!("{:?}", account.world);
            if let Err(why) = account.try_elb(&action, &form) {
                let after = format!("{:?}", account.world);
                prop_assert_eq!(before, after, "{} {}: {}", action, form, why);
            }
        }
        Deed::Found(which, well) => {
            let arns: Vec<_> = region(account).groups.values().map(|g| g.arn.clone()).collect();
            let Some(arn) = arns.get(which.index(arns.len().max(1))) else { return Ok(()) };
            let key = TargetKey {
                id: "127.0.0.1".into(),
                port: 1 + u16::try_from(which.index(4)).unwrap(),
            };
            let found = if *well { Finding::Passed } else { Finding::Failed(Failure::Timeout) };
            account.world.observe(arn, &key, &found, account.now);
        }
        Deed::Wait(seconds) => {
            account.now += Duration::from_secs(*seconds);
            account.world.settle(account.now);
        }
    }
    Ok(())
}

/// A table as text, in an order that does not hang on chance.
fn said(table: &Table) -> String {
    format!("{:?} {:?}", table.ports, table.groups.iter().collect::<BTreeMap<_, _>>())
}

proptest! {
    #[test]
    fn a_refused_call_changes_nothing_and_piece_by_piece_is_as_good_as_anew(
        deeds in prop::collection::vec(deed(), 1..60),
    ) {
        let (mut account, mut table) = (Account::new(), Table::default());
        let lb = account.load_balancer("first");
        account.listener(&lb, 80);
        account.group("first");
        for deed in &deeds {
            carry_out(&mut account, deed)?;
            table = Table::of(account.world.regions(), &table);
            let anew = Table::of(account.world.regions(), &Table::default());
            prop_assert_eq!(said(&table), said(&anew), "after {:?}", deed);
            let region = region(&account);
            let used: BTreeSet<_> = region.listeners.values().flat_map(groups_in).collect();
            for group in region.groups.values() {
                prop_assert_eq!(group.in_use, used.contains(&group.arn), "{}", group.arn);
                let uses = |l: &&crate::state::load_balancer::Listener| groups_in(l).any(|g| *g == group.arn);
                let users = region.listeners.values().filter(uses).map(|l| &l.load_balancer);
                prop_assert_eq!(region.users_of(&group.arn), users.collect::<BTreeSet<_>>());
            }
        }
        account.now += Duration::from_secs(1000);
        account.world.settle(account.now);
        prop_assert_eq!(account.world.next_deadline(), None);
        let mut targets = region(&account).groups.values().flat_map(|group| group.targets.values());
        prop_assert!(!targets.any(|target| target.status.is_draining()));
    }
}
