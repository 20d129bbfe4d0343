//! A map that can take back what was done to it, so that a refused call leaves nothing half done and
//! nobody copies the whole account to be sure of that.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A sorted map with an undo log. Its values are shared: a copy of the map copies no value, and a value
/// that was not touched is the same one (by its address) after any number of calls.
#[derive(Clone, Debug)]
pub(crate) struct UndoMap<K, V> {
    now: BTreeMap<K, Arc<V>>,
    /// What each key that was touched since the last end had then.
    before: BTreeMap<K, Option<Arc<V>>>,
}

impl<K, V> Default for UndoMap<K, V> {
    fn default() -> Self {
        Self { now: BTreeMap::new(), before: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, V> UndoMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.now.len()
    }

    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.now.contains_key(key)
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.shared(key).map(Arc::as_ref)
    }

    /// The same, for whoever wants to keep it.
    pub(crate) fn shared<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&Arc<V>>
    where
        K: Borrow<Q>,
    {
        self.now.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.now.iter().map(|(key, value)| (key, value.as_ref()))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.all_shared().map(Arc::as_ref)
    }

    /// All values, for whoever wants to keep them.
    pub(crate) fn all_shared(&self) -> impl Iterator<Item = &Arc<V>> {
        self.now.values()
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        let before = self.now.insert(key.clone(), Arc::new(value));
        self.before.entry(key).or_insert(before);
    }

    /// Tells whether it was there.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let Some((key, before)) = self.now.remove_entry(key) else { return false };
        self.before.entry(key).or_insert(Some(before));
        true
    }

    pub(crate) fn retain(&mut self, stays: impl Fn(&V) -> bool) {
        let gone = self.now.iter().filter(|(_, value)| !stays(value));
        for key in gone.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.remove(&key);
        }
    }

    /// The keys touched since the last end, and what each had then.
    pub(crate) fn touched(&self) -> impl Iterator<Item = (&K, Option<&V>)> {
        self.before.iter().map(|(key, before)| (key, before.as_deref()))
    }

    /// What was done since the last time stays, or was not.
    pub(crate) fn end(&mut self, stays: bool) {
        let before = std::mem::take(&mut self.before);
        for (key, before) in before.into_iter().filter(|_| !stays) {
            match before {
                Some(value) => self.now.insert(key, value),
                None => self.now.remove(&key),
            };
        }
    }
}

impl<K: Ord + Clone, V: Clone> UndoMap<K, V> {
    /// To change a value; it counts as touched, and is another one from now on.
    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (known, value) = self.now.get_key_value(key)?;
        if !self.before.contains_key(key) {
            self.before.insert(known.clone(), Some(Arc::clone(value)));
        }
        self.now.get_mut(key).map(Arc::make_mut)
    }

    /// To change a value that is empty at first.
    pub(crate) fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let before = self.now.get(&key).cloned();
        self.before.entry(key.clone()).or_insert(before);
        Arc::make_mut(self.now.entry(key).or_default())
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for UndoMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let now = entries.into_iter().map(|(key, value)| (key, Arc::new(value))).collect();
        Self { now, before: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One thing done to a map: which, and to which key.
    type Deed = (u8, u8);

    fn carry_out(map: &mut UndoMap<u8, u8>, deeds: &[Deed]) {
        for &(what, key) in deeds {
            match what {
                0 => map.insert(key, what),
                1 => drop(map.remove(&key)),
                2 => drop(map.get_mut(&key).map(|value| *value = value.wrapping_add(1))),
                3 => *map.or_default(key) += 1,
                _ => map.retain(|value| value % 2 == 0),
            }
        }
    }

    fn content(map: &UndoMap<u8, u8>) -> Vec<(u8, u8)> {
        map.iter().map(|(key, value)| (*key, *value)).collect()
    }

    proptest! {
        #[test]
        fn what_is_rolled_back_was_not_and_what_is_committed_stays(
            first in prop::collection::vec((0..5u8, 0..4u8), 0..8),
            second in prop::collection::vec((0..5u8, 0..4u8), 0..8),
        ) {
            let mut map = UndoMap::default();
            carry_out(&mut map, &first);
            map.end(true);
            let (before, copy) = (content(&map), map.clone());
            carry_out(&mut map, &second);
            for (key, was) in map.touched() {
                prop_assert_eq!(copy.get(key), was);
            }
            map.end(false);
            prop_assert_eq!(content(&map), before);
            for (one, other) in map.all_shared().zip(copy.all_shared()) {
                prop_assert!(Arc::ptr_eq(one, other));
            }
            prop_assert_eq!(map.touched().count(), 0);
        }
    }

    #[test]
    fn a_value_that_nobody_touched_is_the_same_one() {
        let mut map: UndoMap<_, _> = [(1, 'a'), (2, 'b')].into_iter().collect();
        let kept = map.clone();
        map.get_mut(&1);
        map.end(true);
        let same = |key| Arc::ptr_eq(map.shared(&key).unwrap(), kept.shared(&key).unwrap());
        assert_eq!((same(1), same(2)), (false, true));
    }
}
