//! Ingresses that share a load balancer, and those that cannot.

use super::{WEB, host, ingress, listener, only, problems, rules, texts, wishes};
use crate::{
    id::StackId,
    stack::{Scheme, Source},
};

fn member(name: &str, annotations: &[(&str, &str)], at: &str) -> String {
    let annotations = [&[("group.name", "shop")], annotations].concat();
    ingress(name, &annotations, &rules(&[host(at, &["Prefix / web:80"])]))
}

#[test]
fn members_come_in_their_order_and_then_by_name() {
    let late = member("aaa", &[("group.order", "5")], "late.example.com");
    let early = member("zzz", &[("group.order", "-1")], "early.example.com");
    let middle = member("mmm", &[], "middle.example.com");
    let desired = wishes(&[WEB, &late, &early, &middle]);
    let hosts: Vec<_> =
        texts(&desired, 80).iter().map(|t| t.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(hosts, ["early.example.com", "middle.example.com", "late.example.com"]);
    assert!(only(&desired).load_balancer.name.starts_with("k8s-shop-"));
}

#[test]
fn members_of_one_order_come_by_namespace_and_name_as_one_word() {
    let of = |namespace: &str, text: &str| {
        text.replace("metadata:\n", &format!("metadata:\n  namespace: {namespace}\n"))
    };
    let far = of("shop", &member("aaa", &[], "far.example.com"));
    let near = of("shop-eu", &member("zzz", &[], "near.example.com"));
    let desired = wishes(&[&far, &near]);
    let hosts: Vec<_> =
        texts(&desired, 80).iter().map(|t| t.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(hosts, ["near.example.com", "far.example.com"], "a hyphen comes before the slash");
}

#[test]
fn a_bad_member_costs_only_itself() {
    let good = member("good", &[], "good.example.com");
    let bad = member("bad", &[("healthcheck-interval-seconds", "ten")], "bad.example.com");
    let desired = wishes(&[WEB, &good, &bad]);
    assert_eq!(
        texts(&desired, 80),
        ["host good.example.com and path /* → forward to default/web:80"]
    );
    assert_eq!(problems(&desired), ["Ingress default/bad annotation-invalid"]);
    assert!(only(&desired).broken.contains("default/bad"), "its last good rules stay");
}

#[test]
fn members_that_disagree_are_told_in_the_words_that_annotations_have() {
    for (name, one, two, said) in [
        (
            "scheme",
            "internal",
            "internet-facing",
            "wants internet-facing, but default/a wants internal",
        ),
        ("ip-address-type", "ipv4", "dualstack", "wants dualstack, but default/a wants ipv4"),
        ("subnets", "b,a", "c", r#"wants ["c"], but default/a wants ["a", "b"]"#),
    ] {
        let first = member("a", &[(name, one)], "a.example.com");
        let second = member("b", &[(name, two)], "b.example.com");
        let desired = wishes(&[WEB, &first, &second]);
        let told = desired.problems.iter().find(|problem| problem.code == "group-conflict");
        let told = told.map(|problem| problem.message.clone()).unwrap_or_default();
        assert!(told.contains(said), "{name}: {told}");
    }
}

#[test]
fn what_is_not_there_is_said_of_the_member_that_names_it() {
    for (name, code) in
        [("security-groups", "security-group-not-found"), ("subnets", "subnets-not-found")]
    {
        let first = member("first", &[], "a.example.com");
        let asks = member("second", &[(name, "nowhere")], "b.example.com");
        let desired = wishes(&[WEB, &first, &asks]);
        assert_eq!(problems(&desired), [format!("Ingress default/second {code}")]);
    }
}

#[test]
fn endpoints_of_a_bad_member_are_followed_for_the_target_groups_that_it_has() {
    let action = r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"web","servicePort":"9000"}]}}"#;
    let bad = [("healthcheck-interval-seconds", "ten"), ("actions.x", action)];
    let desired = wishes(&[WEB, &member("good", &[], "a.example.com"), &member("bad", &bad, "b")]);
    let followed = |port: &str| -> Vec<String> {
        let found = &desired.followed[&format!("default/bad-web:{port}")];
        assert_eq!((&found.nodes, &found.known), (&None, &None));
        found.v4.keys().map(ToString::to_string).collect()
    };
    assert_eq!(followed("80"), ["10.0.0.1:8080", "10.0.0.3:8080"]);
    assert_eq!(followed("9000"), ["10.0.0.1:9001", "10.0.0.3:9001"]);
    assert_eq!(desired.followed.len(), 2, "those of the good one are wished");
    let lent = [("healthcheck-interval-seconds", "ten"), ("multi-cluster-target-group", "perhaps")];
    let desired = wishes(&[WEB, &member("bad", &lent, "b")]);
    let found = &desired.followed["default/bad-web:80"];
    assert!(found.known.as_ref().is_some_and(|known| known.len() == 3), "{found:?}");
}

