//! What stands and is ours, found by its tags.

use super::{
    Sight,
    add_ons::read_mutual_tls,
    arns::Arns,
    client::Aws,
    error::CloudError,
    frontends,
    ledger::Ledger,
    network,
    read::{self, TargetState},
    skipped::Skipped,
};
use aws_sdk_elasticloadbalancingv2::types as elb;
use edgeway_alb_core::{
    Desired, Health, Key, ListenerKey, Observed, Question, StackId,
    goal::Bound,
    pairs::Pairs,
    rule::Action,
    stack::{Listener, LoadBalancer, Ownership},
    tags::{CLUSTER, RESOURCE, STACK, Tags},
    target::{Protocol, TargetGroup, TargetId, Targets},
};
use std::collections::{BTreeMap, BTreeSet};

/// All target groups that we make are called so.
const GROUP_PREFIX: &str = "k8s-";

/// Looks at everything, or at what is asked for; at attributes only where some are wished.
pub(super) async fn observe(
    aws: &Aws,
    desired: &Desired,
    sight: &Sight,
) -> Result<Observed, CloudError> {
    let arns = match sight {
        Sight::Part(..) => aws.arns.lock().await.clone(),
        Sight::Usual | Sight::Whole => Arns::default(),
    };
    let goes_by_ledger = matches!(sight, Sight::Usual) && Ledger::counts(desired);
    let observed = Observed::default();
    let mut view = View { aws, desired, sight, goes_by_ledger, arns, observed };
    let groups = aws.security_groups().await?;
    network::sort(aws, &groups, (desired, &mut view.arns), &mut view.observed);
    let known = Skipped::of(sight);
    known.keep(&mut view.observed);
    let in_vpc = |vpc: Option<&str>| vpc == Some(aws.settings.vpc.as_str());
    let mut balancers = aws.load_balancers().await?;
    let names: Vec<String> =
        balancers.iter().filter_map(|b| b.load_balancer_name()).map(str::to_owned).collect();
    balancers.retain(|b| in_vpc(b.vpc_id()));
    let is_new =
        |b: &elb::LoadBalancer| b.load_balancer_name().is_none_or(|name| !known.has_balancer(name));
    let mut fronts = balancers.clone();
    fronts.retain(|b| {
        b.r#type() == Some(&elb::LoadBalancerTypeEnum::Network)
            && b.load_balancer_name().is_some_and(|name| name.ends_with(frontends::SUFFIX))
            && is_new(b)
    });
    let kind = elb::LoadBalancerTypeEnum::Application;
    balancers.retain(|b| b.r#type().is_none_or(|own| *own == kind));
    let all = balancers.clone();
    balancers.retain(is_new);
    let mut groups = aws.target_groups().await?;
    groups.retain(|group| {
        in_vpc(group.vpc_id())
            && group
                .target_group_name()
                .is_some_and(|name| name.starts_with(GROUP_PREFIX) && !known.has_group(name))
    });
    let arns = balancers.iter().chain(&fronts).filter_map(|b| b.load_balancer_arn());
    let arns: Vec<String> =
        arns.chain(groups.iter().filter_map(|g| g.target_group_arn())).map(str::to_owned).collect();
    let parts = if view.goes_by_ledger { aws.ledger.parts() } else { Tagged::new() };
    let mut tags = aws.tagged(arns.len(), parts).await;
    tags.extend(aws.tags_of(&arns, &tags).await?);
    view.target_groups(&groups, &balancers, &tags).await?;
    view.load_balancers(&balancers, &tags).await?;
    view.frontends(&fronts, &groups, &tags).await?;
    view.hosts(&all, &groups, &tags).await?;
    view.bindings().await?;
    view.taken(names);
    let View { arns, observed, .. } = view;
    let mut learnt = aws.arns.lock().await;
    if matches!(sight, Sight::Whole) {
        // Meanwhile things may have been made.
        learnt.extend(arns);
    } else {
        *learnt = arns;
    }
    Ok(observed)
}

/// What has been seen so far.
pub(super) struct View<'a> {
    pub(super) aws: &'a Aws,
    pub(super) desired: &'a Desired,
    pub(super) sight: &'a Sight,
    goes_by_ledger: bool,
    pub(super) arns: Arns,
    pub(super) observed: Observed,
}

