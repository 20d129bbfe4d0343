//! Virtual hosts by name, in parts that tables share: one that changes costs a copy of its part.
//!
//! A part is one piece of memory in which a name is looked up without another: what is read on the way
//! from a request to its routes decides how long that takes where there are many hosts.

use super::VirtualHost;
use hashbrown::DefaultHashBuilder;
use std::{hash::BuildHasher, sync::Arc};

/// How many a part has at most, on average. Copying it takes about as long as copying the list of
/// parts of ten thousand.
const PART: usize = 128;

/// Virtual hosts by domain, a leading `*` left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Domains {
    hasher: DefaultHashBuilder,
    /// A power of two of them, or none.
    parts: Vec<Part>,
    len: usize,
}

/// A virtual host and the hash of its name.
type Place = Option<(u64, Arc<VirtualHost>)>;

/// A power of two of places, of which half are free at least: a name is at its place, or at the next
/// that were free when it came.
#[derive(Clone, Debug)]
struct Part {
    places: Arc<[Place]>,
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
        self.parts.get(self.part(hash))?.get(hash, wanted)
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<VirtualHost>> {
        self.parts.iter().flat_map(Part::iter).map(|(_, host)| host)
    }

    /// Adds a virtual host, in place of one of the same name.
    pub(super) fn insert(&mut self, host: Arc<VirtualHost>) {
        if self.len >= self.parts.len() * PART {
            self.grow();
        }
        let hash = self.hasher.hash_one(name(&host));
        let at = self.part(hash);
        if let Some(part) = self.parts.get_mut(at) {
            let before = part.len;
            part.insert(hash, host);
            self.len += part.len - before;
        }
    }

    /// Takes a virtual host away.
    pub(super) fn remove(&mut self, unwanted: &str) {
        let hash = self.hasher.hash_one(unwanted);
        let at = self.part(hash);
        let Some(part) = self.parts.get_mut(at) else { return };
        if part.get(hash, unwanted).is_some() {
            let others = part.iter().filter(|(_, host)| name(host) != unwanted);
            *part = Part::of(part.places.len(), others.cloned());
            self.len -= 1;
        }
    }

    /// The part of a hash: by bits that the part itself does not look at.
    fn part(&self, hash: u64) -> usize {
        usize::try_from(hash >> 32).unwrap_or(0) & self.parts.len().saturating_sub(1)
    }

    fn grow(&mut self) {
        let parts = (self.parts.len() * 2).max(1);
        let empty = Part::of(2, []);
        let mut grown = Self { hasher: self.hasher.clone(), parts: vec![empty; parts], len: 0 };
        self.iter().for_each(|host| grown.insert(Arc::clone(host)));
        *self = grown;
    }
}

impl Part {
    fn of(size: usize, all: impl IntoIterator<Item = (u64, Arc<VirtualHost>)>) -> Self {
        let mut part = Self { places: vec![None; size].into(), len: 0 };
        all.into_iter().for_each(|(hash, host)| part.insert(hash, host));
        part
    }

    fn iter(&self) -> impl Iterator<Item = &(u64, Arc<VirtualHost>)> {
        self.places.iter().flatten()
    }

    fn get(&self, hash: u64, wanted: &str) -> Option<&Arc<VirtualHost>> {
        let (_, host) = self.places.get(self.find(hash, wanted))?.as_ref()?;
        Some(host)
    }

    fn insert(&mut self, hash: u64, host: Arc<VirtualHost>) {
        if (self.len + 1) * 2 > self.places.len() {
            *self = Self::of(self.places.len() * 2, self.iter().cloned());
        }
        let at = self.find(hash, name(&host));
        if let Some(place) = Arc::make_mut(&mut self.places).get_mut(at) {
            self.len += usize::from(place.is_none());
            *place = Some((hash, host));
        }
    }

    /// Where a name is, or the free place where it would be: there always is one.
    fn find(&self, hash: u64, wanted: &str) -> usize {
        let mask = self.places.len().saturating_sub(1);
        let mut at = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0) & mask;
        while let Some(Some((other, host))) = self.places.get(at) {
            if *other == hash && name(host) == wanted {
                break;
            }
            at = (at + 1) & mask;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::collections::BTreeSet;

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
        assert_eq!(pairs.filter(|(a, b)| !Arc::ptr_eq(&a.places, &b.places)).count(), 1);
        after.remove("h7.test");
        assert_eq!((after.len, after.iter().count()), (count - 1, count - 1));
        assert!(after.get("h7.test").is_none() && before.get("h7.test").is_some());
        assert!((0..count).all(|at| before.get(&format!("h{at}.test")).is_some()));
    }

    proptest! {
        #[test]
        fn what_was_put_in_and_not_taken_out_is_there(steps in vec((0_u16..300, any::<bool>()), 0..900)) {
            let (mut domains, mut known) = (Domains::default(), BTreeSet::new());
            for (at, comes) in steps {
                let name = format!("h{at}.test");
                if comes {
                    domains.insert(Arc::new(VirtualHost::new(&name)));
                    known.insert(name);
                } else {
                    domains.remove(&name);
                    known.remove(&name);
                }
            }
            prop_assert_eq!(domains.len, known.len());
            let found: BTreeSet<_> = domains.iter().map(|host| host.domain.to_string()).collect();
            prop_assert_eq!(&found, &known);
            for at in 0..300 {
                let name = format!("h{at}.test");
                prop_assert_eq!(domains.get(&name).is_some(), known.contains(&name));
            }
        }
    }
}
