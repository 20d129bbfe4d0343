//! What all objects share: kind, name, metadata.

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Endpoints, Namespace, Node, Secret, Service},
        discovery::v1::EndpointSlice,
        networking::v1::{Ingress, IngressClass},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
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

/// What an object asks for, of one of our own or of Istio's kinds.
pub trait Spec {
    /// The kind as it is written in a manifest.
    const KIND: &'static str;

    /// True for kinds that live in no namespace.
    const CLUSTER_SCOPED: bool = false;
}

/// An object of one of our own or of Istio's kinds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de> + Default"))]
pub struct Object<S> {
    /// Name, namespace, labels, annotations, age.
    #[serde(default, deserialize_with = "crate::shape::or_default")]
    pub metadata: ObjectMeta,
    /// What the user asked for.
    #[serde(default, deserialize_with = "crate::shape::or_default")]
    pub spec: S,
}

impl<S: Spec> Resource for Object<S> {
    const KIND: &'static str = S::KIND;
    const CLUSTER_SCOPED: bool = S::CLUSTER_SCOPED;

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

macro_rules! kubernetes {
    ($($kind:ty: $scoped:literal,)*) => { $(
        impl Resource for $kind {
            const KIND: &'static str = <$kind as k8s_openapi::Resource>::KIND;
            const CLUSTER_SCOPED: bool = $scoped;

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    )* };
}

// Each with whether it lives in no namespace.
kubernetes! {
    ConfigMap: false,
    Deployment: false,
    EndpointSlice: false,
    Endpoints: false,
    Ingress: false,
    IngressClass: true,
    Namespace: true,
    Node: true,
    Secret: false,
    Service: false,
}

#[cfg(test)]
mod tests {
    use super::{Deployment, Node, Object, Resource};
    use crate::{Gateway, IngressClassParams, gateway::GatewaySpec};

    #[test]
    fn references_name_kind_namespace_and_name() {
        let mut gateway = Gateway::default();
        gateway.meta_mut().name = Some("web".into());
        assert_eq!(gateway.reference().to_string(), "Gateway default/web");
        gateway.meta_mut().namespace = Some("shop".into());
        assert_eq!(gateway.reference().to_string(), "Gateway shop/web");
        let mut node = Node::default();
        node.meta_mut().name = Some("n1".into());
        node.meta_mut().namespace = Some("ignored".into());
        assert_eq!(node.reference().to_string(), "Node n1");
        assert_eq!(Deployment::default().reference().to_string(), "Deployment default/");
        assert_eq!(IngressClassParams::default().reference().to_string(), "IngressClassParams ");
    }

    #[test]
    fn null_is_absent() {
        let text = r#"{"metadata": null, "spec": {"servers": null, "selector": null}}"#;
        let read: Object<GatewaySpec> = serde_json::from_str(text).unwrap();
        assert_eq!(read, Gateway::default());
        let read: Gateway = serde_json::from_str(r#"{"spec": null}"#).unwrap();
        assert_eq!(read, Gateway::default());
    }
}
