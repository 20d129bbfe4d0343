//! Members that share rules: what one that cannot be understood had last is served on, whatever becomes of the
//! others, and goes when it is gone.

use crate::{ask, model::Aws, take};
use edgeway_alb_core::{
    Desired, Lookups, Observed, Settings, desired, plan,
    rule::Rule,
    settings::Certificate,
    stack::{Listener, LoadBalancer},
    target::Protocol,
};
use edgeway_api::{Objects, manifest};
use proptest::{collection::vec, prelude::*, sample::subsequence};
use std::collections::{BTreeMap, BTreeSet};

const HOSTS: [&str; 8] =
    ["a.test", "b.test", "c.test", "d.test", "e.test", "f.test", "*.g.test", "*.test"];
/// The first of them are Ingresses, the others Gateways.
const MEMBERS: [&str; 5] = ["one", "two", "three", "four", "five"];

const EDGE: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: thin, annotations: {edgeway.dev/gateway: edge/gateway}}
spec: {controller: edgeway.dev/alb}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: edge}
spec: {selector: {app: gateway}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: gateway-1, namespace: edge, labels: {app: gateway}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: gateway-1, namespace: edge, labels: {kubernetes.io/service-name: gateway}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.9.1], conditions: {ready: true}}]
";

/// What a member is at a time.
#[derive(Clone, Debug, PartialEq)]
enum Is {
    Gone,
    Good { hosts: Vec<&'static str>, is_secure: bool, is_grpc: bool },
    Broken,
}

fn is() -> impl Strategy<Value = Is> {
    let good = || {
        (subsequence(HOSTS.to_vec(), 1..=5), any::<bool>(), any::<bool>())
            .prop_map(|(hosts, is_secure, is_grpc)| Is::Good { hosts, is_secure, is_grpc })
    };
    prop_oneof![1 => Just(Is::Gone), 4 => good(), 3 => Just(Is::Broken)]
}

fn manifest_of(number: usize, is: &Is) -> Option<String> {
    let (hosts, ports, order, version) = match is {
        Is::Gone => return None,
        Is::Good { hosts, is_secure, is_grpc } => {
            let ports: &[u16] = if *is_secure { &[80, 443] } else { &[80] };
            (hosts.clone(), ports, "0", if *is_grpc { "GRPC" } else { "HTTP1" })
        }
        Is::Broken => (vec!["elsewhere.test"], &[80][..], "first", "HTTP1"),
    };
    let name = MEMBERS[number];
    let meta = "alb.ingress.kubernetes.io";
    let annotations = format!(
        "{meta}/group.name: shop, {meta}/group.order: '{order}', {meta}/backend-protocol-version: {version}"
    );
    Some(if number < 3 {
        let listens = ports.iter().map(|port| match port {
            443 => "{\"HTTPS\": 443}",
            _ => "{\"HTTP\": 80}",
        });
        let listens: Vec<&str> = listens.collect();
        let rules = hosts.iter().map(|host| {
            format!(
                "{{host: '{host}', http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: \
                 {{name: gateway, port: {{number: 80}}}}}}}}]}}}}"
            )
        });
        let rules: Vec<String> = rules.collect();
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\n  namespace: edge\n  \
             annotations: {{{annotations}, {meta}/listen-ports: '[{}]'}}\nspec:\n  ingressClassName: \
             thin\n  rules: [{}]\n",
            listens.join(", "),
            rules.join(", ")
        )
    } else {
        let hosts: Vec<String> = hosts.iter().map(|host| format!("'{host}'")).collect();
        let hosts = hosts.join(", ");
        let servers = ports.iter().map(|port| match port {
            443 => format!(
                "{{port: {{number: 443, name: s, protocol: HTTPS}}, hosts: [{hosts}], tls: {{mode: \
                 SIMPLE, credentialName: a}}}}"
            ),
            _ => format!("{{port: {{number: 80, name: p, protocol: HTTP}}, hosts: [{hosts}]}}"),
        });
        let servers: Vec<String> = servers.collect();
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata:\n  name: {name}\n  namespace: \
             edge\n  annotations: {{edgeway.dev/ingress-class: thin, {annotations}}}\nspec:\n  selector: \
             {{app: gateway}}\n  servers: [{}]\n",
            servers.join(", ")
        )
    })
}

