//! Reading manifests: a text of many documents becomes [`Objects`], and what is wrong their defects.
//!
//! Each document is read by itself, so a bad one costs only itself; so does each item of a list, and
//! lists as `kubectl get -o yaml` prints them are read like documents. Which kinds are read, left
//! out or missed is decided in `kinds`.

mod documents;
mod fields;
mod kinds;
mod lists;
mod path;
mod text;
mod typed;

#[cfg(test)]
mod tests;

use crate::{Held, Item, ObjectRef, Objects, Problem, resource::DEFAULT_NAMESPACE};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kinds::Treatment;
use path::{Step, written};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{fmt, sync::Arc};
use typed::{Found, typed};

/// Reads the YAML or JSON `text` of the file `origin` into `objects`.
///
/// What is wrong becomes a defect of the objects; this never fails.
pub fn read(text: &str, origin: &str, objects: &mut Objects) {
    for document in documents::documents(text) {
        match text::value(document.text) {
            Ok(Value::Null) => {}
            Ok(value) => {
                for item in lists::flattened(value, &document) {
                    accept(item.value, Origin { file: origin, line: item.line }, objects);
                }
            }
            Err(unreadable) => {
                let line = document.first_line + unreadable.line.saturating_sub(1);
                let problem = Problem::error(file(origin), "", "unreadable-yaml")
                    .message(unreadable.message)
                    .advice("correct the text; the other documents of the file are read");
                tell(problem, Origin { file: origin, line }, objects);
            }
        }
    }
}

/// Reads one object that comes from no file: what it is, and what is wrong with it. Of one that
/// cannot be used only the problems are given.
pub fn one(value: Value) -> (Option<Item>, Vec<Problem>) {
    let mut objects = Objects::default();
    accept(value, Origin { file: "", line: 0 }, &mut objects);
    let problems = std::mem::take(&mut objects.defects);
    (objects.into_items().pop(), problems)
}

/// One object as [`one`] reads it. What is in a Secret is in it.
pub fn to_value(item: &Item) -> Option<Value> {
    let mut value = item.content()?;
    let kind = item.reference().kind;
    let fields = value.as_object_mut()?;
    fields.insert("apiVersion".into(), kinds::api_version(&kind)?.into());
    fields.insert("kind".into(), kind.into());
    Some(value)
}

/// Stands for a file in problems that are not about one object.
pub fn file(path: &str) -> ObjectRef {
    ObjectRef::new("File", "", path)
}

/// Where a document or an item begins.
#[derive(Clone, Copy)]
struct Origin<'o> {
    file: &'o str,
    line: usize,
}

/// `file:line`; nothing for what comes from no file.
impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line } = self;
        if file.is_empty() { Ok(()) } else { write!(f, "{file}:{line}") }
    }
}

/// Reads one object into the set. It takes the value, so that what has been read of a large one is given back
/// at once: a value is many times the size of what it becomes.
type Reader = fn(Value, Origin<'_>, &mut Objects);

fn tell(problem: Problem, origin: Origin<'_>, objects: &mut Objects) {
    objects.defects.push(Problem { origin: origin.to_string(), ..problem });
}

fn accept(value: Value, origin: Origin<'_>, objects: &mut Objects) {
    let api_version = word(&value, "/apiVersion");
    let object = reference(&value, &word(&value, "/kind"), false);
    if api_version.is_empty() || object.kind.is_empty() {
        return tell(stranger(&value, origin.file, object), origin, objects);
    }
    match kinds::treatment(&api_version, &object) {
        Treatment::Read(reader) => reader(value, origin, objects),
        Treatment::LeaveOut => {}
        Treatment::Tell(problem) => tell(problem, origin, objects),
    }
}

/// A document that does not say what it is. One that says nothing at all may well be meant for
/// another program.
fn stranger(value: &Value, path: &str, object: ObjectRef) -> Problem {
    let has = |field| value.get(field).is_some();
    match (has("apiVersion"), has("kind")) {
        (false, false) => Problem::warning(file(path), "", "not-an-object")
            .message("the document has no `apiVersion` and `kind`: it is left out")
            .advice("give it both, or move it out of the folder if it is no manifest"),
        (true, _) if object.kind.is_empty() => Problem::error(file(path), "kind", "not-an-object")
            .message("the document has an `apiVersion`, but no `kind`: it is left out")
            .advice("say which kind of object it is"),
        (true | false, true) | (true, false) => {
            Problem::error(object, "apiVersion", "not-an-object")
                .message("the object has no `apiVersion`: it is left out")
                .advice("say which version of the kind it is")
        }
    }
}

/// A scalar as text, empty if it is not there.
fn word(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(scalar @ (Value::Bool(_) | Value::Number(_))) => scalar.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    }
}

