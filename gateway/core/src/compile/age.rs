//! Oldest wins: the order in which Istio decides nearly every conflict.

use edgeway_api::Resource;
use std::sync::Arc;

/// Objects by creation time (none counts as the oldest), then name, then namespace
/// (as Istio: `sortConfigByCreationTime`).
pub(crate) fn oldest_first<T: Resource>(objects: &[Arc<T>]) -> Vec<&T> {
    shared_oldest_first(objects).into_iter().map(Arc::as_ref).collect()
}

/// The same, to be shared.
pub(super) fn shared_oldest_first<T: Resource>(objects: &[Arc<T>]) -> Vec<&Arc<T>> {
    let mut sorted: Vec<&Arc<T>> = objects.iter().collect();
    sorted.sort_by(|a, b| key(&***a).cmp(&key(&***b)));
    sorted
}

/// What the order goes by: creation time, name, namespace.
pub(super) type Age<'o> = (Option<i128>, &'o str, &'o str);

/// The place of an object in that order.
pub(super) fn key<T: Resource>(object: &T) -> Age<'_> {
    let created = object.meta().creation_timestamp.as_ref().map(|time| time.0.as_nanosecond());
    (created, object.name(), object.namespace())
}
