//! `loadBalancer` of a DestinationRule: hashing, localities, warm-up.

use super::{
    super::report::Field,
    primitive::{self, duration},
    text::{at_most_one, deprecated, given},
};
use crate::pick::is_prime;
use edgeway_api::{
    destination_rule::{
        ConsistentHash, HttpCookie, LoadBalancerSettings, LocalityDistribute, LocalityFailover,
        LocalityLbSetting, OutlierDetection, WarmupConfiguration, ZoneAwareLbSetting,
    },
    duration::Duration,
};
use std::collections::BTreeSet;

/// Maglev's table must be smaller.
const TOO_LARGE_TABLE: u64 = 5_000_011;

/// The label whose order `failover` decides itself.
const REGION: &str = "topology.kubernetes.io/region";

/// Checks the settings, `outlier` being the detection beside them; `field` stands at the traffic
/// policy.
pub(super) fn validate(
    balancer: Option<&LoadBalancerSettings>,
    outlier: Option<&OutlierDetection>,
    field: &mut Field<'_>,
) {
    let Some(balancer) = balancer else { return };
    field.of("loadBalancer", |field| {
        let kinds = [
            balancer.simple.is_some(),
            balancer.consistent_hash.is_some(),
            balancer.backend_utilization.is_some(),
        ];
        at_most_one(&kinds, "simple, consistentHash and backendUtilization", field);
        let places =
            [balancer.locality_lb_setting.is_some(), balancer.zone_aware_lb_setting.is_some()];
        at_most_one(&places, "localityLbSetting and zoneAwareLbSetting", field);
        if let Some(hash) = &balancer.consistent_hash {
            field.of("consistentHash", |field| consistent_hash(hash, field));
        }
        if let Some(setting) = &balancer.locality_lb_setting {
            field.of("localityLbSetting", |field| {
                locality(setting, field);
                blind(!setting.failover.is_empty(), outlier, field);
            });
        }
        if let Some(setting) = &balancer.zone_aware_lb_setting {
            field.of("zoneAwareLbSetting", |field| {
                zone_aware(setting, field);
                blind(!setting.failover.is_empty(), outlier, field);
            });
        }
        if let Some(warmup) = &balancer.warmup {
            field.of("warmup", |field| check_warmup(warmup, field));
        }
        duration(balancer.warmup_duration_secs.as_ref(), "warmupDurationSecs", field);
        let given = balancer.warmup_duration_secs.is_some();
        deprecated(given, "warmupDurationSecs", "warmup.duration", field);
    });
}

/// Only outlier detection finds out that a region fails.
fn blind(fails_over: bool, outlier: Option<&OutlierDetection>, field: &mut Field<'_>) {
    if fails_over && outlier.is_none() {
        field.of("failover", |field| {
            field.warning(
                "failover-without-outlier-detection",
                "without outlierDetection nothing notices that endpoints fail, so only a region \
                 without ready endpoints fails over",
                "add `outlierDetection` beside `loadBalancer`",
            );
        });
    }
}

fn consistent_hash(hash: &ConsistentHash, field: &mut Field<'_>) {
    let keys = [
        given(hash.http_header_name.as_ref()),
        hash.http_cookie.is_some(),
        hash.use_source_ip.is_some(),
        given(hash.http_query_parameter_name.as_ref()),
    ];
    let names = "httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName";
    at_most_one(&keys, names, field);
    if let Some(one) = &hash.http_cookie {
        field.of("httpCookie", |field| cookie(one, field));
    }
    let tables =
        [hash.ring_hash.is_some(), hash.maglev.is_some(), hash.minimum_ring_size.is_some()];
    at_most_one(&tables, "ringHash, maglev and minimumRingSize", field);
    let older = hash.minimum_ring_size.is_some();
    deprecated(older, "minimumRingSize", "ringHash.minimumRingSize", field);
    if let Some(maglev) = &hash.maglev {
        let size = maglev.table_size.unwrap_or(0);
        if size >= TOO_LARGE_TABLE || !is_prime(size) {
            field.of("maglev.tableSize", |field| {
                field.invalid(
                    format!("{size} is no size of Maglev's table"),
                    format!("give a prime below {TOO_LARGE_TABLE}, such as 65537"),
                );
            });
        }
    }
}

fn cookie(cookie: &HttpCookie, field: &mut Field<'_>) {
    if cookie.name.is_empty() {
        field.of("name", |field| field.invalid("it is missing", "name the cookie"));
    }
    let zero = cookie.ttl.as_ref().and_then(Duration::get).is_some_and(|time| time.is_zero());
    duration(cookie.ttl.as_ref().filter(|_| !zero), "ttl", field);
    let mut names = BTreeSet::new();
    field.of("attributes", |field| {
        for (index, attribute) in cookie.attributes.iter().enumerate() {
            field.at(index, |field| {
                let name = attribute.name.as_str();
                if name.is_empty() {
                    field.of("name", |field| field.invalid("it is missing", "name the attribute"));
                } else if !names.insert(name.to_ascii_lowercase()) {
                    let message = format!("the attribute `{name}` is given twice");
                    field.invalid(message, "give it once");
                }
            });
        }
    });
}

