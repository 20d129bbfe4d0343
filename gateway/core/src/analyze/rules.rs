//! Single rules that say something else than was probably meant.

use super::{fields, redirects, scene::Scene};
use edgeway_api::{
    Problem, Resource, VirtualService,
    duration::Duration,
    virtual_service::{Destination, HttpFaultInjection, HttpRoute},
};
use std::collections::BTreeSet;

/// Sums of weights that look like per cent.
const NEARLY_ALL: std::ops::RangeInclusive<i64> = 90..=110;

/// Reports such rules of all VirtualServices.
pub(super) fn analyze(scene: &Scene<'_>, advice: &mut Vec<Problem>) {
    for service in &scene.objects.virtual_services {
        let place = Place { service, advice };
        each(scene, place);
    }
    redirects::analyze(scene, advice);
    fields::bindings(scene, advice);
}

/// Where advice on one VirtualService goes.
pub(super) struct Place<'p> {
    /// The object.
    pub service: &'p VirtualService,
    /// All advice.
    pub advice: &'p mut Vec<Problem>,
}

impl Place<'_> {
    /// Adds `problem`, made of object, field and code, with what is wrong and what to do.
    pub(super) fn add(&mut self, problem: Problem, message: impl Into<String>, advice: &str) {
        self.advice.push(problem.message(message).advice(advice));
    }
}

fn each(scene: &Scene<'_>, mut place: Place<'_>) {
    for (index, rule) in place.service.spec.http.iter().enumerate() {
        let field = format!("spec.http[{index}]");
        fields::conditions(rule, &field, &mut place);
        weights(rule, &field, &mut place);
        tries(rule, &field, &mut place);
        mirrors(scene, rule, &field, &mut place);
        if let Some(fault) = &rule.fault {
            faults(rule, fault, &format!("{field}.fault"), &mut place);
        }
    }
}

fn weights(rule: &HttpRoute, field: &str, place: &mut Place<'_>) {
    let object = place.service.reference();
    let field = format!("{field}.route");
    if let [only] = rule.route.as_slice() {
        if let Some(weight) = only.weight.filter(|weight| !matches!(weight, 1 | 100)) {
            place.add(
                Problem::warning(object, format!("{field}[0].weight"), "weight-ignored"),
                format!("a single destination gets everything, whatever its weight ({weight})"),
                "remove the weight, or name the destination of the rest",
            );
        }
        return;
    }
    let total: i64 = rule.route.iter().map(|to| i64::from(to.weight.unwrap_or(0))).sum();
    if NEARLY_ALL.contains(&total) && total != 100 {
        place.add(
            Problem::warning(object.clone(), &field, "weights-not-100"),
            format!("the weights add up to {total}: they are shares of that, not per cent"),
            "make them add up to 100, if per cent were meant",
        );
    }
    for (index, _) in rule.route.iter().enumerate().filter(|(_, to)| to.weight.is_none()) {
        place.add(
            Problem::warning(object.clone(), format!("{field}[{index}]"), "weight-missing"),
            "among several destinations one without a weight gets nothing",
            "give it a weight, or remove it",
        );
    }
}

/// The timeout of the request ends tries that the retry policy would still allow.
fn tries(rule: &HttpRoute, field: &str, place: &mut Place<'_>) {
    let Some(timeout) = rule.timeout.as_ref().and_then(Duration::get) else { return };
    let Some(retries) = &rule.retries else { return };
    let Some(each) = retries.per_try_timeout.as_ref().and_then(Duration::get) else { return };
    let tries = u32::try_from(retries.attempts.unwrap_or(0)).unwrap_or(0).saturating_add(1);
    let all = each.saturating_mul(tries);
    if tries > 1 && timeout < all && !timeout.is_zero() {
        place.add(
            Problem::warning(
                place.service.reference(),
                format!("{field}.timeout"),
                "timeout-shorter-than-tries",
            ),
            format!(
                "{timeout:?} end the request before {tries} tries of {each:?} ({all:?}) are over"
            ),
            "raise `timeout`, or lower `retries.attempts` or `retries.perTryTimeout`",
        );
    }
}

fn mirrors(scene: &Scene<'_>, rule: &HttpRoute, field: &str, place: &mut Place<'_>) {
    let namespace = place.service.namespace();
    let name = |to: &Destination| {
        let subset = to.subset.clone().unwrap_or_default();
        (scene.host(&to.host, namespace), subset, to.port.as_ref().map(|port| port.number))
    };
    let routes: BTreeSet<_> = rule.route.iter().map(|to| name(&to.destination)).collect();
    let list = rule.mirrors.iter().enumerate();
    let many = list.filter_map(|(index, mirror)| {
        Some((format!("{field}.mirrors[{index}]"), mirror.destination.as_ref()?))
    });
    let one = rule.mirror.as_deref().map(|to| (format!("{field}.mirror"), to));
    let doubled: Vec<String> = one
        .into_iter()
        .chain(many)
        .filter(|(_, to)| routes.contains(&name(to)))
        .map(|(field, _)| field)
        .collect();
    for field in doubled {
        place.add(
            Problem::warning(place.service.reference(), field, "mirror-doubles"),
            "copies go where the requests go: it sees them twice",
            "mirror to another service or subset",
        );
    }
}

