//! `CreateTags` and `DeleteTags`.

use super::super::Outcome;
use super::{limit_tags, read_tags};
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::wire::{Call, Fields, Params};

pub(crate) fn create(region: &mut Region, call: &Call<'_>) -> Outcome {
    let ids = resources(region, &call.params)?;
    let given = read_tags(&call.params, "Tag")?;
    if given.is_empty() {
        let text = "The request must contain the parameter Tag";
        return Err(AwsError::new(Code::MissingParameter, text));
    }
    let most = region.config.limits.tags;
    for id in ids {
        let tags = region.tags.or_default(id);
        tags.extend(given.clone());
        limit_tags(tags, most)?;
    }
    Ok(Fields::new().text("return", true).into())
}

/// A tag given without a value goes whatever its value is; with no tags given all go.
pub(crate) fn delete(region: &mut Region, call: &Call<'_>) -> Outcome {
    let ids = resources(region, &call.params)?;
    let given = call.params.structures("Tag");
    let unwanted = |key: &str, value: &str| {
        given.is_empty()
            || given.iter().any(|tag| {
                tag.text("Key") == Some(key) && tag.text("Value").is_none_or(|text| text == value)
            })
    };
    for id in ids {
        region.tags.or_default(id).retain(|key, value| !unwanted(key, value));
    }
    Ok(Fields::new().text("return", true).into())
}

fn resources(region: &Region, params: &Params<'_>) -> Result<Vec<String>, AwsError> {
    let ids = params.strings("ResourceId");
    if ids.is_empty() {
        let text = "The request must contain the parameter resourceIdSet";
        return Err(AwsError::new(Code::MissingParameter, text));
    }
    for id in &ids {
        exists(region, id)?;
    }
    Ok(ids)
}

fn exists(region: &Region, id: &str) -> Result<(), AwsError> {
    let network = &region.network;
    let (known, code, noun) = match id.split_once('-').map(|(kind, _)| kind) {
        Some("subnet") => (network.subnets.contains_key(id), Code::InvalidSubnetNotFound, "subnet"),
        Some("vpc") => (network.vpc == id, Code::InvalidVpcNotFound, "vpc"),
        Some("sg") => {
            (network.groups.contains_key(id), Code::InvalidGroupNotFound, "security group")
        }
        Some("sgr") => (
            network.groups.values().any(|group| group.ingress.iter().any(|rule| rule.id == id)),
            Code::InvalidPermissionNotFound,
            "security group rule",
        ),
        Some(_) | None => {
            let text = format!("The ID '{id}' is not valid");
            return Err(AwsError::new(Code::InvalidParameterValue, text));
        }
    };
    if known {
        Ok(())
    } else {
        Err(AwsError::new(code, format!("The {noun} ID '{id}' does not exist")))
    }
}
