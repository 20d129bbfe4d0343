//! What changes with how the controller was started.

use super::*;
use crate::{
    Observed, StackId,
    add_ons::AddOns,
    goal::Standing,
    plan,
    settings::{Certificate, GroupTags, Interface},
    stack::SecurityGroupRef,
    switches::Switch,
    tags::{self, Tags},
    target::TargetType,
};
use std::collections::BTreeSet;

fn with(change: impl Fn(&mut Settings), texts: &[&str]) -> Desired {
    let mut settings = settings();
    change(&mut settings);
    desired(&objects(texts), &settings, &lookups())
}

fn thrown(switch: Switch, texts: &[&str]) -> Desired {
    with(|settings| settings.switches.extend([switch]), texts)
}

fn web(annotations: &[(&str, &str)]) -> String {
    ingress("web", annotations, &rules(&[host("a.example.com", &["Prefix / web:80"])]))
}

fn tag(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn default_tags_are_on_everything_and_go_first_unless_they_give_way() {
    for (gives_way, team) in [(false, "flag"), (true, "own")] {
        let own = web(&[("tags", "team=own,x=y")]);
        let desired = with(
            |settings| {
                settings.default_tags = Tags::from([tag("team", "flag"), tag("env", "test")]);
                settings.switches.extend(gives_way.then_some(Switch::TagsGiveWay));
            },
            &[WEB, &own],
        );
        let stack = only(&desired);
        let listener = &stack.load_balancer.listeners[&80];
        let all = [
            &stack.load_balancer.tags,
            &listener.tags,
            &listener.rules.values().next().unwrap().tags,
            &stack.target_groups.values().next().unwrap().tags,
            &stack.security_group.as_ref().unwrap().tags,
        ];
        for tags in all {
            let found = ["team", "env", "x"].map(|key| tags.get(key).map(String::as_str));
            assert_eq!(found, [Some(team), Some("test"), Some("y")]);
        }
        let shared = &desired.shared.as_ref().unwrap().tags;
        assert_eq!((shared["team"].as_str(), shared["env"].as_str()), ("flag", "test"));
        assert_eq!(desired.problems, []);
    }
}

#[test]
fn tags_that_others_manage_are_neither_set_nor_removed() {
    let external = |settings: &mut Settings| {
        settings.external_tags = BTreeSet::from(["cost".to_owned()]);
    };
    let desired = with(external, &[WEB, &web(&[("tags", "cost=1,team=a")])]);
    assert_eq!(problems(&desired), ["Ingress default/web tag-not-allowed"]);
    let stack = only(&desired);
    assert!(!stack.load_balancer.tags.contains_key("cost"));
    assert_eq!(stack.load_balancer.tags["team"], "a");

    let mut standing = Standing::from(stack);
    let balancer = standing.load_balancers.values_mut().next().unwrap();
    balancer.tags.extend([tag("cost", "2"), tag("old", "1")]);
    let stacks = BTreeMap::from([(stack.id.clone(), standing)]);
    let plan = plan(&desired, &Observed { stacks, ..Observed::default() });
    let removed = plan.steps.iter().filter(|step| step.op.kind() == "remove-tags");
    let removed: Vec<_> = removed.map(|step| step.op.to_string()).collect();
    assert_eq!(removed, ["old"]);
}

#[test]
fn tags_that_are_aws_s_own_are_left_out_and_cost_nobody_else() {
    let backend = WEB.replacen(
        "metadata: {name: web}",
        "metadata: {name: web, annotations: {alb.ingress.kubernetes.io/tags: 'Aws:b=1,env=a'}}",
        1,
    );
    let desired = with(|_| {}, &[&backend, &web(&[("tags", "aws:a=1,awsome=1,team=a")])]);
    let told: Vec<_> = desired.problems.iter().map(|problem| problem.message.as_str()).collect();
    let own = "is AWS's own, as all are that begin with \"aws:\"";
    assert_eq!(told, [format!("the tag aws:a {own}"), format!("the tag Aws:b {own}")]);
    let stack = only(&desired);
    let group = stack.target_groups.values().next().unwrap();
    for (tags, wanted) in
        [(&stack.load_balancer.tags, ["awsome", "team"]), (&group.tags, ["env", "team"])]
    {
        assert!(tags.keys().all(|key| !key.to_lowercase().starts_with("aws:")), "{tags:?}");
        assert!(wanted.iter().all(|key| tags.contains_key(*key)), "{tags:?}");
    }
}

#[test]
fn the_usual_type_of_targets_can_be_chosen_and_pods_be_switched_off() {
    let kind =
        |desired: &Desired| only(desired).target_groups.values().next().unwrap().kind.target_type;
    let instances = WEB.replace("port: 80,", "port: 80, nodePort: 30080,");
    let usual = with(|_| {}, &[&instances, &web(&[])]);
    assert_eq!(kind(&usual), TargetType::Ip);
    let chosen = |settings: &mut Settings| {
        settings.default_target_type = Some(TargetType::Instance);
    };
    let other = with(chosen, &[&instances, &web(&[])]);
    assert_eq!(kind(&other), TargetType::Instance);
    let named = with(chosen, &[&instances, &web(&[("target-type", "ip")])]);
    assert_eq!(kind(&named), TargetType::Ip, "an Ingress goes before the flag");
    let off = thrown(Switch::NoIpTargets, &[&instances, &web(&[])]);
    assert_eq!(problems(&off), ["Ingress default/web target-type-not-allowed"]);
}

#[test]
fn a_given_security_group_takes_the_place_of_the_common_one() {
    let given = SecurityGroupRef::Id("sg-given".to_owned());
    let desired = with(
        |settings| settings.given_security_group = Some("sg-given".to_owned()),
        &[WEB, &web(&[])],
    );
    assert_eq!(only(&desired).load_balancer.security_groups.last(), Some(&given));
    assert!(desired.shared.is_none(), "it is not ours to make");
    let without = with(|settings| settings.shared_security_group = false, &[WEB, &web(&[])]);
    assert_eq!(only(&without).load_balancer.security_groups.len(), 1);
    let own = web(&[("security-groups", "sg-own")]);
    let mut lookups = lookups();
    let known = GroupTags { id: "sg-own".to_owned(), ..GroupTags::default() };
    lookups.security_groups = Some(vec![known]);
    for (switch, count) in [(None, 1), (Some(Switch::OpenTargets), 2)] {
        let mut settings = settings();
        settings.switches.extend(switch);
        let desired = super::desired(&objects(&[WEB, &own]), &settings, &lookups);
        assert_eq!(only(&desired).load_balancer.security_groups.len(), count, "{switch:?}");
    }
}

#[test]
fn targets_are_open_on_what_is_used_or_on_all_ports() {
    let node = "apiVersion: v1\nkind: Node\nmetadata: {name: node}\n\
                spec: {providerID: aws:///a/i-1}\n";
    let on_node = WEB.replace("addresses: [10.0.0.1]", "nodeName: node, addresses: [10.0.0.1]");
    let mut lookups = lookups();
    let tags = |team: &str| {
        BTreeMap::from([tag("kubernetes.io/cluster/cluster", "owned"), tag("team", team)])
    };
    let group = |id: &str, team: &str| GroupTags { id: id.to_owned(), tags: tags(team) };
    lookups.security_groups = Some(vec![group("sg-a", "a"), group("sg-b", "b")]);
    let interface = Interface {
        addresses: BTreeSet::from(["10.0.0.1".parse().unwrap()]),
        groups: vec!["sg-a".to_owned(), "sg-b".to_owned()],
        primary: true,
        ..Interface::default()
    };
    lookups.instances = BTreeMap::from([("i-1".to_owned(), vec![interface])]);
    let doors = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        let objects = objects(&[&on_node, node, &web(&[])]);
        let desired = super::desired(&objects, &settings, &lookups);
        let doors = desired.doors.into_iter();
        let doors = doors.flat_map(|(id, doors)| doors.into_iter().map(move |d| (id.clone(), d)));
        doors.map(|(id, door)| format!("{id} {}-{}", door.from, door.to)).collect::<Vec<_>>()
    };
    let chosen = |settings: &mut Settings| {
        settings.target_group_tags = Tags::from([tag("team", "b")]);
    };
    assert_eq!(doors(&|_| {}), <[&str; 0]>::default(), "which of the two is not known");
    assert_eq!(doors(&chosen), ["sg-b 8080-8080"]);
    let all = |settings: &mut Settings| {
        chosen(settings);
        settings.switches.insert(Switch::AllPorts);
    };
    assert_eq!(doors(&all), ["sg-b 0-65535"]);
    let alone = |settings: &mut Settings| {
        chosen(settings);
        settings.shared_security_group = false;
    };
    assert_eq!(doors(&alone), ["sg-b 8080-8080"], "its own group lets it through");
}

