//! Times as text.

use std::time::{Duration, SystemTime};

/// A time as AWS's XML protocols write it.
pub(crate) fn millis(time: SystemTime) -> String {
    let (whole, since) = whole_seconds(time);
    format!("{whole}.{:03}Z", since.subsec_millis())
}

/// A time to the second.
pub(crate) fn seconds(time: SystemTime) -> String {
    format!("{}Z", whole_seconds(time).0)
}

/// A time as access logs write it.
pub(crate) fn micros(time: SystemTime) -> String {
    let (whole, since) = whole_seconds(time);
    format!("{whole}.{:06}Z", since.subsec_micros())
}

fn whole_seconds(time: SystemTime) -> (String, Duration) {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let days = i64::try_from(since.as_secs() / 86_400).unwrap_or_default();
    let (year, month, day) = civil(days);
    let second = since.as_secs() % 86_400;
    let text = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    (text, since)
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

#[cfg(test)]
mod tests {
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
            assert_eq!(millis(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
