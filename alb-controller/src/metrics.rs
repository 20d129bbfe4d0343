//! Counters: passes, steps, errors. All labels are of small closed sets.

use crate::aws::{Call, CloudError};
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use std::{collections::BTreeMap, time::Duration};

/// The counters of one controller. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    passes: IntCounterVec,
    duration: Histogram,
    steps: IntCounterVec,
    errors: IntCounterVec,
    calls: IntCounterVec,
    leads: IntGauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, label: &str| {
            // Names and labels are constants that the library accepts.
            let counter = IntCounterVec::new(Opts::new(name, help), &[label])
                .unwrap_or_else(|error| unreachable!("{name}: {error}"));
            drop(registry.register(Box::new(counter.clone())));
            counter
        };
        let passes = counter("edgeway_alb_passes_total", "Passes by how they ended.", "outcome");
        let steps =
            counter("edgeway_alb_steps_total", "Steps of plans by how they ended.", "outcome");
        let errors =
            counter("edgeway_alb_errors_total", "Failed calls by what can be done.", "kind");
        let calls =
            counter("edgeway_alb_aws_calls_total", "Calls to AWS, repeated ones too.", "call");
        let options = HistogramOpts::new("edgeway_alb_pass_seconds", "How long passes take.");
        let duration = Histogram::with_opts(options)
            .unwrap_or_else(|error| unreachable!("edgeway_alb_pass_seconds: {error}"));
        drop(registry.register(Box::new(duration.clone())));
        let leads = IntGauge::new("edgeway_leader", "1 while this replica leads.")
            .unwrap_or_else(|error| unreachable!("edgeway_leader: {error}"));
        drop(registry.register(Box::new(leads.clone())));
        Self { registry, passes, duration, steps, errors, calls, leads }
    }
}

impl Metrics {
    pub(crate) fn passed(&self, outcome: &'static str, took: Duration) {
        self.passes.with_label_values(&[outcome]).inc();
        self.duration.observe(took.as_secs_f64());
    }

    pub(crate) fn steps(&self, taken: usize, failed: usize, skipped: usize) {
        for (outcome, count) in [("taken", taken), ("failed", failed), ("skipped", skipped)] {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            self.steps.with_label_values(&[outcome]).inc_by(count);
        }
    }

    pub(crate) fn set_leads(&self, leads: bool) {
        self.leads.set(i64::from(leads));
    }

    pub(crate) fn called(&self, call: Call) {
        self.calls.with_label_values(&[call.name()]).inc();
    }

    /// How often each call was made, repeated ones counted; those that never were are left out.
    pub fn calls(&self) -> BTreeMap<Call, u64> {
        let count = |call: Call| self.calls.with_label_values(&[call.name()]).get();
        let all = Call::ALL.iter().map(|call| (*call, count(*call)));
        all.filter(|(_, count)| *count > 0).collect()
    }

    pub(crate) fn failed(&self, error: &CloudError) {
        let kind = match error {
            CloudError::Throttled { .. } => "throttled",
            CloudError::Stale { .. } => "stale",
            CloudError::Denied { .. } => "denied",
            CloudError::NoCredentials { .. } => "no_credentials",
            CloudError::Quota { .. } => "quota",
            CloudError::Refused { .. } => "refused",
            CloudError::Unreachable { .. } => "unreachable",
            CloudError::Deposed { .. } => "deposed",
            CloudError::Unknown(_) => "unknown",
        };
        self.errors.with_label_values(&[kind]).inc();
    }

    /// All counters, as Prometheus reads them.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8(text).unwrap_or_default(),
            Err(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::default();
        metrics.passed("done", Duration::from_millis(20));
        metrics.steps(3, 0, 0);
        metrics.failed(&CloudError::Unknown("x".into()));
        metrics.called(Call::CreateRule);
        metrics.called(Call::CreateRule);
        assert_eq!(metrics.calls(), BTreeMap::from([(Call::CreateRule, 2)]));
        let text = metrics.text();
        for line in [
            "edgeway_alb_passes_total{outcome=\"done\"} 1",
            "edgeway_alb_steps_total{outcome=\"taken\"} 3",
            "edgeway_alb_errors_total{kind=\"unknown\"} 1",
            "edgeway_alb_pass_seconds_count 1",
            "edgeway_alb_aws_calls_total{call=\"CreateRule\"} 2",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
