//! DestinationRules for nobody, beside one another, or with subsets that nobody is in.

use super::{
    pods::PodLabels,
    scene::{Known, Scene},
};
use crate::compile::{
    age::oldest_first,
    pods::selects,
    upstream_tls::{given, settings},
    visibility::Visibility,
};
use edgeway_api::{
    DestinationRule, Problem, Resource, ServiceEntry,
    destination_rule::{ClientTlsSettings, Subset, TlsMode},
    k8s_openapi::api::core::v1::Service,
};
use std::collections::{BTreeMap, BTreeSet};

/// Reports them.
pub(super) fn analyze(scene: &Scene<'_>, pods: &PodLabels<'_>, advice: &mut Vec<Problem>) {
    let mut governed: BTreeMap<Key, Governed<'_>> = BTreeMap::new();
    for rule in oldest_first(&scene.objects.destination_rules) {
        let host = scene.host(&rule.spec.host, rule.namespace());
        nobody(scene, rule, &host, advice);
        for subset in rule.spec.subsets.iter().enumerate() {
            members(scene, pods, (rule, &host), subset, advice);
        }
        if let Some(Known::Kubernetes(_)) = scene.services.get(&host) {
            unverified(rule, advice);
        }
        let selector = rule.spec.workload_selector.clone().unwrap_or_default();
        let key = (rule.namespace().to_owned(), host, selector.match_labels);
        rivals(governed.entry(key).or_default(), rule, advice);
    }
}

/// Namespace, host and selector: rules that agree on these are merged.
type Key = (String, String, BTreeMap<String, String>);

/// What older rules for the same have settled.
#[derive(Debug, Default)]
struct Governed<'o> {
    visibility: Option<(Visibility, &'o DestinationRule)>,
    policy: Option<&'o DestinationRule>,
    subsets: BTreeMap<&'o str, &'o DestinationRule>,
}

fn nobody(scene: &Scene<'_>, rule: &DestinationRule, host: &str, advice: &mut Vec<Problem>) {
    let address = host.parse::<std::net::IpAddr>().is_ok();
    if host.is_empty() || address || scene.has_service(host) {
        return;
    }
    advice.push(
        Problem::warning(rule.reference(), "spec.host", "destination-rule-host-not-found")
            .message(format!("no Service and no ServiceEntry has the host `{host}`"))
            .advice("correct the host; a name without dots means one of the rule's own namespace"),
    );
}

/// Of several rules for one host the oldest keeps what it says; the others add to it.
fn rivals<'o>(before: &mut Governed<'o>, rule: &'o DestinationRule, advice: &mut Vec<Problem>) {
    let mut lost = |field: String, what: &str, winner: &DestinationRule| {
        advice.push(
            Problem::warning(rule.reference(), field, "destination-rule-conflict")
                .message(format!(
                    "{} is for the same host and comes first: {what}",
                    winner.reference()
                ))
                .advice("merge the two rules into one"),
        );
    };
    let export = rule.spec.export_to.iter().map(String::as_str);
    let visibility = Visibility::parse(export, rule.namespace());
    match &before.visibility {
        None => before.visibility = Some((visibility, rule)),
        Some((first, winner)) if *first != visibility => {
            lost(
                "spec.exportTo".into(),
                "as it is exported elsewhere, this one is left out",
                winner,
            );
            return;
        }
        Some(_) => {}
    }
    if rule.spec.traffic_policy.is_some() {
        match before.policy {
            Some(winner) => lost("spec.trafficPolicy".into(), "its policy is used", winner),
            None => before.policy = Some(rule),
        }
    }
    let mut own = BTreeSet::new();
    for (index, subset) in rule.spec.subsets.iter().enumerate() {
        // Twice in one rule is no conflict of two.
        if !own.insert(subset.name.as_str()) {
            continue;
        }
        match before.subsets.get(subset.name.as_str()) {
            Some(winner) => {
                let what = format!("its subset `{}` is used", subset.name);
                lost(format!("spec.subsets[{index}]"), &what, winner);
            }
            None => {
                before.subsets.insert(&subset.name, rule);
            }
        }
    }
}

