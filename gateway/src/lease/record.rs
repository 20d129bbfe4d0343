//! What a Lease says, and where it stands.

use super::Terms;
use crate::api_server::{ApiServer, Refusal};
use edgeway_api::k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use std::{future::Future, time::Duration};

/// What a Lease says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    /// Nobody, if it is empty.
    pub(super) holder: String,
    /// How long it lasts.
    pub(super) duration: Duration,
    /// By the holder's clock, and only ever compared with itself.
    pub(super) renewed: Option<Timestamp>,
    /// Since when the holder has it, by its own clock.
    pub(super) acquired: Option<Timestamp>,
    /// How often it has passed from one to another.
    pub(super) transitions: i32,
    /// The object's version; none if it is not there yet.
    pub(super) version: Option<String>,
}

/// Where a Lease stands.
pub(super) trait Registry: Send + Sync + 'static {
    /// What it says; nothing, if there is none.
    fn read(&self) -> impl Future<Output = Result<Option<Record>, Refusal>> + Send;

    /// Writes it, unless somebody has written since it was read.
    fn write(&self, wish: Record) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// In an API server.
#[derive(Debug)]
pub(super) struct Kubernetes {
    api: ApiServer,
    namespace: String,
    name: String,
}

impl Kubernetes {
    pub(super) fn new(api: ApiServer, terms: &Terms) -> Self {
        Self { api, namespace: terms.namespace.clone(), name: terms.name.clone() }
    }

    fn list(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace)
    }
}

impl Registry for Kubernetes {
    async fn read(&self) -> Result<Option<Record>, Refusal> {
        match self.api.get::<Lease>(&format!("{}/{}", self.list(), self.name)).await {
            Ok(lease) => Ok(Some(Record::of(lease))),
            Err(Refusal::NotFound) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    async fn write(&self, record: Record) -> Result<(), Refusal> {
        let is_new = record.version.is_none();
        let lease = record.lease(&self.namespace, &self.name);
        if is_new {
            self.api.create(&self.list(), &lease).await.map(drop)
        } else {
            self.api.replace(&format!("{}/{}", self.list(), self.name), &lease).await.map(drop)
        }
    }
}

impl Record {
    fn of(lease: Lease) -> Self {
        let Lease { metadata, spec } = lease;
        let spec = spec.unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|it| u64::try_from(it).ok());
        Self {
            holder: spec.holder_identity.unwrap_or_default(),
            duration: Duration::from_secs(seconds.unwrap_or_default()),
            renewed: spec.renew_time.map(|MicroTime(time)| time),
            acquired: spec.acquire_time.map(|MicroTime(time)| time),
            transitions: spec.lease_transitions.unwrap_or_default(),
            version: metadata.resource_version,
        }
    }

    fn lease(self, namespace: &str, name: &str) -> Lease {
        let seconds = self.duration.as_secs().max(1);
        Lease {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                name: Some(name.to_owned()),
                resource_version: self.version,
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.holder),
                lease_duration_seconds: Some(i32::try_from(seconds).unwrap_or(i32::MAX)),
                renew_time: self.renewed.map(MicroTime),
                acquire_time: self.acquired.map(MicroTime),
                lease_transitions: Some(self.transitions),
                ..LeaseSpec::default()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Record, Timestamp};

    #[test]
    fn a_record_is_a_lease_and_back() {
        let time = Timestamp::from_second(1_700_000_000).unwrap();
        let record = Record {
            holder: "a".into(),
            duration: Duration::from_secs(15),
            renewed: Some(time),
            acquired: Some(time),
            transitions: 3,
            version: Some("7".into()),
        };
        let lease = record.clone().lease("n", "l");
        assert_eq!(lease.metadata.name.as_deref(), Some("l"));
        assert_eq!(Record::of(lease), record);
    }
}
