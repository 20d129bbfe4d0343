//! The objects that people write, as plain data: shapes, how they are read, and nothing that acts on them.
//!
//! Istio's and Edgeway's own kinds are defined here; Kubernetes' kinds are re-exported from
//! `k8s-openapi`. [`Objects`] is everything that was read, as one value.

pub mod objects;
pub mod problem;
pub mod resource;

pub use k8s_openapi;
pub use objects::Objects;
pub use problem::{Problem, Severity};
pub use resource::{Object, ObjectRef, Resource};
