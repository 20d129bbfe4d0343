//! Pieces of replies that several families share.

use std::time::SystemTime;

use crate::error::AwsError;
use crate::state::tags::Tags;
use crate::wire::Fields;

/// A time as AWS's XML protocols write it.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let days = i64::try_from(since.as_secs() / 86_400).unwrap_or_default();
    let (year, month, day) = civil(days);
    let second = since.as_secs() % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

/// Year, month and day of a number of days since 1970, by the usual shift of the year's start to
/// March, after which the lengths of months follow one formula.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_as_aws_writes_them() {
        let rows = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (4_102_444_800, "2100-01-01T00:00:00.000Z"),
        ];
        for (seconds, text) in rows {
            assert_eq!(timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
