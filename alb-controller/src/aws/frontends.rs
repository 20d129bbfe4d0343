//! Network load balancers of ours, and their target groups.

use super::{
    error::CloudError,
    network,
    observe::{Registered, Tagged, View},
    read,
};
use aws_sdk_elasticloadbalancingv2::types as elb;
use edgeway_alb_core::{
    Key, ListenerKey,
    frontend::{FrontGroup, FrontListener, FrontTarget, Frontend},
    tags::RESOURCE,
};
use std::collections::BTreeMap;

/// All that we make are called so.
pub(super) const SUFFIX: &str = "-nlb";

impl View<'_> {
    /// Target groups first, since listeners are known by them.
    pub(super) async fn frontends(
        &mut self,
        balancers: &[elb::LoadBalancer],
        groups: &[elb::TargetGroup],
        tagged: &Tagged,
    ) -> Result<(), CloudError> {
        for group in groups.iter().filter(|it| it.target_type() == Some(&elb::TargetTypeEnum::Alb))
        {
            self.front_group(group, tagged).await?;
        }
        for balancer in balancers {
            self.frontend(balancer, tagged).await?;
        }
        Ok(())
    }

    async fn front_group(
        &mut self,
        group: &elb::TargetGroup,
        tagged: &Tagged,
    ) -> Result<(), CloudError> {
        let (Some(arn), Some(name)) = (group.target_group_arn(), group.target_group_name()) else {
            return Ok(());
        };
        let Some(tags) = tagged.get(arn) else { return Ok(()) };
        let Some(stack) = self.stack_of(tags) else { return Ok(()) };
        self.arns.learn(Key::TargetGroup(name.to_owned()), arn);
        let Registered { targets, .. } = Registered::of(&self.aws.health(arn).await?);
        let targets = targets.keys().map(|target| {
            let balancer = match self.arns.key(&target.id) {
                Some(Key::LoadBalancer(name)) => name.clone(),
                _ => target.id.clone(),
            };
            FrontTarget { balancer, port: target.port }
        });
        let found = FrontGroup {
            name: name.to_owned(),
            resource: tags.get(RESOURCE).cloned().unwrap_or_default(),
            port: read::number(group.port()),
            check: read::health_check(group),
            tags: tags.clone(),
            targets: targets.collect(),
        };
        let standing = self.observed.stacks.entry(stack).or_default();
        standing.front_groups.insert(name.to_owned(), found);
        Ok(())
    }

    async fn frontend(
        &mut self,
        balancer: &elb::LoadBalancer,
        tagged: &Tagged,
    ) -> Result<(), CloudError> {
        let (Some(arn), Some(name)) = (balancer.load_balancer_arn(), balancer.load_balancer_name())
        else {
            return Ok(());
        };
        let Some(tags) = tagged.get(arn) else { return Ok(()) };
        let Some(stack) = self.stack_of(tags) else { return Ok(()) };
        self.arns.learn(Key::LoadBalancer(name.to_owned()), arn);
        if let Some(address) = balancer.dns_name() {
            self.observed.addresses.insert(name.to_owned(), address.to_lowercase());
        }
        let subnets = balancer.availability_zones().iter().filter_map(|zone| zone.subnet_id());
        let guards = balancer.security_groups().iter();
        let found = Frontend {
            name: name.to_owned(),
            scheme: read::scheme(balancer),
            ip_address_type: read::ip_address_type(balancer),
            subnets: subnets.map(str::to_owned).collect(),
            allocations: BTreeMap::new(),
            security_groups: guards.map(|id| network::reference(id, &self.arns)).collect(),
            attributes: self.aws.balancer_attributes(arn).await?,
            tags: tags.clone(),
            listeners: self.front_listeners((name, arn), tagged).await?,
        };
        let standing = self.observed.stacks.entry(stack).or_default();
        standing.frontends.insert(name.to_owned(), found);
        Ok(())
    }

    async fn front_listeners(
        &mut self,
        (name, arn): (&str, &str),
        known: &Tagged,
    ) -> Result<BTreeMap<u16, FrontListener>, CloudError> {
        let listeners = self.aws.listeners(arn).await?;
        let arns: Vec<String> =
            listeners.iter().filter_map(|it| it.listener_arn()).map(str::to_owned).collect();
        let tagged = self.aws.tags_of(&arns, known).await?;
        let mut found = BTreeMap::new();
        for listener in &listeners {
            let Some(arn) = listener.listener_arn() else { continue };
            let port = read::number(listener.port());
            let key = ListenerKey { load_balancer: name.to_owned(), port };
            self.arns.learn(Key::Listener(key), arn);
            let (_, action) = read::actions(listener.default_actions(), &self.arns);
            let group = action.groups().next().unwrap_or_default().to_owned();
            let tags = tagged.get(arn).cloned().unwrap_or_default();
            found.insert(port, FrontListener { group, tags });
        }
        Ok(found)
    }
}