fn wishes(state: &[Is]) -> Desired {
    let mut objects = Objects::default();
    manifest::read(EDGE, "edge.yaml", &mut objects);
    for (number, is) in state.iter().enumerate() {
        let text = manifest_of(number, is).unwrap_or_default();
        manifest::read(&text, "member.yaml", &mut objects);
    }
    assert_eq!(objects.defects, []);
    let certificate = |name: &&str| Certificate {
        arn: format!("arn:{name}"),
        names: vec![(*name).to_owned()],
        ..Certificate::default()
    };
    let certificates = Some(HOSTS.iter().map(certificate).collect());
    let lookups = Lookups { subnets: None, certificates, ..Lookups::default() };
    let mut wishes = desired(&objects, &Settings::new("test", "vpc"), &lookups);
    for stack in wishes.stacks.values_mut() {
        stack.load_balancer.subnets = ["subnet-a".to_owned(), "subnet-b".to_owned()].into();
    }
    wishes
}

/// What each member has said last, as long as it is there.
type Known = BTreeMap<usize, Is>;

fn learn(known: &mut Known, state: &[Is]) {
    for (number, is) in state.iter().enumerate() {
        match is {
            Is::Gone => drop(known.remove(&number)),
            Is::Good { .. } => drop(known.insert(number, is.clone())),
            Is::Broken => {}
        }
    }
}

/// The hosts that are to be served at a port.
fn hosts(known: &Known, port: u16) -> BTreeSet<&'static str> {
    let at = |is: &Is| match is {
        Is::Good { hosts, is_secure, .. } if *is_secure || port == 80 => hosts.clone(),
        Is::Good { .. } | Is::Gone | Is::Broken => Vec::new(),
    };
    known.values().flat_map(at).collect()
}

fn balancer(state: &Observed) -> Option<&LoadBalancer> {
    state.stacks.values().next()?.load_balancers.values().next()
}

/// Which hosts are led to the gateway. Of a wildcard, some name that no other one has.
fn served(state: &Observed, port: u16) -> BTreeSet<&'static str> {
    let scheme = if port == 443 { Protocol::Https } else { Protocol::Http };
    let Some(balancer) = balancer(state) else { return BTreeSet::new() };
    let is_served = |host: &&&str| {
        let name = host.replace('*', "some");
        let answer = ask(balancer, scheme, port, &name, "/");
        answer.is_some_and(|answer| answer.starts_with("forward"))
    };
    HOSTS.iter().filter(is_served).copied().collect()
}

/// The same as they should be.
fn expected(known: &Known, port: u16) -> BTreeSet<&'static str> {
    let own = hosts(known, port);
    let fits = |name: &str| {
        let suffix = name.trim_start_matches('*').find('.').map(|at| &name[at..]);
        own.contains(name)
            || own.contains("*.test")
            || (own.contains("*.g.test") && suffix == Some(".g.test"))
    };
    HOSTS.iter().filter(|name| fits(name)).copied().collect()
}

fn listeners(state: &Observed) -> impl Iterator<Item = (&u16, &Listener)> {
    balancer(state).into_iter().flat_map(|balancer| &balancer.listeners)
}

fn rules(state: &Observed) -> Vec<(u16, u32, Rule)> {
    let of = |(port, listener): (&u16, &Listener)| {
        let port = *port;
        listener.rules.clone().into_iter().map(move |(number, rule)| (port, number, rule))
    };
    listeners(state).flat_map(of).collect()
}

/// Takes all steps to what `state` wishes; at each, whoever was served and shall be is.
fn go(aws: &mut Aws, state: &[Is]) -> Desired {
    let goal = wishes(state);
    for _ in 0..4 {
        let way = plan(&goal, &aws.state);
        let mut end = aws.clone();
        take(&mut end, &way, |_, _| {});
        for port in [80, 443] {
            let both: BTreeSet<&str> =
                served(&aws.state, port).intersection(&served(&end.state, port)).copied().collect();
            take(&mut aws.clone(), &way, |aws, step| {
                let now = served(&aws.state, port);
                assert!(
                    both.is_subset(&now),
                    "{both:?} become {now:?} at {port} after {step}\n{way}"
                );
            });
        }
        *aws = end;
        aws.drain();
        if way.is_empty() {
            return goal;
        }
    }
    panic!("still something to do: {}", plan(&goal, &aws.state));
}

