//! What the watches have told: every object once, and whether all have told all.

use super::{
    feed::Feed,
    kinds::Presence,
    object::{Entry, Key},
    trouble::Trouble,
};
use edgeway_api::Objects;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Something that a watch tells.
#[derive(Debug)]
pub(super) struct Note {
    pub feed: Arc<Feed>,
    pub told: Told,
}

/// What a watch tells.
#[derive(Debug)]
pub(super) enum Told {
    /// All that there is follows; what does not is gone.
    Began,
    /// There is such an object.
    Put(Key, Entry),
    /// There is no such object any more.
    Gone(Key),
    /// That was all.
    Whole,
    /// There is no such kind.
    Absent,
    /// It cannot tell now.
    Trouble(Trouble),
    /// It can tell again.
    Fine,
}

/// What all watches have told.
#[derive(Debug, Default)]
pub(super) struct Collection {
    feeds: BTreeMap<Arc<Feed>, Known>,
}

/// What one watch has told.
#[derive(Debug, Default)]
struct Known {
    entries: BTreeMap<Key, Entry>,
    /// What is told anew, until it is whole.
    fresh: Option<Fresh>,
    is_whole: bool,
    trouble: Option<Trouble>,
}

#[derive(Debug, Default)]
struct Fresh {
    entries: BTreeMap<Key, Entry>,
    differs: bool,
}

impl Collection {
    /// A watch that will tell. Until it has told all, the collection is not whole.
    pub(super) fn expect(&mut self, feed: Arc<Feed>) {
        self.feeds.entry(feed).or_default();
    }

    /// What a watch has told is not wanted any more.
    pub(super) fn forget(&mut self, feed: &Feed) {
        self.feeds.remove(feed);
    }

    /// Takes a note; whether something else is known by it.
    pub(super) fn take(&mut self, Note { feed, told }: Note) -> bool {
        // A watch that was ended may have told before.
        self.feeds.get_mut(&feed).is_some_and(|known| known.take(&feed, told))
    }

    /// Whether all watches have told all.
    pub(super) fn is_whole(&self) -> bool {
        self.feeds.values().all(|known| known.is_whole)
    }

    /// What is missing for that.
    pub(super) fn missing(&self) -> Vec<&Feed> {
        let missing = self.feeds.iter().filter(|(_, known)| !known.is_whole);
        missing.map(|(feed, _)| &**feed).collect()
    }

    /// What keeps watches from telling all, each once.
    pub(super) fn troubles(&self) -> BTreeSet<&str> {
        let untold = self.feeds.values().filter(|known| !known.is_whole);
        untold.filter_map(|known| known.trouble.as_ref().map(Trouble::text)).collect()
    }

    /// How many watches cannot reach the API server.
    pub(super) fn unreachable(&self) -> usize {
        let lost = |known: &&Known| matches!(known.trouble, Some(Trouble::Unreachable(_)));
        self.feeds.values().filter(lost).count()
    }

    /// Everything that was told. An object that has not changed is the same as before.
    pub(super) fn objects(&self) -> Objects {
        let mut objects = Objects::default();
        for (feed, known) in &self.feeds {
            let trouble = known.trouble.as_ref().and_then(|trouble| trouble.problem(feed));
            objects.defects.extend(trouble);
            for Entry { item, problems } in known.entries.values() {
                if let Some(item) = item {
                    objects.push(item.clone());
                }
                objects.defects.extend(problems.iter().cloned());
            }
        }
        objects
    }
}

impl Known {
    fn take(&mut self, feed: &Feed, told: Told) -> bool {
        match told {
            Told::Began => {
                self.fresh = Some(Fresh::default());
                false
            }
            Told::Put(key, entry) => self.put(key, entry),
            Told::Gone(key) => match &mut self.fresh {
                Some(fresh) => {
                    fresh.differs = true;
                    fresh.entries.remove(&key);
                    false
                }
                None => self.entries.remove(&key).is_some(),
            },
            Told::Whole => self.complete(),
            Told::Absent => {
                self.fresh = Some(Fresh::default());
                self.complete()
            }
            Told::Trouble(trouble) => self.suffer(feed, trouble),
            Told::Fine => {
                let before = self.trouble.take();
                matches!(before, Some(Trouble::Forbidden(_)))
            }
        }
    }

    /// An object that is as it was stays the same, so that nobody does anything about it.
    fn put(&mut self, key: Key, entry: Entry) -> bool {
        let known = self.entries.get(&key);
        let is_same = known.map_or(entry == Entry::default(), |known| *known == entry);
        if let Some(fresh) = &mut self.fresh {
            fresh.differs |= !is_same;
            let entry = known.filter(|_| is_same).cloned().unwrap_or(entry);
            fresh.entries.insert(key, entry);
            return false;
        }
        if !is_same {
            self.entries.insert(key, entry);
        }
        !is_same
    }

    fn complete(&mut self) -> bool {
        let was_whole = std::mem::replace(&mut self.is_whole, true);
        let Some(fresh) = self.fresh.take() else { return !was_whole };
        let differs = fresh.differs || fresh.entries.len() != self.entries.len();
        self.entries = fresh.entries;
        differs || !was_whole
    }

