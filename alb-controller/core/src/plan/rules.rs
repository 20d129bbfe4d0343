//! The way from the rules that a listener has to those that it should have.
//!
//! Whatever prefix of the steps has been taken, every request gets the answer that it got before or
//! the one that it shall get. Two ways lead there:
//!
//! - *Insert*, where rules that stay keep their order: new rules are made from the first to the
//!   last, each above whatever is to go; then actions change; what is to go goes from the last to
//!   the first. A rule is made only when no rule that comes before it is missing, so whoever it
//!   catches is meant to be caught.
//! - *Reorder*, where they do not: new and changed rules are made below all others, where they can
//!   catch nothing that is caught already; one call then puts all into their order, with what is to
//!   go at the end; that is deleted from the last to the first.

use super::slots::{allocate, longest_increasing};
use crate::{
    rule::{Condition, Rule, packed},
    stack::Listener,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One step, with priorities as they are at its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuleStep {
    /// Makes a rule; the second number is the one it will end at.
    Create(u32, u32, Rule),
    /// Gives a rule another action.
    Modify(u32, Rule),
    /// Gives rules other priorities, at once.
    Move(BTreeMap<u32, u32>),
    /// Deletes a rule.
    Delete(u32),
}

/// The steps of one listener, in order, and the rules that stay where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrangement {
    /// Up to the point at which every request gets its new answer.
    pub(crate) ahead: Vec<RuleStep>,
    /// Deletes what no request needs any more.
    pub(crate) behind: Vec<RuleStep>,
    /// Final priorities of rules that were there before, each with its rule as it was and as it is
    /// wished.
    pub(crate) kept: Vec<(u32, Rule, Rule)>,
    /// Target groups that rules which are left alone send to.
    pub(crate) held: BTreeSet<String>,
}

/// No numbers are left for the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// What stands now and bounds what may be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    /// The listener as it is.
    pub(crate) listener: Option<&'a Listener>,
    /// Members whose last good rules stay.
    pub(crate) broken: &'a BTreeSet<String>,
    /// How many rules may be added before some are deleted.
    pub(crate) room: usize,
}

/// One rule of the final order.
#[derive(Clone, Debug)]
enum Item {
    /// There already, at this index; wished with this content.
    Kept { index: usize, wish: Rule, changed: bool },
    /// Still to be made.
    New(Rule),
}

/// Finds the steps to the `wanted` rules, which are in their order.
pub(crate) fn arrange(wanted: &[Rule], bounds: Bounds<'_>) -> Result<Arrangement, NoRoom> {
    let mut scene = Scene::of(wanted, bounds);
    let order: Vec<usize> = scene.items.iter().filter_map(Item::index).collect();
    let mut arrangement =
        if order.is_sorted() { scene.insert()? } else { scene.reorder(bounds.room)? };
    arrangement.held = scene.held;
    relieve(&mut arrangement, bounds.room);
    Ok(arrangement)
}

impl Item {
    fn index(&self) -> Option<usize> {
        match self {
            Self::Kept { index, .. } => Some(*index),
            Self::New(_) => None,
        }
    }
}

/// All that is known of a listener's rules, put in relation.
struct Scene<'a> {
    current: Vec<(u32, &'a Rule)>,
    foreign: BTreeSet<u32>,
    items: Vec<Item>,
    /// Indices of rules that are to go.
    surplus: Vec<usize>,
    held: BTreeSet<String>,
}

impl<'a> Scene<'a> {
    fn of(wanted: &[Rule], bounds: Bounds<'a>) -> Self {
        let rules = bounds.listener.into_iter().flat_map(|listener| &listener.rules);
        let current: Vec<(u32, &Rule)> = rules.map(|(priority, rule)| (*priority, rule)).collect();
        let foreign = bounds.listener.iter().flat_map(|l| l.foreign.keys().copied()).collect();
        let items = matched(wanted, &current, bounds.broken);
        let kept: BTreeSet<usize> = items.iter().filter_map(Item::index).collect();
        let mut scene =
            Self { current, foreign, items, surplus: Vec::new(), held: BTreeSet::new() };
        for index in (0..scene.current.len()).filter(|index| !kept.contains(index)) {
            scene.classify(index, bounds.broken);
        }
        scene
    }

    /// A rule that nobody wishes goes, unless the one who should wish for it cannot be understood.
    fn classify(&mut self, index: usize, broken: &BTreeSet<String>) {
        let Some((_, rule)) = self.current.get(index) else { return };
        // What is to stay of those that several share is wished.
        if packed::is_said_by(rule, broken).is_some() || !is_held(rule, broken) {
            self.surplus.push(index);
            return;
        }
        let before = self.items.iter().rposition(|item| item.index().is_some_and(|i| i < index));
        let place = before.map_or(0, |place| place + 1);
        self.held.extend(rule.action.groups().map(str::to_owned));
        let wish = (*rule).clone();
        self.items.insert(place, Item::Kept { index, wish, changed: false });
    }

