//! The mirrors of a rule.

use super::{action::cluster, report::Field, routes::Building};
use crate::action::{
    Mirror,
    fault::{WHOLE, share},
};
use edgeway_api::virtual_service::{Destination, HttpRoute};

/// Who gets copies, without those for no request at all. A share that is not given is everything
/// (as Istio: `MirrorPercent`).
pub(super) fn mirrors(
    building: &mut Building<'_, '_>,
    rule: &HttpRoute,
    field: &mut Field<'_>,
) -> Vec<Mirror> {
    let mut built = Vec::new();
    if let Some(destination) = &rule.mirror {
        let whole_percent = rule.mirror_percent.map(f64::from);
        let percent = rule.mirror_percentage.as_ref().map(|percent| percent.value);
        let share = percent.or(whole_percent).map_or(WHOLE, share);
        built.extend(field.of("mirror", |field| mirror(building, destination, share, field)));
    }
    field.of("mirrors", |field| {
        for (index, policy) in rule.mirrors.iter().enumerate() {
            let Some(destination) = &policy.destination else { continue };
            let share = policy.percentage.as_ref().map_or(WHOLE, |percent| share(percent.value));
            built.extend(field.at(index, |field| {
                field.of("destination", |field| mirror(building, destination, share, field))
            }));
        }
    });
    built
}

fn mirror(
    building: &mut Building<'_, '_>,
    destination: &Destination,
    share: u32,
    field: &mut Field<'_>,
) -> Option<Mirror> {
    if share == 0 {
        return None;
    }
    let (resolved, cluster) = cluster(building, destination, "it gets no copies", field);
    Some(Mirror { cluster_name: resolved.name.0, cluster, share })
}
