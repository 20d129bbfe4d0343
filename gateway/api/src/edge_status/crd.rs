//! The kind's definition, as an API server takes it.

use super::{GROUP, PLURAL, VERSION};
use serde_json::{Value, json};

/// The `CustomResourceDefinition` of [`EdgeStatus`](super::EdgeStatus).
pub fn crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{PLURAL}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "EdgeStatus",
                "plural": PLURAL,
                "singular": "edgestatus",
                "shortNames": ["es"],
                "categories": ["edgeway"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(),
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "description": "What became of an Ingress or of a gateway. Written by Edgeway.",
                    "properties": {"spec": spec(), "status": status()},
                }},
            }],
        },
    })
}

fn columns() -> Value {
    let ready = |field: &str| format!(".status.conditions[?(@.type==\"Ready\")].{field}");
    json!([
        {"name": "Kind", "type": "string", "jsonPath": ".spec.targetRef.kind"},
        {"name": "Target", "type": "string", "jsonPath": ".spec.targetRef.name"},
        {"name": "Ready", "type": "string", "jsonPath": ready("status")},
        {"name": "Reason", "type": "string", "jsonPath": ready("reason")},
        {"name": "Address", "type": "string", "jsonPath": ".status.address"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ])
}

fn spec() -> Value {
    json!({
        "type": "object",
        "required": ["targetRef"],
        "properties": {"targetRef": {
            "type": "object",
            "required": ["kind", "name"],
            "description": "An object of the same namespace.",
            "properties": {
                "kind": text("Its kind: Ingress, or Gateway for a gateway workload."),
                "name": text("Its name."),
            },
        }},
    })
}

fn status() -> Value {
    let listeners = json!({
        "type": "array",
        "description": "Sockets that are open.",
        "items": {"type": "string"},
    });
    json!({
        "type": "object",
        "properties": {
            "observedGeneration": number("The generation of the target that this is about."),
            "conditions": {
                "type": "array",
                "description": "What holds and what does not.",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": condition(),
            },
            "problems": {
                "type": "array",
                "description": "Everything that is wrong, the worst first.",
                "x-kubernetes-list-type": "atomic",
                "items": finding(),
            },
            "address": text("Where requests are to be sent."),
            "listeners": listeners,
            "objects": number("How many objects it is made of."),
            "writer": text("Which replica says so."),
        },
    })
}

fn condition() -> Value {
    json!({
        "type": "object",
        "required": ["type", "status"],
        "properties": {
            "type": text("What holds or does not."),
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "reason": text("Why, in one word."),
            "message": text("Why, for people."),
            "observedGeneration": number("The generation of the object that this is about."),
            "lastTransitionTime": {
                "type": "string",
                "format": "date-time",
                "description": "Since when the status is what it is.",
            },
        },
    })
}

fn finding() -> Value {
    json!({
        "type": "object",
        "required": ["object", "code", "message"],
        "properties": {
            "object": text("The object at fault."),
            "field": text("Path of the field."),
            "code": text("Has a page in the documentation."),
            "severity": {"type": "string", "enum": ["error", "warning"]},
            "message": text("What is wrong."),
            "advice": text("What to do about it."),
        },
    })
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn number(description: &str) -> Value {
    json!({"type": "integer", "format": "int64", "description": description})
}

#[cfg(test)]
mod tests {
    use super::{super::*, crd};
    use serde_json::Value;

    fn full() -> EdgeStatus {
        let word = || "x".to_owned();
        EdgeStatus {
            metadata: ObjectMeta::default(),
            spec: EdgeStatusSpec { target_ref: TargetRef { kind: word(), name: word() } },
            status: EdgeState {
                observed_generation: Some(1),
                conditions: vec![Condition {
                    r#type: word(),
                    status: word(),
                    reason: word(),
                    message: word(),
                    observed_generation: Some(1),
                    last_transition_time: word(),
                }],
                problems: vec![Finding {
                    object: word(),
                    field: word(),
                    code: word(),
                    severity: word(),
                    message: word(),
                    advice: word(),
                }],
                address: Some(word()),
                listeners: vec![word()],
                objects: Some(1),
                writer: Some(word()),
            },
        }
    }

    /// Paths of all fields of a value.
    fn of_value(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, field)| {
                found.push(format!("{path}.{name}"));
                of_value(field, &format!("{path}.{name}"), found);
            }),
            Value::Array(items) => items.iter().for_each(|item| of_value(item, path, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The same of a schema.
    fn of_schema(schema: &Value, path: &str, found: &mut Vec<String>) {
        let fields = schema["properties"].as_object().into_iter().flatten();
        for (name, field) in fields {
            found.push(format!("{path}.{name}"));
            of_schema(field, &format!("{path}.{name}"), found);
        }
        if schema["items"].is_object() {
            of_schema(&schema["items"], path, found);
        }
    }

    #[test]
    fn the_schema_has_the_fields_of_the_type_and_no_others() {
        let (mut typed, mut written) = (Vec::new(), Vec::new());
        let value = serde_json::to_value(full()).unwrap();
        for part in ["spec", "status"] {
            of_value(&value[part], part, &mut typed);
            let schema = &crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            of_schema(&schema["properties"][part], part, &mut written);
        }
        typed.sort();
        written.sort();
        assert_eq!(typed, written);
        let read: EdgeStatus = serde_json::from_value(value).unwrap();
        assert_eq!(read, full());
    }
}
