//! The access log: one line of JSON per request, written by a thread of its own.
//!
//! Workers gather lines and hand them over in batches; when the writer falls behind, batches are
//! dropped and counted rather than requests held up.

use crate::chance::Chance;
use prometheus::IntCounter;
use serde::{Serialize, Serializer};
use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    fmt,
    io::Write,
    net::SocketAddr,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::{sleep, timeout};

/// A batch is handed over when it has this size, or after a moment.
const BATCH: usize = 16 * 1024;

/// Batches that may wait for the writer.
const WAITING: usize = 256;

/// How long the writer may take for its last lines.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is seen whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// Where lines go, and how many.
pub struct AccessLog {
    /// Share of the requests that is written; refused and failed ones always are.
    pub sample: f64,
    /// Gets whole lines.
    pub sink: Box<dyn Write + Send>,
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("sample", &self.sample).finish_non_exhaustive()
    }
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    sample: f64,
    batches: SyncSender<Vec<u8>>,
    thread: JoinHandle<()>,
}

/// The lines of one worker.
#[derive(Debug)]
pub(crate) struct Lines {
    out: Option<(SyncSender<Vec<u8>>, f64)>,
    batch: RefCell<Vec<u8>>,
    count: Cell<u64>,
    dropped: IntCounter,
}

/// One line, under the names that Istio's JSON log uses, and a few of our own behind them.
#[derive(Debug, Serialize)]
pub(crate) struct Entry<'a> {
    pub(crate) start_time: Timestamp,
    pub(crate) method: Option<&'a str>,
    pub(crate) path: Option<Cow<'a, str>>,
    pub(crate) protocol: Option<&'static str>,
    pub(crate) response_code: u16,
    pub(crate) response_flags: Cow<'static, str>,
    pub(crate) response_code_details: Option<&'a str>,
    pub(crate) connection_termination_details: Option<&'a str>,
    pub(crate) upstream_transport_failure_reason: Option<&'a str>,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) duration: u64,
    pub(crate) upstream_service_time: Option<String>,
    pub(crate) x_forwarded_for: Option<String>,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) authority: Option<&'a str>,
    pub(crate) upstream_host: Option<SocketAddr>,
    pub(crate) upstream_cluster: Option<&'a str>,
    pub(crate) upstream_local_address: Option<SocketAddr>,
    pub(crate) downstream_local_address: Option<SocketAddr>,
    pub(crate) downstream_remote_address: SocketAddr,
    pub(crate) requested_server_name: Option<&'a str>,
    pub(crate) route_name: Option<&'a str>,
    pub(crate) virtual_service: Option<String>,
    pub(crate) upstream_request_attempt_count: u32,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(log: AccessLog) -> std::io::Result<Self> {
        let AccessLog { sample, sink } = log;
        let (batches, waiting) = sync_channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_all(&waiting, sink))?;
        Ok(Self { sample, batches, thread })
    }

    /// Lets the thread write what is left; all workers must have dropped their [`Lines`]. A sink
    /// that takes nothing any more is not waited for.
    pub(crate) async fn finish(self) {
        drop(self.batches);
        let thread = self.thread;
        let finished = timeout(PATIENCE, async {
            while !thread.is_finished() {
                sleep(LOOK).await;
            }
        });
        if finished.await.is_err() {
            tracing::warn!("the end of the access log is lost: it cannot be written");
        } else if thread.join().is_err() {
            tracing::error!("the access log's writer failed");
        }
    }
}

fn write_all(waiting: &Receiver<Vec<u8>>, mut sink: Box<dyn Write + Send>) {
    while let Ok(batch) = waiting.recv() {
        if let Err(error) = sink.write_all(&batch).and_then(|()| sink.flush()) {
            tracing::error!(%error, "cannot write the access log; it ends here");
            return;
        }
    }
}

impl Lines {
    /// The lines of a worker; with no writer, none are wanted.
    pub(crate) fn new(writer: Option<&Writer>, dropped: IntCounter) -> Self {
        let out = writer.map(|writer| (writer.batches.clone(), writer.sample));
        Self { out, batch: RefCell::default(), count: Cell::new(0), dropped }
    }

    /// Whether a line is wanted for a request that went `well` or not.
    pub(crate) fn wants(&self, well: bool, chance: &Chance) -> bool {
        self.out.as_ref().is_some_and(|(_, sample)| {
            *sample >= 1.0 || (*sample > 0.0 && (!well || chance.hit(*sample)))
        })
    }

