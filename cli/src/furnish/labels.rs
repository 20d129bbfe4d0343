//! Label selectors, as Services and Gateways use them.

use std::collections::BTreeMap;

/// Labels of a pod, or a selector of pods.
pub(super) type Labels = BTreeMap<String, String>;

/// Whether all of `selector` stands among `labels`.
pub(super) fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether one pod could satisfy both.
pub(super) fn agree(one: &Labels, other: &Labels) -> bool {
    one.iter().all(|(key, value)| other.get(key).is_none_or(|theirs| theirs == value))
}

/// `a=b,c=d`, as `kubectl` writes them.
pub(super) fn written(labels: &Labels) -> String {
    let pairs: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}
