//! DestinationRule: what Istio's webhook refuses (`ValidateDestinationRule`).

use super::{
    super::report::Field,
    balancer,
    export::{self, Of},
    pool,
    primitive::{self, duration, is_fqdn, is_ip, is_label, is_wildcard_domain},
    text::{at_most_one, deprecated, given},
};
use edgeway_api::{
    DestinationRule, Resource,
    destination_rule::{
        ClientTlsSettings, OutlierDetection, PortTrafficPolicy, RetryBudget, Subset, TlsMode,
        TrafficPolicy, TunnelSettings,
    },
};
use std::collections::BTreeSet;

/// Checks one DestinationRule; `field` stands at `spec`.
pub(super) fn validate(rule: &DestinationRule, field: &mut Field<'_>) {
    let spec = &rule.spec;
    field.of("host", |field| {
        if !is_wildcard_domain(&spec.host) && !is_ip(&spec.host) {
            let message = format!("`{}` is no host name", spec.host);
            field.invalid(message, "name a service, or `*.suffix`");
        }
    });
    let selector = spec.workload_selector.as_ref();
    let of = if selector.is_some() { Of::Selected } else { Of::Any };
    export::validate(&spec.export_to, of, rule.namespace(), field);
    if let Some(selector) = selector {
        field.of("workloadSelector", |field| {
            primitive::labels(&selector.match_labels, "matchLabels", field);
        });
    }
    policy(spec.traffic_policy.as_ref(), field);
    field.of("subsets", |field| {
        let mut names = BTreeSet::new();
        for (index, one) in spec.subsets.iter().enumerate() {
            field.at(index, |field| subset(one, &mut names, field));
        }
    });
}

fn subset<'s>(subset: &'s Subset, names: &mut BTreeSet<&'s str>, field: &mut Field<'_>) {
    let name = subset.name.as_str();
    field.of("name", |field| {
        if !is_label(name) {
            field.invalid(format!("`{name}` is no subset's name"), "use letters, digits, `-`");
        }
        if !names.insert(name) {
            field.invalid(format!("`{name}` is given twice"), "name every subset once");
        }
    });
    primitive::labels(&subset.labels, "labels", field);
    policy(subset.traffic_policy.as_ref(), field);
}

fn policy(policy: Option<&TrafficPolicy>, field: &mut Field<'_>) {
    let Some(policy) = policy else { return };
    field.of("trafficPolicy", |field| {
        if *policy == TrafficPolicy::default() {
            field.invalid("it is empty", "give it a setting, or remove it");
        }
        let outlier = policy.outlier_detection.as_ref();
        balancer::validate(policy.load_balancer.as_ref(), outlier, field);
        pool::validate(policy.connection_pool.as_ref(), field);
        outlier_detection(outlier, field);
        tls(policy.tls.as_ref(), field);
        field.of("portLevelSettings", |field| {
            for (index, settings) in policy.port_level_settings.iter().enumerate() {
                field.at(index, |field| port_policy(settings, field));
            }
        });
        let both = [policy.tunnel.is_some(), policy.proxy_protocol.is_some()];
        at_most_one(&both, "tunnel and proxyProtocol", field);
        tunnel(policy.tunnel.as_ref(), field);
        retry_budget(policy.retry_budget.as_ref(), field);
    });
}

fn port_policy(settings: &PortTrafficPolicy, field: &mut Field<'_>) {
    let PortTrafficPolicy { port, load_balancer, connection_pool, outlier_detection: outlier, tls } =
        settings;
    match port {
        None => field.invalid("it names no port", "give `port.number`"),
        Some(port) => field.of("port.number", |field| primitive::port(port.number, field)),
    }
    if load_balancer.is_none() && connection_pool.is_none() && outlier.is_none() && tls.is_none() {
        field.invalid(
            "it sets nothing for the port",
            "give loadBalancer, connectionPool, outlierDetection or tls",
        );
    }
    balancer::validate(load_balancer.as_ref(), outlier.as_ref(), field);
    pool::validate(connection_pool.as_ref(), field);
    outlier_detection(outlier.as_ref(), field);
    self::tls(tls.as_ref(), field);
}

