//! Listening sockets that outlive the process that accepts from them.
//!
//! With `--supervise` a small parent starts the gateway proper as its child and keeps a duplicate of
//! each of its listening sockets. When the child dies, another is started at once and given them:
//! connections that came meanwhile have waited in their queues, and only what was in flight is lost.
//! Sockets travel over a socket pair, whose other end is the child's standard input.

mod child;
mod decide;
mod message;
mod parent;

pub use child::{Estate, NotAChild};
pub use parent::{CannotSupervise, supervise};
