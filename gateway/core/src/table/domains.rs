//! Virtual hosts by name, in parts that tables share: one that changes costs a copy of its part.

use super::VirtualHost;
use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};
use std::{hash::BuildHasher, sync::Arc};

/// How many a part has at most, on average. Copying it takes about as long as copying the list of
/// parts of ten thousand.
const PART: usize = 128;

/// Virtual hosts by domain, a leading `*` left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Domains {
    hasher: DefaultHashBuilder,
    /// A power of two of them, or none.
    parts: Vec<Arc<HashTable<Arc<VirtualHost>>>>,
    len: usize,
}

fn name(host: &VirtualHost) -> &str {
    host.domain.strip_prefix('*').unwrap_or(&host.domain)
}

impl Domains {
    /// The virtual host of this name.
    pub(super) fn get(&self, wanted: &str) -> Option<&Arc<VirtualHost>> {
        if self.len == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(wanted);
        self.parts.get(self.part(hash))?.find(hash, |host| name(host) == wanted)
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<VirtualHost>> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// Adds a virtual host, in place of one of the same name.
    pub(super) fn insert(&mut self, host: Arc<VirtualHost>) {
        if self.len >= self.parts.len() * PART {
            self.grow();
        }
        let hash = self.hasher.hash_one(name(&host));
        let (at, hasher) = (self.part(hash), &self.hasher);
        let Some(part) = self.parts.get_mut(at).map(Arc::make_mut) else { return };
        let same = |other: &Arc<VirtualHost>| name(other) == name(&host);
        match part.entry(hash, same, |other| hasher.hash_one(name(other))) {
            Entry::Occupied(mut entry) => *entry.get_mut() = host,
            Entry::Vacant(entry) => {
                entry.insert(host);
                self.len += 1;
            }
        }
    }

    /// Takes a virtual host away.
    pub(super) fn remove(&mut self, unwanted: &str) {
        if self.get(unwanted).is_none() {
            return;
        }
        let hash = self.hasher.hash_one(unwanted);
        let at = self.part(hash);
        let Some(part) = self.parts.get_mut(at).map(Arc::make_mut) else { return };
        if let Ok(entry) = part.find_entry(hash, |host| name(host) == unwanted) {
            entry.remove();
            self.len -= 1;
        }
    }

    /// The part of a hash: by bits that the part itself does not look at.
    fn part(&self, hash: u64) -> usize {
        usize::try_from(hash >> 32).unwrap_or(0) & self.parts.len().saturating_sub(1)
    }

    fn grow(&mut self) {
        let parts = (self.parts.len() * 2).max(1);
        let mut grown =
            Self { hasher: self.hasher.clone(), parts: vec![Arc::default(); parts], len: 0 };
        self.iter().for_each(|host| grown.insert(Arc::clone(host)));
        *self = grown;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_copies_one_part() {
        let mut before = Domains::default();
        let count = 5 * PART;
        for at in 0..count {
            before.insert(Arc::new(VirtualHost::new(&format!("h{at}.test"))));
        }
        assert_eq!((before.parts.len(), before.iter().count()), (8, count));
        let mut after = before.clone();
        after.insert(Arc::new(VirtualHost::new("h7.test")));
        after.insert(Arc::new(VirtualHost::new("h7.test")));
        after.remove("none.test");
        let pairs = before.parts.iter().zip(&after.parts);
        assert_eq!(pairs.filter(|(a, b)| !Arc::ptr_eq(a, b)).count(), 1);
        after.remove("h7.test");
        assert_eq!((after.len, after.iter().count()), (count - 1, count - 1));
        assert!(after.get("h7.test").is_none() && before.get("h7.test").is_some());
        assert!((0..count).all(|at| before.get(&format!("h{at}.test")).is_some()));
    }
}