fn reference(value: &Value, kind: &str, cluster_scoped: bool) -> ObjectRef {
    let mut namespace = word(value, "/metadata/namespace");
    if cluster_scoped {
        namespace.clear();
    } else if namespace.is_empty() {
        DEFAULT_NAMESPACE.clone_into(&mut namespace);
    }
    ObjectRef::new(kind, namespace, word(value, "/metadata/name"))
}

/// Reads an object of a kind of Istio's or our own: fields that it does not have are pointed out.
fn strict<K: Held + DeserializeOwned>(value: Value, origin: Origin<'_>, objects: &mut Objects) {
    let Some((object, unknown)) = object::<K>(value, origin, objects) else { return };
    for steps in unknown {
        if let Some(problem) = unknown_field::<K>(&object.reference(), &steps) {
            tell(problem, origin, objects);
        }
    }
    insert(object, origin, objects);
}

/// Reads an object of a kind of Kubernetes, which may have fields that are newer than we are.
fn lenient<K: Held + DeserializeOwned>(value: Value, origin: Origin<'_>, objects: &mut Objects) {
    if let Some((object, _)) = object::<K>(value, origin, objects) {
        insert(object, origin, objects);
    }
}

/// Reads a Secret; its `stringData` becomes `data`, as the API server does it.
fn secret(value: Value, origin: Origin<'_>, objects: &mut Objects) {
    let Some((mut secret, _)) = object::<Secret>(value, origin, objects) else { return };
    if let Some(texts) = secret.string_data.take() {
        let data = texts.into_iter().map(|(key, text)| (key, ByteString(text.into_bytes())));
        secret.data.get_or_insert_default().extend(data);
    }
    insert(secret, origin, objects);
}

fn insert<K: Held>(object: K, origin: Origin<'_>, objects: &mut Objects) {
    objects.insert(Arc::new(object), origin.to_string());
}

/// The object, named and in its namespace, and the fields it does not have; or a defect.
fn object<K: Held + DeserializeOwned>(
    value: Value,
    origin: Origin<'_>,
    objects: &mut Objects,
) -> Option<(K, Vec<Vec<Step>>)> {
    let reference = reference(&value, K::KIND, K::CLUSTER_SCOPED);
    let found = if K::KIND == "Secret" { Found::Hidden } else { Found::Shown };
    let (mut object, unknown) = match typed::<K>(value, found) {
        Ok(read) => read,
        Err(misfit) => {
            let problem = Problem::error(reference, misfit.field, "wrong-type")
                .message(misfit.message)
                .advice(misfit.advice);
            tell(problem, origin, objects);
            return None;
        }
    };
    if let Some(problem) = misnamed(&reference) {
        tell(problem, origin, objects);
        return None;
    }
    object.meta_mut().namespace = (!K::CLUSTER_SCOPED).then_some(reference.namespace);
    Some((object, unknown))
}

/// What is wrong with an object's name.
fn misnamed(object: &ObjectRef) -> Option<Problem> {
    let name = object.name.as_str();
    if name.is_empty() {
        return Some(
            Problem::error(object.clone(), "metadata.name", "name-missing")
                .message("the object has no name")
                .advice("give it one"),
        );
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_label = |label: &str| {
        label.starts_with(plain)
            && label.ends_with(plain)
            && label.chars().all(|c| plain(c) || c == '-')
    };
    let valid = name.len() <= 253 && name.split('.').all(is_label);
    (!valid).then(|| {
        Problem::error(object.clone(), "metadata.name", "name-invalid")
            .message(format!("`{name}` is no name that Kubernetes allows"))
            .advice("use small letters, digits, `-` and `.`, at most 253 of them")
    })
}

/// A warning about a field that the kind does not have; the object is used without it.
fn unknown_field<K: DeserializeOwned>(object: &ObjectRef, steps: &[Step]) -> Option<Problem> {
    let (last, parents) = steps.split_last()?;
    let Step::Field(name) = last else { return None };
    let top = match steps.first() {
        Some(Step::Field(top)) => top.as_str(),
        Some(Step::Index(_)) | None => "",
    };
    // Metadata is Kubernetes' own and may be newer than we are; a status is never an order.
    if matches!(top, "apiVersion" | "kind" | "metadata" | "status") {
        return None;
    }
    let advice = match fields::meant::<K>(parents, name) {
        Some(other) => format!("did you mean `{other}`?"),
        None => "remove it".into(),
    };
    Some(
        Problem::warning(object.clone(), written(steps), "unknown-field")
            .message(format!("there is no field `{name}` here: it has no effect"))
            .advice(advice),
    )
}
