//! Lists of objects, as `kubectl get -o yaml` prints them.

use super::{documents::Document, text};
use serde_json::{Map, Value};

/// One object, and the line of the file on which it begins.
#[derive(Debug, PartialEq)]
pub(super) struct Item {
    /// The object.
    pub value: Value,
    /// Its line.
    pub line: usize,
}

/// The objects of `document`, which says `value`: one, or those of a list.
pub(super) fn flattened(value: Value, document: &Document<'_>) -> Vec<Item> {
    let line = document.content_line;
    let items = match items(value) {
        Ok(items) => items,
        Err(value) => return vec![Item { value, line }],
    };
    let lines = text::item_lines(document.text);
    let line_of = |index: usize| {
        lines.get(index).map_or(line, |within| document.first_line + within.saturating_sub(1))
    };
    let mut all = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        flatten(item, line_of(index), &mut all);
    }
    all
}

/// Lists may hold lists; these have no lines of their own.
fn flatten(value: Value, line: usize, all: &mut Vec<Item>) {
    match items(value) {
        Ok(items) => items.into_iter().for_each(|item| flatten(item, line, all)),
        Err(value) => all.push(Item { value, line }),
    }
}

/// The items of a list; `value` itself if it is none.
fn items(value: Value) -> Result<Vec<Value>, Value> {
    let Value::Object(mut list) = value else { return Err(value) };
    let word =
        |list: &Map<String, Value>, key| list.get(key).and_then(Value::as_str).map(str::to_owned);
    let kind = word(&list, "kind").unwrap_or_default();
    let Some(kind) = kind.strip_suffix("List") else { return Err(Value::Object(list)) };
    let items = match list.remove("items") {
        Some(Value::Array(items)) => items,
        None | Some(Value::Null) if kind.is_empty() => Vec::new(),
        Some(other) => {
            list.insert("items".into(), other);
            return Err(Value::Object(list));
        }
        None => return Err(Value::Object(list)),
    };
    let api_version = word(&list, "apiVersion").unwrap_or_default();
    // The items of a `PodList` may leave to the list what they are.
    let complete = |mut item: Value| {
        if let (Value::Object(object), false) = (&mut item, kind.is_empty()) {
            object.entry("kind").or_insert_with(|| kind.into());
            object.entry("apiVersion").or_insert_with(|| api_version.as_str().into());
        }
        item
    };
    Ok(items.into_iter().filter(|item| !item.is_null()).map(complete).collect())
}
