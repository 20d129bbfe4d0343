//! WorkloadEntry: an endpoint that is no pod.

use crate::{Object, resource::Spec, shape::shape};
use std::collections::BTreeMap;

/// An endpoint that is no pod.
pub type WorkloadEntry = Object<WorkloadEntrySpec>;

impl Spec for WorkloadEntrySpec {
    const KIND: &'static str = "WorkloadEntry";
}

shape! {
    /// What a [`WorkloadEntry`] asks for, and an endpoint of a ServiceEntry.
    WorkloadEntrySpec {
        /// An IP address, a name, or `unix://` and a path.
        address: String,
        /// Its port for each named port of the service.
        ports: BTreeMap<String, u32>,
        /// What subsets and selectors go by.
        labels: BTreeMap<String, String>,
        /// Endpoints of one network reach each other.
        network: Option<String>,
        /// `region/zone/subzone`.
        locality: Option<String>,
        /// Share among the endpoints; absent is 1.
        weight: Option<u32>,
        /// Whom its certificate names.
        service_account: Option<String>,
    }
}