    fn used(&self) -> BTreeSet<u32> {
        self.current
            .iter()
            .map(|(priority, _)| *priority)
            .chain(self.foreign.iter().copied())
            .collect()
    }

    fn priority(&self, index: usize) -> u32 {
        self.current.get(index).map_or(0, |(priority, _)| *priority)
    }

    /// Rules that stay keep their order.
    fn insert(&self) -> Result<Arrangement, NoRoom> {
        let sequence = self.merged();
        let fixed: Vec<Option<u32>> =
            sequence.iter().map(|place| place.index().map(|index| self.priority(index))).collect();
        let (numbers, moves) = match allocate(&fixed, &self.foreign) {
            Some(numbers) => (numbers, BTreeMap::new()),
            None => self.renumbered(&fixed)?,
        };
        let mut arrangement = Arrangement::default();
        if !moves.is_empty() {
            arrangement.ahead.push(RuleStep::Move(moves));
        }
        let mut modifies = Vec::new();
        for (place, number) in sequence.iter().zip(numbers) {
            match place {
                Place::Gone(_) => arrangement.behind.insert(0, RuleStep::Delete(number)),
                Place::Item(Item::New(rule)) => {
                    arrangement.ahead.push(RuleStep::Create(number, number, rule.clone()));
                }
                Place::Item(Item::Kept { index, wish, changed }) => {
                    if *changed {
                        modifies.push(RuleStep::Modify(number, wish.clone()));
                    }
                    arrangement.keep(number, self.current.get(*index), wish);
                }
            }
        }
        arrangement.ahead.extend(modifies);
        Ok(arrangement)
    }

    /// All rules in one order: between two that stay, first what is new and then what is to go.
    fn merged(&self) -> Vec<Place<'_>> {
        let mut gone = self.surplus.iter().copied().peekable();
        let mut sequence = Vec::new();
        for item in &self.items {
            while let (Some(index), Some(before)) = (gone.peek(), item.index()) {
                if *index > before {
                    break;
                }
                sequence.push(Place::Gone(*index));
                gone.next();
            }
            sequence.push(Place::Item(item));
        }
        sequence.extend(gone.map(Place::Gone));
        sequence
    }

    /// New numbers for all, none of them in use now, so that no two rules ever want the same.
    fn renumbered(&self, places: &[Option<u32>]) -> Result<(Vec<u32>, BTreeMap<u32, u32>), NoRoom> {
        let numbers = allocate(&vec![None; places.len()], &self.used()).ok_or(NoRoom)?;
        let pairs = places.iter().zip(&numbers);
        let moves = pairs.filter_map(|(old, new)| old.map(|old| (old, *new))).collect();
        Ok((numbers, moves))
    }

    /// Rules that stay change their order.
    fn reorder(&mut self, room: usize) -> Result<Arrangement, NoRoom> {
        self.copy_changed(room);
        let mut used = self.used();
        let staged = self.staged(&used)?;
        used.extend(staged.iter().flatten());
        let final_numbers = self.final_numbers(&used)?;
        let mut arrangement = Arrangement::default();
        let mut moves = BTreeMap::new();
        let mut modifies = Vec::new();
        for ((item, staged), number) in self.items.iter().zip(&staged).zip(&final_numbers) {
            let now = match item {
                Item::New(rule) => {
                    let now = staged.unwrap_or(*number);
                    arrangement.ahead.push(RuleStep::Create(now, *number, rule.clone()));
                    now
                }
                Item::Kept { index, wish, changed } => {
                    if *changed {
                        modifies.push(RuleStep::Modify(*number, wish.clone()));
                    }
                    arrangement.keep(*number, self.current.get(*index), wish);
                    self.priority(*index)
                }
            };
            moves.insert(now, *number);
        }
        for (index, number) in self.surplus.iter().zip(final_numbers.iter().skip(self.items.len()))
        {
            moves.insert(self.priority(*index), *number);
            arrangement.behind.insert(0, RuleStep::Delete(*number));
        }
        moves.retain(|now, then| now != then);
        arrangement.ahead.push(RuleStep::Move(moves));
        arrangement.ahead.extend(modifies);
        Ok(arrangement)
    }

    /// Turns a changed rule into a new one and one that is to go, as far as there is room for both.
    fn copy_changed(&mut self, room: usize) {
        let new = self.items.iter().filter(|item| item.index().is_none()).count();
        let mut room = room.saturating_sub(new);
        for item in &mut self.items {
            if let Item::Kept { index, wish, changed: true } = item
                && room > 0
            {
                room -= 1;
                self.surplus.push(*index);
                *item = Item::New(wish.clone());
            }
        }
        self.surplus.sort_unstable();
    }

    /// Numbers below all that are in use, one for each item that is still to be made.
    fn staged(&self, used: &BTreeSet<u32>) -> Result<Vec<Option<u32>>, NoRoom> {
        let new = self.items.iter().filter(|item| item.index().is_none()).count();
        let places: Vec<_> = used.last().map(|last| Some(*last)).into_iter().collect();
        let kept = places.len();
        let places = [places, vec![None; new]].concat();
        let mut numbers = allocate(&places, used).ok_or(NoRoom)?.into_iter().skip(kept);
        let number = |item: &Item| item.index().is_none().then(|| numbers.next()).flatten();
        Ok(self.items.iter().map(number).collect())
    }

    /// Numbers for all items and then for what is to go: as many as possible keep the one they have.
    fn final_numbers(&self, used: &BTreeSet<u32>) -> Result<Vec<u32>, NoRoom> {
        let kept: Vec<usize> = self.items.iter().filter_map(Item::index).collect();
        let still: BTreeSet<usize> = longest_increasing(&kept)
            .iter()
            .filter_map(|place| kept.get(*place).copied())
            .collect();
        let place =
            |item: &Item| item.index().filter(|i| still.contains(i)).map(|i| self.priority(i));
        let mut places: Vec<Option<u32>> = self.items.iter().map(place).collect();
        places.resize(places.len() + self.surplus.len(), None);
        let free = vec![None; places.len()];
        allocate(&places, used).or_else(|| allocate(&free, used)).ok_or(NoRoom)
    }
}

