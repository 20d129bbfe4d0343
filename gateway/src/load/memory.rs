//! Whether memory runs short: then requests are turned away before the kernel ends the process.

use crate::{edge::MemoryLimit, metrics::Metrics};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Above this share of the limit, in hundredths, memory is short.
const SHORT: u128 = 90;

/// Below this share it no longer is.
const ENOUGH: u128 = 85;

/// Where control groups are, as a container sees its own.
const GROUPS: &str = "/sys/fs/cgroup";

/// Said to all workers: a flag that seldom changes.
#[derive(Debug, Default)]
pub(crate) struct Memory(AtomicBool);

impl Memory {
    /// Whether memory is short.
    pub(crate) fn is_short(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where it is written how much memory is used.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Used {
    /// By the process.
    Process,
    /// By its control group: what is used, and what of it the kernel would give back.
    Group { all: PathBuf, statistics: PathBuf, inactive: &'static str },
}

/// Watches memory for as long as it is polled. How it stands is known before it is first awaited.
pub(crate) fn watch(
    limit: MemoryLimit,
    memory: Arc<Memory>,
    metrics: Arc<Metrics>,
) -> impl Future<Output = ()> + Send {
    let found = match limit {
        MemoryLimit::None => None,
        MemoryLimit::OfGroup => of_group(Path::new(GROUPS)),
        MemoryLimit::Bytes(bytes) => Some((bytes, Used::Process)),
    };
    let look = move |limit: u64, used: &Used| {
        let Some(bytes) = used.bytes() else { return };
        let (before, now) = (memory.is_short(), is_short(memory.is_short(), bytes, limit));
        memory.0.store(now, Ordering::Relaxed);
        metrics.clients.memory(bytes, limit, now);
        match (before, now) {
            (false, true) => {
                tracing::warn!(bytes, limit, "memory is short: requests are turned away");
            }
            (true, false) => tracing::info!(bytes, limit, "there is enough memory again"),
            _ => {}
        }
    };
    if let Some((limit, used)) = &found {
        look(*limit, used);
    }
    async move {
        let Some((limit, used)) = found else { return };
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            look(limit, &used);
        }
    }
}

/// A shortage ends later than it begins, so that it does not begin and end with every request.
fn is_short(before: bool, used: u64, limit: u64) -> bool {
    let share = if before { ENOUGH } else { SHORT };
    u128::from(used) * 100 > u128::from(limit) * share
}

/// The limit of our control group, if it has one, of either version.
fn of_group(groups: &Path) -> Option<(u64, Used)> {
    let versions = [
        ("memory.max", "memory.current", "memory.stat", "inactive_file "),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file ",
        ),
    ];
    versions.into_iter().find_map(|(limit, all, statistics, inactive)| {
        let limit = number(&groups.join(limit)).filter(|limit| *limit < UNLIMITED)?;
        let (all, statistics) = (groups.join(all), groups.join(statistics));
        Some((limit, Used::Group { all, statistics, inactive }))
    })
}

/// What the older version says where there is no limit is about as much as can be written.
const UNLIMITED: u64 = 1 << 62;

impl Used {
    fn bytes(&self) -> Option<u64> {
        match self {
            Self::Process => {
                let status = fs::read_to_string("/proc/self/status").ok()?;
                let text = field(&status, "VmRSS:")?;
                text.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
            }
            Self::Group { all, statistics, inactive } => {
                let all = number(all)?;
                let text = fs::read_to_string(statistics).unwrap_or_default();
                let inactive = field(&text, inactive).and_then(|text| text.parse().ok());
                Some(all.saturating_sub(inactive.unwrap_or(0)))
            }
        }
    }
}

/// `max` is no number.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_ends_later_than_it_begins() {
        for (before, used, short) in [
            (false, 90, false),
            (false, 91, true),
            (true, 86, true),
            (true, 85, false),
            (false, u64::MAX, true),
        ] {
            assert_eq!(is_short(before, used, 100), short, "{before} {used}");
        }
    }

    #[test]
    fn the_limit_is_that_of_the_control_group() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let found = || of_group(folder.path()).map(|(limit, used)| (limit, used.bytes()));
        assert_eq!(found(), None);
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(found(), None);
        write("memory/memory.limit_in_bytes", "1000\n");
        write("memory/memory.usage_in_bytes", "700\n");
        write("memory/memory.stat", "inactive_file 5\ntotal_inactive_file 200\n");
        assert_eq!(found(), Some((1000, Some(500))));
        write("memory.max", "max\n");
        assert_eq!(found(), Some((1000, Some(500))));
        write("memory.max", "2000\n");
        write("memory.current", "800\n");
        assert_eq!(found(), Some((2000, Some(800))));
        write("memory.stat", "anon 1\ninactive_file 300\n");
        assert_eq!(found(), Some((2000, Some(500))));
    }

    #[test]
    fn a_process_knows_what_it_uses() {
        assert!(Used::Process.bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
