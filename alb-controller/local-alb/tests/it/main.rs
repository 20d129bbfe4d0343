//! A whole local load balancer with real sockets: the API, and the data plane behind it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod alb;
mod api;
mod bearer;
mod boto3;
mod chaos;
mod failures;
mod forwarding;
mod health;
mod login;
mod mutual;
mod ports;
mod provider;
mod target;
mod tls;
