//! The keys that session tickets are sealed with: changed from time to time, so that one that leaks
//! opens no more than what was said meanwhile.

use arc_swap::ArcSwap;
use rustls::{Error, crypto::aws_lc_rs::Ticketer, server::ProducesTickets};
use std::{sync::Arc, time::Duration};

/// Seals with the newest key, and still opens what the one before has sealed.
///
/// Whoever owns it says when keys change: nothing here looks at a clock while a client waits.
#[derive(Debug)]
pub(super) struct Tickets {
    keys: ArcSwap<Keys>,
    /// In seconds: what clients are told, who need not try longer.
    lifetime: u32,
}

#[derive(Debug)]
struct Keys {
    now: Arc<dyn ProducesTickets>,
    before: Option<Arc<dyn ProducesTickets>>,
}

impl Tickets {
    /// Those of one server, whose keys change after each `period`.
    pub(super) fn new(period: Duration) -> Result<Self, Error> {
        let keys = Keys { now: Ticketer::new()?, before: None };
        let lifetime = u32::try_from(period.as_secs().saturating_mul(2)).unwrap_or(u32::MAX);
        Ok(Self { keys: ArcSwap::from_pointee(keys), lifetime })
    }

    /// Seals with another key from now on. Without one the old ones stay, which is told.
    pub(super) fn rotate(&self) {
        match Ticketer::new() {
            Ok(now) => {
                let before = Some(Arc::clone(&self.keys.load().now));
                self.keys.store(Arc::new(Keys { now, before }));
            }
            Err(error) => tracing::error!(%error, "there is no new key for session tickets"),
        }
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.lifetime
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.keys.load().now.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys.load();
        let before = || keys.before.as_ref()?.decrypt(cipher);
        keys.now.decrypt(cipher).or_else(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_outlives_one_change_of_keys_and_no_second() {
        let tickets = Tickets::new(Duration::from_secs(60)).unwrap();
        let sealed = tickets.encrypt(b"session").unwrap();
        assert_ne!(sealed, b"session");
        tickets.rotate();
        assert_eq!(tickets.decrypt(&sealed).as_deref(), Some(&b"session"[..]));
        let newer = tickets.encrypt(b"newer").unwrap();
        tickets.rotate();
        assert_eq!(tickets.decrypt(&sealed), None);
        assert_eq!(tickets.decrypt(&newer).as_deref(), Some(&b"newer"[..]));
        assert_eq!(tickets.lifetime(), 120);
        assert_eq!(tickets.decrypt(b"anything"), None);
    }

    #[test]
    fn a_server_knows_none_of_anothers_tickets() {
        let new = || Tickets::new(Duration::from_secs(60)).unwrap();
        let sealed = new().encrypt(b"session").unwrap();
        assert_eq!(new().decrypt(&sealed), None);
    }
}
