//! Shapes that the kinds of `elbv2.k8s.aws` share.

use crate::shape::shape;
use serde::{Deserialize, Serialize};

shape! {
    /// A name and a value, as AWS writes tags and attributes.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    KeyValue {
        /// The name.
        key: String,
        /// The value.
        value: String,
    }
}

/// What a target group's targets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TargetType {
    /// Nodes, by instance.
    Instance,
    /// Pods, by address.
    Ip,
}
