//! All texts that a path begins with, of those that are known: found in one walk along the path.

use super::{Search, bucket::Bucket};
use crate::table::Route;
use hashbrown::{HashMap, HashTable};
use std::sync::Arc;

/// How a path is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Byte by byte.
    AsIs,
    /// With ASCII letters in lower case.
    LowerCase,
    /// From its end, which makes suffixes of prefixes.
    Backwards,
}

/// Routes by what the path, as it is read, begins with.
#[derive(Clone, Debug)]
pub(super) struct Prefixes {
    reading: Reading,
    /// Of the texts, the shortest first: nowhere else is one looked up.
    lengths: Vec<usize>,
    texts: HashTable<Prefix>,
}

#[derive(Clone, Debug)]
struct Prefix {
    text: Box<[u8]>,
    bucket: Bucket,
}

impl Prefixes {
    /// Of texts, as they are read, with positions of `routes` in written order.
    pub(super) fn new(reading: Reading, texts: Vec<(Vec<u8>, u32)>, routes: &[Arc<Route>]) -> Self {
        let mut grouped: HashMap<Vec<u8>, Vec<u32>> = HashMap::new();
        for (text, position) in texts {
            grouped.entry(text).or_default().push(position);
        }
        let mut lengths: Vec<usize> = grouped.keys().map(Vec::len).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let mut texts = HashTable::with_capacity(grouped.len());
        let hash = |text: &[u8]| {
            let mut walk = Walk::default();
            walk.read(text.iter().copied());
            walk.hash()
        };
        for (text, positions) in grouped {
            let bucket = Bucket::new(&positions, routes);
            let prefix = Prefix { text: text.into(), bucket };
            texts.insert_unique(hash(&prefix.text), prefix, |other| hash(&other.text));
        }
        Self { reading, lengths, texts }
    }

    /// Asks the routes at all prefixes of the path.
    pub(super) fn search(&self, search: &mut Search<'_>) {
        let path = search.request.path.as_bytes();
        let mut walk = Walk::default();
        let mut read = 0;
        for length in &self.lengths {
            let Some(next) = self.reading.part(path, read, *length) else { return };
            match self.reading {
                Reading::AsIs => walk.read(next.iter().copied()),
                Reading::LowerCase => walk.read(next.iter().map(u8::to_ascii_lowercase)),
                Reading::Backwards => walk.read(next.iter().rev().copied()),
            }
            read = *length;
            let fits = |prefix: &Prefix| {
                prefix.text.len() == *length && self.reading.begins(path, &prefix.text)
            };
            if let Some(prefix) = self.texts.find(walk.hash(), fits) {
                prefix.bucket.search(search);
            }
        }
    }
}

impl Reading {
    /// What is read from one length to another.
    fn part(self, path: &[u8], from: usize, to: usize) -> Option<&[u8]> {
        match self {
            Self::AsIs | Self::LowerCase => path.get(from..to),
            Self::Backwards => path.get(path.len().checked_sub(to)?..path.len() - from),
        }
    }

    /// Whether `path`, as it is read, begins with `text`.
    fn begins(self, path: &[u8], text: &[u8]) -> bool {
        match self {
            Self::AsIs => path.starts_with(text),
            Self::LowerCase => {
                path.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text))
            }
            Self::Backwards => {
                path.len() >= text.len() && path.iter().rev().zip(text).all(|(a, b)| a == b)
            }
        }
    }
}

/// A hash of what was read so far, at any time (FNV-1a, mixed where it is asked for).
#[derive(Clone, Copy, Debug)]
struct Walk(u64);

impl Default for Walk {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Walk {
    fn read(&mut self, bytes: impl Iterator<Item = u8>) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The table looks at the lowest and the highest bits.
    fn hash(self) -> u64 {
        (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}
