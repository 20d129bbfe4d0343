//! Rules on load balancers of somebody else.

use super::*;
use crate::{
    rule::Action,
    settings::Host,
    stack::{IpAddressType, Ownership, Scheme, SecurityGroupRef},
    tags,
};

fn attached(name: &str, more: &[(&str, &str)]) -> String {
    let text = ingress(name, more, &rules(&[host("a.example.com", &["Prefix / web:80"])]));
    let own = "    edgeway.dev/load-balancer: company\n";
    if text.contains("  annotations:\n") {
        text.replacen("  annotations:\n", &format!("  annotations:\n{own}"), 1)
    } else {
        text.replacen("spec:\n", &format!("  annotations:\n{own}spec:\n"), 1)
    }
}

fn with_host(texts: &[&str]) -> Desired {
    let company = Host {
        name: "company".to_owned(),
        scheme: Scheme::InternetFacing,
        ip_address_type: IpAddressType::Ipv4,
        guards: vec!["sg-company".to_owned()],
    };
    let hosts = Some(BTreeMap::from([("company".to_owned(), company)]));
    desired(&objects(texts), &settings(), &Lookups { hosts, ..lookups() })
}

#[test]
fn rules_and_target_groups_are_all_that_is_wished_of_it() {
    let desired = with_host(&[WEB, &attached("web", &[])]);
    assert_eq!(desired.problems, []);
    let stack = only(&desired);
    let balancer = &stack.load_balancer;
    assert_eq!((balancer.name.as_str(), balancer.ownership), ("company", Ownership::Rules));
    assert_eq!(balancer.security_groups, [SecurityGroupRef::Id("sg-company".to_owned())]);
    assert!(balancer.tags.is_empty() && balancer.attributes.is_empty());
    assert!(stack.security_group.is_none() && desired.shared.is_none());
    let listener = &balancer.listeners[&80];
    assert!(matches!(listener.default_action, Action::Unknown(_)) && listener.tags.is_empty());
    let tags = &listener.rules.values().next().unwrap().tags;
    assert!(tags::is_marked(tags) && tags.contains_key(tags::STACK));
    assert_eq!(stack.target_groups.len(), 1);
}

#[test]
fn what_is_the_owners_to_say_is_named() {
    let text = attached("web", &[("scheme", "internal"), ("ssl-redirect", "443")]);
    let desired = with_host(&[WEB, &text]);
    assert_eq!(problems(&desired), ["Ingress default/web attached-without-effect"]);
    let message = &desired.problems[0].message;
    assert!(message.contains("scheme, ssl-redirect have no effect"), "{message}");
    assert_eq!(only(&desired).load_balancer.listeners[&80].rules.len(), 1);
}

#[test]
fn one_that_is_not_there_is_told_of_and_what_stands_stays() {
    let lookups = Lookups { hosts: Some(BTreeMap::new()), ..lookups() };
    let desired = super::desired(&objects(&[WEB, &attached("web", &[])]), &settings(), &lookups);
    assert_eq!(problems(&desired), ["Ingress default/web load-balancer-not-found"]);
    assert!(desired.stacks.is_empty() && desired.held.len() == 1);
}

#[test]
fn a_group_has_one_of_them() {
    let one = attached("one", &[("group.name", "shop")]);
    let two = attached("two", &[("group.name", "shop")]).replace("company", "other");
    let three = ingress(
        "three",
        &[("group.name", "shop")],
        &rules(&[host("c.example.com", &["Prefix / web:80"])]),
    );
    let desired = with_host(&[WEB, &one, &two, &three]);
    assert_eq!(problems(&desired), ["Ingress default/two group-conflict"]);
    assert_eq!(only(&desired).load_balancer.listeners[&80].rules.len(), 2);
}
