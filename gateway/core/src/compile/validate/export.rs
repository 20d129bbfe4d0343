//! `exportTo`: who may see an object, and which lists say nothing sensible.

use super::super::report::Field;
use super::primitive::is_name;
use std::collections::BTreeSet;

/// What the list belongs to: kinds differ in what they allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A VirtualService, or a DestinationRule for all clients.
    Any,
    /// A DestinationRule for some clients: its own namespace only.
    Selected,
    /// A ServiceEntry: `~` hides it from everybody.
    ServiceEntry,
}

/// Checks the list of an object in `namespace`; `field` stands at `spec`.
pub(super) fn validate(list: &[String], of: Of, namespace: &str, field: &mut Field<'_>) {
    field.of("exportTo", |field| {
        if list.len() > 1 {
            for alone in ["*", "~"] {
                if list.iter().any(|entry| entry == alone) {
                    field.invalid(
                        format!("`{alone}` stands beside other entries"),
                        format!("give `{alone}` alone, or namespaces"),
                    );
                }
            }
        }
        let mut seen = BTreeSet::new();
        for (index, entry) in list.iter().enumerate() {
            let name = if entry == "." { namespace } else { entry };
            field.at(index, |field| {
                let word = entry == "*" || (entry == "~" && of == Of::ServiceEntry);
                if !word && !is_name(name) {
                    field.invalid(
                        format!("`{entry}` is no namespace"),
                        "give `.`, `*` or a namespace",
                    );
                } else if !seen.insert(name) {
                    field.invalid(format!("`{entry}` is given twice"), "give it once");
                } else if of == Of::Selected && name != namespace {
                    field.invalid(
                        "a rule with a workloadSelector holds in its own namespace only",
                        "give `.`, or remove the list",
                    );
                }
            });
        }
    });
}
