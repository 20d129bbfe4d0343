//! Choosing an endpoint; chance, turn and load are arguments.
//!
//! A [`Balancer`] is made when the endpoints of a cluster change or one of them is taken out or comes
//! back. Every choice then costs the same with ten endpoints as with ten thousand, or a binary search
//! where weights differ, and allocates nothing.

mod level;
mod maglev;
mod ring;
mod table;
#[cfg(test)]
mod tests;
mod weights;
mod wheel;

pub(crate) use maglev::is_prime;

use crate::cluster::{Balance, Cluster};
use level::{Level, Members};
use std::{collections::BTreeMap, sync::Arc};
use table::Table;

/// How often the choice is repeated when it falls on an endpoint that was already tried (as Istio:
/// `hostSelectionRetryMaxAttempts`).
const REDRAWS: usize = 5;

/// How often an endpoint is drawn anew because the one drawn still warms up. Were nine of ten just
/// starting, the last draw would count once in a thousand times.
const WARM_UP_REDRAWS: usize = 32;

/// After how many tries the next ones go elsewhere (as Istio: `updateFrequency` of the previous
/// priorities).
const TRIES_PER_PRIORITY: usize = 2;

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
    /// What the request is told apart by, where the cluster is balanced by that. Its endpoint is the
    /// same for every try (as Istio).
    pub key: Option<u64>,
    /// Positions that had a try already, in order.
    pub tried: &'a [usize],
    /// Look among other priorities than those tried, after every second try
    /// (`retryRemoteLocalities`).
    pub elsewhere: bool,
    /// One that had a try is as good as any other (`retryIgnorePreviousHosts: false`).
    pub repeating: bool,
}

/// The endpoints of a cluster that may be chosen now, and how.
#[derive(Clone, Debug)]
pub struct Balancer {
    cluster: Arc<Cluster>,
    /// By priority, whoever is usable.
    members: Arc<[Members]>,
    /// By priority, without those that nobody can be chosen from.
    levels: Vec<Level>,
}

impl Balancer {
    /// Of the endpoints of `cluster` those that are `usable` (not taken out).
    pub fn new(cluster: Arc<Cluster>, usable: impl Fn(usize) -> bool) -> Self {
        let mut priorities = BTreeMap::<u32, Vec<usize>>::new();
        for (at, endpoint) in cluster.endpoints.iter().enumerate() {
            priorities.entry(endpoint.priority).or_default().push(at);
        }
        let members = priorities.into_iter().map(|(priority, list)| {
            let table = Table::new(&cluster, &list);
            Members { priority, list, table }
        });
        Self { members: members.collect(), cluster, levels: Vec::new() }.renewed(usable)
    }

    /// The same when others are usable: what does not depend on that is kept.
    #[must_use]
    pub fn renewed(&self, usable: impl Fn(usize) -> bool) -> Self {
        Self {
            cluster: Arc::clone(&self.cluster),
            members: Arc::clone(&self.members),
            levels: level::levels(&self.cluster, &self.members, usable),
        }
    }

    /// The position of the endpoint for the next try; `None` if there is none to choose.
    pub fn pick(&self, situation: &impl Situation, wish: Wish<'_>) -> Option<usize> {
        let left = self.left(wish);
        if let Some(key) = wish.key
            && self.is_keyed()
            && let Some(at) = self.level(|| key, left)?.keyed(&self.members, key)
        {
            return Some(at);
        }
        let mut choice = self.draw(situation, left)?;
        for _ in 0..REDRAWS {
            if wish.repeating || !wish.tried.contains(&choice) {
                break;
            }
            choice = self.draw(situation, left)?;
        }
        Some(choice)
    }

    /// The tries whose priorities are left alone.
    fn left<'w>(&self, wish: Wish<'w>) -> &'w [usize] {
        if !wish.elsewhere || self.levels.len() < 2 {
            return &[];
        }
        let counting = wish.tried.len() / TRIES_PER_PRIORITY * TRIES_PER_PRIORITY;
        wish.tried.get(..counting).unwrap_or_default()
    }

    fn is_keyed(&self) -> bool {
        match self.cluster.policy.balance {
            Balance::Ring { .. } | Balance::Maglev { .. } => true,
            Balance::LeastRequest
            | Balance::RoundRobin
            | Balance::Random
            | Balance::Passthrough => false,
        }
    }

    /// The priority that a ticket falls on, without those of the tries `left` behind, unless these
    /// are all.
    fn level(&self, ticket: impl FnOnce() -> u64, left: &[usize]) -> Option<&Level> {
        if let [only] = self.levels.as_slice() {
            return Some(only);
        }
        let ticket = ticket();
        let open =
            |level: &Level| !left.iter().any(|at| self.priority(*at) == Some(level.priority));
        level::fall(&self.levels, ticket, open)
            .or_else(|| level::fall(&self.levels, ticket, |_| true))
    }

    fn priority(&self, at: usize) -> Option<u32> {
        self.cluster.endpoints.get(at).map(|endpoint| endpoint.priority)
    }

    fn draw(&self, situation: &impl Situation, left: &[usize]) -> Option<usize> {
        if self.cluster.policy.balance == Balance::Passthrough {
            return None;
        }
        let level = self.level(|| situation.draw(), left)?;
        let first = self.warm(level, situation)?;
        if self.cluster.policy.balance != Balance::LeastRequest {
            return Some(first);
        }
        let second = self.warm(level, situation)?;
        let busy = |at: usize| u64::from(situation.load(at));
        // An endpoint of twice the weight is as busy with twice the requests.
        let less = busy(second) * self.weight(first) < busy(first) * self.weight(second);
        Some(if less { second } else { first })
    }

    fn weight(&self, at: usize) -> u64 {
        self.cluster.endpoints.get(at).map_or(1, |endpoint| u64::from(endpoint.weight.max(1)))
    }

    /// An endpoint by chance or in turn; one that warms up is passed over as often as it is cold.
    fn warm(&self, level: &Level, situation: &impl Situation) -> Option<usize> {
        let next = || match self.cluster.policy.balance {
            Balance::RoundRobin => level.wheel.turn(situation.turn()),
            Balance::LeastRequest
            | Balance::Random
            | Balance::Ring { .. }
            | Balance::Maglev { .. }
            | Balance::Passthrough => level.wheel.chance(situation.draw()),
        };
        let mut choice = next()?;
        if self.cluster.policy.warm_up.is_some() {
            for _ in 0..WARM_UP_REDRAWS {
                let warmth = situation.warmth(choice);
                if warmth >= 1.0 || below(situation.draw(), warmth) {
                    break;
                }
                choice = next()?;
            }
        }
        Some(choice)
    }
}

/// Whether a number drawn by chance falls within `share`.
fn below(drawn: u64, share: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "53 bits of chance are enough")]
    let drawn = drawn as f64;
    drawn < share * 2_f64.powi(64)
}
