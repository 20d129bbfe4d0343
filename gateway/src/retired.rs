//! Tables that were replaced. Dropping a large one takes long, so it is done here, off the request
//! path, once the last request has let go of it.

use edgeway_core::table::Table;
use std::{sync::Arc, time::Duration};
use tokio::{task::spawn_blocking, time::sleep};

/// How often they are looked at: the last request that uses one may take long.
const LOOK: Duration = Duration::from_secs(1);

/// The tables that somebody may still use.
#[derive(Debug, Default)]
pub(crate) struct Retired {
    tables: Vec<Arc<Table>>,
}

impl Retired {
    /// Takes a table over. Nobody else may wait for its last user: two would wait for each other.
    pub(crate) fn push(&mut self, table: Arc<Table>) {
        self.tables.push(table);
    }

    /// Returns when it is time to look; never if there is nothing to look at.
    pub(crate) async fn wait(&self) {
        if self.tables.is_empty() {
            std::future::pending::<()>().await;
        }
        sleep(LOOK).await;
    }

    /// Drops the tables that nobody uses any more.
    pub(crate) async fn drop_unused(&mut self) {
        let (unused, used) = self.tables.drain(..).partition(|table| Arc::strong_count(table) == 1);
        self.tables = used;
        let unused: Vec<Arc<Table>> = unused;
        // Nothing is left to do if the runtime ends meanwhile.
        let _ = spawn_blocking(move || drop(unused)).await;
    }
}
