//! `AddTags`, `RemoveTags`, `DescribeTags`.

use super::Outcome;
use super::shapes::tag_list;
use crate::error::AwsError;
use crate::state::Region;
use crate::state::tags;
use crate::wire::{Call, Fields, Params};

pub(crate) fn add(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arns = arns(region, &call.params)?;
    let given = tags::read(&call.params, "Tags")?;
    if given.is_empty() {
        return Err(call.params.missing("Tags"));
    }
    let most = region.config.limits.tags;
    for arn in arns {
        let tags = region.tags.or_default(arn);
        tags.extend(given.clone());
        tags::limit(tags, most)?;
    }
    Ok(Fields::new().into())
}

pub(crate) fn remove(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arns = arns(region, &call.params)?;
    let keys = call.params.list("TagKeys");
    if keys.is_empty() {
        return Err(call.params.missing("TagKeys"));
    }
    for arn in arns {
        region.tags.or_default(arn).retain(|key, _| !keys.contains(&key.as_str()));
    }
    Ok(Fields::new().into())
}

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let arns = arns(region, &call.params)?;
    let shapes = arns.iter().map(|arn| {
        Fields::new().text("ResourceArn", arn).list("Tags", tag_list(region.tags.get(arn)))
    });
    Ok(Fields::new().list("TagDescriptions", shapes).into())
}

/// The resources that a call names, all of which exist.
fn arns(region: &Region, params: &Params<'_>) -> Result<Vec<String>, AwsError> {
    let arns = params.strings("ResourceArns");
    if arns.is_empty() {
        return Err(params.missing("ResourceArns"));
    }
    if arns.len() > 20 {
        return Err(AwsError::validation(
            "1 validation error detected: Value at 'resourceArns' failed to satisfy constraint: Member must have length less than or equal to 20",
        ));
    }
    for arn in &arns {
        exists(region, arn)?;
    }
    Ok(arns)
}

fn exists(region: &Region, arn: &str) -> Result<(), AwsError> {
    let kind = arn.splitn(6, ':').nth(5).and_then(|rest| rest.split('/').next());
    match kind {
        Some("loadbalancer") => region.load_balancer(arn).map(drop),
        Some("listener") => region.listener(arn).map(drop),
        Some("listener-rule") => region.rule(arn).map(drop),
        Some("targetgroup") => region.group(arn).map(drop),
        Some("truststore") => region.trust_store(arn).map(drop),
        Some(_) | None => {
            Err(AwsError::validation(format!("'{arn}' is not a valid load balancing ARN")))
        }
    }
}
