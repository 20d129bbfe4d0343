//! Rules that hold what several members say of their hosts, as few as can be. A tag says whose each value
//! is, so that what one of them said last outlives a mistake of it, and a restart.

use super::{Action, Condition, Patterns, Rule};
use crate::{
    glob,
    limits::{VALUES_PER_RULE, WILDCARDS_PER_RULE},
    names,
    tags::{self, Tags},
};
use std::{cmp::Reverse, collections::BTreeSet};

/// The longest value of a tag that AWS takes.
const TAG_LENGTH: usize = 256;
/// What the tag says where there is no room for all: each value may be anybody's.
const ANY: &str = "any";

/// Who says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claims {
    /// Short names of these members.
    Of(BTreeSet<String>),
    /// Whoever there is.
    Any,
}

impl Claims {
    /// Those of some members, `namespace/name`.
    pub(crate) fn of<'m>(members: impl IntoIterator<Item = &'m str>) -> Self {
        Self::Of(members.into_iter().map(short).collect())
    }

    /// The part of it that some members have, if they have any.
    pub(crate) fn within(&self, members: &BTreeSet<String>) -> Option<Self> {
        let members: BTreeSet<String> = members.iter().map(|member| short(member)).collect();
        let common = match self {
            Self::Of(claims) => claims.intersection(&members).cloned().collect(),
            Self::Any => members,
        };
        (!common.is_empty()).then_some(Self::Of(common))
    }

    /// Says that these say it, too.
    pub(crate) fn join(&mut self, more: &Self) {
        match (&mut *self, more) {
            (Self::Of(claims), Self::Of(more)) => claims.extend(more.iter().cloned()),
            _ => *self = Self::Any,
        }
    }
}

/// What is said of a host, or of paths of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// An empty one is any.
    pub(crate) host: String,
    /// None is what is left of the host.
    pub(crate) paths: Vec<String>,
    pub(crate) action: Action,
    pub(crate) claims: Claims,
}

impl Piece {
    /// Whether both are about the same requests.
    pub(crate) fn is_about(&self, other: &Self) -> bool {
        self.host.eq_ignore_ascii_case(&other.host) && self.paths == other.paths
    }

    /// Whether both are paths of one host, or the host.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        self.class() == other.class() && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// Where it stands among others: paths of hosts come first, then hosts, then wildcards from the
    /// longest on, then any.
    pub(crate) fn class(&self) -> (u8, Reverse<usize>) {
        match self.host.as_str() {
            host if host.is_empty() || host.starts_with('*') => (2, Reverse(host.len())),
            _ if self.paths.is_empty() => (1, Reverse(0)),
            _ => (0, Reverse(0)),
        }
    }

    /// Hosts come first; every host and every path is a path.
    fn rule(&self) -> Rule {
        let every = self.host.is_empty() && self.paths.is_empty();
        let paths = if every { vec!["/*".to_owned()] } else { self.paths.clone() };
        let host = Some(self.host.clone()).filter(|host| !host.is_empty());
        let host = host.map(|host| Condition::Host(Patterns::Text(vec![host])));
        let paths = Some(paths).filter(|paths| !paths.is_empty());
        let paths = paths.map(|paths| Condition::Path(Patterns::Text(paths)));
        Rule {
            conditions: host.into_iter().chain(paths).collect(),
            authentication: None,
            action: self.action.clone(),
            transforms: Vec::new(),
            tags: Tags::new(),
        }
    }
}

/// A rule as it grows, with its place among others and what is said of each value.
type Growing = (u8, Rule, Vec<(String, Claims)>);

/// As many hosts in a rule as AWS takes, and paths of a host. Where their order means nothing, those of one
/// action come together.
pub(crate) fn pack(mut pieces: Vec<Piece>) -> Vec<Rule> {
    pieces.sort_by_key(Piece::class);
    let mut packed: Vec<Growing> = Vec::new();
    for piece in pieces {
        let ((class, _), new) = (piece.class(), piece.rule());
        let said = || values(&new).map(|value| (value.to_owned(), piece.claims.clone()));
        let mut before = packed.iter_mut().rev().take_while(|(other, ..)| *other == class);
        let last = before.find(|(_, rule, _)| class != 1 || rule.action == new.action);
        let last = last.and_then(|(_, rule, claims)| joins(rule, &new).then_some(claims));
        if let Some(claims) = last {
            claims.extend(said());
        } else {
            let claims = said().collect();
            packed.push((class, new, claims));
        }
    }
    let tagged = packed.into_iter().map(|(_, mut rule, claims)| {
        rule.tags.insert(tags::CLAIMS.to_owned(), text(&claims));
        rule
    });
    tagged.collect()
}

/// The pieces that such a rule holds, each path for itself; nothing, if it is none of these.
pub(crate) fn unpack(rule: &Rule) -> Option<Vec<Piece>> {
    let tag = rule.tags.get(tags::CLAIMS)?;
    let said = |value: &str| claims(tag, value);
    let piece = |host: &str, paths: &[&str], claims| Piece {
        host: host.to_owned(),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        action: rule.action.clone(),
        claims,
    };
    let paths_of = |host: &str, paths: &[String]| {
        paths.iter().map(|path| piece(host, &[path], said(path))).collect()
    };
    match rule.conditions.as_slice() {
        [Condition::Host(Patterns::Text(hosts))] => {
            Some(hosts.iter().map(|host| piece(host, &[], said(host))).collect())
        }
        [Condition::Path(Patterns::Text(paths))] => match paths.as_slice() {
            [every] if every == "/*" => Some(vec![piece("", &[], said(every))]),
            paths => Some(paths_of("", paths)),
        },
        [Condition::Host(Patterns::Text(hosts)), Condition::Path(Patterns::Text(paths))]
        | [Condition::Path(Patterns::Text(paths)), Condition::Host(Patterns::Text(hosts))] => {
            let [host] = hosts.as_slice() else { return None };
            Some(paths_of(host, paths))
        }
        _ => None,
    }
}