fn members(
    scene: &Scene<'_>,
    pods: &PodLabels<'_>,
    (rule, host): (&DestinationRule, &str),
    (index, subset): (usize, &Subset),
    advice: &mut Vec<Problem>,
) {
    let field = format!("spec.subsets[{index}]");
    if subset.labels.is_empty() {
        if subset.traffic_policy.is_none() {
            advice.push(
                Problem::warning(rule.reference(), field, "subset-without-labels")
                    .message(format!(
                        "`{}` is the whole service: it asks for no label",
                        subset.name
                    ))
                    .advice("give it the labels that its pods have, or remove it"),
            );
        }
        return;
    }
    let nobody = match scene.services.get(host) {
        Some(Known::Kubernetes(service)) => no_pod(pods, service, subset),
        Some(Known::Entry(entry)) => no_endpoint(entry, subset),
        None => false,
    };
    if nobody {
        let labels: Vec<String> =
            subset.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        advice.push(
            Problem::warning(rule.reference(), format!("{field}.labels"), "subset-selects-nothing")
                .message(format!(
                    "nothing of `{host}` has {}: what is sent to the subset gets 503",
                    labels.join(",")
                ))
                .advice("correct the labels, or label the pods"),
        );
    }
}

/// Says no where the Service has no pod at all: it may be scaled down, or its pods unknown.
fn no_pod(pods: &PodLabels<'_>, service: &Service, subset: &Subset) -> bool {
    let Some(selector) = service.spec.as_ref().and_then(|spec| spec.selector.as_ref()) else {
        return false;
    };
    let mut own = pods.selected(selector, Some(service.namespace())).peekable();
    own.peek().is_some() && !own.any(|labels| selects(&subset.labels, labels))
}

fn no_endpoint(entry: &ServiceEntry, subset: &Subset) -> bool {
    let endpoints = &entry.spec.endpoints;
    !endpoints.is_empty()
        && !endpoints.iter().any(|endpoint| selects(&subset.labels, &endpoint.labels))
}

/// TLS towards pods, whose certificates no public authority vouches for.
fn unverified(rule: &DestinationRule, advice: &mut Vec<Problem>) {
    for (field, _) in settings(rule).into_iter().filter(|(_, tls)| blind(tls)) {
        advice.push(
            Problem::warning(rule.reference(), field, "tls-without-authorities")
                .message(
                    "only public authorities vouch for the server, and they know no Service of a \
                     cluster",
                )
                .advice("give `credentialName` or `caCertificates` with the authority's own"),
        );
    }
}

fn blind(tls: &ClientTlsSettings) -> bool {
    matches!(tls.mode, Some(TlsMode::Simple | TlsMode::Mutual))
        && given(tls.ca_certificates.as_ref()).is_none()
        && given(tls.credential_name.as_ref()).is_none()
        && tls.insecure_skip_verify != Some(true)
}

#[cfg(test)]
mod tests {
    use super::super::unit::{advice, object, service, table};

    fn rule(name: &str, spec: &str) -> String {
        object("DestinationRule", name, &format!("{{{spec}}}"))
    }