    /// Adds a line.
    pub(crate) fn add(&self, entry: &Entry<'_>) {
        let mut batch = self.batch.borrow_mut();
        let before = batch.len();
        if serde_json::to_writer(&mut *batch, entry).is_err() {
            batch.truncate(before);
            return;
        }
        batch.push(b'\n');
        self.count.set(self.count.get() + 1);
        let full = batch.len() >= BATCH;
        drop(batch);
        if full {
            self.hand_over();
        }
    }

    /// Hands over what was gathered.
    pub(crate) fn hand_over(&self) {
        let batch = self.batch.take();
        let count = self.count.take();
        let Some((out, _)) = self.out.as_ref().filter(|_| !batch.is_empty()) else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = out.try_send(batch) {
            self.dropped.inc_by(count);
        }
    }
}

/// A point in time, written as `2026-10-31T12:00:00.000Z`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamp(pub(crate) SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (seconds, milliseconds) = (since.as_secs(), since.subsec_millis());
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z"
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Year, month and day of a day counted from 1970: days are shifted to eras of 400 years that
/// begin in March, so that the leap day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(data);
            Ok(data.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn entry() -> Entry<'static> {
        Entry {
            start_time: Timestamp(UNIX_EPOCH),
            method: Some("GET"),
            path: Some("/a\"b".into()),
            protocol: Some("HTTP/1.1"),
            response_code: 200,
            response_flags: "-".into(),
            response_code_details: Some("via_upstream"),
            connection_termination_details: None,
            upstream_transport_failure_reason: None,
            bytes_received: 0,
            bytes_sent: 5,
            duration: 1,
            upstream_service_time: Some("1".into()),
            x_forwarded_for: None,
            user_agent: None,
            request_id: None,
            authority: Some("a"),
            upstream_host: Some(([127, 0, 0, 1], 80).into()),
            upstream_cluster: None,
            upstream_local_address: None,
            downstream_local_address: None,
            downstream_remote_address: ([127, 0, 0, 2], 1).into(),
            requested_server_name: None,
            route_name: None,
            virtual_service: None,
            upstream_request_attempt_count: 1,
        }
    }

    #[tokio::test]
    async fn lines_are_json_and_all_are_written_before_the_end() {
        let sink = Shared::default();
        let log = AccessLog { sample: 1.0, sink: Box::new(sink.clone()) };
        let writer = Writer::start(log).unwrap();
        let lines = Lines::new(Some(&writer), IntCounter::new("d", "d").unwrap());
        assert!(lines.wants(true, &Chance::new()));
        for _ in 0..100 {
            lines.add(&entry());
        }
        lines.hand_over();
        drop(lines);
        writer.finish().await;
        let written = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().count(), 100);
        let line: serde_json::Value =
            serde_json::from_str(written.lines().next().unwrap()).unwrap();
        assert_eq!(line["start_time"], "1970-01-01T00:00:00.000Z");
        assert_eq!(line["path"], "/a\"b");
        assert_eq!(line["upstream_host"], "127.0.0.1:80");
        assert!(line["user_agent"].is_null());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_takes_nothing_does_not_hold_up_the_end() {
        struct Stuck(std::sync::mpsc::Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
                let _ = self.0.recv();
                Ok(data.len())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (_stuck, until) = std::sync::mpsc::channel();
        let log = AccessLog { sample: 1.0, sink: Box::new(Stuck(until)) };
        let writer = Writer::start(log).unwrap();
        let lines = Lines::new(Some(&writer), IntCounter::new("d", "d").unwrap());
        lines.add(&entry());
        lines.hand_over();
        drop(lines);
        writer.finish().await;
    }

    #[test]
    fn batches_that_nobody_takes_are_dropped_and_counted() {
        let dropped = IntCounter::new("d", "d").unwrap();
        let (batches, waiting) = sync_channel(1);
        let lines = Lines {
            out: Some((batches, 1.0)),
            batch: RefCell::default(),
            count: Cell::new(0),
            dropped: dropped.clone(),
        };
        for _ in 0..3 {
            lines.add(&entry());
            lines.hand_over();
        }
        assert_eq!(dropped.get(), 2);
        drop(waiting);
    }

    #[test]
    fn failures_are_logged_however_small_the_sample() {
        let chance = Chance::new();
        let (batches, _waiting) = sync_channel(1);
        let lines = |sample| Lines {
            out: Some((batches.clone(), sample)),
            batch: RefCell::default(),
            count: Cell::new(0),
            dropped: IntCounter::new("d", "d").unwrap(),
        };
        assert!(lines(1e-300).wants(false, &chance) && !lines(1e-300).wants(true, &chance));
        assert!(!lines(0.0).wants(false, &chance));
        let off = Lines::new(None, IntCounter::new("d", "d").unwrap());
        assert!(!off.wants(false, &chance));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_767_225_599, "2025-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(Timestamp(time).to_string(), expected);
        }
    }
}