fn outlier_detection(outlier: Option<&OutlierDetection>, field: &mut Field<'_>) {
    let Some(outlier) = outlier else { return };
    field.of("outlierDetection", |field| {
        duration(outlier.interval.as_ref(), "interval", field);
        duration(outlier.base_ejection_time.as_ref(), "baseEjectionTime", field);
        let percents = [
            ("maxEjectionPercent", outlier.max_ejection_percent),
            ("minHealthPercent", outlier.min_health_percent),
        ];
        for (name, percent) in percents {
            primitive::whole_percentage(percent.map(i64::from), name, field);
        }
        let local = outlier.consecutive_local_origin_failures.unwrap_or(0);
        if local > 0 && outlier.split_external_local_origin_errors != Some(true) {
            field.of("consecutiveLocalOriginFailures", |field| {
                field.invalid(
                    "failures of connecting are not counted apart, so this never counts",
                    "set `splitExternalLocalOriginErrors: true`",
                );
            });
        }
        field.of("outlierDetectionHttpErrorCodes", |field| {
            let codes = outlier.outlier_detection_http_error_codes.iter().enumerate();
            for (index, code) in codes.filter(|(_, code)| !(100..=599).contains(*code)) {
                field.at(index, |field| {
                    field.invalid(format!("{code} is no status"), "give 100 to 599");
                });
            }
        });
        let instead = "consecutiveGatewayErrors or consecutive5xxErrors";
        deprecated(outlier.consecutive_errors.is_some(), "consecutiveErrors", instead, field);
    });
}

/// As Istio: `validateTLS`; a certificate comes from one place, and not verifying excludes saying
/// how to verify.
fn tls(tls: Option<&ClientTlsSettings>, field: &mut Field<'_>) {
    let Some(tls) = tls else { return };
    let files = [&tls.client_certificate, &tls.private_key, &tls.ca_certificates, &tls.ca_crl];
    let mode = tls.mode.unwrap_or(TlsMode::Disable);
    field.of("tls", |field| {
        let secret = given(tls.credential_name.as_ref());
        let own = mode == TlsMode::Simple || mode == TlsMode::Mutual;
        if own && secret && files.into_iter().any(|file| given(file.as_ref())) {
            field.invalid("certificates come from credentialName and from files", "keep one");
        }
        if mode == TlsMode::Mutual && !secret {
            for (name, file) in
                [("clientCertificate", &tls.client_certificate), ("privateKey", &tls.private_key)]
            {
                if !given(file.as_ref()) {
                    field.of(name, |field| {
                        field.invalid(
                            "MUTUAL needs a certificate of the client and its key",
                            "give clientCertificate and privateKey, or credentialName",
                        );
                    });
                }
            }
        }
        let verifies = match mode {
            TlsMode::Simple => {
                given(tls.ca_certificates.as_ref()) || secret || !tls.subject_alt_names.is_empty()
            }
            TlsMode::Mutual => given(tls.ca_certificates.as_ref()),
            TlsMode::Disable | TlsMode::IstioMutual => false,
        };
        if tls.insecure_skip_verify == Some(true) && verifies {
            field.of("insecureSkipVerify", |field| {
                field.invalid(
                    "the server is not verified, but it is said how to verify it",
                    "remove insecureSkipVerify, or the authorities and names beside it",
                );
            });
        }
    });
}

fn tunnel(tunnel: Option<&TunnelSettings>, field: &mut Field<'_>) {
    let Some(tunnel) = tunnel else { return };
    field.of("tunnel", |field| {
        let protocol = tunnel.protocol.as_deref().unwrap_or_default();
        if !matches!(protocol, "" | "CONNECT" | "POST") {
            field.of("protocol", |field| {
                let message = format!("`{protocol}` opens no tunnel");
                field.invalid(message, "use CONNECT or POST");
            });
        }
        if !is_fqdn(&tunnel.target_host) && !is_ip(&tunnel.target_host) {
            field.of("targetHost", |field| {
                let message = format!("`{}` is no host", tunnel.target_host);
                field.invalid(message, "give a host name or an IP address");
            });
        }
        field.of("targetPort", |field| primitive::port(tunnel.target_port, field));
    });
}

fn retry_budget(budget: Option<&RetryBudget>, field: &mut Field<'_>) {
    let Some(budget) = budget else { return };
    field.of("retryBudget", |field| {
        if let Some(percent) = budget.percent {
            field.of("percent", |field| primitive::percentage(percent, field));
        }
        duration(budget.budget_interval.as_ref(), "budgetInterval", field);
    });
}

#[cfg(test)]
mod tests {
    use super::super::unit;

    fn policies(rows: &[(&str, &str)]) {
        let specs: Vec<_> = rows
            .iter()
            .map(|(policy, expected)| (format!("{{host: a, trafficPolicy: {policy}}}"), *expected))
            .collect();
        let rows: Vec<_> =
            specs.iter().map(|(spec, expected)| (spec.as_str(), *expected)).collect();
        unit::table("DestinationRule", &rows);
    }

