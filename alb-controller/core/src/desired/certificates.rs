//! Certificates of HTTPS listeners.

use super::{Scene, member::Member};
use crate::{
    annotations::{PREFIX, field},
    settings::Certificate,
};
use edgeway_api::Problem;
use std::collections::BTreeSet;

/// The default certificate and the others of a listener, from the members that listen there. The
/// first ones get the room that there is.
pub(super) fn of_listener(
    scene: &Scene<'_>,
    (port, members): (u16, &[&Member<'_>]),
    (room, problems): (usize, &mut Vec<Problem>),
) -> (Option<String>, BTreeSet<String>) {
    let mut default = None;
    let mut more = BTreeSet::new();
    for member in members {
        let mut left_out = 0;
        for certificate in of_member(scene, member, port, problems) {
            let known = default.as_ref() == Some(&certificate) || more.contains(&certificate);
            if default.is_none() {
                default = Some(certificate);
            } else if !known && more.len() < room {
                more.insert(certificate);
            } else {
                left_out += usize::from(!known);
            }
        }
        if left_out > 0 {
            problems.push(too_many(scene, member, left_out));
        }
    }
    (default, more)
}

fn too_many(scene: &Scene<'_>, member: &Member<'_>, left_out: usize) -> Problem {
    let most = scene.lookups.limits.certificates;
    Problem::error(member.reference.clone(), "", "too-many-certificates")
        .message(format!(
            "{left_out} of its certificates do not fit: a load balancer has {most} beside the \
             default ones"
        ))
        .advice("use certificates for several names, or put some Ingresses into another group")
}

/// Those that a member names; if it names none, those that are for its hosts.
fn of_member(
    scene: &Scene<'_>,
    member: &Member<'_>,
    port: u16,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let refused = &scene.lookups.refused;
    let named = &member.wish.certificates;
    if !named.is_empty() {
        for arn in named.iter().filter(|arn| refused.contains(*arn)) {
            let key = field(&format!("{PREFIX}certificate-arn"));
            let problem = Problem::error(member.reference.clone(), key, "certificate-not-found");
            problems.push(
                problem
                    .message(format!("AWS has no certificate {arn}: it is left out"))
                    .advice("name one of ACM or IAM, in the region of the load balancer"),
            );
        }
        return named.iter().filter(|arn| !refused.contains(*arn)).cloned().collect();
    }
    let Some(known) = &scene.lookups.certificates else { return Vec::new() };
    let trusted = &scene.settings.authorities;
    let may = |certificate: &&Certificate| {
        trusted.is_empty() || certificate.authority.as_ref().is_some_and(|it| trusted.contains(it))
    };
    let hosts: BTreeSet<&str> =
        member.hosts_at(port).into_iter().filter(|host| !host.is_empty()).collect();
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
        let mut matching =
            known.iter().filter(may).filter(|certificate| is_for(certificate, host)).peekable();
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

/// A `*.` stands for one label, and a wildcard host needs a certificate with just this name.
fn is_for(certificate: &Certificate, host: &str) -> bool {
    certificate.names.iter().any(|name| {
        let rest = host.split_once('.').map(|(_, rest)| rest);
        name == host || name.strip_prefix("*.").is_some_and(|suffix| rest == Some(suffix))
    })
}
