//! Random wishes, of few parts, so that they meet often.

use edgeway_alb_core::{
    Desired, Stack, StackId,
    add_ons::{AddOns, MutualTls, Shield, WebAcl},
    frontend::Front,
    pairs::Pairs,
    rule::{
        Action, Authentication, Condition, Forward, Jwt, Patterns, Rule, Share, TargetGroupRef,
    },
    stack::{
        Backend, Ingress, IpAddressType, Listener, LoadBalancer, Ownership, Scheme, SecurityGroup,
        SecurityGroupRef, Source,
    },
    tags::{self, Tags},
    target::{
        HealthCheck, IpFamily, Matcher, Protocol, TargetGroup, TargetGroupKind, TargetId,
        TargetType, Version,
    },
};
use proptest::{collection::vec, option, prelude::*, sample::subsequence};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const HOSTS: [&str; 3] = ["a.example.com", "b.example.com", "*.example.com"];
pub(crate) const PATHS: [&str; 3] = ["/x", "/x/*", "/*"];
const OWNERS: [&str; 2] = ["app/one", "app/two"];

/// What one rule is about, by index.
#[derive(Clone, Debug)]
pub(crate) struct RuleSketch {
    host: Option<usize>,
    path: Option<usize>,
    action: usize,
    owner: usize,
    login: bool,
}

fn rule() -> impl Strategy<Value = RuleSketch> {
    (
        option::of(0..HOSTS.len()),
        option::of(0..PATHS.len()),
        0..6_usize,
        0..OWNERS.len(),
        any::<bool>(),
    )
        .prop_map(|(host, path, action, owner, login)| RuleSketch {
            host,
            path,
            action,
            owner,
            login,
        })
}

#[derive(Clone, Debug)]
struct GroupSketch {
    https: bool,
    interval: u32,
    targets: Vec<u8>,
}

fn group() -> impl Strategy<Value = GroupSketch> {
    (any::<bool>(), 5..7_u32, subsequence(vec![1, 2, 3], 1..=3))
        .prop_map(|(https, interval, targets)| GroupSketch { https, interval, targets })
}

/// A wish for one stack.
pub(crate) fn stack(name: &'static str) -> impl Strategy<Value = Stack> {
    let rules = vec(vec(rule(), 0..7), 2);
    let ports = subsequence(vec![80, 443], 0..=2);
    let rest = (any::<bool>(), 0..6_usize, subsequence(vec!["c1", "c2", "c3"], 1..=3));
    (vec(group(), 4), rules, ports, rest).prop_map(move |(groups, rules, ports, rest)| {
        let (named, default, certificates) = rest;
        let mut wish = bare(StackId::parse(name), named);
        for (port, rules) in ports.iter().zip(rules) {
            let mut listener = listener(*port, action(name, default, &groups), &certificates);
            for (place, sketch) in rules.iter().enumerate() {
                let place = u32::try_from(place).expect("few") + 1;
                let mut rule = to_rule(name, sketch, &groups);
                rule.authentication = (*port == 443 && sketch.login).then(token);
                listener.rules.insert(place, rule);
            }
            if *port == 443 {
                listener.authentication = named.then(token);
                listener.mutual_tls =
                    Some(if named { MutualTls::Passthrough } else { MutualTls::Off });
            }
            wish.load_balancer.listeners.insert(*port, listener);
            let open = Ingress {
                from: *port,
                to: *port,
                source: Source::Ipv4(if named { "10.0.0.0/8" } else { "0.0.0.0/0" }.into()),
                description: String::new(),
            };
            wish.security_group.as_mut().expect("there").ingress.insert(open);
        }
        let needed: BTreeSet<String> = wish.load_balancer.groups().map(str::to_owned).collect();
        for (number, sketch) in groups.iter().enumerate() {
            let group = target_group(name, number, sketch);
            if needed.contains(&group.name) {
                wish.target_groups.insert(group.name.clone(), group);
            }
        }
        wish
    })
}