/// A place in the order of all rules that are or will be there.
enum Place<'a> {
    Item(&'a Item),
    Gone(usize),
}

impl Place<'_> {
    fn index(&self) -> Option<usize> {
        match self {
            Self::Item(item) => item.index(),
            Self::Gone(index) => Some(*index),
        }
    }
}

impl Arrangement {
    fn keep(&mut self, number: u32, was: Option<&(u32, &Rule)>, wish: &Rule) {
        if let Some((_, was)) = was {
            self.kept.push((number, (*was).clone(), wish.clone()));
        }
    }
}

/// Whether a rule that nobody wishes stays as it is, because its owner cannot be understood. One that
/// does not say whose it is, as those of the AWS Load Balancer Controller do not, may be theirs.
pub(crate) fn is_held(rule: &Rule, broken: &BTreeSet<String>) -> bool {
    match rule.owner() {
        Some(owner) => broken.contains(owner),
        None => packed::is_said_by(rule, broken).unwrap_or(!broken.is_empty()),
    }
}

/// Finds for each wanted rule the one that has its conditions; best one that does the same, too.
fn matched(wanted: &[Rule], current: &[(u32, &Rule)], broken: &BTreeSet<String>) -> Vec<Item> {
    let mut by_conditions: BTreeMap<Vec<Condition>, VecDeque<usize>> = BTreeMap::new();
    for (index, (_, rule)) in current.iter().enumerate() {
        if rule.owner().is_none_or(|owner| !broken.contains(owner)) {
            by_conditions.entry(rule.normal_conditions()).or_default().push_back(index);
        }
    }
    let keys: Vec<_> = wanted.iter().map(Rule::normal_conditions).collect();
    let mut found: Vec<Option<(usize, bool)>> = vec![None; wanted.len()];
    for same in [true, false] {
        for ((rule, key), found) in wanted.iter().zip(&keys).zip(&mut found) {
            if found.is_some() {
                continue;
            }
            let Some(candidates) = by_conditions.get_mut(key) else { continue };
            let place = candidates.iter().position(|index| {
                !same || current.get(*index).is_some_and(|(_, other)| rule.acts_like(other))
            });
            *found = place.and_then(|place| candidates.remove(place)).map(|index| (index, !same));
        }
    }
    let items = wanted.iter().zip(found);
    items
        .map(|(rule, found)| match found {
            Some((index, changed)) => Item::Kept { index, wish: rule.clone(), changed },
            None => Item::New(rule.clone()),
        })
        .collect()
}

/// Where more rules are to be made than fit, deletes as many as are in the way first.
fn relieve(arrangement: &mut Arrangement, room: usize) {
    let creates = |step: &RuleStep| matches!(step, RuleStep::Create(..));
    let count = arrangement.ahead.iter().filter(|step| creates(step)).count();
    let early = count.saturating_sub(room).min(arrangement.behind.len());
    if early == 0 {
        return;
    }
    // What is deleted early still has the number that it had before all moves.
    let mut moved = BTreeMap::new();
    for step in &mut arrangement.ahead {
        if let RuleStep::Move(moves) = step {
            moved.extend(moves.iter().map(|(old, new)| (*new, *old)));
        }
    }
    let early: Vec<RuleStep> = arrangement.behind.drain(..early).collect();
    let early = early.into_iter().map(|step| match step {
        RuleStep::Delete(number) => RuleStep::Delete(moved.get(&number).copied().unwrap_or(number)),
        other @ (RuleStep::Create(..) | RuleStep::Modify(..) | RuleStep::Move(_)) => other,
    });
    let early: Vec<RuleStep> = early.collect();
    for step in &mut arrangement.ahead {
        if let RuleStep::Move(moves) = step {
            moves.retain(|old, _| !early.contains(&RuleStep::Delete(*old)));
        }
    }
    arrangement.ahead.splice(0..0, early);
}
