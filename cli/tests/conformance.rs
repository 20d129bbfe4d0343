//! What Istio's ingress gateway decided, asked of our table: the cases of `tests/conformance`.

use edgeway::{
    explain::{Answer, Explainer, Question},
    offline::Reading,
};
use edgeway_api::{Objects, Resource, manifest};
use edgeway_core::request::{Scheme, host_of};
use edgeway_tests::conformance::{Named, Outcome, Request, Sni, cases};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

fn question(ask: &Request) -> Question {
    let host = ask.host.iter().map(|host| ("host".to_owned(), host.clone()));
    let sni = match &ask.sni {
        Sni::Host => ask.host.as_deref().map(host_of).map(str::to_owned),
        Sni::Nothing => None,
        Sni::Name(name) => Some(name.clone()),
    };
    Question {
        method: ask.method.clone(),
        scheme: if ask.scheme == "https" { Scheme::Https } else { Scheme::Http },
        target: ask.path.clone(),
        headers: host.chain(ask.headers.iter().cloned()).collect(),
        port: Some(ask.port),
        sni,
        trusted_hops: 0,
    }
}

/// How an answer differs. A rule's clusters count even where the gateway then answers itself, as
/// it does to a preflight.
fn differences(wanted: &Outcome, answer: &Answer) -> Vec<String> {
    let weighted = answer.clusters.iter().filter(|share| share.weight > 0);
    let mut clusters: BTreeSet<String> = weighted.map(|share| share.cluster.clone()).collect();
    if clusters.is_empty() {
        clusters.extend(answer.cluster.clone());
    }
    let mut differences = Vec::new();
    let mut compare =
        |what: &str, differs: bool, wanted: &dyn std::fmt::Debug, got: &dyn std::fmt::Debug| {
            if differs {
                differences.push(format!("{what} {wanted:?}, not {got:?}"));
            }
        };
    compare("clusters", wanted.clusters != clusters, &wanted.clusters, &clusters);
    let status = wanted.status.is_some() && wanted.status != answer.status;
    compare("status", status, &wanted.status, &answer.status);
    let location = wanted.location.is_some() && wanted.location != answer.location;
    compare("location", location, &wanted.location, &answer.location);
    let by = wanted.by.is_some() && wanted.by != answer.virtual_service;
    compare("VirtualService", by, &wanted.by, &answer.virtual_service);
    differences
}

/// A VirtualService and the name of a rule of it.
type Rule = (String, String);

fn rule_of(answer: &Answer) -> Option<Rule> {
    Some((answer.virtual_service.clone()?, answer.route.clone()?))
}

/// Rules that advice says are never used.
fn idle(reading: &Reading) -> BTreeSet<Rule> {
    let problems = reading.problems();
    let unreachable = problems.iter().filter(|problem| problem.code == "rule-unreachable");
    let named = unreachable.filter_map(|problem| {
        let mut services = reading.objects.virtual_services.iter();
        let service = services.find(|service| service.reference() == problem.object)?;
        let index = problem.field.strip_prefix("spec.http[")?.strip_suffix(']')?;
        let rules = &service.spec.http;
        let name = rules.get(index.parse::<usize>().ok()?)?.name.as_ref();
        let alone = rules.iter().filter(|rule| rule.name.as_ref() == name).count() == 1;
        let own = format!("{}/{}", problem.object.namespace, problem.object.name);
        match name {
            Some(name) => alone.then(|| (own, name.clone())),
            None => Some((own, format!("http[{index}]"))),
        }
    });
    named.collect()
}

#[test]
fn every_request_is_decided_as_istio_decides_it() {
    let mut wrong = Vec::new();
    let mut asked = 0;
    for Named { name, case, manifests } in cases() {
        let mut objects = Objects::default();
        manifest::read(&manifests, &name, &mut objects);
        let reading = Reading::new(objects);
        let idle = idle(&reading);
        let explainer = Explainer {
            objects: &reading.objects,
            table: &reading.compiled.table,
            role: &reading.role,
            albs: None,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        assert!(!case.about.is_empty() && !case.covers.is_empty(), "{name} says not what it shows");
        for (number, exchange) in (1..).zip(&case.requests) {
            asked += 1;
            assert_eq!(exchange.ours.is_some(), exchange.why.is_some(), "{name}: {exchange:?}");
            let answer = explainer.explain(&question(&exchange.ask)).answer;
            if let Some(rule) = rule_of(&answer).filter(|rule| idle.contains(rule)) {
                wrong.push(format!("{name} {number}: {rule:?} is used, though advice denies it"));
            }
            let wanted = exchange.ours.as_ref().unwrap_or(&exchange.istio);
            let differences = differences(wanted, &answer);
            if !differences.is_empty() {
                let ask = &exchange.ask;
                wrong.push(format!("{name} {number} {ask:?}: {}", differences.join("; ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 7_000, "{asked} requests");
}