/// A wish for up to two stacks.
pub(crate) fn desired() -> impl Strategy<Value = Desired> {
    let stacks = (option::weighted(0.9, stack("shop")), option::of(stack("app/ing")));
    stacks.prop_map(|(one, other)| {
        let stacks: BTreeMap<StackId, Stack> =
            one.into_iter().chain(other).map(|stack| (stack.id.clone(), stack)).collect();
        let shared = (!stacks.is_empty()).then(|| security_group("k8s-traffic"));
        Desired { stacks, shared, ..Desired::default() }
    })
}

/// A wish for one stack with one listener and so many rules.
pub(crate) fn fixed(rules: usize) -> Desired {
    let groups = vec![GroupSketch { https: false, interval: 5, targets: vec![1] }; 4];
    let mut wish = bare(StackId::parse("shop"), true);
    let mut listener = listener(80, Action::answer(404, None), &[]);
    let sketch = RuleSketch { host: Some(0), path: None, action: 3, owner: 0, login: false };
    let rule = to_rule("shop", &sketch, &groups);
    listener.rules = (1..).zip(std::iter::repeat_n(rule, rules)).collect();
    wish.load_balancer.listeners.insert(80, listener);
    let group = target_group("shop", 0, &groups[0]);
    wish.target_groups.insert(group.name.clone(), group);
    let stacks = BTreeMap::from([(wish.id.clone(), wish)]);
    Desired { stacks, shared: Some(security_group("k8s-traffic")), ..Desired::default() }
}

/// The same wish, but for members that cannot be understood.
pub(crate) fn with_broken(mut desired: Desired, owner: usize) -> Desired {
    let owner = OWNERS[owner];
    for stack in desired.stacks.values_mut() {
        stack.broken.insert(owner.to_owned());
        for listener in stack.load_balancer.listeners.values_mut() {
            listener.rules.retain(|_, rule| rule.owner() != Some(owner));
        }
        let needed: BTreeSet<String> = stack.load_balancer.groups().map(str::to_owned).collect();
        stack.target_groups.retain(|name, _| needed.contains(name));
    }
    desired
}

/// The same groups under other names, each as if its load balancer had been renamed as well.
pub(crate) fn target_groups(
    groups: &BTreeMap<String, TargetGroup>,
    rename: impl Fn(&str) -> String,
) -> BTreeMap<String, TargetGroup> {
    let renamed = groups.values().cloned().map(|mut group| {
        group.name = rename(&group.name);
        group.attached = group.attached.as_deref().map(&rename);
        (group.name.clone(), group)
    });
    renamed.collect()
}

fn bare(id: StackId, named: bool) -> Stack {
    let load_balancer = LoadBalancer {
        name: format!("lb-{}", id.to_string().replace('/', "-")),
        scheme: Scheme::Internal,
        ip_address_type: IpAddressType::Ipv4,
        subnets: BTreeSet::from([
            "subnet-a".into(),
            if named { "subnet-b" } else { "subnet-c" }.into(),
        ]),
        security_groups: vec![
            SecurityGroupRef::Ours(format!("sg-{id}")),
            SecurityGroupRef::Ours("k8s-traffic".into()),
        ],
        attributes: Pairs::from([("idle".to_owned(), if named { "30" } else { "60" }.to_owned())]),
        add_ons: AddOns {
            web_acl: Some(if named { WebAcl::Arn("acl".into()) } else { WebAcl::Nothing }),
            shield: Some(if named { Shield::Off } else { Shield::Ours }),
            capacity: Some(if named { 100 } else { 0 }),
            address_pool: Some(if named { "pool-a" } else { "pool-b" }.into()),
            customer_pool: None,
        },
        tags: marked(tags::tracking("c", &id, tags::LOAD_BALANCER)),
        listeners: BTreeMap::new(),
        foreign: BTreeSet::new(),
        ownership: Ownership::Full,
    };
    Stack {
        security_group: Some(security_group(&format!("sg-{id}"))),
        load_balancer,
        subnets_named: true,
        target_groups: BTreeMap::new(),
        backends: BTreeMap::<String, Backend>::new(),
        broken: BTreeSet::new(),
        approved: BTreeSet::new(),
        adopts: false,
        doors: BTreeMap::new(),
        frontend: Front::Nothing,
        id,
    }
}