/// Whether some of what such a rule holds is said by one of these members; nothing, if it is none.
pub(crate) fn is_said_by(rule: &Rule, members: &BTreeSet<String>) -> Option<bool> {
    rule.tags.get(tags::CLAIMS)?;
    let pieces = unpack(rule).unwrap_or_default();
    Some(pieces.iter().any(|piece| piece.claims.within(members).is_some()))
}

/// Puts a rule's last values to those of the one before, if one rule can say both.
fn joins(last: &mut Rule, new: &Rule) -> bool {
    let wildcards = |rule: &Rule| -> usize {
        rule.conditions.iter().flat_map(Condition::texts).map(glob::wildcards).sum()
    };
    let count = wildcards(last) + wildcards(new);
    if last.action != new.action || last.conditions.len() != new.conditions.len() {
        return false;
    }
    let (Some((old, before)), Some((more, same))) =
        (last.conditions.split_last_mut(), new.conditions.split_last())
    else {
        return false;
    };
    if *before != *same {
        return false;
    }
    let others: usize = before.iter().map(Condition::len).sum();
    let room = VALUES_PER_RULE.saturating_sub(others);
    match (old, more) {
        (Condition::Host(Patterns::Text(values)), Condition::Host(Patterns::Text(more)))
        | (Condition::Path(Patterns::Text(values)), Condition::Path(Patterns::Text(more)))
            if values.len() + more.len() <= room && count <= WILDCARDS_PER_RULE =>
        {
            values.extend(more.iter().cloned());
            true
        }
        _ => false,
    }
}

/// The values that tell what a rule holds: its paths, or its hosts where it has none.
fn values(rule: &Rule) -> impl Iterator<Item = &str> {
    rule.conditions.last().map(Condition::texts).into_iter().flatten()
}

fn short(text: &str) -> String {
    names::hash(&[text]).chars().take(8).collect()
}

/// Short names of a value and of those who say it, such as `3f2a91c0:1a2b3c4d+99aabbcc`, divided by spaces.
fn text(claims: &[(String, Claims)]) -> String {
    let mut parts = Vec::new();
    for (value, claims) in claims {
        let Claims::Of(claims) = claims else { return ANY.to_owned() };
        let claims: Vec<&str> = claims.iter().map(String::as_str).collect();
        parts.push(format!("{}:{}", short(value), claims.join("+")));
    }
    // AWS may show values in another order than they were given in.
    parts.sort();
    let text = parts.join(" ");
    if text.len() <= TAG_LENGTH { text } else { ANY.to_owned() }
}

/// Whose a value is. One that the tag does not know somebody else has added: it may be anybody's.
fn claims(tag: &str, value: &str) -> Claims {
    let value = short(value);
    let mut parts = tag.split(' ').filter_map(|part| part.split_once(':'));
    match parts.find(|(of, _)| *of == value) {
        Some((_, claims)) => Claims::Of(claims.split('+').map(str::to_owned).collect()),
        None => Claims::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::TargetGroupRef;

    fn piece(host: &str, paths: &[&str], to: &str, members: &[&str]) -> Piece {
        Piece {
            host: host.to_owned(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            action: Action::forward(TargetGroupRef::Ours(to.to_owned())),
            claims: Claims::of(members.iter().copied()),
        }
    }

    #[test]
    fn what_is_packed_can_be_unpacked() {
        let pieces = vec![
            piece("a.test", &["/x"], "h2", &["app/one"]),
            piece("a.test", &[], "h1", &["app/one", "app/two"]),
            piece("b.test", &[], "h1", &["app/two"]),
            piece("c.test", &[], "h2", &["app/two"]),
            piece("d.test", &[], "h1", &["app/one"]),
            piece("*.test", &[], "h1", &["app/one"]),
            piece("", &[], "h1", &["app/two"]),
        ];
        let rules = pack(pieces.clone());
        let texts: Vec<String> = rules.iter().map(ToString::to_string).collect();
        let wanted = [
            "host a.test and path /x",
            "host a.test or b.test or d.test",
            "host c.test",
            "host *.test",
            "path /*",
        ];
        assert_eq!(texts, wanted);
        let found: Vec<Piece> = rules.iter().filter_map(unpack).flatten().collect();
        assert_eq!(found.len(), pieces.len());
        assert!(pieces.iter().all(|piece| found.contains(piece)), "{found:?}");
        assert_eq!(pack(found), rules);
    }

    #[test]
    fn a_tag_without_room_for_all_says_that_it_may_be_anybody() {
        let names: Vec<String> = (0..40).map(|number| format!("app/{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let rules = pack(vec![piece("a.test", &[], "h1", &names)]);
        assert_eq!(rules[0].tags.get(tags::CLAIMS).map(String::as_str), Some("any"));
        assert_eq!(is_said_by(&rules[0], &["else/where".to_owned()].into()), Some(true));
        assert_eq!(is_said_by(&rules[0], &BTreeSet::new()), Some(false));
    }

    #[test]
    fn only_who_says_it_is_found_to_say_it() {
        let rules = pack(vec![piece("a.test", &[], "h1", &["app/one"])]);
        assert_eq!(is_said_by(&rules[0], &["app/one".to_owned()].into()), Some(true));
        assert_eq!(is_said_by(&rules[0], &["app/two".to_owned()].into()), Some(false));
        let text = &rules[0].tags[tags::CLAIMS];
        assert!(text.bytes().all(|b| b.is_ascii_hexdigit() || b": +".contains(&b)), "{text}");
    }
}
