//! Reading the values of annotations, each kind as the AWS Load Balancer Controller reads it.

use crate::pairs::Pairs;
use serde_json::Value;
use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

/// What is wrong with a value, and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) wrong: String,
    pub(crate) advice: String,
}

impl Expected {
    pub(crate) fn new(wrong: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), advice: advice.into() }
    }

    /// The value is none of those that there are.
    pub(crate) fn one_of(choices: impl Display) -> Self {
        Self::new("there is no such value", format!("use one of {choices}"))
    }
}

/// Yes or no, in any of Go's spellings.
pub(crate) fn bool(text: &str) -> Result<bool, Expected> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Expected::new("it is neither true nor false", "write \"true\" or \"false\"")),
    }
}

/// A number within limits.
pub(crate) fn number<T>(text: &str, limits: RangeInclusive<T>) -> Result<T, Expected>
where
    T: Copy + PartialOrd + FromStr + Display,
{
    let advice = format!("write a whole number from {} to {}", limits.start(), limits.end());
    match text.parse::<T>() {
        Ok(number) if limits.contains(&number) => Ok(number),
        Ok(_) => Err(Expected::new("it is beyond what AWS takes", advice)),
        Err(_) => Err(Expected::new("it is not a whole number", advice)),
    }
}

/// Items between commas, without blanks; empty ones do not count.
pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// `key=value,key=value`; a backslash makes the next character plain.
pub(crate) fn map(text: &str) -> Result<Pairs, Expected> {
    let mut map = Pairs::new();
    let mut items = items(text);
    if items.last().is_some_and(|item| item.trim().is_empty()) {
        items.pop();
    }
    for item in items {
        let Some((key, value)) = item.split_once('=') else {
            let wrong = format!("{:?} has no \"=\"", item.trim());
            return Err(Expected::new(wrong, "write key=value,key=value"));
        };
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return Err(Expected::new("a key is empty", "write key=value,key=value"));
        }
        map.insert(key.to_owned(), value.to_owned());
    }
    Ok(map)
}

/// The items without their backslashes.
fn items(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let plain = match c {
            ',' => {
                items.push(String::new());
                continue;
            }
            // One that nothing comes after is itself.
            '\\' => chars.next().unwrap_or(c),
            other => other,
        };
        if let Some(item) = items.last_mut() {
            item.push(plain);
        }
    }
    items
}

/// JSON with all names of fields in small letters: people write them in any case. A field that is
/// null is as good as absent.
pub(crate) fn fold_names(json: Value) -> Value {
    match json {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.to_lowercase(), fold_names(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(fold_names).collect::<Vec<_>>().into(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Option<Vec<(String, String)>> {
        map(text).ok().map(|map| map.into_iter().collect())
    }

    #[test]
    fn maps_are_read_with_their_escapes() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let table = [
            ("a=1,b=2", Some(vec![pair("a", "1"), pair("b", "2")])),
            (" a = 1 ,", Some(vec![pair("a", "1")])),
            (r"a=1\,2,b=", Some(vec![pair("a", "1,2"), pair("b", "")])),
            ("a=b=c", Some(vec![pair("a", "b=c")])),
            (r"a\=b=c", Some(vec![pair("a", "b=c")])),
            (r"a=1,b\=2", Some(vec![pair("a", "1"), pair("b", "2")])),
            (r"a=1\", Some(vec![pair("a", r"1\")])),
            ("a=1,,b=2", None),
            (",a=1", None),
            ("", Some(vec![])),
            ("team", None),
            ("a=1,team", None),
            ("=1", None),
        ];
        for (text, wanted) in table {
            assert_eq!(pairs(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn numbers_have_limits() {
        assert_eq!(number("15", 5..=300_u32), Ok(15));
        for text in ["4", "301", "15s", "", "1.5", "-1"] {
            assert!(number(text, 5..=300_u32).is_err(), "{text:?}");
        }
    }

    #[test]
    fn truth_is_spelled_as_in_go() {
        assert_eq!((bool("True"), bool("0")), (Ok(true), Ok(false)));
        assert!(bool("yes").is_err() && bool("").is_err());
    }
}
