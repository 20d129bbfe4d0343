//! Clients that others wrote, well-behaved and not, before a gateway that serves.
//!
//! What this machine does not have is skipped, and said so.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod attacks;
mod scene;
mod secure;
mod speakers;
