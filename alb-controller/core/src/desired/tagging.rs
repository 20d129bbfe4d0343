//! Tags that users ask for, as far as they are theirs to set.

use crate::{
    annotations::{PREFIX, field},
    settings::Settings,
    tags::Tags,
};
use edgeway_api::{ObjectRef, Problem};

/// `own` without those that are somebody else's to set, of which `object` is told.
pub(super) fn allowed(
    mut own: Tags,
    (object, settings): (&ObjectRef, &Settings),
    problems: &mut Vec<Problem>,
) -> Tags {
    own.retain(|key, _| {
        let Some(why) = settings.forbids_tag(key) else { return true };
        let place = field(&format!("{PREFIX}tags"));
        let problem = Problem::error(object.clone(), place, "tag-not-allowed");
        let problem = problem.message(format!("the tag {key} {why}"));
        problems.push(problem.advice("remove it, here or from the class"));
        false
    });
    own
}
