//! Services by the names that TLS greetings within the mesh give them.

use super::TcpRoute;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// Services by name, such as `outbound_.80_.v1_.reviews.default.svc.cluster.local`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Services(BTreeMap<Arc<str>, TcpRoute>);

impl Services {
    /// Where a connection goes whose greeting gives this name, in lower case.
    pub fn route(&self, name: &str) -> Option<&TcpRoute> {
        self.0.get(name)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(AsRef::as_ref)
    }
}

impl FromIterator<(Arc<str>, TcpRoute)> for Services {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, TcpRoute)>>(services: I) -> Self {
        Self(services.into_iter().collect())
    }
}
