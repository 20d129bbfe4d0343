//! Plans that are only looked at.

use crate::{
    aws::{Aws, CloudError},
    metrics::Metrics,
    reconcile::Reconciler,
    run::Config,
};
use edgeway_alb_core::{Desired, Observed, Plan};
use edgeway_api::{Objects, Problem};

/// What is wished and what stands, and the way from the one to the other.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// What is wished.
    pub desired: Desired,
    /// What stands.
    pub observed: Observed,
    /// What would be done.
    pub plan: Plan,
    /// Everything that users should mend, sorted.
    pub problems: Vec<Problem>,
}

impl Survey {
    /// What would stand if all of the plan were done.
    pub fn outcome(&self) -> Observed {
        let mut outcome = self.observed.clone();
        self.plan.steps.iter().for_each(|step| outcome.take(step));
        outcome.attach();
        outcome
    }
}

/// Looks at AWS as it is, and changes nothing.
pub async fn survey(config: &Config, objects: &Objects) -> Result<Survey, CloudError> {
    let metrics = Metrics::default();
    let aws = Aws::connect(&config.connection, &config.settings, metrics.clone()).await;
    Reconciler::new(aws, config.settings.clone(), metrics).survey(objects).await
}
