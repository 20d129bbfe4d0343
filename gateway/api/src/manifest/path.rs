//! Where in an object a value stands.

use serde_ignored::Path as Ignored;
use serde_path_to_error::Segment;

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To a field, or to a key of a map.
    Field(String),
    /// To an item of a list.
    Index(usize),
}

/// As people write it: `spec.http[0].match[1].uri`, `metadata.labels[example.com/a]`.
pub(super) fn written(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let part = match step {
            Step::Index(index) => format!("[{index}]"),
            Step::Field(name) if name.contains(['.', '/', '[', ' ']) => format!("[{name}]"),
            Step::Field(name) if text.is_empty() => name.clone(),
            Step::Field(name) => format!(".{name}"),
        };
        text.push_str(&part);
    }
    text
}

/// The steps to a value that was not read.
pub(super) fn of_ignored(path: &Ignored<'_>) -> Vec<Step> {
    let (parent, step) = match path {
        Ignored::Root => return Vec::new(),
        Ignored::Seq { parent, index } => (*parent, Some(Step::Index(*index))),
        Ignored::Map { parent, key } => (*parent, Some(Step::Field(key.clone()))),
        Ignored::Some { parent }
        | Ignored::NewtypeStruct { parent }
        | Ignored::NewtypeVariant { parent } => (*parent, None),
    };
    let mut steps = of_ignored(parent);
    steps.extend(step);
    steps
}

/// The steps to a value that could not be read.
pub(super) fn of_error(path: &serde_path_to_error::Path) -> Vec<Step> {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Map { key } => Some(Step::Field(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(step).collect()
}