fn locality(setting: &LocalityLbSetting, field: &mut Field<'_>) {
    let both = [!setting.distribute.is_empty(), !setting.failover.is_empty()];
    at_most_one(&both, "distribute and failover", field);
    field.of("distribute", |field| {
        let from: Vec<&str> = setting.distribute.iter().map(|one| one.from.as_str()).collect();
        localities(&from, field);
        for (index, one) in setting.distribute.iter().enumerate() {
            field.at(index, |field| distribute(one, field));
        }
    });
    failover(&setting.failover, &setting.failover_priority, field);
}

fn zone_aware(setting: &ZoneAwareLbSetting, field: &mut Field<'_>) {
    failover(&setting.failover, &setting.failover_priority, field);
    if setting.min_cluster_size == Some(0) {
        field.of("minClusterSize", |field| field.invalid("0 is too few", "give at least 1"));
    }
}

fn distribute(one: &LocalityDistribute, field: &mut Field<'_>) {
    field.of("to", |field| {
        let to: Vec<&str> = one.to.keys().map(String::as_str).collect();
        localities(&to, field);
        for (locality, weight) in &one.to {
            if !(1..=100).contains(weight) {
                let message = format!("{weight} is no share for `{locality}`");
                field.invalid(message, "give 1 to 100 per cent");
            }
        }
        let total: u64 = one.to.values().map(|weight| u64::from(*weight)).sum();
        if total != 100 {
            field.invalid(format!("the shares add up to {total}"), "make them add up to 100");
        }
    });
}

fn failover(list: &[LocalityFailover], priority: &[String], field: &mut Field<'_>) {
    field.of("failover", |field| {
        for (index, LocalityFailover { from, to }) in list.iter().enumerate() {
            field.at(index, |field| {
                if from == to {
                    let message = format!("`{from}` fails over to itself");
                    field.invalid(message, "name two regions");
                }
                for (name, region) in [("from", from), ("to", to)] {
                    if region.contains(['/', '*']) {
                        field.of(name, |field| {
                            let message = format!("`{region}` is no region");
                            field.invalid(message, "name a region, without zone and wildcard");
                        });
                    }
                }
            });
        }
    });
    let ordered = priority.iter().any(|label| label.split('=').next() == Some(REGION));
    if ordered && !list.is_empty() {
        field.of("failoverPriority", |field| {
            field.invalid(
                format!("`{REGION}` and failover both say which region comes next"),
                "keep one of them",
            );
        });
    }
}

/// Each is `region[/zone[/subzone]]`, with at most one `*`, at the end; none covers another.
fn localities(list: &[&str], field: &mut Field<'_>) {
    for (index, locality) in list.iter().enumerate() {
        let parts = locality.split('/').count();
        let starless = locality.strip_suffix('*').unwrap_or(locality);
        if parts > 3 || locality.split('/').any(str::is_empty) || starless.contains('*') {
            field.invalid(
                format!("`{locality}` is no locality"),
                "write `region`, `region/zone` or `region/zone/subzone`; `*` at the end only",
            );
        }
        let rival = list.iter().take(index).find(|other| overlap(other, locality));
        if let Some(other) = rival {
            let message = format!("`{locality}` and `{other}` overlap");
            field.invalid(message, "make each locality stand in one of them only");
        }
    }
}

fn overlap(a: &str, b: &str) -> bool {
    let parts = |text: &'_ str| -> Vec<String> {
        text.split('/').filter(|part| *part != "*").map(str::to_owned).collect()
    };
    parts(a).iter().zip(&parts(b)).all(|(a, b)| a == b)
}