    fn suffer(&mut self, feed: &Feed, trouble: Trouble) -> bool {
        let is_news = self.trouble.as_ref() != Some(&trouble);
        let is_forbidden = matches!(trouble, Trouble::Forbidden(_));
        self.trouble = Some(trouble);
        // One can do without, or it is not known to be there: who serves must not wait for ever.
        let can_do_without = feed.kind.presence == Presence::Helpful || feed.name.is_some();
        let ends_waiting = is_forbidden && can_do_without && !self.is_whole;
        self.is_whole |= ends_waiting;
        ends_waiting || (is_news && is_forbidden)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Collection, Entry, Feed, Note, Told, Trouble};
    use crate::source::kube::kinds::GATEWAY;
    use edgeway_api::manifest;
    use serde_json::json;

    struct Trial {
        collection: Collection,
        feed: Arc<Feed>,
    }

    impl Trial {
        fn new(kind: &str) -> Self {
            let kind = GATEWAY.iter().find(|it| it.name == kind).unwrap();
            let feed = Arc::new(Feed::all(kind, &[]).remove(0));
            let mut collection = Collection::default();
            collection.expect(Arc::clone(&feed));
            Self { collection, feed }
        }

        fn take(&mut self, told: Told) -> bool {
            self.collection.take(Note { feed: Arc::clone(&self.feed), told })
        }

        fn put(&mut self, name: &str, host: &str) -> bool {
            let object = json!({
                "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
                "metadata": {"name": name, "namespace": "a"}, "spec": {"hosts": [host]},
            });
            let (item, problems) = manifest::one(object);
            self.take(Told::Put(("a".into(), name.into()), Entry { item, problems }))
        }

        fn gone(&mut self, name: &str) -> bool {
            self.take(Told::Gone(("a".into(), name.into())))
        }

        fn names(&self) -> Vec<String> {
            let objects = self.collection.objects();
            objects.references().into_iter().map(|object| object.name).collect()
        }
    }

    #[test]
    fn it_is_whole_when_all_is_told_and_then_follows() {
        let mut trial = Trial::new("VirtualService");
        assert!(!trial.take(Told::Began) && !trial.put("x", "h") && !trial.put("y", "h"));
        assert!(!trial.collection.is_whole() && trial.collection.missing().len() == 1);
        assert!(trial.take(Told::Whole) && trial.collection.is_whole());
        assert_eq!(trial.names(), ["x", "y"]);
        assert!(trial.put("z", "h") && trial.gone("x") && !trial.gone("x"));
        assert_eq!(trial.names(), ["y", "z"]);
    }

    #[test]
    fn what_is_told_again_is_the_same_and_what_is_not_is_gone() {
        let mut trial = Trial::new("VirtualService");
        trial.take(Told::Began);
        trial.put("x", "h");
        trial.put("y", "h");
        trial.take(Told::Whole);
        let before = trial.collection.objects();
        assert!(!trial.put("x", "h"), "nothing has changed");
        trial.take(Told::Began);
        trial.put("x", "h");
        trial.put("y", "h");
        assert!(!trial.take(Told::Whole), "nothing has changed");
        let after = trial.collection.objects();
        assert!(Arc::ptr_eq(&before.virtual_services[0], &after.virtual_services[0]));

        trial.take(Told::Began);
        trial.put("y", "other");
        assert_eq!(trial.names(), ["x", "y"], "nothing is taken away before all is told");
        assert!(trial.take(Told::Whole));
        assert_eq!(trial.names(), ["y"]);
        assert!(trial.take(Told::Absent) && trial.names().is_empty());
        assert!(!trial.take(Told::Absent) && trial.collection.is_whole());
    }

    #[test]
    fn one_waits_for_a_role_only_where_one_cannot_do_without() {
        let forbidden = || Told::Trouble(Trouble::Forbidden("f".into()));
        let unreachable = || Told::Trouble(Trouble::Unreachable("u".into()));
        for (kind, is_whole) in [("VirtualService", false), ("Service", false), ("Node", true)] {
            let mut trial = Trial::new(kind);
            assert!(!trial.take(unreachable()) && !trial.collection.is_whole(), "{kind}");
            assert_eq!(trial.collection.unreachable(), 1);
            assert!(trial.take(forbidden()) && !trial.take(forbidden()), "{kind}");
            assert_eq!(trial.collection.is_whole(), is_whole, "{kind}");
            assert_eq!(trial.collection.objects().defects.len(), 1, "{kind}");
            assert!(trial.take(Told::Fine));
            assert_eq!(trial.collection.objects().defects.len(), 0, "{kind}");
        }
    }

    #[test]
    fn a_watch_that_was_ended_is_not_heard() {
        let mut trial = Trial::new("VirtualService");
        trial.collection.forget(&trial.feed);
        assert!(!trial.put("x", "h") && trial.names().is_empty());
    }
}