/// Tags by ARN.
pub(super) type Tagged = BTreeMap<String, Tags>;

impl View<'_> {
    /// The stack that tags name, if they are of this cluster.
    pub(super) fn stack_of(&self, tags: &Tags) -> Option<StackId> {
        let ours = self.aws.settings.owns(tags);
        tags.get(STACK).filter(|_| ours).map(|stack| StackId::parse(stack))
    }

    /// Whether a part of a load balancer that is ours is ours as well.
    fn is_part(&self, tags: &Tags) -> bool {
        tags.contains_key(STACK)
            && tags.get(CLUSTER).is_some_and(|cluster| *cluster == self.aws.settings.cluster)
    }

    /// Notes which of `names`, all that load balancers have in this region, are wished and not ours.
    fn taken(&mut self, names: Vec<String>) {
        let own = |balancer: &&LoadBalancer| balancer.ownership == Ownership::Full;
        let all = self.desired.stacks.values().map(|stack| &stack.load_balancer);
        let wished: BTreeSet<&str> = all.filter(own).map(|wish| wish.name.as_str()).collect();
        let standing = self.observed.stacks.values().flat_map(|it| it.load_balancers.values());
        let ours: BTreeSet<&str> = standing.filter(own).map(|it| it.name.as_str()).collect();
        let taken =
            names.into_iter().filter(|name| wished.contains(&**name) && !ours.contains(&**name));
        self.observed.taken = taken.collect();
    }

    /// Targets of bound groups. One that cannot be looked at is left as it is.
    async fn bindings(&mut self) -> Result<(), CloudError> {
        for arn in self.desired.bindings.keys() {
            if self.observed.bindings.contains_key(arn) {
                continue;
            }
            match self.aws.health(arn).await {
                Ok(health) => {
                    let Registered { targets, .. } = Registered::of(&health);
                    self.observed.bindings.insert(arn.clone(), Bound { targets });
                }
                Err(error) if error.code().is_some() => tracing::warn!("{arn}: {}", error.line()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn target_groups(
        &mut self,
        groups: &[elb::TargetGroup],
        balancers: &[elb::LoadBalancer],
        tagged: &Tagged,
    ) -> Result<(), CloudError> {
        for group in groups {
            let (Some(arn), Some(name)) = (group.target_group_arn(), group.target_group_name())
            else {
                continue;
            };
            let Some(tags) = tagged.get(arn) else { continue };
            let (Some(stack), Some(kind)) = (self.stack_of(tags), read::kind(group)) else {
                continue;
            };
            self.arns.learn(Key::TargetGroup(name.to_owned()), arn);
            let Registered { targets, draining, health } =
                self.registered((name, arn), &stack).await?;
            self.observed.health.insert(name.to_owned(), health);
            let resource = tags.get(RESOURCE).cloned().unwrap_or_default();
            let question = Question::GroupAttributes(stack.clone(), resource.clone());
            let attributes = if self.desired.asks(&question) {
                self.aws.group_attributes(arn).await?
            } else {
                Pairs::new()
            };
            let attached = group.load_balancer_arns().first();
            let attached =
                balancers.iter().find(|b| b.load_balancer_arn() == attached.map(String::as_str));
            let group = TargetGroup {
                name: name.to_owned(),
                resource,
                kind,
                health_check: read::health_check(group),
                attributes,
                tags: tags.clone(),
                targets,
                draining,
                known: None,
                attached: attached.and_then(|b| b.load_balancer_name()).map(str::to_owned),
            };
            let standing = self.observed.stacks.entry(stack).or_default();
            standing.target_groups.insert(name.to_owned(), group);
        }
        Ok(())
    }

    /// What is registered in one of our groups: as it was known to be, if that is as wished.
    async fn registered(
        &self,
        (name, arn): (&str, &str),
        stack: &StackId,
    ) -> Result<Registered, CloudError> {
        let wish = self.desired.stacks.get(stack).and_then(|stack| stack.target_groups.get(name));
        if let (true, Some(wish)) = (self.goes_by_ledger, wish)
            && let Some(health) = self.aws.ledger.health(arn, &wish.targets)
        {
            let targets = wish.targets.clone();
            return Ok(Registered { targets, draining: BTreeSet::new(), health });
        }
        Ok(Registered::of(&self.aws.health(arn).await?))
    }

    async fn load_balancers(
        &mut self,
        balancers: &[elb::LoadBalancer],
        tagged: &Tagged,
    ) -> Result<(), CloudError> {
        for balancer in balancers {
            let (Some(arn), Some(name)) =
                (balancer.load_balancer_arn(), balancer.load_balancer_name())
            else {
                continue;
            };
            let Some(tags) = tagged.get(arn) else { continue };
            let Some(stack) = self.stack_of(tags) else { continue };
            self.arns.learn(Key::LoadBalancer(name.to_owned()), arn);
            let (listeners, foreign) = self.listeners(&stack, (name, arn), tagged).await?;
            let subnets = balancer.availability_zones().iter().filter_map(|zone| zone.subnet_id());
            let guards = balancer.security_groups().iter();
            let add_ons = self.aws.add_ons((self.desired, &stack), balancer, arn).await?;
            let found = LoadBalancer {
                name: name.to_owned(),
                scheme: read::scheme(balancer),
                ip_address_type: read::ip_address_type(balancer),
                subnets: subnets.map(str::to_owned).collect(),
                security_groups: guards.map(|id| network::reference(id, &self.arns)).collect(),
                attributes: self.balancer_attributes(&stack, arn).await?,
                add_ons,
                tags: tags.clone(),
                listeners,
                foreign,
                ownership: Ownership::Full,
            };
            if is_provisioning(balancer) {
                self.observed.provisioning.insert(name.to_owned());
            }
            if let Some(address) = balancer.dns_name() {
                self.observed.addresses.insert(name.to_owned(), address.to_lowercase());
            }
            let standing = self.observed.stacks.entry(stack).or_default();
            standing.load_balancers.insert(name.to_owned(), found);
        }
        Ok(())
    }

    async fn balancer_attributes(&self, stack: &StackId, arn: &str) -> Result<Pairs, CloudError> {
        if !self.desired.asks(&Question::BalancerAttributes(stack.clone())) {
            return Ok(Pairs::new());
        }
        self.aws.balancer_attributes(arn).await
    }

    /// Our listeners by port, and the ports of others.
    async fn listeners(
        &mut self,
        stack: &StackId,
        (balancer, arn): (&str, &str),
        known: &Tagged,
    ) -> Result<(BTreeMap<u16, Listener>, BTreeSet<u16>), CloudError> {
        let listeners = self.aws.listeners(arn).await?;
        let mut rules = BTreeMap::new();
        let mut arns = Vec::new();
        for listener in &listeners {
            let Some(arn) = listener.listener_arn() else { continue };
            let own = self.aws.rules(arn).await?;
            arns.push(arn.to_owned());
            let named = own.iter().filter(|rule| rule.is_default() != Some(true));
            arns.extend(named.filter_map(|rule| rule.rule_arn()).map(str::to_owned));
            rules.insert(arn.to_owned(), own);
        }
        let tagged = self.aws.tags_of(&arns, known).await?;
        let (mut ours, mut foreign) = (BTreeMap::new(), BTreeSet::new());
        for listener in &listeners {
            let (Some(arn), port) = (listener.listener_arn(), read::number(listener.port())) else {
                continue;
            };
            let tags = tagged.get(arn).cloned().unwrap_or_default();
            let (true, Some(protocol)) = (self.is_part(&tags), read::protocol(listener.protocol()))
            else {
                foreign.insert(port);
                continue;
            };
            let key = ListenerKey { load_balancer: balancer.to_owned(), port };
            self.arns.learn(Key::Listener(key.clone()), arn);
            let own = rules.remove(arn).unwrap_or_default();
            let mut found = self.listener(listener, (protocol, arn), stack).await?;
            found.tags = tags;
            self.rules(&key, &mut found, &own, &tagged);
            ours.insert(port, found);
        }
        Ok((ours, foreign))
    }

    async fn listener(
        &self,
        listener: &elb::Listener,
        (protocol, arn): (Protocol, &str),
        stack: &StackId,
    ) -> Result<Listener, CloudError> {
        let port: u16 = read::number(listener.port());
        let attributes = if self.desired.asks(&Question::ListenerAttributes(stack.clone(), port)) {
            self.aws.listener_attributes(arn).await?
        } else {
            Pairs::new()
        };
        let secure = protocol == Protocol::Https;
        let certificate = listener.certificates().iter().find_map(|c| c.certificate_arn());
        let certificate = certificate.filter(|_| secure).map(str::to_owned);
        let more = if secure { self.aws.more_certificates(arn).await? } else { Vec::new() };
        let (authentication, default_action) =
            read::actions(listener.default_actions(), &self.arns);
        Ok(Listener {
            protocol,
            ssl_policy: listener.ssl_policy().filter(|_| secure).map(str::to_owned),
            certificate,
            more_certificates: more.into_iter().collect(),
            attributes,
            mutual_tls: read_mutual_tls(listener),
            authentication,
            default_action,
            rules: BTreeMap::new(),
            foreign: BTreeMap::new(),
            tags: Tags::new(),
        })
    }

    /// Sorts the rules of a listener into ours and those of others.
    fn rules(
        &mut self,
        key: &ListenerKey,
        listener: &mut Listener,
        rules: &[elb::Rule],
        tagged: &Tagged,
    ) {
        for rule in rules.iter().filter(|rule| rule.is_default() != Some(true)) {
            let priority = rule.priority().and_then(|priority| priority.parse::<u32>().ok());
            let (Some(arn), Some(priority)) = (rule.rule_arn(), priority) else { continue };
            let tags = tagged.get(arn).cloned().unwrap_or_default();
            if self.is_part(&tags) {
                let place = Key::Rule { listener: key.clone(), priority };
                self.arns.learn(place, arn);
                listener.rules.insert(priority, read::rule(rule, tags, &self.arns));
            } else {
                let (_, action) = read::actions(rule.actions(), &self.arns);
                listener.foreign.insert(priority, groups(&action));
            }
        }
    }
}

pub(super) fn groups(action: &Action) -> BTreeSet<String> {
    action.groups().map(str::to_owned).collect()
}

/// Whether a load balancer takes no requests yet.
pub(super) fn is_provisioning(balancer: &elb::LoadBalancer) -> bool {
    let state = balancer.state().and_then(|state| state.code());
    state == Some(&elb::LoadBalancerStateEnum::Provisioning)
}

/// What is registered in a group.
#[derive(Default)]
pub(super) struct Registered {
    pub(super) targets: Targets,
    /// On their way out.
    pub(super) draining: BTreeSet<TargetId>,
    pub(super) health: Health,
}

impl Registered {
    pub(super) fn of(health: &[elb::TargetHealthDescription]) -> Self {
        let mut all = Self::default();
        for (target, zone, state) in health.iter().filter_map(read::target) {
            if state == TargetState::Leaves {
                all.draining.insert(target);
                continue;
            }
            all.health.registered += 1;
            all.health.healthy += usize::from(state == TargetState::Well);
            all.targets.insert(target, zone);
        }
        all
    }
}
