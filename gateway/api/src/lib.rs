//! The objects that people write, as plain data: shapes, how they are read, and nothing that acts on them.
//!
//! Istio's and Edgeway's own kinds are defined here; Kubernetes' kinds are re-exported from
//! `k8s-openapi`. [`Objects`] is everything that was read, as one value.

pub mod aws;
pub mod destination_rule;
pub mod duration;
pub mod edge_status;
pub mod gateway;
mod http_action;
pub mod ingress;
pub mod ingress_class_params;
pub mod joined;
mod load_balancer;
pub mod manifest;
pub mod objects;
pub mod pod;
pub mod problem;
pub mod resource;
#[cfg(test)]
mod schema;
pub mod service_entry;
mod shape;
mod string_match;
pub mod target_group_binding;
pub mod virtual_service;
pub mod workload_entry;

pub use destination_rule::{DestinationRule, DestinationRuleSpec};
pub use edge_status::{EdgeStatus, EdgeStatusSpec};
pub use gateway::{Gateway, GatewaySpec};
pub use ingress_class_params::{IngressClassParams, IngressClassParamsSpec};
pub use k8s_openapi;
pub use objects::{Held, Item, Objects};
pub use pod::Pod;
pub use problem::{Problem, Severity};
pub use resource::{Object, ObjectRef, Resource};
pub use service_entry::{ServiceEntry, ServiceEntrySpec};
pub use target_group_binding::{TargetGroupBinding, TargetGroupBindingSpec};
pub use virtual_service::{VirtualService, VirtualServiceSpec};
pub use workload_entry::{WorkloadEntry, WorkloadEntrySpec};
