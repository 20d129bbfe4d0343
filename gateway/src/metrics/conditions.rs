//! What became of each object, as a gauge.

use super::gauges;
use edgeway_api::{ObjectRef, edge_status::Condition};
use prometheus::{IntGaugeVec, Registry};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

const NAMES: [&str; 5] = ["kind", "namespace", "name", "condition", "status"];

/// Values of the labels.
type Values = [String; 5];

/// 1 for each condition as it is. Of what is well only the sum is shown, so that there is one series
/// for an object. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    gauges: IntGaugeVec,
    shown: Arc<Mutex<BTreeSet<Values>>>,
}

impl Conditions {
    pub(super) fn new(on: &Registry) -> Result<Self, prometheus::Error> {
        let name =
            ("edgeway_resource_condition", "1 for the status that a condition of an object has.");
        Ok(Self { gauges: gauges(on, name, &NAMES)?, shown: Arc::default() })
    }

    /// Shows these, and no others.
    pub(crate) fn set<'a>(
        &self,
        objects: impl IntoIterator<Item = (&'a ObjectRef, &'a [Condition])>,
    ) {
        let all = objects.into_iter().flat_map(|(object, conditions)| {
            conditions.iter().filter(|it| is_shown(it)).map(|it| values(object, it))
        });
        let all: BTreeSet<Values> = all.collect();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let text = |values: &Values| values.each_ref().map(String::clone);
        for gone in shown.difference(&all) {
            // It is there: it was shown.
            let _ = self.gauges.remove_label_values(&text(gone).each_ref().map(String::as_str));
        }
        for new in all.difference(&shown) {
            self.gauges.with_label_values(&text(new).each_ref().map(String::as_str)).set(1);
        }
        *shown = all;
    }
}

/// `Ready` in any case, others where they say that something is not as usual.
fn is_shown(condition: &Condition) -> bool {
    matches!(condition.r#type.as_str(), "Ready" | "Quarantined") || condition.status != "True"
}

fn values(object: &ObjectRef, condition: &Condition) -> Values {
    let ObjectRef { kind, namespace, name } = object;
    [kind, namespace, name, &condition.r#type, &condition.status].map(Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::{Condition, Conditions, ObjectRef, Registry};
    use prometheus::{Encoder, TextEncoder};

    fn condition(name: &str, status: &str) -> Condition {
        Condition { r#type: name.into(), status: status.into(), ..Condition::default() }
    }

    #[test]
    fn what_is_shown_is_what_holds_now() {
        let registry = Registry::new();
        let conditions = Conditions::new(&registry).unwrap();
        let object = ObjectRef::new("VirtualService", "a", "b");
        let text = || {
            let mut text = Vec::new();
            TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        conditions.set([(
            &object,
            &[
                condition("Accepted", "True"),
                condition("ResolvedRefs", "False"),
                condition("Ready", "False"),
            ][..],
        )]);
        let bad = text();
        assert_eq!(bad.matches("edgeway_resource_condition{").count(), 2, "{bad}");
        assert!(bad.contains("condition=\"ResolvedRefs\",kind=\"VirtualService\",name=\"b\",namespace=\"a\",status=\"False\"} 1"), "{bad}");
        conditions
            .set([(&object, &[condition("Accepted", "True"), condition("Ready", "True")][..])]);
        let good = text();
        assert_eq!(good.matches("edgeway_resource_condition{").count(), 1, "{good}");
        conditions.set([]);
        assert!(!text().contains("edgeway_resource_condition{"));
    }
}
