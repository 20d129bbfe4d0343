//! Whether the gateway takes traffic, and why not.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::watch;

/// Handle to what readiness depends on; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    listening: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
    /// Whether certificates are missing from what was kept on disk.
    incomplete: Arc<AtomicBool>,
    told: watch::Sender<bool>,
}

impl Ready {
    /// Not ready.
    pub(crate) fn new() -> Self {
        Self {
            listening: Arc::default(),
            draining: Arc::default(),
            incomplete: Arc::default(),
            told: watch::Sender::new(false),
        }
    }

    /// Notes whether the ports of the table in force are open.
    pub(crate) fn set_listening(&self, listening: bool) {
        self.listening.store(listening, Ordering::Release);
        self.tell();
    }

    /// Notes whether the configuration is without its certificates.
    pub(crate) fn set_incomplete(&self, incomplete: bool) {
        self.incomplete.store(incomplete, Ordering::Release);
        self.tell();
    }

    /// Notes that the gateway is going down.
    pub(crate) fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
        self.tell();
    }

    /// What is missing; `None` when ready.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        if self.draining.load(Ordering::Acquire) {
            Some("draining")
        } else if !self.listening.load(Ordering::Acquire) {
            Some("no configuration with open ports yet")
        } else if self.incomplete.load(Ordering::Acquire) {
            Some("certificates are not known before the API server is reached")
        } else {
            None
        }
    }

    /// Whether it is ready, to be watched.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.told.subscribe()
    }

    fn tell(&self) {
        self.told.send_replace(self.missing().is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_needs_open_ports_and_ends_with_the_drain() {
        let ready = Ready::new();
        let told = ready.watch();
        assert!(ready.missing().is_some());
        ready.set_listening(true);
        assert!(ready.missing().is_none() && *told.borrow());
        ready.set_incomplete(true);
        assert!(ready.missing().is_some_and(|why| why.contains("certificates")));
        ready.set_incomplete(false);
        assert!(ready.missing().is_none());
        ready.set_draining();
        assert_eq!((ready.missing(), *told.borrow()), (Some("draining"), false));
    }
}