#[test]
fn annotations_name_classes_as_the_flag_says() {
    let annotated = |class: &str| {
        let text = web(&[]).replace("  ingressClassName: edgeway\n", "");
        let line = format!("metadata:\n  annotations: {{kubernetes.io/ingress.class: {class}}}");
        text.replace("metadata:", &line)
    };
    let bare = web(&[]).replace("  ingressClassName: edgeway\n", "");
    let nodes = WEB.replace("port: 80,", "port: 80, nodePort: 30080,");
    let rows = [
        ("alb", annotated("alb"), true),
        ("alb", annotated("mine"), false),
        ("mine", annotated("mine"), true),
        ("mine", annotated("alb"), false),
        ("mine", annotated("edgeway"), true),
        ("", annotated("alb"), true),
        ("", bare.clone(), true),
        ("alb", bare, false),
    ];
    for (flag, text, is_ours) in rows {
        let desired =
            with(|settings| flag.clone_into(&mut settings.annotated_class), &[&nodes, &text]);
        assert_eq!(!desired.stacks.is_empty(), is_ours, "{flag:?}: {text}");
    }
    let off = thrown(Switch::NoClassAnnotation, &[WEB, &annotated("alb")]);
    assert_eq!(problems(&off), ["Ingress default/web ingress-class-not-usable"]);
    assert!(off.held.contains_key(&StackId::ingress("default", "web")), "what stands stays");
}

