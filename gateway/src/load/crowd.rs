//! The clients that are connected, over all workers. Touched when a connection begins and when it
//! ends, never for a request.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Parts of the list of clients, so that workers seldom meet at one.
const SHARDS: usize = 64;

/// Counts connections, and says when there are enough.
#[derive(Debug)]
pub(crate) struct Crowd {
    all: AtomicUsize,
    most: usize,
    most_per_client: Option<usize>,
    clients: Vec<Mutex<HashMap<IpAddr, usize>>>,
    spread: RandomState,
}

/// A connection that is counted while this lives.
#[derive(Debug)]
pub(crate) struct Admitted {
    crowd: Arc<Crowd>,
    client: Option<IpAddr>,
}

/// There are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Of all.
    All,
    /// Of this client.
    Client,
}

impl Crowd {
    /// Nobody yet; as many may come, in all and of one client.
    pub(crate) fn new(most: Option<usize>, most_per_client: Option<usize>) -> Self {
        let shards = if most_per_client.is_some() { SHARDS } else { 0 };
        Self {
            all: AtomicUsize::new(0),
            most: most.unwrap_or(usize::MAX),
            most_per_client,
            clients: (0..shards).map(|_| Mutex::default()).collect(),
            spread: RandomState::new(),
        }
    }

    /// Counts a connection.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Admitted, Full> {
        let admitted = Admitted { crowd: Arc::clone(self), client: None };
        if self.all.fetch_add(1, Ordering::Relaxed) < self.most {
            Ok(admitted)
        } else {
            Err(Full::All)
        }
    }

    fn shard(&self, client: IpAddr) -> Option<&Mutex<HashMap<IpAddr, usize>>> {
        let at = usize::try_from(self.spread.hash_one(client)).unwrap_or(usize::MAX);
        self.clients.get(at.checked_rem(self.clients.len())?)
    }
}

impl Admitted {
    /// Counts the connection as one of this client.
    pub(crate) fn of(mut self, client: IpAddr) -> Result<Self, Full> {
        let (Some(shard), Some(most)) = (self.crowd.shard(client), self.crowd.most_per_client)
        else {
            return Ok(self);
        };
        let mut clients = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry(client).or_insert(0);
        if *count >= most {
            return Err(Full::Client);
        }
        *count += 1;
        drop(clients);
        self.client = Some(client);
        Ok(self)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.crowd.all.fetch_sub(1, Ordering::Relaxed);
        let shard = self.client.and_then(|client| Some((client, self.crowd.shard(client)?)));
        let Some((client, shard)) = shard else { return };
        let mut clients = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = clients.entry(client) {
            if *count.get() > 1 {
                *count.get_mut() -= 1;
            } else {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn no_more_than_so_many_are_admitted_and_those_that_leave_make_room() {
        let crowd = Arc::new(Crowd::new(Some(2), None));
        let (first, second) = (crowd.admit().unwrap(), crowd.admit().unwrap());
        assert_eq!(crowd.admit().unwrap_err(), Full::All);
        assert_eq!(crowd.admit().unwrap_err(), Full::All);
        drop(first);
        let third = crowd.admit().unwrap().of(ONE).unwrap();
        drop((second, third));
        assert_eq!(crowd.all.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_client_has_its_share_and_leaves_no_trace() {
        let crowd = Arc::new(Crowd::new(None, Some(1)));
        let other = IpAddr::from([10, 0, 0, 1]);
        let first = crowd.admit().unwrap().of(ONE).unwrap();
        assert_eq!(crowd.admit().unwrap().of(ONE).unwrap_err(), Full::Client);
        let second = crowd.admit().unwrap().of(other).unwrap();
        drop(first);
        drop(crowd.admit().unwrap().of(ONE).unwrap());
        drop(second);
        assert!(crowd.clients.iter().all(|shard| shard.lock().unwrap().is_empty()));
        assert_eq!(crowd.all.load(Ordering::Relaxed), 0);
    }
}
