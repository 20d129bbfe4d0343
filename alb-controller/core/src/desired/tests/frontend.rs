//! The network load balancer in front.

use super::*;
use crate::{
    frontend::{Front, FrontTarget, FrontWish},
    settings::GroupTags,
    stack::{Scheme, SecurityGroupRef},
};

const ON: (&str, &str) = ("enable-frontend-nlb", "true");

fn asked(more: &[(&str, &str)]) -> String {
    let annotations = [&[ON], more].concat();
    ingress("web", &annotations, &rules(&[host("a.example.com", &["Prefix / web:80"])]))
}

fn front(texts: &[&str]) -> Desired {
    let mut lookups = lookups();
    let known = GroupTags { id: "sg-1".to_owned(), ..GroupTags::default() };
    lookups.security_groups = Some(vec![known]);
    desired(&objects(texts), &settings(), &lookups)
}

fn wish(desired: &Desired) -> &FrontWish {
    match &only(desired).frontend {
        Front::Wish(wish) => wish,
        other @ (Front::Nothing | Front::Unclear) => panic!("{other:?}: {:?}", desired.problems),
    }
}

#[test]
fn by_default_it_is_as_the_load_balancer_behind_it() {
    let desired = front(&[WEB, &asked(&[("tags", "team=a")])]);
    assert_eq!(desired.problems, []);
    let (wish, routes) = (wish(&desired), &only(&desired).load_balancer);
    let balancer = &wish.balancer;
    assert_eq!(balancer.name, format!("{}-nlb", routes.name.get(..28).unwrap_or(&routes.name)));
    assert_eq!((balancer.scheme, &balancer.subnets), (Scheme::Internal, &routes.subnets));
    assert_eq!(balancer.security_groups, routes.security_groups);
    assert_eq!(balancer.tags["team"], "a");
    assert_eq!(balancer.tags["ingress.k8s.aws/resource"], "FrontendNlb");
    let group = wish.groups.values().next().unwrap();
    let target = FrontTarget { balancer: routes.name.clone(), port: 80 };
    assert_eq!(group.targets, [target].into());
    assert_eq!(
        group.check.to_string(),
        "HTTP traffic-port / every 15 s, 5 s to answer 200, 2 good, 2 bad"
    );
    let listener = &balancer.listeners[&80];
    assert_eq!(listener.tags["ingress.k8s.aws/resource"], "FrontendNlb-ls-TCP-80");
    assert_eq!(listener.group, group.name);
}

#[test]
fn everything_about_it_can_be_said() {
    let all = [
        ("frontend-nlb-scheme", "internet-facing"),
        ("frontend-nlb-subnets", "subnet-b, subnet-a"),
        ("frontend-nlb-security-groups", "sg-1"),
        ("frontend-nlb-listener-port-mapping", "8000=80"),
        ("frontend-nlb-eip-allocations", "eipalloc-b, eipalloc-a"),
        ("frontend-nlb-healthcheck-port", "80"),
        ("frontend-nlb-healthcheck-protocol", "HTTPS"),
        ("frontend-nlb-healthcheck-path", "/hz"),
        ("frontend-nlb-healthcheck-interval-seconds", "20"),
        ("frontend-nlb-healthcheck-timeout-seconds", "6"),
        ("frontend-nlb-healthcheck-healthy-threshold-count", "4"),
        ("frontend-nlb-healthcheck-unhealthy-threshold-count", "3"),
        ("frontend-nlb-healthcheck-success-codes", "200-399"),
        ("frontend-nlb-attributes", "load_balancing.cross_zone.enabled=true"),
        ("frontend-nlb-tags", "front=yes"),
        ("tags", "team=a"),
    ];
    let desired = front(&[WEB, &asked(&all)]);
    assert_eq!(desired.problems, []);
    let wish = wish(&desired);
    let balancer = &wish.balancer;
    assert_eq!(balancer.scheme, Scheme::InternetFacing);
    let addresses = ["a", "b"].map(|it| (format!("subnet-{it}"), format!("eipalloc-{it}")));
    assert_eq!(balancer.allocations, BTreeMap::from(addresses));
    assert_eq!(balancer.security_groups, [SecurityGroupRef::Id("sg-1".to_owned())]);
    assert_eq!(balancer.listeners.keys().collect::<Vec<_>>(), [&8000]);
    assert_eq!(balancer.attributes["load_balancing.cross_zone.enabled"], "true");
    assert_eq!(balancer.tags["front"], "yes");
    assert!(!balancer.tags.contains_key("team"), "tags of its own take the place of the others");
    let group = wish.groups.values().next().unwrap();
    assert_eq!((group.port, group.targets.first().unwrap().port), (8000, 80));
    assert_eq!(
        group.check.to_string(),
        "HTTPS 80 /hz every 20 s, 6 s to answer 200-399, 4 good, 3 bad"
    );
}

