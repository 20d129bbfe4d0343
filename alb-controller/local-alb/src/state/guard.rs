//! What protects load balancers: web ACLs, and Shield.

use super::ids::Arn;
use super::undo::UndoMap;

/// A web ACL. It has no rules and lets everything through.
#[derive(Clone, Debug)]
pub(crate) struct WebAcl {
    pub(crate) arn: Arn,
    pub(crate) name: String,
    pub(crate) id: String,
    /// What has to be named to change or delete it.
    pub(crate) lock: String,
}

/// Shield Advanced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shield {
    pub(crate) subscribed: bool,
    /// By id: name, and what is protected.
    pub(crate) protections: UndoMap<String, (String, Arn)>,
}
