//! From what the API server sends to objects of ours: line by line, and object by object, so that
//! one that cannot be read harms nobody but itself.

use super::kinds::Kind;
use edgeway_api::{Item, ObjectRef, Problem, manifest};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use std::collections::BTreeMap;

/// Namespace and name.
pub(super) type Key = (String, String);

/// What is known of an object: what it is, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entry {
    pub item: Option<Item>,
    pub problems: Vec<Problem>,
}

/// One line of a watch.
#[derive(Debug)]
pub(super) enum Line {
    /// There is such an object.
    Put(Key, Entry),
    /// There is no such object any more.
    Gone(Key),
    /// Nothing more has changed up to here; whether this is the end of what there was at first.
    Mark {
        /// All that there was has been told.
        is_whole: bool,
    },
    /// The watch ends: the API server says why.
    Failed {
        /// An HTTP status.
        code: u16,
        /// In its words.
        message: String,
    },
}

/// How objects of a kind are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lens<'l> {
    pub kind: &'static Kind,
    pub version: &'l str,
    pub revision: &'l str,
}

#[derive(Deserialize)]
struct RawLine<'r> {
    #[serde(rename = "type")]
    what: String,
    #[serde(borrow)]
    object: &'r RawValue,
}

#[derive(Deserialize)]
struct RawList<'r> {
    #[serde(default)]
    metadata: ListHead,
    #[serde(borrow, default)]
    items: Option<Vec<&'r RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListHead {
    resource_version: String,
    #[serde(rename = "continue")]
    next: String,
}

