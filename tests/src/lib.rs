//! Starts the real programs on free ports, asks them over HTTP, and stops them.
//!
//! Everything here panics with a message when a program does not do its part: it is for tests alone.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on has failed"
)]

pub mod cluster;
pub mod conformance;
pub mod crowd;
pub mod echo;
pub mod expect;
pub mod gateway;
pub mod helm;
pub mod http;
pub mod kubernetes;
pub mod message;
pub mod node;
pub mod ports;
pub mod process;
pub mod shapes;

pub use cluster::Cluster;
pub use crowd::Crowd;
pub use gateway::Gateway;
pub use helm::Helm;
pub use http::{Answer, Ask};
pub use kubernetes::Kubernetes;
pub use node::Node;
pub use ports::{free_offset, free_port};
pub use process::Process;

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Longest wait for something that should happen soon, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the repository is there")
}

/// Says that a test proves nothing here, where the test runner cannot swallow it.
pub fn skipped(why: &str) {
    // The runner keeps what the print macros write, but not this.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// Asks `ready` again and again until it gives something; panics with `what` after [`PATIENCE`].
pub fn wait_for<T>(what: &str, ready: impl FnMut() -> Option<T>) -> T {
    wait_long_for(what, PATIENCE, ready)
}

/// The same for what may take longer.
pub fn wait_long_for<T>(what: &str, patience: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
