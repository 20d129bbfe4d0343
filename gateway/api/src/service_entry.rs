//! ServiceEntry: a service that Kubernetes does not know of.

use crate::{
    Object,
    resource::Spec,
    shape::{shape, words},
    workload_entry::WorkloadEntrySpec,
};
use std::collections::BTreeMap;

/// A service that Kubernetes does not know of.
pub type ServiceEntry = Object<ServiceEntrySpec>;

impl Spec for ServiceEntrySpec {
    const KIND: &'static str = "ServiceEntry";
}

shape! {
    /// What a [`ServiceEntry`] asks for.
    ServiceEntrySpec {
        /// Its names.
        hosts: Vec<String>,
        /// Its virtual addresses.
        addresses: Vec<String>,
        /// Its ports.
        ports: Vec<ServicePort>,
        /// Outside of the mesh, or part of it.
        location: Option<Location>,
        /// How its endpoints are found; absent is `NONE`.
        resolution: Option<Resolution>,
        /// Where it is.
        endpoints: Vec<WorkloadEntrySpec>,
        /// Pods and `WorkloadEntries` that are its endpoints; not beside `endpoints`.
        workload_selector: Option<WorkloadSelector>,
        /// Namespaces that see the object: `*`, `.`, `~` or names.
        export_to: Vec<String>,
        /// Names of which the endpoints' certificates must have one.
        subject_alt_names: Vec<String>,
    }

    /// A port of the service.
    ServicePort {
        /// What clients connect to.
        number: u32,
        /// HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP, TLS; empty is TCP.
        protocol: String,
        /// Its name.
        name: String,
        /// The endpoints' port; absent is the same.
        target_port: Option<u32>,
    }

    /// Pods and `WorkloadEntries`, by their labels.
    WorkloadSelector {
        /// Labels that they have.
        labels: BTreeMap<String, String>,
    }
}

words! {
    /// Outside of the mesh, or part of it.
    Location {
        /// Reached from the mesh, without its certificates.
        MeshExternal,
        /// Has the mesh's certificates.
        MeshInternal,
    }

    /// How endpoints are found.
    Resolution {
        /// The address that the client asked for.
        None,
        /// The addresses are written down.
        Static,
        /// By DNS, all of the answer.
        Dns,
        /// By DNS, the first of the answer.
        DnsRoundRobin,
        /// By DNS, for the host of each request.
        DynamicDns,
    }
}
