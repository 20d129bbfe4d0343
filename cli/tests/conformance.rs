//! What Istio's ingress gateway decided, asked of our table: the cases of `tests/conformance`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway::{
    explain::{Answer, Explainer, Question, ask::Sni},
    offline::Reading,
};
use edgeway_api::{Objects, Resource, manifest};
use edgeway_core::request::{Scheme, host_of};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

/// The first document of a case; its manifests follow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it shows.
    about: String,
    /// The row of Istio's field reference that it stands for.
    covers: String,
    /// Files below `given` with manifests that many cases share.
    #[serde(default)]
    given: Vec<String>,
    requests: Vec<Exchange>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    ask: Ask,
    /// What Istio decided.
    istio: Outcome,
    /// What we decide instead, on purpose.
    ours: Option<Outcome>,
    /// That purpose.
    why: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    #[serde(default = "get")]
    method: String,
    #[serde(default = "http")]
    scheme: String,
    port: u16,
    host: Option<String>,
    path: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// The host, if absent; nothing, if null.
    #[serde(default)]
    sni: Sni,
}

/// A decision. A field that is absent is not compared, but a request goes to clusters or it does not.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    #[serde(default)]
    clusters: BTreeSet<String>,
    status: Option<u16>,
    location: Option<String>,
    /// The VirtualService.
    by: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

fn http() -> String {
    "http".to_owned()
}

impl Ask {
    fn question(&self) -> Question {
        let host = self.host.iter().map(|host| ("host".to_owned(), host.clone()));
        let sni = match &self.sni {
            Sni::Host => self.host.as_deref().map(host_of).map(str::to_owned),
            Sni::Nothing => None,
            Sni::Name(name) => Some(name.clone()),
        };
        Question {
            method: self.method.clone(),
            scheme: if self.scheme == "https" { Scheme::Https } else { Scheme::Http },
            target: self.path.clone(),
            headers: host.chain(self.headers.iter().cloned()).collect(),
            port: Some(self.port),
            sni,
            trusted_hops: 0,
        }
    }
}

impl Outcome {
    /// How an answer differs. A rule's clusters count even where the gateway then answers itself, as
    /// it does to a preflight.
    fn differences(&self, answer: &Answer) -> Vec<String> {
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
        compare("clusters", self.clusters != clusters, &self.clusters, &clusters);
        let status = self.status.is_some() && self.status != answer.status;
        compare("status", status, &self.status, &answer.status);
        let location = self.location.is_some() && self.location != answer.location;
        compare("location", location, &self.location, &answer.location);
        let by = self.by.is_some() && self.by != answer.virtual_service;
        compare("VirtualService", by, &self.by, &answer.virtual_service);
        differences
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance")
}

/// All cases, by `topic/name`.
fn cases() -> Vec<(String, Case, Objects)> {
    let mut cases = Vec::new();
    for topic in folders(&root()) {
        if topic.ends_with("given") {
            continue;
        }
        for file in fs::read_dir(&topic).unwrap() {
            let file = file.unwrap().path();
            let name = file.strip_prefix(root()).unwrap().with_extension("").display().to_string();
            let text = fs::read_to_string(&file).unwrap();
            let (head, manifests) = text.split_once("\n---\n").unwrap_or((&text, ""));
            let case: Case = serde_saphyr::from_str(head).unwrap_or_else(|e| panic!("{name}: {e}"));
            let mut objects = Objects::default();
            for shared in &case.given {
                let file = root().join("given").join(format!("{shared}.yaml"));
                manifest::read(&fs::read_to_string(file).unwrap(), shared, &mut objects);
            }
            manifest::read(manifests, &name, &mut objects);
            cases.push((name, case, objects));
        }
    }
    cases.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    cases
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
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
    for (name, case, objects) in cases() {
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
            let answer = explainer.explain(&exchange.ask.question()).answer;
            if let Some(rule) = rule_of(&answer).filter(|rule| idle.contains(rule)) {
                wrong.push(format!("{name} {number}: {rule:?} is used, though advice denies it"));
            }
            let wanted = exchange.ours.as_ref().unwrap_or(&exchange.istio);
            let differences = wanted.differences(&answer);
            if !differences.is_empty() {
                let ask = &exchange.ask;
                wrong.push(format!("{name} {number} {ask:?}: {}", differences.join("; ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 7_000, "{asked} requests");
}
