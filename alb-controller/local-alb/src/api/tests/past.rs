//! Calls that see the account as it was some time ago.

use std::time::Duration;

use super::Account;

/// An account whose calls may see what was two seconds ago.
fn lagging() -> Account {
    Account::with(|config| config.chaos.lag = Duration::from_secs(2))
}

const RULE: &str = "Priority=1&Conditions.member.1.Field=path-pattern\
                    &Conditions.member.1.Values.member.1=/x\
                    &Actions.member.1.Type=forward&Actions.member.1.TargetGroupArn=";

#[test]
fn a_call_sees_what_was_and_changes_what_is() {
    let mut account = lagging();
    let lb = account.load_balancer("shop");
    account.now += Duration::from_secs(10);
    let listener = account.listener(&lb, 80);
    let seen = |account: &mut Account, age| {
        account.age = Duration::from_millis(age);
        account.elb("DescribeListeners", &format!("LoadBalancerArn={lb}")).count("Listeners")
    };
    assert_eq!((seen(&mut account, 0), seen(&mut account, 1000)), (1, 0));
    account.now += Duration::from_secs(1);
    assert_eq!(seen(&mut account, 1000), 1);
    account.age = Duration::from_secs(2);
    account.listener(&lb, 81);
    account.elb("DeleteListener", &format!("ListenerArn={listener}"));
    assert_eq!((seen(&mut account, 0), seen(&mut account, 2000)), (1, 0));
}

#[test]
fn what_was_just_made_is_not_found_and_what_was_just_left_is_in_use() {
    let mut account = lagging();
    let (lb, group) = (account.load_balancer("shop"), account.group("web"));
    account.now += Duration::from_secs(10);
    let listener = account.listener(&lb, 80);
    let rule = format!("ListenerArn={listener}&{RULE}{group}");
    account.age = Duration::from_secs(1);
    assert_eq!(account.refused("CreateRule", &rule).0, "ListenerNotFound");
    account.now += Duration::from_secs(1);
    let rule = account.elb("CreateRule", &rule).text("Rules.0.RuleArn");
    account.now += Duration::from_secs(10);
    account.elb("DeleteRule", &format!("RuleArn={rule}"));
    let group = format!("TargetGroupArn={group}");
    assert_eq!(account.refused("DeleteTargetGroup", &group).0, "ResourceInUse");
    account.now += Duration::from_secs(1);
    account.elb("DeleteTargetGroup", &group);
}

#[test]
fn nothing_is_kept_without_a_lag_or_beyond_it() {
    let mut account = Account::new();
    account.load_balancer("shop");
    account.age = Duration::from_secs(60);
    assert_eq!(account.elb("DescribeLoadBalancers", "").count("LoadBalancers"), 1);
    let mut account = lagging();
    for name in ["a", "b", "c"] {
        account.load_balancer(name);
        account.now += Duration::from_secs(3);
    }
    account.age = Duration::from_secs(60);
    let oldest = account.elb("DescribeLoadBalancers", "").count("LoadBalancers");
    assert_eq!(oldest, 2, "of what is older only the end of the lag is known");
}
