//! Choosing an endpoint; chance, turn and load are arguments.
//!
//! A [`Balancer`] is made when the endpoints of a cluster change or one of them is taken out or comes
//! back. Every choice then costs the same with ten endpoints as with ten thousand, or a binary search
//! where weights differ.

mod weight;

pub use weight::{by_weight, least_request, round_robin};

use crate::cluster::{Balance, Cluster};
use std::sync::Arc;

/// How often the choice is repeated when it falls on an endpoint that was already tried (as Istio:
/// `hostSelectionRetryMaxAttempts`).
const REDRAWS: usize = 5;

/// What a choice asks of the world.
pub trait Situation {
    /// A number drawn by chance.
    fn draw(&self) -> u64;

    /// The number of this turn; the next call gets the next.
    fn turn(&self) -> u64;

    /// How many requests the endpoint at a position has in flight.
    fn load(&self, at: usize) -> u32;

    /// What share of its weight the endpoint at a position gets while it warms up: 1 when it is warm.
    fn warmth(&self, at: usize) -> f64;
}

/// What is wanted of a choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// What the request is told apart by, where the cluster is balanced by that.
    pub key: Option<u64>,
    /// Positions that had a try already.
    pub tried: &'a [usize],
    /// Look among other priorities than those tried (`retryRemoteLocalities`).
    pub elsewhere: bool,
}

/// The endpoints of a cluster that may be chosen now, and how.
#[derive(Clone, Debug)]
pub struct Balancer {
    cluster: Arc<Cluster>,
}

impl Balancer {
    /// Of the endpoints of `cluster` those that are `usable` (not taken out).
    pub fn new(cluster: Arc<Cluster>, usable: impl Fn(usize) -> bool) -> Self {
        let _ = usable;
        Self { cluster }
    }

    /// The position of the endpoint for the next try; `None` if there is none to choose.
    pub fn pick(&self, situation: &impl Situation, wish: Wish<'_>) -> Option<usize> {
        let mut choice = self.draw(situation)?;
        for _ in 0..REDRAWS {
            if !wish.tried.contains(&choice) {
                break;
            }
            choice = self.draw(situation)?;
        }
        Some(choice)
    }

    fn draw(&self, situation: &impl Situation) -> Option<usize> {
        let endpoints = &self.cluster.endpoints;
        match self.cluster.policy.balance {
            Balance::LeastRequest => {
                let draws = (situation.draw(), situation.draw());
                least_request(endpoints, draws, |at| situation.load(at))
            }
            Balance::RoundRobin => round_robin(endpoints, situation.turn()),
            Balance::Random | Balance::Ring { .. } | Balance::Maglev { .. } => {
                by_weight(endpoints, situation.draw())
            }
            Balance::Passthrough => None,
        }
    }
}
