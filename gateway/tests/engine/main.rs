//! The engine over real sockets: hand-made tables, scripted backends, clients that send bytes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod alpn;
mod answers;
mod backend;
mod breakers_h2;
mod client;
mod client_address;
mod deadlines;
mod dns;
mod failures;
mod frames;
mod grpc_web;
mod h2;
mod h2_backend;
mod h2_clients;
mod heads;
mod http10;
mod lifecycle;
mod limits;
mod listening;
mod mirrors;
mod names;
mod passing;
mod paths;
mod pki;
mod policies;
mod proxy_upstream;
mod rig;
mod statistics;
mod streams;
mod tls;
mod tls_material;
mod tls_refusals;
mod tunnels;
mod upstream_h2;
mod upstream_tls;
