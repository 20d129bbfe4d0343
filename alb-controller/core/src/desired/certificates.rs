//! Certificates of HTTPS listeners.

use super::{Scene, member::Member};
use crate::settings::Certificate;
use edgeway_api::Problem;
use std::collections::BTreeSet;

/// The default certificate and the others of a listener, from the members that listen there.
pub(super) fn of_listener(
    scene: &Scene<'_>,
    members: &[&Member<'_>],
    problems: &mut Vec<Problem>,
) -> (Option<String>, BTreeSet<String>) {
    let mut default = None;
    let mut all = BTreeSet::new();
    for member in members {
        let certificates = of_member(scene, member, problems);
        default = default.or_else(|| certificates.first().cloned());
        all.extend(certificates);
    }
    if let Some(default) = &default {
        all.remove(default);
    }
    (default, all)
}

/// Those that a member names; if it names none, those that are for its hosts.
fn of_member(scene: &Scene<'_>, member: &Member<'_>, problems: &mut Vec<Problem>) -> Vec<String> {
    if !member.wish.certificates.is_empty() {
        return member.wish.certificates.clone();
    }
    let Some(known) = &scene.lookups.certificates else { return Vec::new() };
    let hosts = hosts(member);
    if hosts.is_empty() {
        let problem =
            Problem::error(member.reference.clone(), "spec.rules", "certificate-not-found")
                .message(
                    "it listens on HTTPS, and has neither a certificate nor a host to find one for",
                );
        problems
            .push(problem.advice("set alb.ingress.kubernetes.io/certificate-arn, or name hosts"));
    }
    let mut found = BTreeSet::new();
    for host in hosts {
        let mut matching = known.iter().filter(|certificate| is_for(certificate, host)).peekable();
        if matching.peek().is_none() {
            let problem =
                Problem::error(member.reference.clone(), "spec.rules", "certificate-not-found")
                    .message(format!("no issued certificate in ACM is for {host}"));
            problems.push(
                problem.advice("request one, or set alb.ingress.kubernetes.io/certificate-arn"),
            );
        }
        found.extend(matching.map(|certificate| certificate.arn.clone()));
    }
    found.into_iter().collect()
}

/// Hosts of rules and of the TLS section.
fn hosts<'m>(member: &'m Member<'_>) -> BTreeSet<&'m str> {
    let spec = member.ingress.spec.as_ref();
    let rules = spec.and_then(|spec| spec.rules.as_ref()).into_iter().flatten();
    let tls = spec.and_then(|spec| spec.tls.as_ref()).into_iter().flatten();
    let hosts = rules.filter_map(|rule| rule.host.as_deref());
    let more = tls.flat_map(|tls| tls.hosts.iter().flatten()).map(String::as_str);
    hosts.chain(more).filter(|host| !host.is_empty()).collect()
}

/// A `*.` stands for one label, and a wildcard host needs a certificate with just this name.
fn is_for(certificate: &Certificate, host: &str) -> bool {
    certificate.names.iter().any(|name| {
        let rest = host.split_once('.').map(|(_, rest)| rest);
        name == host || name.strip_prefix("*.").is_some_and(|suffix| rest == Some(suffix))
    })
}
