//! What members that cannot be understood have at a load balancer: it stays as it is until they can be, or are
//! gone. Rules say whose they are; of what does not, all that nobody else wishes may be theirs.

use super::rules::is_held;
use crate::{
    rule::{
        Action, Rule,
        packed::{Piece, pack, unpack},
    },
    stack::{Listener, LoadBalancer},
    tags::{self, Tags},
};
use std::collections::BTreeSet;

/// Adds to a wish what stands and may be theirs, except rules with an owner, which are never taken for
/// another's.
pub(super) fn complete(
    wish: &mut LoadBalancer,
    found: Option<&LoadBalancer>,
    broken: &BTreeSet<String>,
) {
    let Some(found) = found.filter(|_| !broken.is_empty()) else { return };
    for (port, there) in &found.listeners {
        if !wish.listeners.contains_key(port) && may_be_theirs(there, broken) {
            let bare = Listener { rules: [].into(), foreign: [].into(), ..there.clone() };
            wish.listeners.insert(*port, bare);
        }
        let Some(listener) = wish.listeners.get_mut(port) else { continue };
        keep_certificates(listener, there);
        keep_default(listener, there);
        keep_hosts(listener, there, broken);
    }
}

/// One without rules does not say whose it is.
fn may_be_theirs(found: &Listener, broken: &BTreeSet<String>) -> bool {
    found.rules.is_empty() || found.rules.values().any(|rule| is_held(rule, broken))
}

/// Where none at all is known at present, nothing is changed about them.
fn keep_certificates(wish: &mut Listener, found: &Listener) {
    let Some(default) = &wish.certificate else { return };
    let there = found.more_certificates.iter().chain(&found.certificate);
    let more = there.filter(|certificate| *certificate != default).cloned();
    wish.more_certificates.extend(more);
}

/// What becomes of all other requests, where nobody has a wish about it.
fn keep_default(wish: &mut Listener, found: &Listener) {
    if wish.default_action != Action::answer(404, None) {
        return;
    }
    wish.default_action = found.default_action.clone();
    wish.authentication.clone_from(&found.authentication);
    if let Some(trace) = found.tags.get(tags::SECRET) {
        wish.tags.insert(tags::SECRET.to_owned(), trace.clone());
    }
}

/// What they say of hosts in rules that several members share. It takes its old place among the others, so
/// that no rule changes if nobody else has changed.
fn keep_hosts(wish: &mut Listener, found: &Listener, broken: &BTreeSet<String>) {
    let there: Vec<Piece> = found.rules.values().filter_map(unpack).flatten().collect();
    if there.iter().all(|piece| piece.claims.within(broken).is_none()) {
        return;
    }
    let rules = std::mem::take(&mut wish.rules).into_values();
    let (packed, mut rules): (Vec<Rule>, Vec<Rule>) =
        rules.partition(|rule| rule.tags.contains_key(tags::CLAIMS));
    let mut pieces: Vec<Piece> = packed.iter().filter_map(unpack).flatten().collect();
    for (place, piece) in there.iter().enumerate() {
        if let Some(claims) = piece.claims.within(broken) {
            let kept = Piece { claims, ..piece.clone() };
            keep(kept, there.get(..place).unwrap_or_default(), &mut pieces);
        }
    }
    // Hosts that match different requests stand as they stood, and new ones behind them.
    pieces.sort_by_key(|piece| {
        let place = there.iter().position(|other| other.is_at(piece));
        (piece.class(), place.unwrap_or(usize::MAX))
    });
    let like = packed.first().or(found.rules.values().find(|rule| unpack(rule).is_some()));
    let usual = like.map(|rule| rule.tags.clone()).unwrap_or_default();
    rules.extend(
        pack(pieces).into_iter().map(|rule| Rule { tags: with(&usual, rule.tags), ..rule }),
    );
    wish.rules = (1..).zip(rules).collect();
}

fn with(usual: &Tags, own: Tags) -> Tags {
    let mut tags = usual.clone();
    tags.extend(own);
    tags
}

/// Adds a piece of theirs behind the one of its host that it has followed, unless somebody says the same.
fn keep(kept: Piece, before: &[Piece], pieces: &mut Vec<Piece>) {
    if let Some(same) = pieces.iter_mut().find(|piece| piece.is_about(&kept)) {
        same.claims.join(&kept.claims);
        // One that asks for it is enough, and it may be them.
        if matches!(kept.action, Action::Redirect(_)) {
            same.action = kept.action;
        }
        return;
    }
    let mut own = before.iter().rev().filter(|other| other.is_at(&kept));
    let behind = own.find_map(|other| pieces.iter().rposition(|piece| piece.is_about(other)));
    let first = pieces.iter().position(|piece| piece.is_at(&kept));
    let place = behind.map(|place| place + 1).or(first).unwrap_or(pieces.len());
    pieces.insert(place, kept);
}
