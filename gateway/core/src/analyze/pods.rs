//! Labels of the pods that there are or will be, so that selectors find theirs quickly.

use crate::compile::pods::selects;
use edgeway_api::{Objects, Resource};
use hashbrown::HashMap;
use std::collections::BTreeMap;

type Labels = BTreeMap<String, String>;

/// Labels of pods and of Deployments' pod templates, by namespace and single label.
#[derive(Debug, Default)]
pub(super) struct PodLabels<'o> {
    by_label: HashMap<(&'o str, &'o str), Vec<(&'o str, &'o Labels)>>,
}

impl<'o> PodLabels<'o> {
    /// Indexes `objects`.
    pub(super) fn new(objects: &'o Objects) -> Self {
        let pods = objects
            .pods
            .iter()
            .filter_map(|pod| Some((pod.namespace(), pod.metadata.labels.as_ref()?)));
        let templates = objects.deployments.iter().filter_map(|deployment| {
            let template = &deployment.spec.as_ref()?.template;
            Some((deployment.namespace(), template.metadata.as_ref()?.labels.as_ref()?))
        });
        let mut index = Self::default();
        for (namespace, labels) in pods.chain(templates) {
            for (key, value) in labels {
                index.by_label.entry((key, value)).or_default().push((namespace, labels));
            }
        }
        index
    }

    /// The pods of `namespace` (of any, where it is none) that have all labels of `selector`;
    /// an empty selector finds none.
    pub(super) fn selected<'s>(
        &'s self,
        selector: &'s Labels,
        namespace: Option<&'s str>,
    ) -> impl Iterator<Item = &'s Labels> {
        let each = selector.iter().map(|(key, value)| self.with(key, value));
        let fewest = each.min_by_key(|pods| pods.len()).unwrap_or_default();
        let own = fewest.iter().filter(move |(own, labels)| {
            namespace.is_none_or(|namespace| namespace == *own) && selects(selector, labels)
        });
        own.map(|(_, labels)| *labels)
    }

    fn with<'s>(&'s self, key: &'s str, value: &'s str) -> &'s [(&'s str, &'s Labels)] {
        self.by_label.get(&(key, value)).map_or(&[], Vec::as_slice)
    }
}