#[test]
fn what_cannot_be_is_told_and_leaves_it_as_it_is() {
    let rows = [
        (vec![("frontend-nlb-eip-allocations", "eipalloc-a,eipalloc-b")], "no public addresses"),
        (
            vec![
                ("frontend-nlb-scheme", "internet-facing"),
                ("frontend-nlb-eip-allocations", "eipalloc-a"),
            ],
            "1 addresses are named for 2 subnets",
        ),
        (vec![("frontend-nlb-security-groups", "sg-9")], "no security group sg-9"),
        (vec![("frontend-nlb-subnets", "subnet-z")], "no subnet subnet-z"),
        (vec![("frontend-nlb-healthcheck-interval-seconds", "5")], "timeout, 5 s, is not below"),
    ];
    for (more, wrong) in rows {
        let desired = front(&[WEB, &asked(&more)]);
        assert_eq!(problems(&desired), ["Ingress default/web frontend-not-possible"], "{wrong}");
        assert!(desired.problems[0].message.contains(wrong), "{}", desired.problems[0]);
        assert_eq!(only(&desired).frontend, Front::Unclear);
        assert_eq!(only(&desired).target_groups.len(), 1, "the rest goes on");
    }
    let unread = front(&[WEB, &asked(&[("frontend-nlb-listener-port-mapping", "http=80")])]);
    assert_eq!(problems(&unread), ["Ingress default/web annotation-invalid"]);
}

#[test]
fn a_group_agrees_on_it_and_puts_its_ports_together() {
    let member = |name: &str, more: &[(&str, &str)]| {
        let annotations = [&[("group.name", "shop")], more].concat();
        let at = format!("{name}.example.com");
        ingress(name, &annotations, &rules(&[host(&at, &["Prefix / web:80"])]))
    };
    let one = member("one", &[ON, ("frontend-nlb-listener-port-mapping", "8000=80")]);
    let two = member("two", &[("frontend-nlb-listener-port-mapping", "9000=80")]);
    let three = member("three", &[("enable-frontend-nlb", "false")]);
    let desired = front(&[WEB, &one, &two, &three]);
    assert_eq!(problems(&desired), ["Ingress default/three group-conflict"]);
    let ports: Vec<_> = wish(&desired).balancer.listeners.keys().copied().collect();
    assert_eq!(ports, [80, 8000, 9000], "three names none, so that its own is in front");
    let broken = member("one", &[ON, ("group.order", "first")]);
    let desired = front(&[WEB, &broken, &two]);
    assert_eq!(only(&desired).frontend, Front::Unclear, "whoever asks for it may have one");
    assert_eq!(only(&front(&[WEB, &two])).frontend, Front::Nothing);
}

#[test]
fn each_member_names_ports_of_its_own_and_checks_of_what_it_shares() {
    let member = |name: &str, more: &[(&str, &str)]| {
        let annotations = [&[("group.name", "shop")], more].concat();
        let at = format!("{name}.example.com");
        ingress(name, &annotations, &rules(&[host(&at, &["Prefix / web:80"])]))
    };
    let ports = ("listen-ports", r#"[{"HTTP": 80}, {"HTTP": 8080}]"#);
    let mapping = |text| ("frontend-nlb-listener-port-mapping", text);
    let path = |text| ("frontend-nlb-healthcheck-path", text);
    let one = member("one", &[ON, mapping("8000=80,9000=9090"), path("/one")]);
    let two = member("two", &[ports, path("/two")]);
    let desired = front(&[WEB, &one, &two]);
    assert_eq!(problems(&desired), ["Ingress default/one frontend-not-possible"]);
    assert!(desired.problems[0].message.contains("9000=9090 has no effect"));
    let wish = wish(&desired);
    let checked = wish.groups.values().map(|group| (group.port, group.check.path.as_str()));
    let wanted = BTreeMap::from([(80, "/two"), (8000, "/one"), (8080, "/two")]);
    assert_eq!(checked.collect::<BTreeMap<_, _>>(), wanted);

    let three = member("three", &[mapping("80=80"), path("/three")]);
    let four = member("four", &[ports, mapping("80=8080")]);
    let desired = front(&[WEB, &one, &two, &three, &four]);
    let mut told = problems(&desired);
    told.retain(|told| told.ends_with("group-conflict"));
    // Of those who share port 80 the first is right: four about where it leads, two about the path.
    assert_eq!(
        told,
        ["Ingress default/three group-conflict", "Ingress default/two group-conflict"]
    );
}

#[test]
fn what_is_said_of_one_that_is_not_asked_for_costs_nothing() {
    let one = ingress(
        "web",
        &[("frontend-nlb-healthcheck-interval-seconds", "often")],
        &rules(&[host("a.example.com", &["Prefix / web:80"])]),
    );
    let desired = front(&[WEB, &one]);
    assert_eq!(problems(&desired), ["Ingress default/web annotation-invalid"]);
    assert_eq!(only(&desired).load_balancer.listeners[&80].rules.len(), 1);
}
