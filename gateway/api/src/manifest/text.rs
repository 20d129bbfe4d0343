//! YAML and JSON as a value, within bounds that a hostile text cannot pass.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use serde_saphyr::{DefaultMessageFormatter, Error, MessageFormatter, Options, Spanned};

/// Deepest nesting: twice what the deepest schemas of CRDs need, half of what a thread's stack bears.
const DEEPEST: usize = 64;

/// A text that is neither YAML nor JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// Counted from 1, within the document.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// The value that `text` writes down.
pub(super) fn value(text: &str) -> Result<Value, Unreadable> {
    if text.trim_start().starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(value);
    }
    let read: Result<Value, Error> = serde_saphyr::from_str_with_options(text, options());
    let mut value = read.map_err(|error| unreadable(&error))?;
    restore_colons(&mut value);
    Ok(value)
}

/// Makes `[fd00::]` a list of one text, as it is to `kubectl`: strictly it is a list of a mapping
/// from `fd00:` to nothing.
fn restore_colons(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| match cut_text(item) {
            Some(text) => *item = Value::String(text),
            None => restore_colons(item),
        }),
        Value::Object(fields) => fields.values_mut().for_each(restore_colons),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn cut_text(item: &Value) -> Option<String> {
    let fields = item.as_object().filter(|fields| fields.len() == 1)?;
    let (key, value) = fields.iter().next()?;
    (value.is_null() && key.ends_with(':')).then(|| format!("{key}:"))
}

/// The line of each of the `items` of a list, counted from 1 within the document.
pub(super) fn item_lines(text: &str) -> Vec<usize> {
    #[derive(Deserialize)]
    struct List {
        items: Vec<Spanned<IgnoredAny>>,
    }
    let list: Result<List, Error> = serde_saphyr::from_str_with_options(text, options());
    let items = list.map(|list| list.items).unwrap_or_default();
    items.iter().map(|item| usize::try_from(item.referenced.line()).unwrap_or_default()).collect()
}

/// As `kubectl` reads YAML (`yes` is true, `0644` is octal), but with bounds. Those on aliases stay
/// as they are; those on size must let a dump of a large cluster pass.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 50_000_000,
            max_nodes: 25_000_000,
            max_total_scalar_bytes: 1 << 30,
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            enforce_alias_anchor_ratio: false,
        },
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

/// The message alone: the line is the file's, and a snippet could show a secret.
fn unreadable(error: &Error) -> Unreadable {
    let location = error.location();
    let (line, column) = location.map_or((1, 1), |place| (place.line(), place.column()));
    let text = DefaultMessageFormatter.format_message(error.without_snippet());
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Unreadable {
        line: usize::try_from(line).unwrap_or(1),
        message: format!("{text} (column {column})"),
    }
}

#[cfg(test)]
mod tests {
    use super::{item_lines, value};
    use serde_json::json;

    #[test]
    fn scalars_are_what_kubectl_takes_them_for() {
        let rows = [
            ("a: 1", json!({"a": 1})),
            ("a: '1'", json!({"a": "1"})),
            ("a: yes", json!({"a": true})),
            ("a: off", json!({"a": false})),
            ("a: 0644", json!({"a": 420})),
            ("a: 1.5", json!({"a": 1.5})),
            ("a: 1.5s", json!({"a": "1.5s"})),
            ("a: ~", json!({"a": null})),
            ("a:", json!({"a": null})),
            ("80: x", json!({"80": "x"})),
            ("true: x", json!({"true": "x"})),
            ("a: &x {b: 1}\nc: *x", json!({"a": {"b": 1}, "c": {"b": 1}})),
            ("a: &x {b: 1}\nc: {<<: *x, d: 2}", json!({"a": {"b": 1}, "c": {"b": 1, "d": 2}})),
            ("{\n\t\"a\": [1]\n}", json!({"a": [1]})),
            ("{a: [1]}", json!({"a": [1]})),
            ("a: [fd00::, ::, b]", json!({"a": ["fd00::", "::", "b"]})),
            ("a: [b: ]", json!({"a": [{"b": null}]})),
            ("a: !!str 5", json!({"a": "5"})),
            ("a: |\n  x\n  y\n", json!({"a": "x\ny\n"})),
            ("a: 2024-01-01T00:00:00Z", json!({"a": "2024-01-01T00:00:00Z"})),
        ];
        for (text, expected) in rows {
            assert_eq!(value(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_without_the_text() {
        let rows = [
            ("tabs", "a:\n\tb: hunter2\n", 2),
            ("a key twice", "a: hunter2\nb: 2\na: 3\n", 3),
            ("never closed", "a: [hunter2\n", 1),
            ("a mapping in a value", "a: b: hunter2\n", 1),
            ("no such anchor", "x: 1\na: *hunter\n", 2),
            ("not a number", "x: 1\na: .nan\n", 2),
        ];
        for (name, text, line) in rows {
            let unreadable = value(text).unwrap_err();
            assert!(!unreadable.message.contains("hunter2"), "{name}: {unreadable:?}");
            assert!(unreadable.line >= line, "{name}: {unreadable:?}");
            assert!(!unreadable.message.contains("line"), "{name}: {unreadable:?}");
        }
    }

    #[test]
    fn items_of_lists_have_lines() {
        let text = "kind: List\nitems:\n- a: 1\n  b: 2\n\n- a: 2\n";
        assert_eq!(item_lines(text), [3, 6]);
        assert_eq!(item_lines("{\n  \"items\": [\n    {},\n    {}\n  ]\n}"), [3, 4]);
        assert_eq!(item_lines("items: 5"), Vec::<usize>::new());
    }
}
