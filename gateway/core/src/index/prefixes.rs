//! All prefixes of a path that are known, from the longest to the shortest.

use super::{Search, bucket::Bucket};
use crate::table::Route;
use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

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
    /// Sorted by text.
    list: Vec<Prefix>,
}

#[derive(Clone, Debug)]
struct Prefix {
    text: Box<[u8]>,
    bucket: Bucket,
    /// The longest other prefix that this one starts with.
    parent: Option<usize>,
}

impl Prefixes {
    /// Of texts, as they are read, with positions of `routes` in written order.
    pub(super) fn new(reading: Reading, texts: Vec<(Vec<u8>, u32)>, routes: &[Arc<Route>]) -> Self {
        let mut sorted: BTreeMap<Vec<u8>, Vec<u32>> = BTreeMap::new();
        for (text, position) in texts {
            sorted.entry(text).or_default().push(position);
        }
        let mut list: Vec<Prefix> = Vec::with_capacity(sorted.len());
        // In sorted order a prefix comes before all that start with it: the open chain is a stack.
        let mut chain: Vec<usize> = Vec::new();
        for (text, positions) in sorted {
            while let Some(last) = chain.last()
                && !list.get(*last).is_some_and(|prefix| text.starts_with(&prefix.text))
            {
                chain.pop();
            }
            let parent = chain.last().copied();
            chain.push(list.len());
            list.push(Prefix { text: text.into(), bucket: Bucket::new(positions, routes), parent });
        }
        Self { reading, list }
    }

    /// Asks the routes at all prefixes of the path.
    pub(super) fn search(&self, search: &mut Search<'_>) {
        if self.list.is_empty() {
            return;
        }
        let path = search.request.path.as_bytes();
        let reading = self.reading;
        let mut at =
            self.list.partition_point(|prefix| reading.compare(&prefix.text, path).is_le());
        while let Some(prefix) = at.checked_sub(1).and_then(|at| self.list.get(at)) {
            if reading.begins(path, &prefix.text) {
                prefix.bucket.search(search);
            }
            let Some(parent) = prefix.parent else { break };
            at = parent + 1;
        }
    }
}

impl Reading {
    /// How `text` compares with `path` as it is read.
    fn compare(self, text: &[u8], path: &[u8]) -> Ordering {
        let text = text.iter();
        match self {
            Self::AsIs => text.as_slice().cmp(path),
            Self::LowerCase => text.copied().cmp(path.iter().map(u8::to_ascii_lowercase)),
            Self::Backwards => text.cmp(path.iter().rev()),
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