#[test]
fn groups_can_be_left_to_classes_and_what_stands_stays() {
    let grouped = web(&[("group.name", "shop")]);
    let off = thrown(Switch::NoGroupAnnotation, &[WEB, &grouped]);
    assert_eq!(problems(&off), ["Ingress default/web group-name-not-allowed"]);
    assert!(off.held.contains_key(&StackId::Group("shop".into())));
    let alone = thrown(Switch::NoGroupAnnotation, &[WEB, &web(&[])]);
    assert_eq!(alone.problems, []);
}

#[test]
fn what_is_missing_may_cost_the_ingress_its_place() {
    let missing = ingress("web", &[], &rules(&[host("a.example.com", &["Prefix / gone:80"])]));
    let action =
        ingress("web", &[], &rules(&[host("a.example.com", &["Prefix / gone:use-annotation"])]));
    let rows = [
        (None, &missing, "service-not-found", true),
        (Some(Switch::NeedServices), &missing, "service-not-found", false),
        (None, &action, "action-not-found", true),
        (Some(Switch::NeedActions), &action, "action-not-found", false),
        (Some(Switch::NeedServices), &action, "action-not-found", true),
    ];
    for (switch, text, code, is_served) in rows {
        let desired = with(|settings| settings.switches.extend(switch), &[text]);
        assert_eq!(problems(&desired), [format!("Ingress default/web {code}")], "{switch:?}");
        assert_eq!(!desired.stacks.is_empty(), is_served, "{switch:?} {code}");
    }
}

#[test]
fn what_is_switched_off_is_left_as_it_is_and_told_of() {
    let rows = [
        (Switch::NoShield, ("shield-advanced-protection", "true")),
        (Switch::NoWebAcl, ("wafv2-acl-arn", "arn:acl")),
        (Switch::NoCapacity, ("minimum-load-balancer-capacity", "CapacityUnits=5")),
    ];
    for (switch, annotation) in rows {
        let on = with(|_| {}, &[WEB, &web(&[annotation])]);
        let add_ons = &only(&on).load_balancer.add_ons;
        assert_ne!(*add_ons, AddOns::default(), "{switch}");
        let off = thrown(switch, &[WEB, &web(&[annotation])]);
        assert_eq!(only(&off).load_balancer.add_ons, AddOns::default(), "{switch}");
        assert_eq!(problems(&off), ["Ingress default/web add-on-switched-off"]);
    }
}

