//! Durations as people write them, such as `1.5s`, `300ms` or `1h2m`.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::{fmt, time::Duration as Time};

/// The longest duration that can be meant, in nanoseconds (some 292 years).
const LONGEST: u128 = i64::MAX as u128;

/// The text of a duration, kept even if it is none: a bad one costs its field, not its object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Duration(String);

impl Duration {
    /// A duration as it would be written.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What it says; `None` if it is no duration, or a negative one.
    pub fn get(&self) -> Option<Time> {
        parse(&self.0)
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Takes any text, and any number (which is no duration, but whose field can then say so).
impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar)
    }
}

struct Scalar;

impl de::Visitor<'_> for Scalar {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as `1.5s`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        Ok(Duration::new(text))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Duration, E> {
        Ok(Duration(number.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Duration, E> {
        Ok(Duration(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Duration, E> {
        Ok(Duration(number.to_string()))
    }
}

/// Numbers with units, one after the other, as Go's `time.ParseDuration` reads them.
fn parse(text: &str) -> Option<Time> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Time::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_u128;
    while !rest.is_empty() {
        let (nanoseconds, after) = part(rest)?;
        total = total.checked_add(nanoseconds).filter(|total| *total <= LONGEST)?;
        rest = after;
    }
    if negative && total > 0 {
        return None;
    }
    u64::try_from(total).ok().map(Time::from_nanos)
}

/// The nanoseconds of the first number and unit, and what follows.
fn part(text: &str) -> Option<(u128, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(end)?;
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        _ => return None,
    };
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u128>().ok()? };
    let mut nanoseconds = whole.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.chars().filter_map(|c| c.to_digit(10)) {
        place /= 10;
        nanoseconds = nanoseconds.checked_add(u128::from(digit) * place)?;
    }
    Some((nanoseconds, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::{Duration, Time};

    #[test]
    fn durations_mean_what_go_takes_them_for() {
        let rows = [
            ("1.5s", Some(Time::from_millis(1500))),
            ("300ms", Some(Time::from_millis(300))),
            ("1h2m", Some(Time::from_secs(3720))),
            ("0s", Some(Time::ZERO)),
            ("0", Some(Time::ZERO)),
            ("-0s", Some(Time::ZERO)),
            ("+5s", Some(Time::from_secs(5))),
            (".5s", Some(Time::from_millis(500))),
            ("1.s", Some(Time::from_secs(1))),
            ("1.0000000019s", Some(Time::from_nanos(1_000_000_001))),
            ("2us3µs4μs5ns", Some(Time::from_nanos(9_005))),
            ("9223372036854775807ns", Some(Time::from_nanos(9_223_372_036_854_775_807))),
            ("9223372036854775808ns", None),
            ("99999999999999999999999999999999999999999h", None),
            ("1.5h", Some(Time::from_secs(5400))),
            ("", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("-1s", None),
            ("1 s", None),
            ("1d", None),
            ("1s ", None),
            ("--1s", None),
            ("+-1s", None),
            ("1.2.3s", None),
            ("1é", None),
        ];
        for (text, expected) in rows {
            assert_eq!(Duration::new(text).get(), expected, "{text}");
        }
    }

    #[test]
    fn any_scalar_is_kept_as_it_was_written() {
        for (json, text) in [("\"soon\"", "soon"), ("5", "5"), ("-5", "-5"), ("1.5", "1.5")] {
            let read: Duration = serde_json::from_str(json).unwrap();
            assert_eq!((read.text(), read.get()), (text, None), "{json}");
        }
        assert!(serde_json::from_str::<Duration>("{}").is_err());
    }
}
