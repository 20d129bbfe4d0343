//! The one shared cell: the table that serves now.

use arc_swap::ArcSwap;
use edgeway_core::table::Table;
use std::sync::Arc;
use tokio::sync::watch;

/// Handle to the table in force; clones share it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    table: Arc<ArcSwap<Table>>,
    generation: watch::Sender<u64>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self { table: Arc::default(), generation: watch::Sender::new(0) }
    }
}

impl Snapshot {
    /// The table in force.
    pub fn load(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// Puts `table` in force and returns the one before, for the caller to drop off the request path.
    pub fn swap(&self, table: Arc<Table>) -> Arc<Table> {
        let before = self.table.swap(table);
        self.generation.send_modify(|generation| *generation += 1);
        before
    }

    /// Counts the tables put in force; 0 as long as there was none.
    pub fn generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_watches_learns_of_a_new_table() {
        let snapshot = Snapshot::default();
        let mut generation = snapshot.generation();
        assert_eq!(*generation.borrow_and_update(), 0);
        let table = Arc::new(Table::default());
        let empty = snapshot.clone().swap(Arc::clone(&table));
        assert!(!Arc::ptr_eq(&empty, &table) && Arc::ptr_eq(&snapshot.load(), &table));
        generation.changed().await.unwrap();
        assert_eq!(*generation.borrow(), 1);
    }
}
