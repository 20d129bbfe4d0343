//! Load balancers of somebody else that rules of ours are on, or are to be: those that are wished, and
//! those that target groups of ours serve.

use super::{
    Sight,
    error::CloudError,
    observe::{Tagged, View, groups},
    read,
};
use aws_sdk_elasticloadbalancingv2::types as elb;
use edgeway_alb_core::{
    Key, ListenerKey, StackId,
    stack::{Listener, LoadBalancer, Ownership},
    tags,
};
use std::collections::{BTreeMap, BTreeSet};

/// Listeners with their rules and the tags of these.
type Seen = Vec<(elb::Listener, Vec<elb::Rule>)>;

impl View<'_> {
    /// Looks at them, once for each stack that has something to do with one.
    pub(super) async fn hosts(
        &mut self,
        balancers: &[elb::LoadBalancer],
        groups: &[elb::TargetGroup],
        tagged: &Tagged,
    ) -> Result<(), CloudError> {
        let mut wanted = self.wished_hosts(balancers);
        for group in groups {
            let tags = group.target_group_arn().and_then(|arn| tagged.get(arn));
            let Some(stack) = tags.and_then(|tags| self.stack_of(tags)) else { continue };
            for arn in group.load_balancer_arns() {
                let is_ours = |stack: &StackId| {
                    let standing = self.observed.stacks.get(stack);
                    let own = standing.into_iter().flat_map(|it| it.load_balancers.keys());
                    own.into_iter().any(|name| arn.contains(&format!("/{name}/")))
                };
                if !is_ours(&stack) {
                    wanted.entry(arn.clone()).or_default().insert(stack.clone());
                }
            }
        }
        if let Sight::Part(_, doubted) = self.sight {
            for stacks in wanted.values_mut() {
                stacks.retain(|stack| doubted.contains(stack));
            }
        }
        for (arn, stacks) in wanted.iter().filter(|(_, stacks)| !stacks.is_empty()) {
            let found = balancers.iter().find(|it| it.load_balancer_arn() == Some(arn));
            if let Some(balancer) = found {
                self.host(balancer, arn, stacks).await?;
            }
        }
        Ok(())
    }

    /// ARNs of those that stacks wish for. One that is ours is none of them.
    fn wished_hosts(&self, all: &[elb::LoadBalancer]) -> BTreeMap<String, BTreeSet<StackId>> {
        let mut wanted: BTreeMap<String, BTreeSet<StackId>> = BTreeMap::new();
        for (id, stack) in &self.desired.stacks {
            let wish = &stack.load_balancer;
            let named = |it: &&elb::LoadBalancer| it.load_balancer_name() == Some(&wish.name);
            let arn = all.iter().find(named).and_then(|it| it.load_balancer_arn());
            if let (Ownership::Rules, Some(arn)) = (wish.ownership, arn) {
                wanted.entry(arn.to_owned()).or_default().insert(id.clone());
            }
        }
        wanted
    }

    async fn host(
        &mut self,
        balancer: &elb::LoadBalancer,
        arn: &str,
        stacks: &BTreeSet<StackId>,
    ) -> Result<(), CloudError> {
        let Some(name) = balancer.load_balancer_name() else { return Ok(()) };
        let mut seen: Seen = Vec::new();
        let mut arns = Vec::new();
        for listener in self.aws.listeners(arn).await? {
            let Some(arn) = listener.listener_arn() else { continue };
            let port = read::number(listener.port());
            let key = ListenerKey { load_balancer: name.to_owned(), port };
            self.arns.learn(Key::Listener(key), arn);
            let rules = self.aws.rules(arn).await?;
            let named = rules.iter().filter(|rule| rule.is_default() != Some(true));
            arns.extend(named.filter_map(|rule| rule.rule_arn()).map(str::to_owned));
            seen.push((listener, rules));
        }
        let tagged = self.aws.tags_of(&arns, &Tagged::new()).await?;
        if let Some(address) = balancer.dns_name() {
            self.observed.addresses.insert(name.to_owned(), address.to_lowercase());
        }
        for stack in stacks {
            let listeners = self.host_listeners(name, stack, &seen, &tagged);
            let wish = self.desired.stacks.get(stack).map(|stack| &stack.load_balancer);
            let is_wished =
                wish.is_some_and(|wish| wish.ownership == Ownership::Rules && wish.name == name);
            // Others may send to a target group of ours by rules of their own.
            if !is_wished && listeners.values().all(|listener| listener.rules.is_empty()) {
                continue;
            }
            let (scheme, family) = (read::scheme(balancer), read::ip_address_type(balancer));
            let found = LoadBalancer { listeners, ..LoadBalancer::attached(name, scheme, family) };
            let standing = self.observed.stacks.entry(stack.clone()).or_default();
            standing.load_balancers.insert(name.to_owned(), found);
        }
        Ok(())
    }

    /// The listeners as one stack sees them: rules of all others are foreign to it.
    fn host_listeners(
        &mut self,
        balancer: &str,
        stack: &StackId,
        seen: &Seen,
        tagged: &Tagged,
    ) -> BTreeMap<u16, Listener> {
        let mut listeners = BTreeMap::new();
        for (listener, rules) in seen {
            let port = read::number(listener.port());
            let Some(protocol) = read::protocol(listener.protocol()) else { continue };
            let mut found = Listener::attached(protocol);
            let key = ListenerKey { load_balancer: balancer.to_owned(), port };
            for rule in rules.iter().filter(|rule| rule.is_default() != Some(true)) {
                let priority = rule.priority().and_then(|priority| priority.parse::<u32>().ok());
                let (Some(arn), Some(priority)) = (rule.rule_arn(), priority) else { continue };
                let tags = tagged.get(arn).cloned().unwrap_or_default();
                if tags::is_marked(&tags) && self.stack_of(&tags).as_ref() == Some(stack) {
                    let place = Key::Rule { listener: key.clone(), priority };
                    self.arns.learn(place, arn);
                    found.rules.insert(priority, read::rule(rule, tags, &self.arns));
                } else {
                    let (_, action) = read::actions(rule.actions(), &self.arns);
                    found.foreign.insert(priority, groups(&action));
                }
            }
            listeners.insert(port, found);
        }
        listeners
    }
}
