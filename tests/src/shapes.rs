//! The fields of Istio's objects, as the API crate writes them down.

use crate::root;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// Where the shapes of Istio's objects are.
const SOURCES: [&str; 8] = [
    "gateway",
    "virtual_service",
    "http_action",
    "string_match",
    "destination_rule",
    "load_balancer",
    "service_entry",
    "workload_entry",
];

/// A field of a shape, such as `HttpRoute.timeout`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field {
    /// The shape.
    pub shape: String,
    /// The field, as it is written in manifests.
    pub name: String,
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.shape, self.name)
    }
}

/// All shapes: by name, the fields with the shape that is in them.
#[derive(Debug, Default)]
pub struct Shapes {
    shapes: BTreeMap<String, BTreeMap<String, Kind>>,
}

/// What a field holds.
#[derive(Debug)]
struct Kind {
    /// The innermost type.
    of: String,
    /// By any name.
    is_map: bool,
}

impl Shapes {
    /// Reads the sources.
    pub fn read() -> Self {
        let mut all = Self::default();
        for source in SOURCES {
            let file = root().join("gateway/api/src").join(source).with_extension("rs");
            // Kinds of the same name in two files: the one of the DestinationRule is told apart.
            let text = fs::read_to_string(file).expect("the source is there");
            all.add(&text, source);
        }
        all
    }

    fn add(&mut self, text: &str, source: &str) {
        let (mut shape, mut renamed) = (None, None);
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("    ").and_then(|line| line.strip_suffix(" {")) {
                let is_name = name.starts_with(|c: char| c.is_ascii_uppercase());
                shape = is_name.then(|| named(name, source));
                renamed = None;
            }
            let Some(shape) = &shape else { continue };
            let Some(line) = line.strip_prefix("        ") else { continue };
            if let Some(name) = line.strip_prefix("#[serde(rename = \"") {
                renamed = name.split('"').next().map(str::to_owned);
            }
            let field = line.strip_suffix(',').and_then(|line| line.split_once(": "));
            let Some((name, kind)) = field.filter(|(name, _)| is_identifier(name)) else {
                continue;
            };
            let innermost = kind.trim_end_matches('>').rsplit(['<', ' ']).next().unwrap_or(kind);
            let kind = Kind { of: named(innermost, source), is_map: kind.contains("BTreeMap<") };
            let name = renamed.take().unwrap_or_else(|| camel(name));
            self.shapes.entry(shape.clone()).or_default().insert(name, kind);
        }
    }

    /// Every field of every shape.
    pub fn fields(&self) -> BTreeSet<Field> {
        let each = |(shape, fields): (&String, &BTreeMap<String, Kind>)| {
            let field = |name: &String| Field { shape: shape.clone(), name: name.clone() };
            fields.keys().map(field).collect::<Vec<_>>()
        };
        self.shapes.iter().flat_map(each).collect()
    }

    /// Whether there is a field at a path such as `Gateway.servers.port`.
    pub fn knows(&self, path: &str) -> bool {
        let mut parts = path.split('.');
        let mut shape = format!("{}Spec", parts.next().unwrap_or_default());
        for part in parts {
            let Some(kind) = self.shapes.get(&shape).and_then(|fields| fields.get(part)) else {
                return false;
            };
            shape.clone_from(&kind.of);
        }
        true
    }

    /// Notes the fields that an object of `shape` uses.
    pub fn note(&self, shape: &str, value: &serde_json::Value, used: &mut BTreeSet<Field>) {
        if let serde_json::Value::Array(list) = value {
            for one in list {
                self.note(shape, one, used);
            }
        }
        let (Some(fields), serde_json::Value::Object(map)) = (self.shapes.get(shape), value) else {
            return;
        };
        for (name, value) in map {
            let Some(Kind { of, is_map }) = fields.get(name) else { continue };
            used.insert(Field { shape: shape.to_owned(), name: name.clone() });
            match value.as_object().filter(|_| *is_map) {
                Some(map) => {
                    for value in map.values() {
                        self.note(of, value, used);
                    }
                }
                None => self.note(of, value, used),
            }
        }
    }
}

/// Two shapes are called alike.
fn named(name: &str, source: &str) -> String {
    match (name, source) {
        ("WorkloadSelector", "destination_rule") => "RuleWorkloadSelector".to_owned(),
        _ => name.to_owned(),
    }
}

fn is_identifier(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn camel(name: &str) -> String {
    let mut parts = name.trim_end_matches('_').split('_');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (first, rest) = part.split_at(part.len().min(1));
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    out
}
