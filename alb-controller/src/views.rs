//! Plans that are only looked at.

use crate::{
    aws::{Aws, CloudError},
    metrics::Metrics,
    reconcile::Reconciler,
    run::Config,
};
use edgeway_alb_core::{Lookups, Observed, Plan, Settings, desired, plan};
use edgeway_api::{Objects, Problem};

/// A plan, and what users should mend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// What would be done.
    pub plan: Plan,
    /// Everything that users should mend, sorted.
    pub problems: Vec<Problem>,
}

/// What would be done in AWS as it is.
pub async fn plan_once(config: &Config, objects: &Objects) -> Result<Preview, CloudError> {
    let metrics = Metrics::default();
    let aws = Aws::connect(&config.connection, &config.settings, metrics.clone()).await;
    let mut reconciler = Reconciler::new(aws, config.settings.clone(), metrics);
    let (plan, problems) = reconciler.preview(objects).await?;
    Ok(Preview { plan, problems })
}

/// What would be done if nothing were there. Nobody is asked, so what would have to be looked up (a
/// subnet, a certificate) is taken as found where it is named, and is missing where it is not.
pub fn plan_offline(settings: &Settings, objects: &Objects) -> Preview {
    let wishes = desired(objects, settings, &Lookups::default());
    let plan = plan(&wishes, &Observed::default());
    Preview { plan, problems: wishes.problems }
}
