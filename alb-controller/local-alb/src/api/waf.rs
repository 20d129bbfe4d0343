//! WAF: web ACLs without rules, and the load balancers that they are associated with.

use serde_json::{Value, json};

use super::Outcome;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::state::guard::WebAcl;
use crate::state::ids::Arn;
use crate::wire::{Call, Reply};

pub(crate) fn create(region: &mut Region, call: &Call<'_>) -> Outcome {
    let name = text(call, "Name")?;
    if text(call, "Scope")? != "REGIONAL" {
        return Err(invalid("Scope must be REGIONAL: load balancers take no other web ACL"));
    }
    if region.web_acls.values().any(|acl| acl.name == name) {
        let text = "AWS WAF couldn't perform the operation because some resource is duplicated";
        return Err(AwsError::new(Code::WafDuplicateItem, text));
    }
    let (id, lock) = (region.ids.uuid(), region.ids.uuid());
    let arn = region.arn("wafv2", &format!("regional/webacl/{name}/{id}"));
    let acl = WebAcl { arn: arn.clone(), name: name.to_owned(), id, lock };
    let reply = json!({"Summary": summary(&acl)});
    region.web_acls.insert(arn, acl);
    Ok(reply.into())
}

pub(crate) fn delete(region: &mut Region, call: &Call<'_>) -> Outcome {
    let (id, lock) = (text(call, "Id")?, text(call, "LockToken")?);
    let acl = region.web_acls.values().find(|acl| acl.id == id).ok_or_else(nonexistent)?;
    if acl.lock != lock {
        let text = "AWS WAF couldn't save your changes because someone changed the resource";
        return Err(AwsError::new(Code::WafOptimisticLock, text));
    }
    let arn = acl.arn.clone();
    if users(region, &arn).next().is_some() {
        let text = "AWS WAF couldn't perform the operation because your resource is being used";
        return Err(AwsError::new(Code::WafAssociatedItem, text));
    }
    region.web_acls.remove(&arn);
    Ok(json!({}).into())
}

pub(crate) fn list(region: &Region) -> Reply {
    let all: Vec<Value> = region.web_acls.values().map(summary).collect();
    json!({"WebACLs": all}).into()
}

pub(crate) fn associate(region: &mut Region, call: &Call<'_>) -> Outcome {
    let acl = text(call, "WebACLArn")?;
    let acl = region.web_acls.get(acl).ok_or_else(nonexistent)?.arn.clone();
    let resource = resource(region, call)?;
    if let Ok(lb) = region.load_balancer_mut(resource.as_str()) {
        lb.web_acl = Some(acl);
    }
    Ok(json!({}).into())
}

pub(crate) fn disassociate(region: &mut Region, call: &Call<'_>) -> Outcome {
    let resource = resource(region, call)?;
    if let Ok(lb) = region.load_balancer_mut(resource.as_str()) {
        lb.web_acl = None;
    }
    Ok(json!({}).into())
}

pub(crate) fn of_resource(region: &Region, call: &Call<'_>) -> Outcome {
    let lb = region.load_balancer(resource(region, call)?.as_str())?;
    let acl = lb.web_acl.as_ref().and_then(|arn| region.web_acls.get(arn));
    Ok(acl.map_or_else(|| json!({}), |acl| json!({"WebACL": shape(acl)})).into())
}

pub(crate) fn resources(region: &Region, call: &Call<'_>) -> Outcome {
    let acl = text(call, "WebACLArn")?;
    let acl = region.web_acls.get(acl).ok_or_else(nonexistent)?;
    let arns: Vec<&str> = users(region, &acl.arn).map(Arn::as_str).collect();
    Ok(Reply::Json(json!({"ResourceArns": arns})))
}

/// Load balancers that a web ACL is associated with.
fn users<'r>(region: &'r Region, acl: &'r Arn) -> impl Iterator<Item = &'r Arn> {
    let balancers = region.load_balancers.values();
    balancers.filter(move |lb| lb.web_acl.as_ref() == Some(acl)).map(|lb| &lb.arn)
}

/// The load balancer that a call names.
fn resource(region: &Region, call: &Call<'_>) -> Result<Arn, AwsError> {
    let arn = text(call, "ResourceArn")?;
    region.load_balancer(arn).map(|lb| lb.arn.clone()).map_err(|_| nonexistent())
}

fn text<'c>(call: &Call<'c>, field: &str) -> Result<&'c str, AwsError> {
    call.json[field].as_str().ok_or_else(|| invalid(&format!("{field} is missing")))
}

fn invalid(why: &str) -> AwsError {
    AwsError::new(Code::WafInvalidParameter, why.to_owned())
}

fn nonexistent() -> AwsError {
    let text = "AWS WAF couldn't perform the operation because your resource doesn't exist";
    AwsError::new(Code::WafNonexistentItem, text)
}

fn summary(acl: &WebAcl) -> Value {
    json!({"Name": acl.name, "Id": acl.id, "ARN": acl.arn.as_str(), "LockToken": acl.lock})
}

fn shape(acl: &WebAcl) -> Value {
    let metrics = json!({
        "SampledRequestsEnabled": false, "CloudWatchMetricsEnabled": false, "MetricName": acl.name
    });
    json!({
        "Name": acl.name, "Id": acl.id, "ARN": acl.arn.as_str(), "Rules": [],
        "DefaultAction": {"Allow": {}}, "VisibilityConfig": metrics
    })
}
