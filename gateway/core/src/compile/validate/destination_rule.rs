//! DestinationRule: what Istio's webhook refuses (`ValidateDestinationRule`).

use super::{
    super::report::Field,
    primitive::{self, duration, is_ip, is_label, is_wildcard_domain},
};
use edgeway_api::destination_rule::{ConnectionPoolSettings, DestinationRuleSpec, TrafficPolicy};
use std::collections::BTreeSet;

/// Checks one DestinationRule; `field` stands at `spec`.
pub(super) fn validate(spec: &DestinationRuleSpec, field: &mut Field<'_>) {
    field.of("host", |field| {
        if !is_wildcard_domain(&spec.host) && !is_ip(&spec.host) {
            let message = format!("`{}` is no host name", spec.host);
            field.invalid(message, "name a service, or `*.suffix`");
        }
    });
    primitive::export_to(&spec.export_to, field);
    policy(spec.traffic_policy.as_ref(), field);
    field.of("subsets", |field| {
        let mut names = BTreeSet::new();
        for (index, subset) in spec.subsets.iter().enumerate() {
            field.at(index, |field| {
                let name = subset.name.as_str();
                if !is_label(name) {
                    field.of("name", |field| {
                        field.invalid(
                            format!("`{name}` is no subset's name"),
                            "use letters, digits, `-`",
                        );
                    });
                }
                if !names.insert(name) {
                    field.of("name", |field| {
                        field.invalid(format!("`{name}` is given twice"), "name every subset once");
                    });
                }
                policy(subset.traffic_policy.as_ref(), field);
            });
        }
    });
}

fn policy(policy: Option<&TrafficPolicy>, field: &mut Field<'_>) {
    let Some(policy) = policy else { return };
    field.of("trafficPolicy", |field| {
        if *policy == TrafficPolicy::default() {
            field.invalid("it is empty", "give it a setting, or remove it");
        }
        pool(policy.connection_pool.as_ref(), field);
        field.of("portLevelSettings", |field| {
            for (index, settings) in policy.port_level_settings.iter().enumerate() {
                field.at(index, |field| {
                    match &settings.port {
                        None => field.invalid("it names no port", "give `port.number`"),
                        Some(port) => {
                            field.of("port.number", |field| primitive::port(port.number, field));
                        }
                    }
                    pool(settings.connection_pool.as_ref(), field);
                });
            }
        });
        if let Some(outlier) = &policy.outlier_detection {
            field.of("outlierDetection", |field| {
                duration(outlier.interval.as_ref(), "interval", field);
                duration(outlier.base_ejection_time.as_ref(), "baseEjectionTime", field);
            });
        }
    });
}

fn pool(pool: Option<&ConnectionPoolSettings>, field: &mut Field<'_>) {
    let Some(pool) = pool else { return };
    field.of("connectionPool", |field| {
        if pool.tcp.is_none() && pool.http.is_none() {
            field.invalid("it is empty", "give `tcp` or `http`");
        }
        if let Some(tcp) = &pool.tcp {
            field
                .of("tcp", |field| duration(tcp.connect_timeout.as_ref(), "connectTimeout", field));
        }
        if let Some(http) = &pool.http {
            field.of("http", |field| duration(http.idle_timeout.as_ref(), "idleTimeout", field));
        }
    });
}
