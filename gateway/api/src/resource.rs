//! What all objects share: kind, name, metadata.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Namespace of an object that names none, as `kubectl apply` would choose.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Which object: kind, namespace (empty for a cluster-scoped kind), name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// The kind as it is written in a manifest, such as `VirtualService`.
    pub kind: String,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectRef {
    /// A reference from its three parts.
    pub fn new(
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self { kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }
}

/// `Kind ns/name`, or `Kind name` for a cluster-scoped object.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        if namespace.is_empty() {
            write!(f, "{kind} {name}")
        } else {
            write!(f, "{kind} {namespace}/{name}")
        }
    }
}

/// Anything with Kubernetes metadata.
pub trait Resource {
    /// The kind as it is written in a manifest.
    const KIND: &'static str;

    /// True for kinds that live in no namespace.
    const CLUSTER_SCOPED: bool = false;

    /// The object's metadata.
    fn meta(&self) -> &ObjectMeta;

    /// The object's metadata, to be completed after reading.
    fn meta_mut(&mut self) -> &mut ObjectMeta;

    /// `metadata.name`, empty if absent.
    fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }

    /// `metadata.namespace`; [`DEFAULT_NAMESPACE`] if absent, empty for cluster-scoped kinds.
    fn namespace(&self) -> &str {
        if Self::CLUSTER_SCOPED {
            return "";
        }
        self.meta().namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }

    /// The reference that problems, logs and statuses use.
    fn reference(&self) -> ObjectRef {
        ObjectRef::new(Self::KIND, self.namespace(), self.name())
    }
}

/// An object of one of our own or of Istio's kinds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Object<S> {
    /// Name, namespace, labels, annotations, age.
    pub metadata: ObjectMeta,
    /// What the user asked for.
    #[serde(default)]
    pub spec: S,
}
