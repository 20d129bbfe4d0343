//! Copies of requests for others to see.

use super::fault::WHOLE;
use crate::id::ClusterIx;
use serde::Serialize;
use std::sync::Arc;

/// Who gets copies, and of how many requests. What comes back is thrown away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mirror {
    /// Istio's name of the cluster, whether it exists or not.
    pub cluster_name: Arc<str>,
    /// `None`: no such service, port or subset; nothing is sent.
    pub cluster: Option<ClusterIx>,
    /// For how many of a million requests; each mirror draws on its own.
    #[serde(skip_serializing_if = "is_whole")]
    pub share: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference to the field")]
fn is_whole(share: &u32) -> bool {
    *share == WHOLE
}
