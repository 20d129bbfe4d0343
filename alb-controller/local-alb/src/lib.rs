//! An application load balancer on a laptop: the AWS API that makes one, and the sockets behind it.
//!
//! [`LocalAlb::start`] opens an endpoint that answers like AWS for load balancing (and for the
//! little of EC2, ACM, STS, tagging, WAF and Shield that a controller asks for). What is made
//! there works: listeners are ports of this machine, rules are evaluated, targets are checked.
//!
//! * `state`: the account as plain data; a call is a function of it.
//! * `api`: the operations, one file for each family.
//! * `wire`: Query and JSON in, XML and JSON out.
//! * `plane`: sockets, rules at work, targets and their health.
//! * `engine`: account and data plane, kept in step.
//!
//! # Where it differs from AWS
//!
//! * Load balancers that have the same port share one socket. A request is for the one whose DNS
//!   name it names; or else for the oldest one with a rule that it falls under; or else for the
//!   oldest one. Timeouts of the connection are those of the oldest. A second load balancer that
//!   wants another protocol on the same port is `active_impaired`, and says why.
//! * Health is checked at least once a second unless the configuration says otherwise.
//! * Addresses of this machine are let in as targets, and any instance is this machine unless the
//!   configuration says where it is.
//! * Certificates that AWS would issue are self-signed; imported ones are used as they are.
//! * Identity providers may speak plain HTTP, and there is no Cognito: [`Config::cognito`] says what
//!   answers in its place. Sessions end when local-alb does; a cookie that cannot be opened is taken for
//!   none, so that the user logs in again, where AWS answers 401. The public keys of `x-amzn-oidc-data`
//!   are at `/public-keys/KID` of the API's address.
//! * The agents of a target optimizer are not asked: its targets always take what comes. Nobody looks
//!   for targets that behave otherwise than the rest (anomaly mitigation).
//! * What AWS's desync mitigation calls severe is no HTTP to us, and refused in any mode.
//! * An HTTP/2 connection of a client is kept for as long as the client likes.
//! * Buckets are folders of this machine; a trust store is `ACTIVE` at once. Whether clients are asked
//!   for certificates is up to the oldest listener of a port.
//! * There are no Lambda targets, network load balancers, or zones that fail; calls are throttled,
//!   answers lost or out of date, and changes late only on request ([`Chaos`]).
//! * Security groups and web ACLs are kept and reported, and let everything through.

mod api;
mod bucket;
mod chaos;
pub mod config;
mod engine;
mod error;
mod event;
mod plane;
mod rollout;
mod running;
mod state;
mod wire;

pub use chaos::{BadChaos, Chaos};
pub use config::{Config, PortMapping};
pub use event::{Change, Event, ListenerState};
pub use running::{ListenerView, LocalAlb, Overview, Running, TargetView};
pub use state::{Limits, Protocol};
