//! The CRDs of our kinds, made of the types that read them. `deploy/charts` ships them; this refuses
//! files that say otherwise (`UPDATE_GOLDEN=1` writes them).

use crate::{
    IngressClassParams, Resource, TargetGroupBinding, ingress_class_params, target_group_binding,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};
use std::{borrow::Cow, fs, path::PathBuf};

/// A kind, as its CRD names it.
struct Kind {
    name: &'static str,
    plural: &'static str,
    is_namespaced: bool,
    /// Columns of `kubectl get`: name, type, path.
    columns: &'static [[&'static str; 3]],
}

/// The group of all that the AWS Load Balancer Controller reads as well.
const AWS: &str = "elbv2.k8s.aws";

/// What a schema may say in a CRD, of that which the generator says.
const KEPT: &[&str] = &[
    "type",
    "description",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "enum",
    "nullable",
    "x-kubernetes-int-or-string",
];

/// Stands for Kubernetes' `LabelSelector`, which knows no schema without a feature that would have
/// all of its kinds compiled again.
pub(crate) struct Selector;

impl JsonSchema for Selector {
    fn schema_name() -> Cow<'static, str> {
        "LabelSelector".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json!({"type": "string"});
        json_schema!({
            "type": "object",
            "properties": {
                "matchLabels": {"type": "object", "additionalProperties": text},
                "matchExpressions": {"type": "array", "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": text,
                        "operator": text,
                        "values": {"type": "array", "items": text},
                    },
                }},
            },
        })
    }
}

/// Stands for Kubernetes' `IntOrString`.
pub(crate) struct NumberOrName;

impl JsonSchema for NumberOrName {
    fn schema_name() -> Cow<'static, str> {
        "IntOrString".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-int-or-string": true})
    }
}

/// The schema of a type, as CRDs have it: whole, without references.
fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    structural(settings.into_generator().into_root_schema_for::<T>().to_value())
}

fn structural(schema: Value) -> Value {
    let Value::Object(mut schema) = schema else {
        // Anything.
        return json!({"x-kubernetes-preserve-unknown-fields": true});
    };
    if let Some(words) = words_of(&schema) {
        schema.insert("type".into(), json!("string"));
        schema.insert("enum".into(), words);
    }
    if let Some(inner) = only_choice(&schema) {
        let about = schema.remove("description");
        let Value::Object(mut inner) = structural(inner) else { return json!({}) };
        // What the field is says more than what its type is.
        inner.extend(about.map(|about| ("description".to_owned(), about)));
        return Value::Object(inner);
    }
    let mut kept = Map::new();
    for (key, value) in schema {
        let value = match (key.as_str(), value) {
            (key, _) if !KEPT.contains(&key) => continue,
            ("properties", Value::Object(fields)) => {
                fields.into_iter().map(|(name, field)| (name, structural(field))).collect()
            }
            ("items" | "additionalProperties", value) => structural(value),
            ("description", Value::String(text)) => {
                // Links are for those who read the source.
                json!(text.replace('\n', " ").replace("[`", "").replace("`]", ""))
            }
            (_, value) => value,
        };
        kept.insert(key, value);
    }
    // `null` is absent to all of us.
    if kept.get("type").is_some_and(Value::is_array) {
        let mut types = kept["type"].as_array().into_iter().flatten();
        let some = types.find(|one| *one != "null").cloned();
        kept.insert("type".into(), some.unwrap_or_default());
    }
    kept.remove("nullable");
    Value::Object(kept)
}

/// The words of an enum, whose documented words come one by one.
fn words_of(schema: &Map<String, Value>) -> Option<Value> {
    let choices = schema.get("oneOf")?.as_array()?;
    let mut words = Vec::new();
    for choice in choices {
        match (choice.get("const"), choice.get("enum").and_then(Value::as_array)) {
            (Some(word), _) => words.push(word.clone()),
            (None, Some(some)) => words.extend(some.iter().cloned()),
            (None, None) => return None,
        }
    }
    Some(Value::Array(words))
}

/// A choice between one thing and nothing is that thing.
fn only_choice(schema: &Map<String, Value>) -> Option<Value> {
    let choices = schema.get("anyOf").or_else(|| schema.get("allOf"))?.as_array()?;
    if schema.contains_key("x-kubernetes-int-or-string") {
        return None;
    }
    let is_something = |choice: &&Value| {
        choice.get("type") != Some(&json!("null")) && choice.get("enum") != Some(&json!([null]))
    };
    let some: Vec<&Value> = choices.iter().filter(is_something).collect();
    match some.as_slice() {
        [one] => Some((*one).clone()),
        _ => None,
    }
}

fn crd<S: JsonSchema>(kind: &Kind) -> Value {
    let Kind { name, plural, is_namespaced, columns } = kind;
    let columns: Vec<Value> = columns
        .iter()
        .map(|[name, kind, path]| json!({"name": name, "type": kind, "jsonPath": path}))
        .chain([json!({"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"})])
        .collect();
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{AWS}")},
        "spec": {
            "group": AWS,
            "names": {
                "kind": name,
                "listKind": format!("{name}List"),
                "plural": plural,
                "singular": name.to_lowercase(),
            },
            "scope": if *is_namespaced { "Namespaced" } else { "Cluster" },
            "versions": [{
                "name": "v1beta1",
                "served": true,
                "storage": true,
                "additionalPrinterColumns": columns,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": schema::<S>(),
                        "status": status,
                    },
                }},
            }],
        },
    })
}

fn all() -> Vec<Value> {
    vec![
        crd::<ingress_class_params::IngressClassParamsSpec>(&Kind {
            name: IngressClassParams::KIND,
            plural: "ingressclassparams",
            is_namespaced: !IngressClassParams::CLUSTER_SCOPED,
            columns: &[
                ["GROUP-NAME", "string", ".spec.group.name"],
                ["SCHEME", "string", ".spec.scheme"],
                ["IP-ADDRESS-TYPE", "string", ".spec.ipAddressType"],
            ],
        }),
        crd::<target_group_binding::TargetGroupBindingSpec>(&Kind {
            name: TargetGroupBinding::KIND,
            plural: "targetgroupbindings",
            is_namespaced: !TargetGroupBinding::CLUSTER_SCOPED,
            columns: &[
                ["SERVICE-NAME", "string", ".spec.serviceRef.name"],
                ["SERVICE-PORT", "string", ".spec.serviceRef.port"],
                ["TARGET-TYPE", "string", ".spec.targetType"],
                ["ARN", "string", ".spec.targetGroupARN"],
            ],
        }),
    ]
}

#[test]
fn crds_in_the_chart_are_those_of_our_types() {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/charts/edgeway-crds/files");
    for crd in all() {
        let name = crd["metadata"]["name"].as_str().unwrap();
        let file = folder.join(format!("{name}.yaml"));
        let text = serde_saphyr::to_string(&crd).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the name is that of all golden files")]
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, &text).unwrap();
        }
        let kept = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(kept, text, "{name} is not what its type says: UPDATE_GOLDEN=1 writes it anew");
    }
}

#[test]
fn nothing_remains_that_a_crd_must_not_say() {
    let text = serde_json::to_string(&all()).unwrap();
    for word in ["anyOf", "oneOf", "$ref", "\"format\"", "\"default\"", "[\"string\""] {
        assert!(!text.contains(word), "{word}");
    }
}
