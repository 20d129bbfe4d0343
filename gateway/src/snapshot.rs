//! The one shared cell: the table that serves now.

use arc_swap::ArcSwap;
use edgeway_core::table::Table;
use std::sync::Arc;

/// Handle to the table in force; clones share it. A request loads it once and keeps what it got.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(Arc<ArcSwap<Table>>);

impl Snapshot {
    /// The table in force.
    pub fn load(&self) -> Arc<Table> {
        self.0.load_full()
    }

    /// Puts `table` in force and returns the one before, for the caller to drop off the request path.
    pub fn swap(&self, table: Arc<Table>) -> Arc<Table> {
        self.0.swap(table)
    }
}
