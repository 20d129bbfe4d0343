//! Paging: a marker names the last thing given, so that a change between two pages costs nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::AwsError;
use crate::wire::Params;

/// One page of things, and where the next one starts.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// The page of `items` (each with a key of its own) that `Marker` and `PageSize` ask for.
pub(crate) fn page<T>(items: Vec<(String, T)>, params: &Params<'_>) -> Result<Page<T>, AwsError> {
    let size = params.number("PageSize", 1_usize, 400)?.unwrap_or(400);
    let marker = params.text("Marker").filter(|marker| !marker.is_empty());
    slice(items, marker, size).ok_or_else(|| {
        AwsError::validation("The marker is not valid: use the one of the last reply")
    })
}

/// As [`page`], with the marker and the size already read; nothing if the marker is not ours.
pub(crate) fn slice<T>(
    items: Vec<(String, T)>,
    marker: Option<&str>,
    size: usize,
) -> Option<Page<T>> {
    let start = match marker {
        None => 0,
        Some(marker) => {
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode(marker).ok()?).ok()?;
            let (index, key) = text.split_once(' ')?;
            let index: usize = index.parse().ok()?;
            items.iter().position(|(known, _)| known == key).map_or(index, |found| found + 1)
        }
    };
    let total = items.len();
    let mut last = None;
    let mut page = Vec::new();
    for (index, (key, item)) in items.into_iter().enumerate().skip(start).take(size) {
        page.push(item);
        last = Some((index, key));
    }
    let next = last
        .filter(|(index, _)| index + 1 < total)
        .map(|(index, key)| URL_SAFE_NO_PAD.encode(format!("{index} {key}")));
    Some(Page { items: page, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(keys: &[&str]) -> Vec<(String, String)> {
        keys.iter().map(|key| ((*key).to_owned(), (*key).to_owned())).collect()
    }

    #[test]
    fn pages_join_to_the_whole_list() {
        let keys = ["a", "b", "c", "d", "e"];
        let (mut all, mut marker) = (Vec::new(), None);
        loop {
            let page = slice(keyed(&keys), marker.as_deref(), 2).unwrap();
            all.extend(page.items);
            marker = page.next;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(all, keys);
    }

    #[test]
    fn a_thing_removed_or_added_between_pages_skips_and_repeats_nothing() {
        let first = slice(keyed(&["b", "c", "d"]), None, 2).unwrap();
        let rest = slice(keyed(&["a", "b", "c", "d"]), first.next.as_deref(), 2).unwrap();
        assert_eq!(rest.items, ["d"]);
        let rest = slice(keyed(&["b", "d"]), first.next.as_deref(), 2).unwrap();
        assert_eq!(rest.items, ["d"], "the last given thing is gone");
    }

    #[test]
    fn a_foreign_marker_is_refused() {
        for marker in ["x", "%%%", "bm9wZQ"] {
            assert!(slice(keyed(&["a"]), Some(marker), 2).is_none(), "{marker}");
        }
    }
}
