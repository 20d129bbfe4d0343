//! What one worker counts for one combination of labels.

use prometheus::local::{LocalHistogram, LocalIntCounter};
use std::sync::Arc;

/// What one request adds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// How long it took.
    pub(crate) milliseconds: f64,
    /// Size of the request's body.
    pub(crate) request_bytes: u64,
    /// Size of the response's body.
    pub(crate) response_bytes: u64,
}

/// Handles of one worker; flushed when dropped, too.
pub(crate) struct Series {
    requests: LocalIntCounter,
    histograms: [LocalHistogram; 3],
    /// Tells that the series is in use.
    _held: Arc<()>,
}

impl Series {
    pub(super) fn new(
        requests: LocalIntCounter,
        histograms: [LocalHistogram; 3],
        held: Arc<()>,
    ) -> Self {
        Self { requests, histograms, _held: held }
    }

    /// Counts a request.
    #[expect(clippy::cast_precision_loss, reason = "sums of sizes are approximate by nature")]
    pub(crate) fn add(&self, sample: Sample) {
        self.requests.inc();
        let [duration, request_bytes, response_bytes] = &self.histograms;
        duration.observe(sample.milliseconds);
        request_bytes.observe(sample.request_bytes as f64);
        response_bytes.observe(sample.response_bytes as f64);
    }

    /// Makes visible what was counted.
    pub(crate) fn flush(&self) {
        self.requests.flush();
        self.histograms.iter().for_each(LocalHistogram::flush);
    }
}

impl Drop for Series {
    fn drop(&mut self) {
        self.flush();
    }
}