fn check_warmup(warmup: &WarmupConfiguration, field: &mut Field<'_>) {
    if warmup.duration.is_none() {
        field.of("duration", |field| field.invalid("it is missing", "say how long it takes"));
    }
    duration(warmup.duration.as_ref(), "duration", field);
    if let Some(percent) = warmup.minimum_percent {
        field.of("minimumPercent", |field| primitive::percentage(percent, field));
    }
    if let Some(aggression) = warmup.aggression
        && (aggression.is_nan() || aggression <= 0.0)
    {
        field.of("aggression", |field| {
            field.invalid(format!("{aggression} is no steepness"), "give more than 0");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::unit;

    fn table(rows: &[(&str, &str)]) {
        for (balancer, expected) in rows {
            let spec = format!("{{host: a, trafficPolicy: {{loadBalancer: {balancer}}}}}");
            unit::table("DestinationRule", &[(spec.as_str(), expected)]);
        }
    }

    #[test]
    fn one_method_with_one_key_and_one_table() {
        table(&[
            ("{simple: RANDOM}", ""),
            ("{simple: RANDOM, consistentHash: {useSourceIp: true}}", "more than one of simple"),
            ("{consistentHash: {httpHeaderName: x}}", ""),
            ("{consistentHash: {httpHeaderName: x, useSourceIp: true}}", "httpHeaderName, httpC"),
            ("{consistentHash: {httpCookie: {name: c}}}", ""),
            ("{consistentHash: {httpCookie: {name: c, ttl: 0s}}}", ""),
            ("{consistentHash: {httpCookie: {ttl: 1s}}}", "httpCookie.name: it is missing"),
            (
                "{consistentHash: {httpCookie: {name: c, attributes: [{name: A}, {name: a}]}}}",
                "attributes[1]: the attribute `a` is given twice",
            ),
            ("{consistentHash: {useSourceIp: true, maglev: {tableSize: 65537}}}", ""),
            ("{consistentHash: {useSourceIp: true, maglev: {tableSize: 10}}}", "tableSize: 10"),
            ("{consistentHash: {useSourceIp: true, maglev: {}}}", "tableSize: 0"),
            ("{consistentHash: {useSourceIp: true, maglev: {tableSize: 5000011}}}", "5000011"),
            (
                "{consistentHash: {useSourceIp: true, ringHash: {}, maglev: {tableSize: 3}}}",
                "more than one of ringHash",
            ),
            ("{consistentHash: {useSourceIp: true, minimumRingSize: 5}}", "[field-deprecated]"),
        ]);
    }

    #[test]
    fn localities_add_up_and_do_not_overlap() {
        let of =
            |to: &str| format!("{{localityLbSetting: {{distribute: [{{from: a/*, to: {to}}}]}}}}");
        for (to, expected) in [
            ("{a: 80, b: 20}", ""),
            ("{a: 80, b: 19}", "to: the shares add up to 99"),
            ("{a/b: 80, a/c: 20}", ""),
            ("{a: 80, a/c: 20}", "`a/c` and `a` overlap"),
            ("{a/*: 80, a/c: 20}", "overlap"),
            ("{'*/a': 80, b: 20}", "`*/a` is no locality"),
            ("{a/b/c/d: 100}", "`a/b/c/d` is no locality"),
            ("{a//c: 100}", "`a//c` is no locality"),
            ("{a: 100, b: 0}", "0 is no share for `b`"),
        ] {
            table(&[(&of(to), expected)]);
        }
    }

    #[test]
    fn failover_names_two_regions() {
        let watched = |setting: &str| {
            let spec = format!(
                "{{host: a, trafficPolicy: {{outlierDetection: {{}}, loadBalancer: \
                 {{localityLbSetting: {setting}}}}}}}"
            );
            unit::problems("DestinationRule", &spec)
        };
        assert_eq!(watched("{failover: [{from: a, to: b}]}"), Vec::<String>::new());
        for (setting, expected) in [
            ("{failover: [{from: a, to: a}]}", "`a` fails over to itself"),
            ("{failover: [{from: a/b, to: c}]}", "failover[0].from: `a/b` is no region"),
            ("{failover: [{from: a, to: '*'}]}", "failover[0].to: `*` is no region"),
            (
                "{failover: [{from: a, to: b}], failoverPriority: [topology.kubernetes.io/region]}",
                "failoverPriority: `topology.kubernetes.io/region` and failover",
            ),
            (
                "{failover: [{from: a, to: b}], distribute: [{from: a, to: {b: 100}}]}",
                "more than one of distribute and failover",
            ),
        ] {
            let found = watched(setting);
            assert!(found.len() == 1 && found[0].contains(expected), "{setting}: {found:?}");
        }
        table(&[
            (
                "{localityLbSetting: {failover: [{from: a, to: b}]}}",
                "[failover-without-outlier-detection]",
            ),
            (
                "{localityLbSetting: {}, zoneAwareLbSetting: {}}",
                "more than one of localityLbSetting and zoneAwareLbSetting",
            ),
            ("{zoneAwareLbSetting: {minClusterSize: 0}}", "minClusterSize: 0"),
        ]);
    }

    #[test]
    fn warming_up_takes_some_time() {
        table(&[
            ("{warmup: {duration: 300s, minimumPercent: 5, aggression: 5}}", ""),
            ("{warmup: {duration: 300s, minimumPercent: 150}}", "warmup.minimumPercent: 150"),
            ("{warmup: {minimumPercent: 5}}", "warmup.duration: it is missing"),
            ("{warmup: {duration: 300s, aggression: -0.1}}", "warmup.aggression: -0.1"),
            ("{warmupDurationSecs: 30s}", "[field-deprecated]"),
        ]);
    }
}
