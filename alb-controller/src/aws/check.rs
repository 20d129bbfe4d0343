//! Looking again at what only time changes: targets that get well or finish, load balancers that get
//! ready.

use super::{
    Watched,
    calls::Call,
    client::Aws,
    error::CloudError,
    observe::{Registered, is_provisioning},
    read,
};
use edgeway_alb_core::{Key, Observed, readiness::Fitnesses};

/// How many load balancers may be named in one call.
const NAMED: usize = 20;

/// Asks about what is watched, and nothing else.
pub(super) async fn check(
    aws: &Aws,
    watched: &Watched,
    observed: &mut Observed,
) -> Result<Fitnesses, CloudError> {
    let mut seen = Fitnesses::new();
    for name in &watched.groups {
        aws.owe();
        let arn = aws.arn(&Key::TargetGroup(name.clone())).await?;
        let found = aws.health(&arn).await?;
        seen.insert(name.clone(), found.iter().filter_map(read::fitness).collect());
        let Registered { targets, draining, health } = Registered::of(&found);
        let groups = observed.stacks.values_mut().flat_map(|it| it.target_groups.values_mut());
        for group in groups.filter(|group| group.name == *name) {
            group.targets.clone_from(&targets);
            group.draining.clone_from(&draining);
        }
        observed.health.insert(name.clone(), health);
    }
    for arn in &watched.bindings {
        aws.owe();
        match aws.health(arn).await {
            Ok(found) => {
                seen.insert(arn.clone(), found.iter().filter_map(read::fitness).collect());
            }
            // Its owner may have deleted it: that is nobody else's trouble.
            Err(error) if error.code().is_some() => tracing::warn!("{arn}: {}", error.line()),
            Err(error) => return Err(error),
        }
    }
    let names: Vec<&String> = watched.balancers.iter().collect();
    for some in names.chunks(NAMED) {
        balancers(aws, some, observed).await?;
    }
    Ok(seen)
}

async fn balancers(
    aws: &Aws,
    names: &[&String],
    observed: &mut Observed,
) -> Result<(), CloudError> {
    aws.owe();
    let names: Vec<String> = names.iter().map(|name| (*name).clone()).collect();
    let answer = aws
        .call(Call::DescribeLoadBalancers, || {
            aws.balancing.describe_load_balancers().set_names(Some(names.clone())).send()
        })
        .await?;
    for balancer in answer.load_balancers().iter().filter(|it| !is_provisioning(it)) {
        if let Some(name) = balancer.load_balancer_name() {
            observed.provisioning.remove(name);
        }
    }
    Ok(())
}
