//! Where the configuration comes from.
//!
//! A source sends wholes, never changes: whoever listens has everything that was there at one
//! moment, and the newest wins. The channel is the debouncer, so a slow listener skips what is
//! between.

mod arg;
mod files;
mod fixed;
mod kube;

pub use arg::{BadSource, SourceArg};
pub use files::Files;
pub use fixed::Fixed;
pub(crate) use kube::chain;
pub use kube::{Access, CONTROLLER, GATEWAY, Kind, Kube, Referenced, Wants};

use edgeway_api::Objects;
use std::{future::Future, io, path::PathBuf, sync::Arc};
use tokio::sync::watch;

/// Something that knows the whole configuration, and when it changes.
pub trait Source: Send + 'static {
    /// Sends the whole configuration now and whenever it changes, until nobody listens.
    fn run(
        self,
        latest: watch::Sender<Arc<Objects>>,
    ) -> impl Future<Output = Result<(), Lost>> + Send;
}

/// Why a source has nothing to say.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Correct the path.
    #[error("there is no file or folder {}; correct the path", path.display())]
    NotFound {
        /// As it was given.
        path: PathBuf,
    },
    /// Look at permissions and at the disk.
    #[error("{} cannot be read; look at its permissions", path.display())]
    Unreadable {
        /// What cannot be read.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// Give a kubeconfig, or run in a cluster.
    #[error(
        "there is no way to the API server; give --kubeconfig, or run in a pod that has a service account"
    )]
    NoApiServer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Grant what is missing, or look at the way to the API server.
    #[error("the API server does not tell all that is asked of it: {}", why.join("; "))]
    Untold {
        /// Everything that keeps it from that.
        why: Vec<String>,
    },
    /// Start again: a programming error stopped the reading.
    #[error("reading stopped unexpectedly")]
    Stopped(#[source] tokio::task::JoinError),
}
