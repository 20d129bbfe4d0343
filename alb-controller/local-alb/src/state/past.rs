//! What the regions were a short time ago, for answers that are out of date.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use super::Region;

/// Former states, for as long as an answer may look back.
#[derive(Debug)]
pub(crate) struct Past {
    lag: Duration,
    /// By name of the region, oldest first: what was, and when it ended.
    regions: BTreeMap<String, VecDeque<(SystemTime, Region)>>,
}

impl Past {
    /// Keeps what ended less than `lag` ago; nothing, if that is zero.
    pub(crate) fn new(lag: Duration) -> Self {
        Self { lag, regions: BTreeMap::new() }
    }

    /// A copy of a region that is about to change, if anybody may look back at it.
    pub(crate) fn copy(&self, region: &Region) -> Option<Region> {
        (!self.lag.is_zero()).then(|| region.clone())
    }

    /// This is how a region was until now.
    pub(crate) fn keep(&mut self, copy: Option<Region>, now: SystemTime) {
        let Some(region) = copy else { return };
        let kept = self.regions.entry(region.name.clone()).or_default();
        let lag = self.lag;
        while kept.front().is_some_and(|(end, _)| *end + lag < now) {
            kept.pop_front();
        }
        kept.push_back((now, region));
    }

    /// How a region was at a time; nothing, if it has not changed since.
    pub(crate) fn at(&self, region: &str, time: SystemTime) -> Option<&Region> {
        let kept = self.regions.get(region)?;
        kept.iter().find(|(end, _)| *end > time).map(|(_, region)| region)
    }
}
