//! Keys and values, shared by all that have the same.

use litemap::LiteMap;
use std::{
    fmt,
    ops::{Deref, DerefMut, Index},
    sync::{Arc, LazyLock},
    vec,
};

/// Sorted by key. There are thousands of these, of few keys each: a tree's nodes would be mostly empty.
type Map = LiteMap<String, String>;

/// Tags or attributes. A copy costs nothing until it is changed: what is wished, what has been seen,
/// and the steps from one to the other mostly say the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pairs(Arc<Map>);

impl Pairs {
    /// None.
    pub fn new() -> Self {
        static NONE: LazyLock<Arc<Map>> = LazyLock::new(Arc::default);
        Self(Arc::clone(&NONE))
    }
}

impl Default for Pairs {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Pairs {
    type Target = Map;

    fn deref(&self) -> &Map {
        &self.0
    }
}

impl DerefMut for Pairs {
    fn deref_mut(&mut self) -> &mut Map {
        Arc::make_mut(&mut self.0)
    }
}

/// The value of a key that is known to be there, as of any map.
impl Index<&str> for Pairs {
    type Output = String;

    fn index(&self, key: &str) -> &String {
        #[expect(clippy::expect_used, reason = "whoever indexes a map says that the key is there")]
        self.get(key).expect("a key that is there")
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Map> for Pairs {
    fn from(map: Map) -> Self {
        if map.is_empty() { Self::new() } else { Self(Arc::new(map)) }
    }
}

impl<const N: usize> From<[(String, String); N]> for Pairs {
    fn from(pairs: [(String, String); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl FromIterator<(String, String)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        pairs.into_iter().collect::<Map>().into()
    }
}

impl Extend<(String, String)> for Pairs {
    fn extend<I: IntoIterator<Item = (String, String)>>(&mut self, pairs: I) {
        for (key, value) in pairs {
            self.insert(key, value);
        }
    }
}

impl IntoIterator for Pairs {
    type Item = (String, String);
    type IntoIter = vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'p> IntoIterator for &'p Pairs {
    type Item = (&'p String, &'p String);
    type IntoIter = <&'p Map as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_one_until_one_of_them_is_changed() {
        let first = Pairs::from([("a".to_owned(), "1".to_owned())]);
        let mut second = first.clone();
        assert!(Arc::ptr_eq(&first.0, &second.0));
        second.insert("b".to_owned(), "2".to_owned());
        assert_eq!((first.len(), second.len()), (1, 2));
        assert!(Arc::ptr_eq(&Pairs::new().0, &Pairs::from(Map::new()).0));
    }
}
