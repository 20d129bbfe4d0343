//! `DescribeTargetHealth`.

use super::Outcome;
use super::targets::key;
use crate::error::AwsError;
use crate::state::Region;
use crate::state::health::Report;
use crate::state::target_group::{Target, TargetGroup, TargetKey};
use crate::wire::{Call, Fields};

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let group = region.group(call.params.required("TargetGroupArn")?)?;
    let asked = call.params.structures("Targets");
    let include = call.params.list("Include");
    let anomaly = include.iter().any(|what| ["All", "AnomalyDetection"].contains(what));
    let shapes: Vec<Fields> = if asked.is_empty() {
        group.targets.iter().map(|(key, target)| shape(group, key, Some(target), anomaly)).collect()
    } else {
        asked
            .iter()
            .map(|params| {
                let key = key(params, group)?;
                Ok(shape(group, &key, group.targets.get(&key), anomaly))
            })
            .collect::<Result<_, AwsError>>()?
    };
    Ok(Fields::new().list("TargetHealthDescriptions", shapes).into())
}

fn shape(group: &TargetGroup, key: &TargetKey, target: Option<&Target>, anomaly: bool) -> Fields {
    let report = match target {
        None => Report::not_registered(),
        Some(_) if !group.in_use => Report::not_in_use(),
        Some(target) => target.status.report(),
    };
    let zone = target.and_then(|target| target.zone.as_ref());
    let fields = Fields::new()
        .with(
            "Target",
            Fields::new()
                .text("Id", &key.id)
                .text("Port", key.port)
                .maybe("AvailabilityZone", zone),
        )
        .text("HealthCheckPort", group.check.port.unwrap_or(key.port))
        .with(
            "TargetHealth",
            Fields::new()
                .text("State", report.state)
                .maybe("Reason", report.reason)
                .maybe("Description", report.description),
        )
        .with(
            "AdministrativeOverride",
            Fields::new()
                .text("State", "no_override")
                .text("Reason", "AdministrativeOverride.NoOverride")
                .text("Description", "No override is currently active on target"),
        );
    if !anomaly {
        return fields;
    }
    let detection = Fields::new().text("Result", "normal").text("MitigationInEffect", "no");
    fields.with("AnomalyDetection", detection)
}
