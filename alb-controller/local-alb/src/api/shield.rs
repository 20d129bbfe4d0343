//! Shield Advanced: a subscription, and protections of load balancers.

use serde_json::json;

use super::Outcome;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::wire::{Call, Reply};

pub(crate) fn subscribe(region: &mut Region, _call: &Call<'_>) -> Outcome {
    if std::mem::replace(&mut region.shield.subscribed, true) {
        let text = "The subscription already exists.";
        return Err(AwsError::new(Code::ResourceAlreadyExists, text));
    }
    Ok(json!({}).into())
}

pub(crate) fn subscription(region: &Region) -> Reply {
    let state = if region.shield.subscribed { "ACTIVE" } else { "INACTIVE" };
    json!({"SubscriptionState": state}).into()
}

pub(crate) fn protect(region: &mut Region, call: &Call<'_>) -> Outcome {
    if !region.shield.subscribed {
        return Err(AwsError::new(Code::ResourceNotFound, "The subscription does not exist."));
    }
    let (name, arn) = (text(call, "Name")?, text(call, "ResourceArn")?);
    let invalid = |_| AwsError::new(Code::InvalidResource, "The resource is not a load balancer.");
    let arn = region.load_balancer(arn).map_err(invalid)?.arn.clone();
    if region.shield.protections.values().any(|(_, known)| *known == arn) {
        let text = "The protection already exists for this resource.";
        return Err(AwsError::new(Code::ResourceAlreadyExists, text));
    }
    let id = region.ids.uuid();
    region.shield.protections.insert(id.clone(), (name.to_owned(), arn));
    Ok(json!({"ProtectionId": id}).into())
}

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let wanted = |field: &str| call.json[field].as_str();
    let found = region.shield.protections.iter().find(|(id, (_, arn))| {
        wanted("ProtectionId") == Some(id.as_str()) || wanted("ResourceArn") == Some(arn.as_str())
    });
    let (id, (name, arn)) = found.ok_or_else(missing)?;
    Ok(json!({"Protection": {"Id": id, "Name": name, "ResourceArn": arn.as_str()}}).into())
}

pub(crate) fn unprotect(region: &mut Region, call: &Call<'_>) -> Outcome {
    let id = text(call, "ProtectionId")?;
    if region.shield.protections.remove(id) { Ok(json!({}).into()) } else { Err(missing()) }
}

fn text<'c>(call: &Call<'c>, field: &str) -> Result<&'c str, AwsError> {
    let missing = || AwsError::new(Code::InvalidParameter, format!("{field} is missing"));
    call.json[field].as_str().ok_or_else(missing)
}

fn missing() -> AwsError {
    AwsError::new(Code::ResourceNotFound, "The referenced protection does not exist.")
}