#[derive(Deserialize)]
struct RawFailure {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

#[derive(Default, Deserialize)]
struct Headed {
    #[serde(default)]
    metadata: Head,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Head {
    namespace: String,
    name: String,
    resource_version: String,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

/// A page of a list.
#[derive(Debug)]
pub(super) struct Page {
    pub objects: Vec<(Key, Entry)>,
    /// What was true when it was made.
    pub version: String,
    /// By which the next page is asked for.
    pub next: Option<String>,
}

/// Marks the end of what there was when a watch began.
const WHOLE: &str = "k8s.io/initial-events-end";

/// For whom an object is.
const REVISION: &str = "istio.io/rev";

/// Parts of metadata that say nothing about what is wanted, or change without it.
const UNREAD: &[&str] = &["managedFields", "resourceVersion", "selfLink"];

/// As large as an object, and a copy of it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// One line of a watch, and the resource version that is reached with it.
pub(super) fn line(text: &[u8], lens: Lens<'_>) -> Result<(Line, String), serde_json::Error> {
    let RawLine { what, object } = serde_json::from_slice(text)?;
    if what == "ERROR" {
        let RawFailure { code, message } = serde_json::from_str(object.get())?;
        return Ok((Line::Failed { code, message }, String::new()));
    }
    let Headed { metadata } = serde_json::from_str(object.get())?;
    let version = metadata.resource_version.clone();
    let key = (metadata.namespace.clone(), metadata.name.clone());
    let line = match what.as_str() {
        "DELETED" => Line::Gone(key),
        "BOOKMARK" => {
            let notes = metadata.annotations.unwrap_or_default();
            Line::Mark { is_whole: notes.get(WHOLE).is_some_and(|value| value == "true") }
        }
        _ => Line::Put(key, entry(object, &metadata, lens)),
    };
    Ok((line, version))
}

/// A page of a list.
pub(super) fn page(text: &str, lens: Lens<'_>) -> Result<Page, serde_json::Error> {
    let RawList { metadata: ListHead { resource_version, next }, items } =
        serde_json::from_str(text)?;
    let object = |raw: &RawValue| {
        let Headed { metadata } = serde_json::from_str(raw.get())?;
        let entry = entry(raw, &metadata, lens);
        Ok(((metadata.namespace, metadata.name), entry))
    };
    let objects: Result<_, serde_json::Error> =
        items.unwrap_or_default().into_iter().map(object).collect();
    Ok(Page {
        objects: objects?,
        version: resource_version,
        next: Some(next).filter(|next| !next.is_empty()),
    })
}

fn entry(raw: &RawValue, head: &Head, lens: Lens<'_>) -> Entry {
    if lens.kind.has_revisions() && is_of_others(head, lens.revision) {
        return Entry::default();
    }
    match trimmed(raw, lens) {
        Ok(value) => {
            let (item, problems) = manifest::one(value);
            Entry { item, problems }
        }
        Err(error) => {
            let namespace = if lens.kind.is_namespaced { head.namespace.as_str() } else { "" };
            let object = ObjectRef::new(lens.kind.name, namespace, &head.name);
            let problem = Problem::error(object, "", "unreadable-object")
                .message(format!("the object cannot be read: {error}"))
                .advice("write it anew");
            Entry { item: None, problems: vec![problem] }
        }
    }
}

/// What is labelled for another revision; what is not labelled is for all.
fn is_of_others(head: &Head, revision: &str) -> bool {
    let label = head.labels.as_ref().and_then(|labels| labels.get(REVISION));
    label.is_some_and(|label| !label.is_empty() && label != revision)
}

/// The object with what is read of it. What is not read is skipped and not even parsed: a status
/// may be as deep as its writer likes.
fn trimmed(raw: &RawValue, lens: Lens<'_>) -> Result<Value, serde_json::Error> {
    let parts: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get())?;
    let mut object = Map::new();
    object.insert("apiVersion".into(), lens.kind.api_version(lens.version).into());
    object.insert("kind".into(), lens.kind.name.into());
    for (name, part) in parts {
        if name == "metadata" {
            object.insert(name, metadata(part)?);
        } else if leads(lens.kind.fields, &name) || lens.kind.fields.contains(&name.as_str()) {
            let mut value = serde_json::from_str(part.get())?;
            prune(&mut value, &name, lens.kind.fields);
            object.insert(name, value);
        }
    }
    Ok(Value::Object(object))
}

fn metadata(raw: &RawValue) -> Result<Value, serde_json::Error> {
    let parts: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get())?;
    let mut metadata = Map::new();
    for (name, part) in parts.into_iter().filter(|(name, _)| !UNREAD.contains(&name.as_str())) {
        let mut value: Value = serde_json::from_str(part.get())?;
        if let (true, Some(notes)) = (name == "annotations", value.as_object_mut()) {
            notes.remove(LAST_APPLIED);
        }
        metadata.insert(name, value);
    }
    Ok(Value::Object(metadata))
}

/// Leaves of the value at `path` what `fields` name.
fn prune(value: &mut Value, path: &str, fields: &[&str]) {
    if fields.contains(&path) {
        return;
    }
    match value {
        Value::Object(parts) => parts.retain(|name, part| {
            let path = format!("{path}.{name}");
            let leads = leads(fields, &path);
            if leads {
                prune(part, &path, fields);
            }
            leads || fields.contains(&path.as_str())
        }),
        Value::Array(items) => items.iter_mut().for_each(|item| prune(item, path, fields)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether something behind `path` is read.
fn leads(fields: &[&str], path: &str) -> bool {
    fields.iter().any(|field| field.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

#[cfg(test)]
mod tests {
    use super::{Entry, Item, Lens, Line, line, page};
    use crate::source::kube::kinds::{CONTROLLER, GATEWAY, SECRET};
    use serde_json::{Value, json};

    fn lens(kind: &str) -> Lens<'static> {
        let all = GATEWAY.iter().chain(CONTROLLER).chain(std::iter::once(&SECRET));
        let kind = all.into_iter().find(|it| it.name == kind).unwrap();
        Lens { kind, version: kind.versions[0], revision: "default" }
    }

    fn read(what: &str, object: &Value, lens: Lens<'_>) -> (Line, String) {
        line(json!({"type": what, "object": object}).to_string().as_bytes(), lens).unwrap()
    }

    fn put(object: &Value, kind: &str) -> Entry {
        match read("ADDED", object, lens(kind)) {
            (Line::Put(_, entry), _) => entry,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_say_what_has_happened() {
        let object = json!({"metadata": {"namespace": "a", "name": "b", "resourceVersion": "7"}});
        let (line, version) = read("MODIFIED", &object, lens("Gateway"));
        assert!(
            matches!(&line, Line::Put((a, b), Entry { item: Some(Item::Gateway(_)), .. })
            if a == "a" && b == "b"),
            "{line:?}"
        );
        assert_eq!(version, "7");
        assert!(matches!(read("DELETED", &object, lens("Gateway")).0, Line::Gone(_)));
        assert!(matches!(
            read("BOOKMARK", &object, lens("Gateway")).0,
            Line::Mark { is_whole: false }
        ));
        let end = json!({"metadata": {"annotations": {"k8s.io/initial-events-end": "true"}}});
        assert!(matches!(read("BOOKMARK", &end, lens("Gateway")).0, Line::Mark { is_whole: true }));
        let failure = json!({"kind": "Status", "code": 410, "message": "too old"});
        assert!(matches!(
            read("ERROR", &failure, lens("Gateway")).0,
            Line::Failed { code: 410, .. }
        ));
        assert!(super::line(b"{\"type\": \"ADDED\", \"obj", lens("Gateway")).is_err());
    }

    #[test]
    fn what_is_not_read_is_not_kept() {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "p", "namespace": "a", "resourceVersion": "1", "labels": {"x": "y"},
                "managedFields": [{"manager": "m"}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "k": "v"},
            },
            "spec": {"nodeName": "n", "hostNetwork": true, "containers": [
                {"name": "c", "image": "i", "env": [{"name": "E"}], "ports": [{"containerPort": 80}]},
            ]},
            "status": {"podIP": "10.0.0.1", "qosClass": "Burstable"},
        });
        let Some(Item::Pod(read)) = put(&pod, "Pod").item else { panic!() };
        let kept = serde_json::to_value(&*read).unwrap();
        assert_eq!(
            kept,
            json!({
                "metadata": {
                    "name": "p", "namespace": "a", "labels": {"x": "y"}, "annotations": {"k": "v"},
                },
                "spec": {"nodeName": "n", "hostNetwork": true, "containers": [
                    {"ports": [{"containerPort": 80}]},
                ]},
                "status": {"podIP": "10.0.0.1"},
            })
        );
    }

    #[test]
    fn metadata_alone_makes_an_object() {
        let node = json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z"}},
        });
        let entry = put(&node, "Node");
        assert!(lens("Node").kind.fields.is_empty());
        assert!(matches!(entry.item, Some(Item::Node(_))), "{entry:?}");
    }

    #[test]
    fn a_hostile_object_harms_only_itself() {
        let deep = "[".repeat(50_000) + &"]".repeat(50_000);
        let text = |spec: &str, status: &str| {
            format!(
                "{{\"type\":\"ADDED\",\"object\":{{\"metadata\":{{\"name\":\"h\",\"namespace\":\
                 \"a\"}},\"spec\":{spec},\"status\":{status}}}}}"
            )
        };
        let read = |text: String| match line(text.as_bytes(), lens("VirtualService")).unwrap().0 {
            Line::Put(_, entry) => entry,
            Line::Gone(_) | Line::Mark { .. } | Line::Failed { .. } => panic!("{text}"),
        };
        let entry = read(text("{\"hosts\":[\"h\"]}", &deep));
        assert!(entry.item.is_some() && entry.problems.is_empty(), "{entry:?}");
        let entry = read(text(&deep, "{}"));
        assert_eq!(entry.problems[0].object.to_string(), "VirtualService a/h");
        assert_eq!((entry.item.is_none(), entry.problems[0].code), (true, "unreadable-object"));
        let entry = read(text("{\"hosts\":{\"a\":1}}", "{}"));
        assert_eq!((entry.item.is_none(), entry.problems[0].code), (true, "wrong-type"));
        assert_eq!(entry.problems[0].origin, "");
        let large = format!("{{\"hosts\":[\"{}\"]}}", "x".repeat(200 << 10));
        assert!(read(text(&large, "{}")).item.is_some());
    }

    #[test]
    fn what_is_for_another_revision_is_not_there() {
        let gateway = |labels: Value| json!({"metadata": {"name": "g", "labels": labels}});
        for (labels, is_there) in [
            (json!({}), true),
            (json!({"istio.io/rev": ""}), true),
            (json!({"istio.io/rev": "default"}), true),
            (json!({"istio.io/rev": "canary"}), false),
        ] {
            assert_eq!(put(&gateway(labels), "Gateway").item.is_some(), is_there);
        }
        let service = gateway(json!({"istio.io/rev": "canary"}));
        assert!(put(&service, "Service").item.is_some());
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        let secret = json!({"metadata": {"name": "s"}, "data": {"tls.key": "hunter2!"}});
        let text = format!("{:?}", put(&secret, "Secret"));
        assert!(text.contains("wrong-type") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn lists_come_in_pages() {
        let list = json!({
            "metadata": {"resourceVersion": "9", "continue": "more"},
            "items": [{"metadata": {"namespace": "a", "name": "b"}, "spec": {}}],
        });
        let begun = page(&list.to_string(), lens("Service")).unwrap();
        assert_eq!((begun.objects.len(), &*begun.version), (1, "9"));
        assert_eq!(begun.next.as_deref(), Some("more"));
        let nothing = json!({"metadata": {"resourceVersion": "9"}, "items": null});
        assert!(page(&nothing.to_string(), lens("Service")).unwrap().next.is_none());
    }
}
