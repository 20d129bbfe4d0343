//! Conditions of several values: putting them together, and dividing what is too much for one rule.

use crate::{
    annotations::value::Expected,
    limits::VALUES_PER_RULE,
    rule::{Condition, Patterns, Rule},
};

/// Values of a condition, one of which must match.
#[derive(Default)]
pub(super) struct Alternatives {
    pub(super) texts: Vec<String>,
    pub(super) regexes: Vec<String>,
}

impl Alternatives {
    pub(super) fn add(&mut self, patterns: Patterns) {
        match patterns {
            Patterns::Text(values) => self.texts.extend(values),
            Patterns::Regex(values) => self.regexes.extend(values),
        }
    }

    pub(super) fn patterns(self, what: &str) -> Result<Option<Patterns>, Expected> {
        match (self.texts.is_empty(), self.regexes.is_empty()) {
            (true, true) => Ok(None),
            (false, true) => Ok(Some(Patterns::Text(self.texts))),
            (true, false) => Ok(Some(Patterns::Regex(self.regexes))),
            (false, false) => {
                let wrong = format!("plain {what} and regular expressions come together");
                Err(Expected::new(wrong, "use the one or the other"))
            }
        }
    }
}

/// As many rules as it takes for each to have no more values than AWS allows. A condition holds if
/// one of its values does, so it can be divided.
pub(super) fn split(rule: Rule) -> Vec<Rule> {
    if rule.values() <= VALUES_PER_RULE {
        return vec![rule];
    }
    let largest = rule.conditions.iter().enumerate().max_by_key(|(_, condition)| condition.len());
    let Some((index, (front, back))) = largest.and_then(|(index, c)| Some((index, c.halves()?)))
    else {
        return vec![rule];
    };
    let with = |half: Condition| {
        let mut rule = rule.clone();
        if let Some(condition) = rule.conditions.get_mut(index) {
            *condition = half;
        }
        rule
    };
    [front, back].into_iter().flat_map(|half| split(with(half))).collect()
}
