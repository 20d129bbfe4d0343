//! Taking one step: one call to AWS, or a few of the same kind.

mod add_ons;
mod balancers;
mod frontends;
mod groups;
mod guards;
mod listeners;
mod rules;
mod shapes;

use super::{calls::Call, client::Aws, error::CloudError};
use edgeway_alb_core::{Key, ListenerKey, Step, plan::Op, tags::Tags};
use std::collections::BTreeSet;

/// Takes the step, and tells the address of what it has made.
pub(super) async fn apply(aws: &Aws, step: &Step) -> Result<Option<String>, CloudError> {
    if let Op::CreateLoadBalancer(balancer) = &step.op {
        return balancers::create(aws, &step.key, balancer).await;
    }
    if let Op::CreateFrontend(wish) = &step.op {
        return frontends::create(aws, &step.key, wish).await;
    }
    change(aws, step).await.map(|()| None)
}

#[expect(clippy::cognitive_complexity, reason = "one arm for each kind of step, nothing in it")]
async fn change(aws: &Aws, step: &Step) -> Result<(), CloudError> {
    let key = &step.key;
    match &step.op {
        Op::CreateSecurityGroup { description, tags } => {
            guards::create(aws, key, description, tags).await
        }
        Op::Authorize(ingress) => guards::authorize(aws, key, ingress).await,
        Op::Revoke(ingress) => guards::revoke(aws, key, ingress).await,
        Op::DeleteSecurityGroup => guards::delete(aws, key).await,
        Op::CreateTargetGroup(group) => groups::create(aws, key, group).await,
        Op::ModifyHealthCheck(check) => groups::modify(aws, key, check).await,
        Op::ModifyTargetGroupAttributes(attributes) => groups::set(aws, key, attributes).await,
        Op::Register(targets) => groups::register(aws, key, targets).await,
        Op::Deregister(targets) => groups::deregister(aws, key, targets).await,
        Op::DeleteTargetGroup => groups::delete(aws, key).await,
        Op::CreateLoadBalancer(balancer) => balancers::create(aws, key, balancer).await.map(drop),
        Op::CreateFrontend(wish) => frontends::create(aws, key, wish).await.map(drop),
        Op::CreateFrontGroup(wish) => frontends::create_group(aws, key, wish).await,
        Op::RegisterBalancer(target) => frontends::register(aws, key, target).await,
        Op::DeregisterBalancer(target) => frontends::deregister(aws, key, target).await,
        Op::CreateFrontListener(wish) => frontends::listen(aws, key, wish).await,
        Op::PointListener(group) => frontends::point(aws, key, group).await,
        Op::SetSubnets(subnets) => balancers::set_subnets(aws, key, subnets).await,
        Op::SetSecurityGroups(groups) => balancers::set_groups(aws, key, groups).await,
        Op::SetIpAddressType(kind) => balancers::set_addresses(aws, key, *kind).await,
        Op::ModifyLoadBalancerAttributes(attributes) => balancers::set(aws, key, attributes).await,
        Op::SetWebAcl(acl) => add_ons::set_web_acl(aws, key, acl).await,
        Op::SetShield(on) => add_ons::set_shield(aws, key, *on).await,
        Op::ReserveCapacity(units) => add_ons::reserve(aws, key, *units).await,
        Op::SetAddressPool(pool) => add_ons::set_pool(aws, key, pool).await,
        Op::DeleteLoadBalancer => balancers::delete(aws, key).await,
        Op::CreateListener(listener) => listeners::create(aws, key, listener).await,
        Op::ModifyListener(change) => listeners::modify(aws, key, change).await,
        Op::ModifyListenerAttributes(attributes) => listeners::set(aws, key, attributes).await,
        Op::AddCertificate(certificate) => listeners::add(aws, key, certificate).await,
        Op::RemoveCertificate(certificate) => listeners::remove(aws, key, certificate).await,
        Op::DeleteListener => listeners::delete(aws, key).await,
        Op::CreateRule(rule) => rules::create(aws, key, rule).await,
        Op::ModifyRule(rule) => rules::modify(aws, key, rule).await,
        Op::SetPriorities(moves) => listeners::reorder(aws, key, moves).await,
        Op::DeleteRule => rules::delete(aws, key).await,
        Op::AddTags(tags) if is_guard(key) => guards::add_tags(aws, key, tags).await,
        Op::AddTags(tags) => aws.add_tags(key, tags).await,
        Op::RemoveTags(keys) if is_guard(key) => guards::remove_tags(aws, key, keys).await,
        Op::RemoveTags(keys) => aws.remove_tags(key, keys).await,
    }
}

/// Security groups are another service's, with tags of its own.
fn is_guard(key: &Key) -> bool {
    matches!(key, Key::SecurityGroup(_) | Key::ForeignSecurityGroup(_))
}

/// The listener that a key means, or that a rule belongs to.
fn listener(key: &Key) -> Result<&ListenerKey, CloudError> {
    if let Key::Listener(listener) | Key::Rule { listener, .. } = key {
        Ok(listener)
    } else {
        // A mistake of the planner.
        Err(CloudError::Unknown(format!("a listener by the name of {} {key}", key.noun())))
    }
}

/// A thing that is gone already need not be deleted.
fn gone_is_fine(result: Result<(), CloudError>) -> Result<(), CloudError> {
    match result {
        Err(error) if error.code().is_some_and(|code| code.ends_with("NotFound")) => Ok(()),
        other => other,
    }
}

impl Aws {
    /// The ARN of what a key means.
    pub(in crate::aws) async fn arn(&self, key: &Key) -> Result<String, CloudError> {
        self.arns.lock().await.of(key)
    }

    /// Notes where something that has just been made is.
    async fn made(&self, key: &Key, arn: Option<&str>) {
        if let Some(arn) = arn {
            self.arns.lock().await.learn(key.clone(), arn);
        }
    }

    async fn gone(&self, key: &Key) {
        self.arns.lock().await.forget(key);
    }

    async fn add_tags(&self, key: &Key, tags: &Tags) -> Result<(), CloudError> {
        let (arn, tags) = (self.arn(key).await?, shapes::tags(tags));
        self.call(Call::AddTags, || {
            self.balancing.add_tags().resource_arns(&arn).set_tags(Some(tags.clone())).send()
        })
        .await
        .map(drop)
    }

    async fn remove_tags(&self, key: &Key, keys: &BTreeSet<String>) -> Result<(), CloudError> {
        let arn = self.arn(key).await?;
        let keys: Vec<String> = keys.iter().cloned().collect();
        self.call(Call::RemoveTags, || {
            self.balancing.remove_tags().resource_arns(&arn).set_tag_keys(Some(keys.clone())).send()
        })
        .await
        .map(drop)
    }
}
