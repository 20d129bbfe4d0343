//! A value as an object of a kind, with what does not fit told by its field.

use super::path::{Step, of_error, of_ignored, written};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Longest part of a foreign text that a message repeats.
const LONGEST: usize = 200;

/// A field whose value does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// Path of the field.
    pub field: String,
    /// What was expected, and what was found.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// Whether messages may repeat what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// They may.
    Shown,
    /// It could be secret.
    Hidden,
}

/// `value` as a `T`, and the way to each value that `T` has no field for.
pub(super) fn typed<T: DeserializeOwned>(
    value: Value,
    found: Found,
) -> Result<(T, Vec<Vec<Step>>), Misfit> {
    let mut unknown = Vec::new();
    let mut note = |path: serde_ignored::Path<'_>| unknown.push(of_ignored(&path));
    let reader = serde_ignored::Deserializer::new(value, &mut note);
    match serde_path_to_error::deserialize(reader) {
        Ok(object) => Ok((object, unknown)),
        Err(error) => {
            let (message, advice) = explained(&error.inner().to_string(), found);
            Err(Misfit { field: written(&of_error(error.path())), message, advice })
        }
    }
}

/// Serde's message in words for people who write YAML, and what to do.
fn explained(raw: &str, found: Found) -> (String, String) {
    let wrong = raw.strip_prefix("invalid type: ").or_else(|| raw.strip_prefix("invalid value: "));
    let parts = wrong.and_then(|wrong| wrong.rsplit_once(", expected "));
    let message = match (parts, found) {
        (Some((value, wanted)), Found::Shown) => {
            format!("it is {}, where {} is expected", shortened(&given(value)), expected(wanted))
        }
        (Some((_, wanted)), Found::Hidden) => format!("{} is expected here", expected(wanted)),
        (None, Found::Shown) => shortened(raw),
        (None, Found::Hidden) => "the value cannot be read (it is not shown here)".into(),
    };
    let wants_text = parts.is_some_and(|(value, wanted)| {
        wanted == "a string" && (value.starts_with("integer") || value.starts_with("boolean"))
    });
    let advice = if wants_text { "put the value in quotes" } else { "correct the value" };
    (message, advice.into())
}

fn given(value: &str) -> String {
    match value {
        "map" => "a mapping".into(),
        "sequence" => "a list".into(),
        "null" => "null".into(),
        scalar => format!("the {scalar}"),
    }
}

fn expected(wanted: &str) -> &str {
    match wanted {
        "a map" => "a mapping",
        "a sequence" => "a list",
        "a boolean" => "`true` or `false`",
        "u8" | "u16" | "u32" | "u64" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        wanted if wanted.starts_with("struct ") => "a mapping",
        wanted => wanted,
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, typed};
    use crate::{DestinationRule, Gateway, VirtualService};
    use k8s_openapi::api::core::v1::{Secret, Service};
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    fn misfit<T: DeserializeOwned + std::fmt::Debug>(value: &Value) -> (String, String) {
        let misfit = typed::<T>(value.clone(), Found::Shown).unwrap_err();
        (misfit.field, format!("{}; {}", misfit.message, misfit.advice))
    }

    #[test]
    fn a_value_that_does_not_fit_is_told_by_its_field() {
        let rule = |rule: Value| json!({"spec": {"http": [{}, rule]}});
        let rows = [
            (
                rule(json!({"timeout": {}})),
                "spec.http[1].timeout",
                "it is a mapping, where a duration such as `1.5s` is expected; correct the value",
            ),
            (
                rule(json!({"match": [{"uri": {"prefix": 5}}]})),
                "spec.http[1].match[0].uri.prefix",
                "it is the integer `5`, where a string is expected; put the value in quotes",
            ),
            (
                rule(json!({"match": [{"uri": "/a"}]})),
                "spec.http[1].match[0].uri",
                "it is the string \"/a\", where a mapping is expected; correct the value",
            ),
            (
                rule(json!({"match": {}})),
                "spec.http[1].match",
                "it is a mapping, where a list is expected; correct the value",
            ),
            (
                rule(json!({"headers": {"request": {"set": {"x.y": 1}}}})),
                "spec.http[1].headers.request.set[x.y]",
                "it is the integer `1`, where a string is expected; put the value in quotes",
            ),
            (
                rule(json!({"match": [{"headers": {"a": null}}]})),
                "spec.http[1].match[0].headers.a",
                "it is null, where a mapping is expected; correct the value",
            ),
            (
                rule(json!({"redirect": {"port": -1}})),
                "spec.http[1].redirect.port",
                "it is the integer `-1`, where a whole number of at least 0 is expected; correct the value",
            ),
            (
                rule(json!({"redirect": {"derivePort": "MAYBE"}})),
                "spec.http[1].redirect.derivePort",
                "unknown variant `MAYBE`, expected `FROM_PROTOCOL_DEFAULT` or \
                 `FROM_REQUEST_PORT`; correct the value",
            ),
            (
                rule(json!({"mirrorPercent": 1, "mirror_percent": 2})),
                "spec.http[1]",
                "duplicate field `mirrorPercent`; correct the value",
            ),
        ];
        for (value, field, message) in rows {
            let expected = (field.to_owned(), message.to_owned());
            assert_eq!(misfit::<VirtualService>(&value), expected, "{value}");
        }
        let mode = json!({"spec": {"servers": [{"tls": {"mode": 5}}]}});
        assert_eq!(misfit::<Gateway>(&mode).0, "spec.servers[0].tls.mode");
        let port = json!({"spec": {"ports": [{"port": "80"}]}});
        assert_eq!(misfit::<Service>(&port).0, "spec.ports[0].port");
        let to = json!({"spec": {"host": ["a"]}});
        assert_eq!(misfit::<DestinationRule>(&to).0, "spec.host");
    }

    #[test]
    fn long_values_are_cut() {
        let value = json!({"spec": {"hosts": "é".repeat(5_000)}});
        assert!(misfit::<VirtualService>(&value).1.len() < 600);
    }

    #[test]
    fn nothing_of_a_secret_is_repeated() {
        let rows = [
            json!({"data": {"key": "hunter2 is no base64"}}),
            json!({"data": {"key": 12_345}}),
            json!({"stringData": {"key": 12_345}}),
            json!({"stringData": "hunter2"}),
            json!({"type": ["hunter2"]}),
        ];
        for value in rows {
            let misfit = typed::<Secret>(value, Found::Hidden).unwrap_err();
            let text = format!("{misfit:?}");
            assert!(!text.contains("hunter2") && !text.contains("12"), "{text}");
            assert!(!misfit.field.is_empty(), "{text}");
        }
    }

    #[test]
    fn fields_that_the_kind_does_not_have_are_found() {
        let value =
            json!({"apiVersion": "x", "spec": {"http": [{"a": 1, "match": [{"b": {"c": 1}}]}]}});
        let (_, unknown) = typed::<VirtualService>(value, Found::Shown).unwrap();
        let paths: Vec<String> = unknown.iter().map(|steps| super::written(steps)).collect();
        assert_eq!(paths, ["apiVersion", "spec.http[0].a", "spec.http[0].match[0].b"]);
    }
}
