//! Fields that are read and not acted on yet: each is named, none is dropped in silence.

use super::{hash, report::Field};
use edgeway_api::{
    DestinationRule, Gateway, ServiceEntry,
    destination_rule::{ClientTlsSettings, LoadBalancerSettings, Subset, TlsMode, TrafficPolicy},
    gateway::{Server, TlsMode as ServerMode},
    service_entry::Resolution,
};

/// Reports what a Gateway asks for and this version does not do.
pub(super) fn gateway(gateway: &Gateway, field: &mut Field<'_>) {
    for (index, server) in gateway.spec.servers.iter().enumerate() {
        field.of(&format!("spec.servers[{index}]"), |field| check_server(server, field));
    }
}

/// The same of a DestinationRule.
pub(super) fn destination_rule(rule: &DestinationRule, field: &mut Field<'_>) {
    field.of("spec", |field| {
        check_policy(rule.spec.traffic_policy.as_ref(), field);
        for (index, Subset { traffic_policy, .. }) in rule.spec.subsets.iter().enumerate() {
            field.of(&format!("subsets[{index}]"), |field| {
                check_policy(traffic_policy.as_ref(), field);
            });
        }
    });
}

/// The same of a ServiceEntry.
pub(super) fn service_entry(entry: &ServiceEntry, field: &mut Field<'_>) {
    if entry.spec.resolution == Some(Resolution::DynamicDns) {
        field.of("spec.resolution", |field| {
            field.unsupported("requests answer 503, as at any ingress gateway");
        });
    }
    for (index, endpoint) in entry.spec.endpoints.iter().enumerate() {
        if endpoint.address.starts_with("unix://") {
            field.of(&format!("spec.endpoints[{index}].address"), |field| {
                field.unsupported("sockets in the file system get no request");
            });
        }
    }
}

fn check_server(server: &Server, field: &mut Field<'_>) {
    let Some(tls) = &server.tls else { return };
    field.of("tls.mode", |field| match tls.mode {
        None
        | Some(
            ServerMode::Passthrough
            | ServerMode::Simple
            | ServerMode::Mutual
            | ServerMode::OptionalMutual
            | ServerMode::AutoPassthrough,
        ) => {}
        Some(ServerMode::IstioMutual) => field.error(
            "tls-not-served",
            "the mesh's certificates are not at hand yet: connections are closed",
            "give a certificate and mode MUTUAL",
        ),
    });
}

fn check_policy(policy: Option<&TrafficPolicy>, field: &mut Field<'_>) {
    let Some(policy) = policy else { return };
    field.of("trafficPolicy", |field| {
        check_balancer(policy.load_balancer.as_ref(), field);
        if policy.tunnel.is_some() {
            field.of("tunnel", |field| {
                field.unsupported("connections go to the destination itself");
            });
        }
        if policy.retry_budget.as_ref().is_some_and(|budget| budget.budget_interval.is_some()) {
            field.of("retryBudget.budgetInterval", |field| {
                field.unsupported("the share is one of the requests in flight");
            });
        }
        check_tls(policy.tls.as_ref(), field);
        for (index, settings) in policy.port_level_settings.iter().enumerate() {
            field.of(&format!("portLevelSettings[{index}]"), |field| {
                check_balancer(settings.load_balancer.as_ref(), field);
                check_tls(settings.tls.as_ref(), field);
            });
        }
    });
}

fn check_tls(tls: Option<&ClientTlsSettings>, field: &mut Field<'_>) {
    if tls.is_some_and(|tls| tls.mode == Some(TlsMode::IstioMutual)) {
        field.of("tls.mode", |field| {
            field.error(
                "field-not-supported",
                "the mesh's certificates are not at hand yet: requests answer 503",
                "give a certificate and mode MUTUAL, or DISABLE where plain text will do",
            );
        });
    }
}

fn check_balancer(balancer: Option<&LoadBalancerSettings>, field: &mut Field<'_>) {
    let Some(balancer) = balancer else { return };
    field.of("loadBalancer", |field| {
        let header =
            balancer.consistent_hash.as_ref().and_then(|it| it.http_header_name.as_deref());
        if let Some(name) = header.filter(|name| !name.is_empty() && hash::header(name).is_none()) {
            field.of("consistentHash.httpHeaderName", |field| {
                field.warning(
                    "header-name-impossible",
                    format!("no header can be called `{name}`: endpoints are chosen by chance"),
                    "name a header",
                );
            });
        }
        let given = [
            (
                "zoneAwareLbSetting",
                balancer.zone_aware_lb_setting.is_some(),
                "zones are not told apart",
            ),
            ("backendUtilization", balancer.backend_utilization.is_some(), "reports are ignored"),
        ];
        for (name, _, effect) in given.into_iter().filter(|(_, given, _)| *given) {
            field.of(name, |field| field.unsupported(effect));
        }
    });
}
