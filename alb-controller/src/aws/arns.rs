//! Where the things are that we have names for, learnt when looking and when making.

use super::error::CloudError;
use edgeway_alb_core::{Key, ListenerKey};
use std::collections::BTreeMap;

/// ARNs and ids by our names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arns {
    arns: BTreeMap<Key, String>,
    keys: BTreeMap<String, Key>,
}

impl Arns {
    pub(super) fn learn(&mut self, key: Key, arn: impl Into<String>) {
        let arn = arn.into();
        self.keys.insert(arn.clone(), key.clone());
        self.arns.insert(key, arn);
    }

    /// Learns all that others have learnt.
    pub(super) fn extend(&mut self, others: Self) {
        for (key, arn) in others.arns {
            self.learn(key, arn);
        }
    }

    pub(super) fn forget(&mut self, key: &Key) {
        if let Some(arn) = self.arns.remove(key) {
            self.keys.remove(&arn);
        }
    }

    /// The ARN of what a key means.
    pub(super) fn of(&self, key: &Key) -> Result<String, CloudError> {
        if let Key::ForeignSecurityGroup(id) | Key::ForeignTargetGroup(id) = key {
            return Ok(id.clone());
        }
        let unknown = || CloudError::Unknown(format!("{} {key}", key.noun()));
        self.arns.get(key).cloned().ok_or_else(unknown)
    }

    /// The key of an ARN, if it is one of ours.
    pub(super) fn key(&self, arn: &str) -> Option<&Key> {
        self.keys.get(arn)
    }

    /// Gives rules their new priorities, all at once.
    pub(super) fn reorder(&mut self, listener: &ListenerKey, moves: &BTreeMap<u32, u32>) {
        let rule = |priority| Key::Rule { listener: listener.clone(), priority };
        let taken: Vec<_> = moves
            .iter()
            .filter_map(|(old, new)| Some((*new, self.arns.remove(&rule(*old))?)))
            .collect();
        for (new, arn) in taken {
            self.learn(rule(new), arn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_can_change_places() {
        let listener = ListenerKey { load_balancer: "lb".into(), port: 80 };
        let rule = |priority| Key::Rule { listener: listener.clone(), priority };
        let mut arns = Arns::default();
        arns.learn(rule(1), "a");
        arns.learn(rule(2), "b");
        arns.reorder(&listener, &BTreeMap::from([(1, 2), (2, 1)]));
        assert_eq!(
            (arns.of(&rule(1)).unwrap(), arns.of(&rule(2)).unwrap()),
            ("b".into(), "a".into())
        );
        assert!(arns.of(&rule(3)).is_err());
    }
}
