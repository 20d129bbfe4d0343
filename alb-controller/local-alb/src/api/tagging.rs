//! `GetResources` of the Resource Groups Tagging API: finds things by their tags.

use serde_json::{Value, json};

use super::Outcome;
use super::page::slice;
use super::shapes::json_tag_list;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::state::tags::Tags;
use crate::wire::Call;

pub(crate) fn resources(region: &Region, call: &Call<'_>) -> Outcome {
    let invalid = |text: &str| AwsError::new(Code::InvalidParameter, text.to_owned());
    let filters = filters(call.json).ok_or_else(|| {
        invalid("TagFilters must be a list of at most 50 filters, each with a Key")
    })?;
    let types = strings(&call.json["ResourceTypeFilters"]);
    let arns = strings(&call.json["ResourceARNList"]);
    let filtered = !types.is_empty() || !filters.is_empty();
    if !arns.is_empty() && filtered {
        return Err(invalid("ResourceARNList cannot be combined with other filters"));
    }
    let size = call.json.get("ResourcesPerPage").map_or(Some(50), Value::as_u64);
    let size = size
        .filter(|size| (1..=100).contains(size))
        .and_then(|size| usize::try_from(size).ok())
        .ok_or_else(|| invalid("ResourcesPerPage must be from 1 to 100"))?;
    let found = all(region)
        .filter(|(kind, ..)| types.is_empty() || types.iter().any(|wanted| is_kind(kind, wanted)))
        .filter(|(_, arn, _)| arns.is_empty() || arns.iter().any(|wanted| wanted == arn))
        .filter(|(_, _, tags)| filters.iter().all(|filter| filter.admits(tags)))
        .map(|(_, arn, tags)| {
            let shape = json!({"ResourceARN": arn, "Tags": json_tag_list(Some(tags))});
            (arn, shape)
        })
        .collect();
    let token = call.json["PaginationToken"].as_str().filter(|token| !token.is_empty());
    let page = slice(found, token, size)
        .ok_or_else(|| invalid("The PaginationToken is not one of the last reply"))?;
    Ok(json!({
        "ResourceTagMappingList": page.items,
        "PaginationToken": page.next.unwrap_or_default(),
    })
    .into())
}

/// A tag that must be there, with one of these values; with no values any will do.
struct Filter<'a> {
    key: &'a str,
    values: Vec<&'a str>,
}

impl Filter<'_> {
    fn admits(&self, tags: &Tags) -> bool {
        tags.get(self.key)
            .is_some_and(|value| self.values.is_empty() || self.values.contains(&value.as_str()))
    }
}

fn filters(json: &Value) -> Option<Vec<Filter<'_>>> {
    let Some(given) = json.get("TagFilters") else { return Some(Vec::new()) };
    given
        .as_array()
        .filter(|list| list.len() <= 50)?
        .iter()
        .map(|filter| {
            Some(Filter { key: filter["Key"].as_str()?, values: strings(&filter["Values"]) })
        })
        .collect()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn is_kind(kind: &str, wanted: &str) -> bool {
    kind == wanted || kind.split_once(':').is_some_and(|(service, _)| service == wanted)
}

/// Everything that has tags: type, ARN, tags.
fn all(region: &Region) -> impl Iterator<Item = (&'static str, String, &Tags)> {
    region.tags.iter().filter(|(_, tags)| !tags.is_empty()).filter_map(|(id, tags)| {
        let (kind, arn) = if id.contains(':') {
            (kind_of_arn(id)?, id.clone())
        } else {
            let (kind, path) = kind_of_id(id)?;
            (kind, region.arn("ec2", &format!("{path}/{id}")).to_string())
        };
        Some((kind, arn, tags))
    })
}

fn kind_of_arn(arn: &str) -> Option<&'static str> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, resource) = (parts.next()?, parts.nth(2)?);
    match (service, resource.split('/').next()?) {
        ("elasticloadbalancing", "loadbalancer") => Some("elasticloadbalancing:loadbalancer"),
        ("elasticloadbalancing", "targetgroup") => Some("elasticloadbalancing:targetgroup"),
        ("elasticloadbalancing", "listener") => Some("elasticloadbalancing:listener"),
        ("elasticloadbalancing", "listener-rule") => Some("elasticloadbalancing:listener-rule"),
        ("acm", "certificate") => Some("acm:certificate"),
        _ => None,
    }
}

fn kind_of_id(id: &str) -> Option<(&'static str, &'static str)> {
    match id.split_once('-')?.0 {
        "sg" => Some(("ec2:security-group", "security-group")),
        "subnet" => Some(("ec2:subnet", "subnet")),
        "vpc" => Some(("ec2:vpc", "vpc")),
        _ => None,
    }
}