#[test]
fn what_nobody_asks_for_may_be_reset() {
    let secure = web(&[("listen-ports", r#"[{"HTTPS": 443}]"#), ("certificate-arn", "arn:c")]);
    for (switch, capacity, is_off) in [(None, None, false), (Some(Switch::Reset), Some(0), true)] {
        let desired = with(|settings| settings.switches.extend(switch), &[WEB, &secure]);
        let balancer = &only(&desired).load_balancer;
        assert_eq!(balancer.add_ons.capacity, capacity);
        let tls = &balancer.listeners[&443].mutual_tls;
        assert_eq!(*tls == Some(crate::add_ons::MutualTls::Off), is_off);
    }
}

#[test]
fn subnets_are_found_as_the_gates_say() {
    let subnet = |zone: &str, tags: &[(&str, &str)], public| Subnet {
        id: format!("subnet-{zone}"),
        zone: zone.to_owned(),
        tags: tags.iter().map(|(key, value)| tag(key, value)).collect(),
        free: 100,
        public: Some(public),
        ..Subnet::default()
    };
    let role = ("kubernetes.io/role/internal-elb", "1");
    let other = ("kubernetes.io/cluster/other", "owned");
    let two = |one: &[(&str, &str)], other: &[(&str, &str)]| {
        vec![subnet("a", one, false), subnet("b", other, false)]
    };
    let rows = [
        (None, two(&[role], &[role]), 2),
        (None, two(&[role], &[role, other]), 0),
        (Some(Switch::AnySubnet), two(&[role], &[role, other]), 2),
        (Some(Switch::OneSubnet), two(&[role], &[role, other]), 1),
        (None, two(&[], &[]), 2),
        (Some(Switch::TaggedSubnets), two(&[], &[]), 0),
    ];
    for (switch, subnets, count) in rows {
        let mut settings = settings();
        settings.switches.extend(switch);
        let lookups = Lookups { subnets: Some(subnets), ..lookups() };
        let desired = super::desired(&objects(&[WEB, &web(&[])]), &settings, &lookups);
        assert_eq!(only(&desired).load_balancer.subnets.len(), count, "{switch:?}");
    }
}

#[test]
fn certificates_are_found_among_those_of_the_authorities_that_are_named() {
    let certificate = |arn: &str, authority: Option<&str>| Certificate {
        arn: arn.to_owned(),
        names: vec!["a.example.com".to_owned()],
        authority: authority.map(str::to_owned),
    };
    let all = vec![
        certificate("arn:amazon", None),
        certificate("arn:ours", Some("arn:pca")),
        certificate("arn:theirs", Some("arn:other")),
    ];
    let secure = web(&[("listen-ports", r#"[{"HTTPS": 443}]"#)]);
    for (authorities, first, more) in [(vec![], "arn:amazon", 2), (vec!["arn:pca"], "arn:ours", 0)]
    {
        let mut settings = settings();
        settings.authorities = authorities.into_iter().map(str::to_owned).collect();
        let lookups = Lookups { certificates: Some(all.clone()), ..lookups() };
        let desired = super::desired(&objects(&[WEB, &secure]), &settings, &lookups);
        let listener = &only(&desired).load_balancer.listeners[&443];
        assert_eq!(listener.certificate.as_deref(), Some(first));
        assert_eq!(listener.more_certificates.len(), more);
    }
}

#[test]
fn who_asks_for_a_takeover_is_a_stack_or_the_one_who_starts_the_controller() {
    let asking = web(&[])
        .replace("metadata:\n", "metadata:\n  annotations: {edgeway.dev/adopt: \"true\"}\n");
    for (flag, text, adopts) in
        [(false, web(&[]), false), (false, asking.clone(), true), (true, web(&[]), true)]
    {
        let desired = with(|settings| settings.adopt = flag, &[WEB, &text]);
        assert_eq!(only(&desired).adopts, adopts, "{flag}");
        assert!(tags::is_marked(&only(&desired).load_balancer.tags));
    }
    let unsure = asking.replace("\"true\"", "perhaps");
    let desired = with(|_| {}, &[WEB, &unsure]);
    assert_eq!(problems(&desired), ["Ingress default/web annotation-invalid"]);
}
