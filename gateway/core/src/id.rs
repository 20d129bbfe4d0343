//! Identities: what a listener, a cluster, an object is called.

use serde::{Serialize, Serializer};
use std::{fmt, net::IpAddr, sync::Arc};

/// What names begin with of Gateways and VirtualServices that are made of Ingresses. No object of a
/// cluster has such a name.
pub(crate) const OF_INGRESS: &str = "ingress~";

/// `namespace/name` of a Gateway, VirtualService and the like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// Never empty.
    pub namespace: Arc<str>,
    /// Never empty.
    pub name: Arc<str>,
}

impl ObjectName {
    /// A name from its parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The class of the Ingresses that it was made of, if it was; then its rules have the names of these.
    pub fn ingress_class(&self) -> Option<&str> {
        let name = self.name.strip_prefix(OF_INGRESS)?;
        Some(name.split_once('~').map_or(name, |(class, _)| class))
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Serialize for ObjectName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A socket that the gateway listens on. `bind` is `None` for all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ListenerId {
    /// The port of the socket: the Service's target port where one maps it, before any port offset.
    pub port: u16,
    /// A Gateway server's `bind`.
    pub bind: Option<IpAddr>,
}

/// Where traffic goes, in Istio's naming: `outbound|9080|v1|reviews.default.svc.cluster.local`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ClusterId(pub Arc<str>);

impl ClusterId {
    /// The cluster of `subset` (empty: all endpoints) of `host` at service port `port`.
    pub fn outbound(port: u16, subset: &str, host: &str) -> Self {
        Self(format!("outbound|{port}|{subset}|{host}").into())
    }

    /// The same cluster as the mesh's own TLS greetings name it, whose bytes are passed on as they are.
    pub fn passed_on(port: u16, subset: &str, host: &str) -> Self {
        Self(format!("outbound_.{port}_.{subset}_.{host}").into())
    }

    /// Whether it is one of [`Self::passed_on`].
    pub fn is_passed_on(&self) -> bool {
        self.0.starts_with("outbound_.")
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Position of a cluster in [`crate::table::Table::clusters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ClusterIx(pub u32);
