//! Pieces of replies that several families share.

use std::time::SystemTime;

use crate::error::AwsError;
use crate::state::tags::Tags;
use crate::wire::Fields;

/// A time as AWS's JSON protocols write it: seconds since 1970.
pub(crate) fn epoch(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64().floor()
}

/// Tags as load balancing lists them.
pub(crate) fn tag_list(tags: Option<&Tags>) -> impl Iterator<Item = Fields> {
    tags.into_iter()
        .flatten()
        .map(|(key, value)| Fields::new().text("Key", key).text("Value", value))
}

/// Tags as EC2 lists them.
pub(crate) fn ec2_tag_list(tags: Option<&Tags>) -> impl Iterator<Item = Fields> {
    tags.into_iter()
        .flatten()
        .map(|(key, value)| Fields::new().text("key", key).text("value", value))
}

/// Tags as the JSON services list them.
pub(crate) fn json_tag_list(tags: Option<&Tags>) -> Vec<serde_json::Value> {
    let pairs = tags.into_iter().flatten();
    pairs.map(|(key, value)| serde_json::json!({"Key": key, "Value": value})).collect()
}

/// Refuses names that AWS refuses for load balancers and target groups.
pub(crate) fn check_name(noun: &str, name: &str) -> Result<(), AwsError> {
    let wrong = if name.chars().count() > 32 {
        "cannot be longer than '32' characters"
    } else if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        "can only contain characters that are alphanumeric characters and hyphens(-)"
    } else if name.starts_with('-') {
        "cannot begin with a hyphen(-)"
    } else if name.ends_with('-') {
        "cannot end with a hyphen(-)"
    } else {
        return Ok(());
    };
    Err(AwsError::validation(format!("{noun} name '{name}' {wrong}")))
}
