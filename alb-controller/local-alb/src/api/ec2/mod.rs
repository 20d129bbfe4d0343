//! The few calls of EC2 that a load balancer controller makes.

pub(crate) mod instances;
pub(crate) mod interfaces;
pub(crate) mod network;
pub(crate) mod permissions;
pub(crate) mod security_groups;
pub(crate) mod tags;

use crate::error::{AwsError, Code};
use crate::state::pattern::Pattern;
use crate::state::tags::Tags;
use crate::wire::Params;

/// The filters of a `Describe` call; a thing must satisfy all of them.
#[derive(Debug)]
struct Filters(Vec<(String, Vec<Pattern>)>);

impl Filters {
    fn read(params: &Params<'_>) -> Result<Self, AwsError> {
        let mut filters = Vec::new();
        for filter in params.structures("Filter") {
            let name = filter.text("Name").unwrap_or_default();
            let values = filter.list("Value");
            if name.is_empty() || values.is_empty() {
                let text = "A filter must have a name and at least one value";
                return Err(AwsError::new(Code::InvalidParameterValue, text));
            }
            filters.push((name.to_owned(), values.into_iter().map(Pattern::exact_case).collect()));
        }
        Ok(Self(filters))
    }

    /// Whether a thing with these fields and tags is wanted; a filter that it has no field for is
    /// refused.
    fn admit(&self, fields: &[(&str, &[&str])], tags: Option<&Tags>) -> Result<bool, AwsError> {
        for (name, patterns) in &self.0 {
            let fits =
                |value: &str| patterns.iter().any(|pattern| pattern.matches(value.as_bytes()));
            let admitted = if let Some(key) = name.strip_prefix("tag:") {
                tags.and_then(|tags| tags.get(key)).is_some_and(|value| fits(value))
            } else if name == "tag-key" {
                tags.into_iter().flatten().any(|(key, _)| fits(key))
            } else {
                let (_, values) =
                    fields.iter().find(|(field, _)| field == name).ok_or_else(|| {
                        let text = format!("The filter '{name}' is invalid");
                        AwsError::new(Code::InvalidParameterValue, text)
                    })?;
                values.iter().any(|value| fits(value))
            };
            if !admitted {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A parameter that EC2 must be given.
fn required<'a>(params: &Params<'a>, field: &str) -> Result<&'a str, AwsError> {
    params.text(field).filter(|text| !text.is_empty()).ok_or_else(|| {
        let text = format!("The request must contain the parameter {field}");
        AwsError::new(Code::MissingParameter, text)
    })
}

/// The tags that a call gives to what it makes.
fn tag_specification(params: &Params<'_>) -> Result<Tags, AwsError> {
    let mut all = Tags::new();
    for specification in params.structures("TagSpecification") {
        all.extend(read_tags(&specification, "Tag")?);
    }
    Ok(all)
}

fn read_tags(params: &Params<'_>, field: &str) -> Result<Tags, AwsError> {
    let mut read = Tags::new();
    for tag in params.structures(field) {
        let (key, value) = (required(&tag, "Key")?, tag.text("Value").unwrap_or_default());
        crate::state::tags::check(key, value)
            .map_err(|why| AwsError::new(Code::InvalidParameterValue, why))?;
        read.insert(key.to_owned(), value.to_owned());
    }
    Ok(read)
}

/// Refuses more tags than a resource may have.
fn limit_tags(tags: &Tags, most: usize) -> Result<(), AwsError> {
    if tags.len() > most {
        let text = format!("More than {most} tags on a resource");
        return Err(AwsError::new(Code::TagLimitExceeded, text));
    }
    Ok(())
}