fn faults(rule: &HttpRoute, fault: &HttpFaultInjection, field: &str, place: &mut Place<'_>) {
    let delay = fault.delay.as_ref().map(|delay| {
        let older = delay.percent.map(f64::from);
        ("delay", delay.percentage.as_ref().map(|percent| percent.value).or(older))
    });
    let abort = fault.abort.as_ref();
    let abort = abort.map(|it| ("abort", it.percentage.as_ref().map(|percent| percent.value)));
    for (name, percent) in delay.into_iter().chain(abort) {
        let object = place.service.reference();
        let field = format!("{field}.{name}");
        match percent {
            None => place.add(
                Problem::warning(object, field, "fault-never"),
                "without a percentage it never happens",
                "give `percentage.value`",
            ),
            Some(percent) if percent >= 100.0 && rule.matches.is_empty() => place.add(
                Problem::warning(object, field, "fault-on-everything"),
                "it happens to every request of the host",
                "give the rule a `match`, such as a header of your tests, or a smaller percentage",
            ),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::unit::{table, virtual_service};

    fn rules(rows: &[(&str, &str)]) {
        for (rule, expected) in rows {
            table(&[(&virtual_service("a", "a.com", &format!("[{{{rule}}}]")), expected)]);
        }
    }

    #[test]
    fn weights_mean_shares() {
        rules(&[
            ("route: [{destination: {host: b}, weight: 100}]", ""),
            ("route: [{destination: {host: b}, weight: 0}]", "[weight-ignored]"),
            (
                "route: [{destination: {host: b}, weight: 90}, {destination: {host: c}, weight: 10}]",
                "",
            ),
            (
                "route: [{destination: {host: b}, weight: 1}, {destination: {host: c}, weight: 3}]",
                "",
            ),
            (
                "route: [{destination: {host: b}, weight: 90}, {destination: {host: c}, weight: 9}]",
                "[weights-not-100] VirtualService default/a spec.http[0].route: the weights add up to 99",
            ),
            (
                "route: [{destination: {host: b}, weight: 1}, {destination: {host: c}}]",
                "[weight-missing] VirtualService default/a spec.http[0].route[1]",
            ),
        ]);
    }

    #[test]
    fn tries_need_time() {
        let to = "route: [{destination: {host: b}}]";
        rules(&[
            (&format!("{to}, timeout: 3s, retries: {{attempts: 2, perTryTimeout: 1s}}"), ""),
            (
                &format!("{to}, timeout: 2s, retries: {{attempts: 2, perTryTimeout: 1s}}"),
                "[timeout-shorter-than-tries] VirtualService default/a spec.http[0].timeout: 2s end",
            ),
            (&format!("{to}, retries: {{attempts: 2, perTryTimeout: 1s}}"), ""),
        ]);
    }

    #[test]
    fn copies_go_elsewhere() {
        let to = "route: [{destination: {host: b, subset: v1}}]";
        rules(&[
            (&format!("{to}, mirror: {{host: b, subset: v2}}"), ""),
            (
                &format!("{to}, mirror: {{host: b.default.svc.cluster.local, subset: v1}}"),
                "[mirror-doubles] VirtualService default/a spec.http[0].mirror",
            ),
            (
                &format!(
                    "{to}, mirrors: [{{destination: {{host: c}}}}, {{destination: {{host: b, subset: v1}}}}]"
                ),
                "spec.http[0].mirrors[1]",
            ),
        ]);
    }

    #[test]
    fn faults_happen_to_some() {
        let to = "route: [{destination: {host: b}}]";
        rules(&[
            (&format!("{to}, fault: {{abort: {{httpStatus: 500, percentage: {{value: 5}}}}}}"), ""),
            (&format!("{to}, fault: {{abort: {{httpStatus: 500}}}}"), "[fault-never]"),
            (
                &format!("{to}, fault: {{delay: {{fixedDelay: 1s, percentage: {{value: 100}}}}}}"),
                "[fault-on-everything] VirtualService default/a spec.http[0].fault.delay",
            ),
            (
                &format!(
                    "match: [{{headers: {{x: {{}}}}}}], {to}, fault: {{delay: {{fixedDelay: 1s, \
                     percentage: {{value: 100}}}}}}"
                ),
                "",
            ),
        ]);
    }
}