fn assert_as_wished(state: &Observed, goal: &Desired) {
    let text = |(port, listener): (&u16, &Listener)| {
        let rules = listener.rules.values();
        let rules = rules.map(|rule| format!("{:?} {}", rule.normal_conditions(), rule.action));
        let certificates = listener.more_certificates.iter().chain(&listener.certificate);
        let certificates: BTreeSet<String> = certificates.cloned().collect();
        (*port, rules.collect::<Vec<String>>(), certificates)
    };
    let wish = goal.stacks.values().flat_map(|stack| &stack.load_balancer.listeners);
    let (wish, there): (Vec<_>, Vec<_>) =
        (wish.map(text).collect(), listeners(state).map(text).collect());
    assert_eq!(there, wish);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_a_member_said_last_is_served_until_it_is_gone(
        states in vec(vec(is(), MEMBERS.len()), 2..6),
    ) {
        let (mut aws, mut known) = (Aws::default(), Known::new());
        for state in states {
            learn(&mut known, &state);
            let goal = go(&mut aws, &state);
            if state.iter().all(|is| matches!(is, Is::Gone)) {
                prop_assert!(balancer(&aws.state).is_none());
            } else if state.iter().any(|is| matches!(is, Is::Good { .. })) {
                for port in [80, 443] {
                    prop_assert_eq!(served(&aws.state, port), expected(&known, port), "at {}", port);
                }
                let secure = listeners(&aws.state).find(|(port, _)| **port == 443);
                let there = secure.map(|(_, it)| it.more_certificates.iter().chain(&it.certificate));
                let there: BTreeSet<&String> = there.into_iter().flatten().collect();
                for host in hosts(&known, 443) {
                    prop_assert!(there.contains(&format!("arn:{host}")), "{} has no certificate", host);
                }
            }
            if state.iter().all(|is| !matches!(is, Is::Broken)) {
                assert_as_wished(&aws.state, &goal);
            }
        }
    }

    #[test]
    fn no_rule_changes_when_members_break_and_are_mended(
        state in vec(is(), MEMBERS.len()), broken in subsequence(vec![0, 1, 2, 3, 4], 1..5),
    ) {
        let good: Vec<Is> = state.into_iter().filter(|is| matches!(is, Is::Good { .. })).collect();
        let mut aws = Aws::default();
        go(&mut aws, &good);
        let before = aws.state.clone();
        let mut worse = good.clone();
        for number in broken {
            if let Some(is) = worse.get_mut(number) {
                *is = Is::Broken;
            }
        }
        go(&mut aws, &worse);
        prop_assert_eq!(served(&aws.state, 80), served(&before, 80));
        prop_assert_eq!(served(&aws.state, 443), served(&before, 443));
        if good.iter().all(|is| matches!(is, Is::Good { is_grpc: false, .. })) {
            prop_assert_eq!(rules(&aws.state), rules(&before));
        }
        let mended = go(&mut aws, &good);
        assert_as_wished(&aws.state, &mended);
    }
}

fn good(hosts: &[&'static str]) -> Is {
    Is::Good { hosts: hosts.to_vec(), is_secure: true, is_grpc: false }
}

#[test]
fn a_host_goes_with_its_member_while_another_is_broken() {
    let mut aws = Aws::default();
    go(&mut aws, &[good(&["a.test"]), good(&["b.test"]), good(&["c.test"])]);
    go(&mut aws, &[good(&["a.test"]), Is::Broken, good(&["c.test"])]);
    assert_eq!(served(&aws.state, 443), ["a.test", "b.test", "c.test"].into());
    go(&mut aws, &[good(&["a.test"]), Is::Broken, Is::Gone]);
    assert_eq!(served(&aws.state, 443), ["a.test", "b.test"].into(), "only c.test is gone");
    go(&mut aws, &[good(&["a.test"]), Is::Gone, Is::Broken]);
    assert_eq!(served(&aws.state, 443), ["a.test"].into(), "that one has never said anything");
}

#[test]
fn a_host_that_two_have_keeps_its_place_while_the_first_is_broken() {
    let mut aws = Aws::default();
    let two = good(&["b.test", "c.test", "f.test"]);
    go(&mut aws, &[good(&["a.test", "d.test", "e.test", "f.test"]), two.clone()]);
    let before = rules(&aws.state);
    go(&mut aws, &[Is::Broken, two]);
    assert_eq!(rules(&aws.state), before);
}
