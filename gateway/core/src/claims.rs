//! What a verified token says about its bearer.

use serde_json::{Map, Value};

/// The claims of a verified token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// The claims of a token's payload.
    pub fn new(payload: Map<String, Value>) -> Self {
        Self(payload)
    }

    /// Whether the claim at `path` is a text that `fits`, or a list with one (as Istio: numbers and
    /// truth values fit nothing).
    pub fn any(&self, path: &[String], fits: impl Fn(&str) -> bool) -> bool {
        let Some((first, rest)) = path.split_first() else { return false };
        let found = rest.iter().try_fold(self.0.get(first), |value, name| Some(value?.get(name)));
        match found.flatten() {
            Some(Value::String(text)) => fits(text),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).any(fits),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_and_lists_of_texts_can_fit() {
        let Value::Object(payload) = json!({
            "iss": "issuer", "groups": ["a", 7, "b"], "age": 7, "nested": {"key": ["v"], "x.y": "z"},
        }) else {
            unreachable!("it is an object")
        };
        let claims = Claims::new(payload);
        for (path, value, fits) in [
            (&["iss"][..], "issuer", true),
            (&["iss"], "other", false),
            (&["iss", "deeper"], "issuer", false),
            (&["groups"], "b", true),
            (&["groups"], "7", false),
            (&["groups", "0"], "a", false),
            (&["age"], "7", false),
            (&["nested", "key"], "v", true),
            (&["nested", "x.y"], "z", true),
            (&["nested"], "v", false),
            (&["missing"], "", false),
            (&[], "issuer", false),
        ] {
            let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(claims.any(&path, |text| text == value), fits, "{path:?} {value}");
        }
    }
}