    #[test]
    fn hosts_subsets_and_their_readers_are_checked() {
        unit::table(
            "DestinationRule",
            &[
                ("{host: reviews}", ""),
                ("{host: '*.com'}", ""),
                ("{host: 10.0.0.1}", ""),
                ("{host: 'a:80'}", "spec.host: `a:80`"),
                ("{subsets: []}", "spec.host: ``"),
                ("{host: a, subsets: [{name: v1}, {name: v2}]}", ""),
                ("{host: a, subsets: [{name: v1}, {name: v1}]}", "spec.subsets[1].name: `v1` is"),
                ("{host: a, subsets: [{name: 'v 1'}]}", "spec.subsets[0].name: `v 1`"),
                (
                    "{host: a, subsets: [{name: v, labels: {v: '*'}}]}",
                    "spec.subsets[0].labels: `*`",
                ),
                (
                    "{host: a, subsets: [{name: v, trafficPolicy: {}}]}",
                    "trafficPolicy: it is empty",
                ),
                ("{host: a, exportTo: [., default]}", "spec.exportTo[1]: `default` is given twice"),
                ("{host: a, exportTo: [b, '*']}", "spec.exportTo: `*` stands beside"),
                ("{host: a, exportTo: ['~']}", "spec.exportTo[0]: `~` is no namespace"),
                ("{host: a, workloadSelector: {matchLabels: {a: b}}, exportTo: [.]}", ""),
                (
                    "{host: a, workloadSelector: {matchLabels: {a: b}}, exportTo: [b]}",
                    "spec.exportTo[0]: a rule with a workloadSelector",
                ),
                (
                    "{host: a, workloadSelector: {matchLabels: {'a*': b}}}",
                    "spec.workloadSelector.matchLabels: `a*`",
                ),
            ],
        );
    }

    #[test]
    fn outlier_detection_counts_something() {
        policies(&[
            ("{outlierDetection: {}}", ""),
            ("{outlierDetection: {interval: 10s, maxEjectionPercent: 100}}", ""),
            ("{outlierDetection: {interval: 0s}}", "outlierDetection.interval: `0s`"),
            ("{outlierDetection: {baseEjectionTime: 1us}}", "baseEjectionTime: `1us`"),
            ("{outlierDetection: {maxEjectionPercent: 101}}", "maxEjectionPercent: 101"),
            ("{outlierDetection: {minHealthPercent: -1}}", "minHealthPercent: -1"),
            (
                "{outlierDetection: {consecutiveLocalOriginFailures: 3}}",
                "consecutiveLocalOriginFailures: failures of connecting",
            ),
            (
                "{outlierDetection: {splitExternalLocalOriginErrors: true, \
                 consecutiveLocalOriginFailures: 3}}",
                "",
            ),
            ("{outlierDetection: {outlierDetectionHttpErrorCodes: [200, 600]}}", "Codes[1]: 600"),
            ("{outlierDetection: {consecutiveErrors: 5}}", "[field-deprecated]"),
        ]);
    }

    #[test]
    fn client_tls_is_of_one_piece() {
        policies(&[
            ("{tls: {mode: DISABLE}}", ""),
            ("{tls: {mode: SIMPLE}}", ""),
            ("{tls: {mode: SIMPLE, credentialName: a}}", ""),
            ("{tls: {mode: SIMPLE, credentialName: a, caCertificates: /ca}}", "tls: certificates"),
            ("{tls: {mode: MUTUAL, credentialName: a}}", ""),
            ("{tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k}}", ""),
            ("{tls: {mode: MUTUAL, clientCertificate: /c}}", "tls.privateKey: MUTUAL needs"),
            ("{tls: {mode: SIMPLE, insecureSkipVerify: true}}", ""),
            (
                "{tls: {mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a]}}",
                "tls.insecureSkipVerify: the server is not verified",
            ),
        ]);
    }

    #[test]
    fn ports_tunnels_and_budgets_are_checked() {
        policies(&[
            ("{portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]}", ""),
            ("{portLevelSettings: [{port: {number: 80}}]}", "[0]: it sets nothing"),
            ("{portLevelSettings: [{tls: {mode: SIMPLE}}]}", "[0]: it names no port"),
            ("{portLevelSettings: [{port: {number: 0}, tls: {}}]}", "[0].port.number: 0"),
            ("{tunnel: {targetHost: a.com, targetPort: 443}}", ""),
            ("{tunnel: {targetHost: a.com, targetPort: 443, protocol: GET}}", "tunnel.protocol"),
            ("{tunnel: {targetHost: '*', targetPort: 443}}", "tunnel.targetHost: `*`"),
            ("{tunnel: {targetHost: a.com}}", "tunnel.targetPort: 0"),
            (
                "{tunnel: {targetHost: a.com, targetPort: 443}, proxyProtocol: {version: V1}}",
                "more than one of tunnel and proxyProtocol",
            ),
            ("{retryBudget: {}}", ""),
            ("{retryBudget: {percent: 101}}", "retryBudget.percent: 101"),
        ]);
    }
}
