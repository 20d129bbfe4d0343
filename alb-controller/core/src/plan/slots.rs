//! Finding priorities: numbers that keep an order, with room left between them.

use crate::limits::PRIORITIES;
use std::collections::BTreeSet;

/// The room that is left between two rules where nothing forbids it.
const STEP: u32 = 100;

/// A number for each place, increasing. Places that have one keep it; the others get free ones,
/// spread evenly over the room between their neighbours. Nothing if there is no room.
pub(crate) fn allocate(places: &[Option<u32>], taken: &BTreeSet<u32>) -> Option<Vec<u32>> {
    let mut numbers: Vec<u32> = Vec::with_capacity(places.len());
    let mut rest = places;
    while let Some(first) = rest.first() {
        let low = numbers.last().copied().unwrap_or(0);
        if let Some(number) = first {
            if *number <= low {
                return None;
            }
            numbers.push(*number);
            rest = rest.get(1..)?;
            continue;
        }
        let run = rest.iter().take_while(|place| place.is_none()).count();
        let high = rest.get(run).copied().flatten();
        numbers.extend(spread(low, high, run, taken)?);
        rest = rest.get(run..)?;
    }
    Some(numbers)
}

/// The numbers of a listener that has no rule yet.
pub(crate) fn fresh(count: usize) -> Vec<u32> {
    allocate(&vec![None; count], &BTreeSet::new()).unwrap_or_default()
}

fn spread(low: u32, high: Option<u32>, count: usize, taken: &BTreeSet<u32>) -> Option<Vec<u32>> {
    let end = high.unwrap_or_else(|| open_end(low, count, taken));
    let free: Vec<u32> = (low + 1..end).filter(|number| !taken.contains(number)).collect();
    if free.len() < count {
        return None;
    }
    let index = |place: usize| (place + 1) * (free.len() + 1) / (count + 1) - 1;
    (0..count).map(|place| free.get(index(place)).copied()).collect()
}

/// Where the room ends that `count` places behind `low` should have.
fn open_end(low: u32, count: usize, taken: &BTreeSet<u32>) -> u32 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let behind = u32::try_from(taken.range(low + 1..).count()).unwrap_or(u32::MAX);
    let wish = STEP.saturating_mul(count.saturating_add(1)).saturating_add(behind);
    low.saturating_add(wish).min(PRIORITIES.end() + 1)
}

/// The longest selection of places whose values increase, as indices.
pub(crate) fn longest_increasing(values: &[usize]) -> BTreeSet<usize> {
    // `ends[n]` is the place that ends the best selection of n + 1 places; `before` links back.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(values.len());
    for (place, value) in values.iter().enumerate() {
        let length = ends.partition_point(|end| values.get(*end).is_some_and(|v| v < value));
        before.push(length.checked_sub(1).and_then(|shorter| ends.get(shorter).copied()));
        if let Some(end) = ends.get_mut(length) {
            *end = place;
        } else {
            ends.push(place);
        }
    }
    let mut at = ends.last().copied();
    let mut chosen = BTreeSet::new();
    while let Some(place) = at {
        chosen.insert(place);
        at = before.get(place).copied().flatten();
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_listener_has_room_between_its_rules() {
        assert_eq!(fresh(3), [100, 200, 300]);
        let many = fresh(700);
        assert!(many.len() == 700 && many.is_sorted() && many.last() <= Some(&50_000));
    }

    #[test]
    fn a_new_place_falls_between_its_neighbours() {
        let none = BTreeSet::new();
        assert_eq!(allocate(&[Some(100), None, Some(200)], &none), Some(vec![100, 150, 200]));
        assert_eq!(allocate(&[None, Some(100)], &none), Some(vec![50, 100]));
        assert_eq!(allocate(&[Some(300), None], &none), Some(vec![300, 400]));
        assert_eq!(allocate(&[Some(1), None, Some(2)], &none), None);
        assert_eq!(allocate(&[Some(1), None, Some(4)], &BTreeSet::from([2])), Some(vec![1, 3, 4]));
        assert_eq!(allocate(&[Some(50_000), None], &none), None);
    }

    #[test]
    fn as_many_as_possible_stay() {
        assert_eq!(longest_increasing(&[3, 0, 1, 2]), BTreeSet::from([1, 2, 3]));
        assert_eq!(longest_increasing(&[0, 1, 2]), BTreeSet::from([0, 1, 2]));
        assert_eq!(longest_increasing(&[]), BTreeSet::new());
    }
}
