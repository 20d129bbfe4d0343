//! `tls` of a DestinationRule: how TLS towards endpoints is begun.

use super::{
    credentials::Secrets,
    pods::selects,
    registry::{Origin, ServiceView},
    report::Report,
};
use crate::{
    cluster::{Identity, Origination, Trust, UpstreamTls},
    compile::Workload,
    id::ObjectName,
};
use edgeway_api::{
    DestinationRule, Resource,
    destination_rule::{ClientTlsSettings, TlsMode, TrafficPolicy},
};
use std::sync::Arc;

/// What holds for the endpoints of `service` by the rule named `rule`.
pub(super) fn upstream_tls(
    tls: Option<&ClientTlsSettings>,
    service: &ServiceView,
    rule: Option<ObjectName>,
    secrets: &Secrets,
) -> UpstreamTls {
    let Some(tls) = tls else { return UpstreamTls::Disabled };
    match tls.mode {
        None | Some(TlsMode::Disable) => UpstreamTls::Disabled,
        Some(TlsMode::IstioMutual) => UpstreamTls::Unsupported,
        Some(mode @ (TlsMode::Simple | TlsMode::Mutual)) => {
            let shown = mode == TlsMode::Mutual;
            UpstreamTls::Originate(Arc::new(Origination {
                rule,
                sni: given(tls.sni.as_ref()).map(Into::into),
                subject_alt_names: names(tls, service),
                trust: trust(tls, secrets),
                identity: if shown { identity(tls, secrets) } else { None },
            }))
        }
    }
}

/// Those of the rule, else those of the ServiceEntry.
fn names(tls: &ClientTlsSettings, service: &ServiceView) -> Vec<Arc<str>> {
    let of_entry = match &service.origin {
        Origin::Entries(members) => {
            members.first().map(|entry| &*entry.spec.subject_alt_names).unwrap_or_default()
        }
        Origin::Kubernetes(_) | Origin::Alias(..) => &[],
    };
    let names = if tls.subject_alt_names.is_empty() { of_entry } else { &*tls.subject_alt_names };
    names.iter().map(|name| name.as_str().into()).collect()
}

/// Authorities of the Secret, of its sibling `NAME-cacert`, of a file, else the public ones.
fn trust(tls: &ClientTlsSettings, secrets: &Secrets) -> Trust {
    if tls.insecure_skip_verify == Some(true) {
        return Trust::Anybody;
    }
    if let Some(name) = given(tls.credential_name.as_ref()) {
        let name = secrets.own_name(name);
        let sibling = format!("{name}-cacert");
        let own = if secrets.contains(&sibling) { sibling.as_str() } else { name };
        return Trust::Secret(own.into());
    }
    given(tls.ca_certificates.as_ref()).map_or(Trust::Public, |file| Trust::File {
        authorities: file.into(),
        revoked: given(tls.ca_crl.as_ref()).map(Into::into),
    })
}

fn identity(tls: &ClientTlsSettings, secrets: &Secrets) -> Option<Identity> {
    if let Some(name) = given(tls.credential_name.as_ref()) {
        return Some(Identity::Secret(secrets.own_name(name).into()));
    }
    let (certificate, key) =
        (given(tls.client_certificate.as_ref())?, given(tls.private_key.as_ref())?);
    Some(Identity::Files { certificate: certificate.into(), key: key.into() })
}

/// A field that says something.
pub(crate) fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// Reports Secrets that a rule for `workload` names and that are not there.
pub(super) fn check(
    rule: &DestinationRule,
    workload: &Workload,
    secrets: &Secrets,
    report: &mut Report,
) {
    let others = rule.spec.workload_selector.as_ref();
    if others.is_some_and(|it| !selects(&it.match_labels, &workload.labels)) {
        return;
    }
    for (path, tls) in settings(rule) {
        if let Some(name) = given(tls.credential_name.as_ref()) {
            let mut field = report.object(rule.reference());
            field.of(&format!("{path}.credentialName"), |field| {
                secrets.named(name, field);
            });
        }
    }
}

/// All that a rule says of TLS, for itself, its subsets and their ports, each with its path.
pub(crate) fn settings(rule: &DestinationRule) -> Vec<(String, &ClientTlsSettings)> {
    let own = rule.spec.traffic_policy.as_ref();
    let own = own.map(|policy| ("spec.trafficPolicy".to_owned(), policy));
    let subsets = rule.spec.subsets.iter().enumerate().filter_map(|(at, subset)| {
        Some((format!("spec.subsets[{at}].trafficPolicy"), subset.traffic_policy.as_ref()?))
    });
    own.into_iter().chain(subsets).flat_map(|(path, policy)| of_policy(&path, policy)).collect()
}

fn of_policy<'p>(path: &str, policy: &'p TrafficPolicy) -> Vec<(String, &'p ClientTlsSettings)> {
    let own = policy.tls.as_ref().map(|tls| (format!("{path}.tls"), tls));
    let ports = policy.port_level_settings.iter().enumerate().filter_map(|(at, port)| {
        Some((format!("{path}.portLevelSettings[{at}].tls"), port.tls.as_ref()?))
    });
    own.into_iter().chain(ports).collect()
}
