//! The engine: connections, and on each one exchange after the other.
//!
//! No routing rule lives here: each step asks the table and obeys. HTTP/1 and HTTP/2 meet in the
//! two traits of [`message`]; everything that waits does so in [`relay`].

mod answer;
mod arrival;
mod asked;
mod attempt;
mod clock;
mod connect;
mod connection;
mod entry;
mod exchange;
mod failure;
mod filters;
mod forward;
pub mod greeting;
mod grpc;
mod grpc_web;
mod h1;
mod h2;
mod handshake;
mod head;
mod headers;
mod known;
mod made;
mod message;
mod mirror;
mod outgoing;
pub mod preview;
mod record;
mod refusal;
mod relay;
mod reply;
mod scene;
mod tcp;
mod tries;
mod up;
mod upload;

pub(crate) use entry::serve;
pub(crate) use h1::{Plain, take_plain};
pub(crate) use h2::session as http2;
pub(crate) use message::Response;