fn security_group(name: &str) -> SecurityGroup {
    SecurityGroup {
        name: name.to_owned(),
        description: "a guard".into(),
        ingress: BTreeSet::new(),
        tags: marked(Tags::new()),
    }
}

fn listener(port: u16, default_action: Action, certificates: &[&str]) -> Listener {
    let secure = port == 443;
    let certificates = certificates.iter().map(|certificate| (*certificate).to_owned());
    Listener {
        protocol: if secure { Protocol::Https } else { Protocol::Http },
        ssl_policy: secure.then(|| "policy".to_owned()),
        certificate: certificates.clone().next().filter(|_| secure),
        more_certificates: certificates.skip(1).filter(|_| secure).collect(),
        attributes: Pairs::new(),
        mutual_tls: None,
        authentication: None,
        default_action,
        rules: BTreeMap::new(),
        foreign: BTreeMap::new(),
        tags: Tags::new(),
    }
}

fn group_name(stack: &str, number: usize, sketch: &GroupSketch) -> String {
    format!("tg-{stack}-{number}-{}", if sketch.https { "tls" } else { "plain" })
}

fn action(stack: &str, number: usize, groups: &[GroupSketch]) -> Action {
    let group = |number: usize| TargetGroupRef::Ours(group_name(stack, number, &groups[number]));
    match number {
        0 => Action::answer(404, None),
        1 => Action::answer(503, None),
        2 => Action::Forward(Forward {
            shares: vec![
                Share { group: group(2), weight: 1 },
                Share { group: group(3), weight: 9 },
            ],
            stickiness: None,
        }),
        other => Action::forward(group(other - 3)),
    }
}

fn to_rule(stack: &str, sketch: &RuleSketch, groups: &[GroupSketch]) -> Rule {
    let text = |value: &str| Patterns::Text(vec![value.to_owned()]);
    let host = sketch.host.map(|host| Condition::Host(text(HOSTS[host])));
    let path = sketch.path.map(|path| Condition::Path(text(PATHS[path])));
    let mut conditions: Vec<Condition> = host.into_iter().chain(path).collect();
    if conditions.is_empty() {
        conditions.push(Condition::Path(text("/*")));
    }
    Rule {
        conditions,
        authentication: None,
        action: action(stack, sketch.action, groups),
        transforms: Vec::new(),
        tags: Tags::from([(tags::OWNER.to_owned(), OWNERS[sketch.owner].to_owned())]),
    }
}

fn target_group(stack: &str, number: usize, sketch: &GroupSketch) -> TargetGroup {
    TargetGroup {
        name: group_name(stack, number, sketch),
        resource: format!("{stack}-{number}"),
        kind: TargetGroupKind {
            target_type: TargetType::Ip,
            protocol: if sketch.https { Protocol::Https } else { Protocol::Http },
            version: Version::Http1,
            port: 80,
            family: IpFamily::V4,
            control_port: None,
        },
        health_check: HealthCheck {
            protocol: Protocol::Http,
            port: "traffic-port".into(),
            path: "/".into(),
            interval: sketch.interval,
            timeout: 2,
            healthy: 2,
            unhealthy: 2,
            matcher: Matcher::Http("200".into()),
        },
        attributes: Pairs::new(),
        tags: marked(Tags::from([("resource".to_owned(), format!("{stack}-{number}"))])),
        targets: sketch
            .targets
            .iter()
            .map(|last| (TargetId { id: format!("10.0.0.{last}"), port: 8080 }, None))
            .collect(),
        known: None,
        draining: BTreeSet::new(),
        attached: None,
    }
}

/// A token that a client must show.
fn token() -> Authentication {
    let (keys, issuer) = ("https://i/keys".to_owned(), "https://i".to_owned());
    Authentication::Jwt(Box::new(Jwt { keys, issuer, claims: Vec::new() }))
}

/// As all things that we make are.
fn marked(mut tags: Tags) -> Tags {
    tags.insert(tags::CONTROLLER.to_owned(), "edgeway.dev/alb".to_owned());
    tags
}
