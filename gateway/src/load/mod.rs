//! How much the gateway carries, and when it is too much.

mod crowd;
mod memory;

pub(crate) use crowd::{Admitted, Crowd, Full};
pub(crate) use memory::{Memory, watch};

use std::sync::Arc;

/// What all workers share about it.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Who is connected.
    pub(crate) crowd: Arc<Crowd>,
    /// Whether memory runs short.
    pub(crate) memory: Arc<Memory>,
}
