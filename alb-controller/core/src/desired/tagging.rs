//! Tags that users ask for, as far as they are theirs to set.

use crate::{
    annotations::{PREFIX, field},
    settings::Settings,
    tags::Tags,
};
use edgeway_api::{ObjectRef, Problem};

/// `own` without those that somebody else manages, of which `object` is told.
pub(super) fn allowed(
    mut own: Tags,
    (object, settings): (&ObjectRef, &Settings),
    problems: &mut Vec<Problem>,
) -> Tags {
    own.retain(|key, _| {
        let is_external = settings.external_tags.contains(key);
        if is_external {
            let place = field(&format!("{PREFIX}tags"));
            let problem = Problem::error(object.clone(), place, "tag-not-allowed");
            problems.push(
                problem
                    .message(format!("the tag {key} is left to others by --external-managed-tags"))
                    .advice("remove it, here or from the class"),
            );
        }
        !is_external
    });
    own
}
