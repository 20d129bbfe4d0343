//! What became of what was read, told where people look for it: conditions on Istio's objects, an
//! `EdgeStatus` of the gateway, a metric of each replica.
//!
//! Conditions are found out from problems ([`conditions`]), by every replica. They are written by the
//! one that leads (`scribe`), only where they say something else than before, and never faster than
//! its pace. Nothing of it is read back by the [source](crate::source), so that writing is no news.

pub mod conditions;
mod edge;
mod istio;
mod judge;
mod pace;
mod scribe;

pub use edge::EdgeWish;
pub(crate) use judge::{Judged, judge};
pub use pace::{Pace, after};
pub(crate) use scribe::{Gateway, Scribe};

use crate::{api_server::ApiServer, lease::Tenure};
use edgeway_api::Problem;
use tokio::sync::watch;

/// How statuses are written.
#[derive(Clone, Debug)]
pub struct Statuses {
    /// Where.
    pub api: ApiServer,
    /// Whether it is us who writes.
    pub tenure: Tenure,
    /// What keeps us from that.
    pub problems: watch::Receiver<Vec<Problem>>,
    /// Which replica we are.
    pub writer: String,
}
