//! Statistics of the routes that ask for some (`statPrefix`).

use super::{counters, histograms_of, usage::InUse};
use prometheus::{
    HistogramVec, IntCounterVec, Registry,
    local::{LocalHistogram, LocalIntCounter},
};
use std::{cell::RefCell, collections::HashMap, sync::Arc, time::Instant};

const NAMES: [&str; 2] = ["stat_prefix", "virtual_service"];
const CLASSED: [&str; 3] = ["stat_prefix", "virtual_service", "response_code_class"];

/// By the first digit of the status.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The families.
#[derive(Debug)]
pub(crate) struct Routes {
    requests: IntCounterVec,
    durations: HistogramVec,
    in_use: InUse,
}

/// What one worker counts for the routes of one table, by the prefix's place in memory: the table
/// keeps it there.
#[derive(Default)]
pub(crate) struct RouteCounts(RefCell<HashMap<usize, Counted>>);

struct Counted {
    requests: [LocalIntCounter; 6],
    durations: LocalHistogram,
    /// Keeps its place in memory for it.
    _prefix: Arc<str>,
    /// Tells that the series are in use.
    _held: Arc<()>,
}

impl Routes {
    pub(super) fn new(on: &Registry) -> Result<Self, prometheus::Error> {
        let requests =
            ("edgeway_route_requests_total", "Requests of routes with a statPrefix, by status.");
        let durations = (
            "edgeway_route_request_duration_milliseconds",
            "Time that requests of routes with a statPrefix took.",
        );
        Ok(Self {
            requests: counters(on, requests, &CLASSED)?,
            durations: histograms_of(on, durations, &NAMES)?,
            in_use: InUse::default(),
        })
    }

    /// Drops the series of routes that have been gone for a while.
    pub(super) fn expire(&self, now: Instant) {
        self.in_use.expire(now, |values| {
            // They are there: a usage is noted when they are made.
            let _ = self.durations.remove_label_values(values);
            for class in CLASSES {
                let _ = self.requests.remove_label_values(&[values, &[class]].concat());
            }
        });
    }

    fn counted(&self, prefix: &Arc<str>, virtual_service: &str) -> Counted {
        let values = [&**prefix, virtual_service];
        let requests =
            |class| self.requests.with_label_values(&[values[0], values[1], class]).local();
        Counted {
            requests: CLASSES.map(requests),
            durations: self.durations.with_label_values(&values).local(),
            _prefix: Arc::clone(prefix),
            _held: self.in_use.hold(values.map(str::to_owned).to_vec()),
        }
    }
}

impl RouteCounts {
    /// Counts a request of the route with this very prefix.
    pub(crate) fn add(
        &self,
        families: &Routes,
        (prefix, virtual_service): (&Arc<str>, &dyn ToString),
        (status, milliseconds): (u16, f64),
    ) {
        let mut all = self.0.borrow_mut();
        let place = Arc::as_ptr(prefix).cast::<u8>().addr();
        let counted = all
            .entry(place)
            .or_insert_with(|| families.counted(prefix, &virtual_service.to_string()));
        if let Some(class) = counted.requests.get(usize::from(status / 100)) {
            class.inc();
        }
        counted.durations.observe(milliseconds);
    }

    /// Makes visible what was counted.
    pub(crate) fn flush(&self) {
        for counted in self.0.borrow().values() {
            counted.requests.iter().for_each(LocalIntCounter::flush);
            counted.durations.flush();
        }
    }
}

impl Drop for RouteCounts {
    fn drop(&mut self) {
        self.flush();
    }
}
