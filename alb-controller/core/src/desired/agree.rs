//! What members of a group must agree on: the first one that says it is right, and who says otherwise
//! is told so.

use super::{group::Group, member::Member};
use crate::{
    annotations::{PREFIX, field},
    pairs::Pairs,
};
use edgeway_api::Problem;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

/// The value that counts. Whoever wants another is told, and is served all the same.
pub(super) fn settle<T: Clone + PartialEq + Debug>(
    group: &Group<'_>,
    name: &str,
    value: impl Fn(&Member<'_>) -> Option<T>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let members: Vec<&Member<'_>> = group.members.iter().collect();
    settle_among(&members, name, value, problems)
}

/// The same among some members of a group.
pub(super) fn settle_among<T: Clone + PartialEq + Debug>(
    members: &[&Member<'_>],
    name: &str,
    value: impl Fn(&Member<'_>) -> Option<T>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let (winner, losers) = contest(members, value);
    for (loser, theirs) in losers {
        let (first, right) = winner.as_ref()?;
        problems.push(conflict(
            loser,
            name,
            &format!("{theirs:?}"),
            (first, &format!("{right:?}")),
        ));
    }
    winner.map(|(_, value)| value)
}

/// The value that counts. Whoever wants another is told, and is not served: what it has asked for
/// would be open to others than it has asked for.
pub(super) fn settle_strictly<T: Clone + PartialEq + Debug>(
    group: &mut Group<'_>,
    name: &str,
    value: impl Fn(&Member<'_>) -> Option<T>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let right = settle(group, name, &value, problems)?;
    group.set_aside(|member| value(member).is_none_or(|theirs| theirs == right));
    Some(right)
}

/// Who says it first, and all who say something else.
type Contest<'m, 'a, T> = (Option<(&'m Member<'a>, T)>, Vec<(&'m Member<'a>, T)>);

fn contest<'m, 'a, T: PartialEq>(
    members: &[&'m Member<'a>],
    value: impl Fn(&Member<'_>) -> Option<T>,
) -> Contest<'m, 'a, T> {
    let mut winner: Option<(&Member<'a>, T)> = None;
    let mut losers = Vec::new();
    for &member in members {
        let Some(theirs) = value(member) else { continue };
        match &winner {
            None => winner = Some((member, theirs)),
            Some((_, right)) if *right == theirs => {}
            Some(_) => losers.push((member, theirs)),
        }
    }
    (winner, losers)
}

/// Says who comes first with another wish.
pub(super) fn conflict(
    loser: &Member<'_>,
    name: &str,
    theirs: &str,
    (first, right): (&Member<'_>, &str),
) -> Problem {
    let name = if name.contains('/') { name.to_owned() } else { format!("{PREFIX}{name}") };
    Problem::error(loser.reference.clone(), field(&name), "group-conflict")
        .message(format!(
            "it wants {theirs}, but {} wants {right} and comes first in the group",
            first.name()
        ))
        .advice("make them agree, or put them into different groups")
}

/// All keys that any of `members` gives, each with the first value.
pub(super) fn merge(
    members: &[&Member<'_>],
    name: &str,
    map: impl Fn(&Member<'_>) -> Pairs,
    problems: &mut Vec<Problem>,
) -> Pairs {
    let mut merged: BTreeMap<String, (String, &Member<'_>)> = BTreeMap::new();
    for member in members {
        for (key, value) in map(member) {
            match merged.get(&key) {
                None => drop(merged.insert(key, (value, *member))),
                Some((right, _)) if *right == value => {}
                Some((right, first)) => {
                    let (theirs, right) = (format!("{key}={value}"), format!("{key}={right}"));
                    problems.push(conflict(member, name, &theirs, (first, &right)));
                }
            }
        }
    }
    merged.into_iter().map(|(key, (value, _))| (key, value)).collect()
}

/// Members by whether they listen on a port.
pub(super) fn ports(members: &[Member<'_>]) -> BTreeSet<u16> {
    members.iter().flat_map(|member| member.wish.ports.keys().copied()).collect()
}