#[test]
fn a_group_of_which_nothing_can_be_understood_is_left_as_it_is() {
    let bad = member("bad", &[("group.order", "first")], "bad.example.com");
    let desired = wishes(&[WEB, &bad]);
    assert!(desired.stacks.is_empty() && desired.held.contains_key(&StackId::Group("shop".into())));
    assert_eq!(problems(&desired), ["Ingress default/bad annotation-invalid"]);
}

#[test]
fn whom_a_load_balancer_is_for_is_said_by_the_first_and_others_are_not_served() {
    let one = member("one", &[("scheme", "internet-facing")], "one.example.com");
    let two = member("two", &[("scheme", "internal")], "two.example.com");
    let desired = wishes(&[WEB, &one, &two]);
    assert_eq!(only(&desired).load_balancer.scheme, Scheme::InternetFacing);
    assert_eq!(
        texts(&desired, 80),
        ["host one.example.com and path /* → forward to default/web:80"]
    );
    assert_eq!(problems(&desired), ["Ingress default/two group-conflict"]);
}

#[test]
fn other_differences_are_said_and_served() {
    let one = member(
        "one",
        &[("tags", "team=a,cost=1"), ("load-balancer-attributes", "x=1")],
        "one.example.com",
    );
    let two = member(
        "two",
        &[("tags", "team=b,more=2"), ("load-balancer-attributes", "y=2")],
        "two.example.com",
    );
    let desired = wishes(&[WEB, &one, &two]);
    let balancer = &only(&desired).load_balancer;
    let tags: Vec<_> = ["team", "cost", "more"].map(|key| balancer.tags[key].as_str()).to_vec();
    assert_eq!(tags, ["a", "1", "2"]);
    assert_eq!((balancer.attributes["x"].as_str(), balancer.attributes["y"].as_str()), ("1", "2"));
    assert_eq!(texts(&desired, 80).len(), 2);
    assert!(problems(&desired).iter().all(|p| p == "Ingress default/two group-conflict"));
}

#[test]
fn a_port_is_open_to_those_whom_the_first_names() {
    let one = member("one", &[("inbound-cidrs", "10.0.0.0/8")], "one.example.com");
    let two = member("two", &[("inbound-cidrs", "192.168.0.0/16")], "two.example.com");
    let three = member("zzz", &[], "three.example.com");
    let desired = wishes(&[WEB, &one, &two, &three]);
    let guard = only(&desired).security_group.as_ref().unwrap();
    let sources: Vec<_> = guard.ingress.iter().map(|ingress| ingress.source.clone()).collect();
    assert_eq!(sources, [Source::Ipv4("10.0.0.0/8".into())]);
    assert_eq!(texts(&desired, 80).len(), 2, "who names none is content with it");
    assert_eq!(problems(&desired), ["Ingress default/two group-conflict"]);
}

#[test]
fn a_port_speaks_what_the_first_says() {
    let one = member("one", &[("listen-ports", r#"[{"HTTP": 8443}]"#)], "one.example.com");
    let two = member("two", &[("listen-ports", r#"[{"HTTPS": 8443}]"#)], "two.example.com");
    let desired = wishes(&[WEB, &one, &two]);
    assert_eq!(listener(&desired, 8443).rules.len(), 1);
    assert_eq!(problems(&desired), ["Ingress default/two group-conflict"]);
}

#[test]
fn a_name_that_no_group_can_have_is_said() {
    let spec = rules(&[host("a", &["Prefix / web:80"])]);
    let desired = wishes(&[WEB, &ingress("ing", &[("group.name", "Not_A_Name")], &spec)]);
    assert!(desired.stacks.is_empty());
    assert_eq!(problems(&desired), ["Ingress default/ing group-name-invalid"]);
}

#[test]
fn more_rules_than_fit_are_left_out_from_the_end() {
    let paths: Vec<String> = (0..60).map(|n| format!("Exact /{n} web:80")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let many = |name: &str| {
        ingress(name, &[("group.name", "shop")], &rules(&[host("a.example.com", &paths)]))
    };
    let desired = wishes(&[WEB, &many("one"), &many("two")]);
    assert_eq!(listener(&desired, 80).rules.len(), 100);
    assert_eq!(
        problems(&desired),
        ["Ingress default/one limit-near", "Ingress default/two too-many-rules"]
    );
}