    fn pod(name: &str, labels: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: default, labels: \
             {labels}}}\n---\n"
        )
    }

    #[test]
    fn a_rule_is_for_somebody() {
        let known = service("b", "{selector: {app: b}, ports: [{name: http, port: 80}]}");
        let entry = object(
            "ServiceEntry",
            "e",
            "{hosts: [e.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: \
             STATIC, endpoints: [{address: 10.0.0.1}]}",
        );
        for (host, expected) in [
            ("b", ""),
            ("b.default.svc.cluster.local", ""),
            ("'*.default.svc.cluster.local'", ""),
            ("e.com", ""),
            ("c", "[destination-rule-host-not-found] DestinationRule default/a spec.host"),
            ("'*.other.svc.cluster.local'", "[destination-rule-host-not-found]"),
        ] {
            table(&[(&format!("{known}{entry}{}", rule("a", &format!("host: {host}"))), expected)]);
        }
    }

    #[test]
    fn the_oldest_rule_keeps_what_it_says() {
        let known = service("b", "{ports: [{name: http, port: 80}]}");
        let policy = "trafficPolicy: {loadBalancer: {simple: RANDOM}}";
        let subset = |name: &str| format!("subsets: [{{name: {name}, labels: {{v: x}}}}]");
        for (one, two, expected) in [
            (policy.to_owned(), subset("v1"), ""),
            (
                policy.to_owned(),
                policy.to_owned(),
                "[destination-rule-conflict] DestinationRule default/two spec.trafficPolicy: \
                 DestinationRule default/one is for the same host",
            ),
            (subset("v1"), subset("v2"), ""),
            (subset("v1"), subset("v1"), "DestinationRule default/two spec.subsets[0]"),
            (
                policy.to_owned(),
                format!("{}, exportTo: [.]", subset("v1")),
                "DestinationRule default/two spec.exportTo",
            ),
            (
                policy.to_owned(),
                format!("{policy}, workloadSelector: {{matchLabels: {{a: b}}}}"),
                "",
            ),
        ] {
            let one = rule("one", &format!("host: b, {one}"));
            let two = rule("two", &format!("host: b.default.svc.cluster.local, {two}"));
            table(&[(&format!("{known}{two}{one}"), expected)]);
        }
    }

    #[test]
    fn subsets_have_members() {
        let known = service("b", "{selector: {app: b}, ports: [{name: http, port: 80}]}");
        let of = |labels: &str| rule("a", &format!("host: b, subsets: [{{name: s{labels}}}]"));
        let one = pod("one", "{app: b, version: v1}");
        for (labels, pods, expected) in [
            (", labels: {version: v1}", one.as_str(), ""),
            (
                ", labels: {version: v2}",
                &one,
                "[subset-selects-nothing] DestinationRule default/a spec.subsets[0].labels: \
                 nothing of `b.default.svc.cluster.local` has version=v2",
            ),
            (", labels: {version: v2}", "", ""),
            ("", &one, "[subset-without-labels] DestinationRule default/a spec.subsets[0]"),
            (", trafficPolicy: {loadBalancer: {simple: RANDOM}}", &one, ""),
        ] {
            table(&[(&format!("{known}{pods}{}", of(labels)), expected)]);
        }
    }

    #[test]
    fn pods_show_certificates_of_their_own_authority() {
        let known = service("b", "{ports: [{name: http, port: 80}]}");
        let of = |host: &str, tls: &str| {
            let policy = format!("trafficPolicy: {{tls: {{{tls}}}}}");
            format!("{known}{}", rule("a", &format!("host: {host}, {policy}")))
        };
        table(&[
            (&of("b", "mode: SIMPLE, caCertificates: /ca.pem"), ""),
            (&of("b", "mode: SIMPLE, credentialName: b-ca"), ""),
            (&of("b", "mode: SIMPLE, insecureSkipVerify: true"), ""),
            (&of("b", "mode: DISABLE"), ""),
            (
                &of("b", "mode: SIMPLE"),
                "[tls-without-authorities] DestinationRule default/a spec.trafficPolicy.tls",
            ),
        ]);
        let port = "{port: {number: 80}, tls: {mode: SIMPLE}}";
        let found = advice(&format!(
            "{known}{}",
            rule("a", &format!("host: b, trafficPolicy: {{portLevelSettings: [{port}]}}"))
        ));
        assert!(found.len() == 1 && found[0].contains("portLevelSettings[0].tls"), "{found:?}");
    }
}
