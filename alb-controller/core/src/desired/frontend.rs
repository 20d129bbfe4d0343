//! The network load balancer that a group wishes to have before the one that routes.

use super::{
    Scene,
    agree::{conflict, settle, settle_among},
    group::Group,
    member::Member,
    network,
    wish::choice,
};
use crate::{
    annotations::{
        Annotations, Fault, PREFIX, field,
        value::{self, Expected},
    },
    frontend::{Front, FrontGroup, FrontListener, FrontTarget, FrontWish, Frontend},
    id::StackId,
    names,
    pairs::Pairs,
    stack::{IpAddressType, LoadBalancer, Scheme},
    tags::{self, Tags},
    target::{HealthCheck, Matcher, Protocol},
};
use edgeway_api::{Problem, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// What one Ingress says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FrontAsk {
    enable: Option<bool>,
    scheme: Option<Scheme>,
    subnets: Option<Vec<String>>,
    pub(super) security_groups: Option<Vec<String>>,
    /// Ports in front, and those behind.
    ports: BTreeMap<u16, u16>,
    allocations: Option<Vec<String>>,
    attributes: Option<Pairs>,
    tags: Option<Tags>,
    check: CheckAsk,
}

/// What it says about how the target is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct CheckAsk {
    port: Option<String>,
    protocol: Option<Protocol>,
    path: Option<String>,
    interval: Option<u32>,
    timeout: Option<u32>,
    healthy: Option<u32>,
    unhealthy: Option<u32>,
    codes: Option<String>,
}

impl FrontAsk {
    /// What an Ingress says. Of one that does not ask for it, what cannot be read does not matter.
    pub(super) fn read(annotations: &Annotations<'_>) -> Result<Self, Fault> {
        let enable = annotations.bool(ENABLE)?;
        match Self::all(annotations, enable) {
            Err(_) if enable != Some(true) => Ok(Self { enable, ..Self::default() }),
            read => read,
        }
    }

    fn all(annotations: &Annotations<'_>, enable: Option<bool>) -> Result<Self, Fault> {
        let map = |name: &str| annotations.read(name, value::map);
        let list = |name: &str| annotations.list(name).filter(|list| !list.is_empty());
        let tags = map("frontend-nlb-tags")?.map(|mut own| {
            own.retain(|key, _| !tags::is_reserved(key));
            own
        });
        Ok(Self {
            enable,
            scheme: annotations
                .read("frontend-nlb-scheme", choice(Scheme::parse, Scheme::choices))?,
            subnets: list(SUBNETS),
            security_groups: list(GUARDS),
            ports: annotations.read(MAPPING, mapping)?.unwrap_or_default(),
            allocations: list("frontend-nlb-eip-allocations"),
            attributes: map("frontend-nlb-attributes")?,
            tags,
            check: CheckAsk::read(annotations)?,
        })
    }
}

/// What cannot be read about one that is not asked for.
pub(super) fn unused(annotations: &Annotations<'_>) -> Option<Problem> {
    let enable = annotations.bool(ENABLE).ok()?;
    let fault = FrontAsk::all(annotations, enable).err().filter(|_| enable != Some(true))?;
    Some(Problem { severity: Severity::Warning, ..*fault })
}

const ENABLE: &str = "enable-frontend-nlb";
const MAPPING: &str = "frontend-nlb-listener-port-mapping";
const SUBNETS: &str = "frontend-nlb-subnets";
const GUARDS: &str = "frontend-nlb-security-groups";

/// `nlb=alb,…`
fn mapping(text: &str) -> Result<BTreeMap<u16, u16>, Expected> {
    let port = |text: &String| value::number::<u16>(text, 1..=u16::MAX);
    value::map(text)?.iter().map(|(from, to)| Ok((port(from)?, port(to)?))).collect()
}

impl CheckAsk {
    fn read(annotations: &Annotations<'_>) -> Result<Self, Fault> {
        let port = |text: &str| match text {
            "traffic-port" => Ok(text.to_owned()),
            number => value::number::<u16>(number, 1..=u16::MAX).map(|port| port.to_string()),
        };
        let name = |rest: &str| format!("frontend-nlb-healthcheck-{rest}");
        let number = |rest: &str, limits| annotations.number(&name(rest), limits);
        Ok(Self {
            port: annotations.read(&name("port"), port)?,
            protocol: annotations
                .read(&name("protocol"), choice(Protocol::parse, Protocol::choices))?,
            path: annotations.word(&name("path")),
            interval: number("interval-seconds", 5..=300)?,
            timeout: number("timeout-seconds", 2..=120)?,
            healthy: number("healthy-threshold-count", 2..=10)?,
            unhealthy: number("unhealthy-threshold-count", 2..=10)?,
            codes: annotations.word(&name("success-codes")),
        })
    }
}

/// What the group wishes to have before `balancer`.
pub(super) fn front(
    scene: &Scene<'_>,
    id: &StackId,
    (group, balancer): (&Group<'_>, &LoadBalancer),
    problems: &mut Vec<Problem>,
) -> Front {
    let enable = |member: &Member<'_>| member.wish.front.enable;
    if settle(group, ENABLE, enable, problems) != Some(true) {
        // Who asks for it cannot be understood at present.
        return if group.broken.is_empty() { Front::Nothing } else { Front::Unclear };
    }
    let builder = Builder { scene, id, group, balancer };
    match builder.build(problems) {
        Ok(wish) => Front::Wish(Box::new(wish)),
        Err((name, message, advice)) => {
            let asker = group.members.iter().find(|member| enable(member) == Some(true));
            if let Some(member) = asker {
                let key = field(&format!("{PREFIX}{name}"));
                let problem =
                    Problem::error(member.reference.clone(), key, "frontend-not-possible");
                problems.push(problem.message(message).advice(advice));
            }
            Front::Unclear
        }
    }
}

/// Annotation, what is wrong with it, and what to do.
type Wrong = (&'static str, String, &'static str);

/// Where a port leads, and who says so.
struct Mapped<'m, 'a> {
    to: u16,
    members: Vec<&'m Member<'a>>,
}

/// The ports that a member wishes to have in front, and its own that they lead to.
fn mapped(member: &Member<'_>, problems: &mut Vec<Problem>) -> BTreeMap<u16, u16> {
    let listened = &member.wish.ports;
    let named = &member.wish.front.ports;
    if named.is_empty() {
        return listened.keys().map(|port| (*port, *port)).collect();
    }
    let mut mapped = named.clone();
    mapped.retain(|from, to| {
        let is_there = listened.contains_key(to);
        if !is_there {
            let key = field(&format!("{PREFIX}{MAPPING}"));
            let problem = Problem::warning(member.reference.clone(), key, "frontend-not-possible");
            let message = format!("{from}={to} has no effect: it does not listen on port {to}");
            problems.push(problem.message(message).advice("map to a port of listen-ports"));
        }
        is_there
    });
    mapped
}

/// What those who share a port say about how it is checked.
fn settle_check<T: Clone + PartialEq + std::fmt::Debug>(
    members: &[&Member<'_>],
    name: &str,
    of: impl Fn(&CheckAsk) -> Option<T>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let name = format!("frontend-nlb-healthcheck-{name}");
    settle_among(members, &name, |member| of(&member.wish.front.check), problems)
}

struct Builder<'b, 'a> {
    scene: &'b Scene<'a>,
    id: &'b StackId,
    group: &'b Group<'a>,
    balancer: &'b LoadBalancer,
}

impl Builder<'_, '_> {
    fn settle<T: Clone + PartialEq + std::fmt::Debug>(
        &self,
        name: &str,
        value: impl Fn(&FrontAsk) -> Option<T>,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let name = format!("frontend-nlb-{name}");
        settle(self.group, &name, |member| value(&member.wish.front), problems)
    }

    fn build(&self, problems: &mut Vec<Problem>) -> Result<FrontWish, Wrong> {
        let settings = self.scene.settings;
        let scheme = self.settle("scheme", |ask| ask.scheme, problems);
        let scheme = scheme.unwrap_or(settings.default_scheme);
        let ip_address_type = match self.balancer.ip_address_type {
            IpAddressType::Ipv4 => IpAddressType::Ipv4,
            IpAddressType::Dualstack | IpAddressType::DualstackWithoutPublicIpv4 => {
                IpAddressType::Dualstack
            }
        };
        let named = self.settle("subnets", |ask| ask.subnets.clone(), problems);
        let subnets = network::of_frontend(self.scene, named.as_deref(), (scheme, ip_address_type))
            .map_err(|wrong| (SUBNETS, wrong, "name subnets of different zones, or tag them"))?;
        let allocations = self.allocations(scheme, &subnets, problems)?;
        let tags = self.tags(problems);
        let groups = self.groups(&tags, problems)?;
        let listeners = groups.values().map(|group| (group.port, self.listener(group, &tags)));
        let attributes = self.settle("attributes", |ask| ask.attributes.clone(), problems);
        let stem = self.balancer.name.get(..28).unwrap_or(&self.balancer.name);
        let balancer = Frontend {
            name: format!("{stem}-nlb"),
            scheme,
            ip_address_type,
            subnets: subnets.into_iter().collect(),
            allocations,
            security_groups: self.guards(problems)?,
            attributes: attributes.unwrap_or_default(),
            tags: self.tracked(&tags, "FrontendNlb"),
            listeners: listeners.collect(),
        };
        Ok(FrontWish { balancer, subnets_named: named.is_some(), groups })
    }

    /// Public addresses by subnet, in the order in which both are named.
    fn allocations(
        &self,
        scheme: Scheme,
        subnets: &[String],
        problems: &mut Vec<Problem>,
    ) -> Result<BTreeMap<String, String>, Wrong> {
        const NAME: &str = "frontend-nlb-eip-allocations";
        let Some(named) = self.settle("eip-allocations", |ask| ask.allocations.clone(), problems)
        else {
            return Ok(BTreeMap::new());
        };
        if scheme != Scheme::InternetFacing {
            let message = "an internal load balancer has no public addresses".to_owned();
            let advice = "remove it, or set frontend-nlb-scheme: internet-facing";
            return Err((NAME, message, advice));
        }
        if named.len() != subnets.len() {
            let message =
                format!("{} addresses are named for {} subnets", named.len(), subnets.len());
            return Err((NAME, message, "name one address for each subnet"));
        }
        Ok(subnets.iter().cloned().zip(named).collect())
    }

    fn guards(
        &self,
        problems: &mut Vec<Problem>,
    ) -> Result<Vec<crate::stack::SecurityGroupRef>, Wrong> {
        let named = self.settle("security-groups", |ask| ask.security_groups.clone(), problems);
        let Some(named) = named else { return Ok(self.balancer.security_groups.clone()) };
        network::resolve_all(self.scene, &named).map_err(|name| {
            let message = format!("there is no security group {name} in the VPC");
            (GUARDS, message, "create it, or name another")
        })
    }

    /// Tags of a user's own; those of the load balancer that routes, where none are named.
    fn tags(&self, problems: &mut Vec<Problem>) -> Tags {
        let settings = self.scene.settings;
        if let Some(mut own) = self.settle("tags", |ask| ask.tags.clone(), problems) {
            own.retain(|key, _| settings.forbids_tag(key).is_none());
            return settings.with_defaults(own);
        }
        let mut own = self.balancer.tags.clone();
        own.retain(|key, _| !tags::is_reserved(key));
        own
    }

    fn tracked(&self, own: &Tags, resource: &str) -> Tags {
        let mut tags = own.clone();
        tags.extend(tags::tracking(&self.scene.settings.cluster, self.id, resource));
        let mark = self.balancer.tags.get(tags::CONTROLLER);
        tags.extend(mark.map(|mark| (tags::CONTROLLER.to_owned(), mark.clone())));
        tags
    }

    fn listener(&self, group: &FrontGroup, own: &Tags) -> FrontListener {
        let mut tags = self.tracked(own, &format!("FrontendNlb-ls-TCP-{}", group.port));
        tags.remove(tags::CONTROLLER);
        FrontListener { group: group.name.clone(), tags }
    }

    /// A target group for each port.
    fn groups(
        &self,
        tags: &Tags,
        problems: &mut Vec<Problem>,
    ) -> Result<BTreeMap<String, FrontGroup>, Wrong> {
        let mut groups = BTreeMap::new();
        for (from, Mapped { to, members }) in self.ports(problems) {
            let Some(listener) = self.balancer.listeners.get(&to) else { continue };
            let check = check(listener.protocol, &members, problems)?;
            let resource = format!("FrontendNlb-tg-TCP-{from}");
            let name = names::front_group(&self.scene.settings.cluster, self.id, (from, &check));
            let target = FrontTarget { balancer: self.balancer.name.clone(), port: to };
            let group = FrontGroup {
                name: name.clone(),
                resource: resource.clone(),
                port: from,
                check,
                tags: self.tracked(tags, &resource),
                targets: BTreeSet::from([target]),
            };
            groups.insert(name, group);
        }
        Ok(groups)
    }

    /// Ports, and where they lead: of each member those that it names, or all that it listens on.
    fn ports(&self, problems: &mut Vec<Problem>) -> BTreeMap<u16, Mapped<'_, '_>> {
        let mut ports: BTreeMap<u16, Mapped<'_, '_>> = BTreeMap::new();
        for member in &self.group.members {
            for (from, to) in mapped(member, problems) {
                let mapped = ports.entry(from).or_insert(Mapped { to, members: Vec::new() });
                if mapped.to == to {
                    mapped.members.push(member);
                } else if let Some(first) = mapped.members.first() {
                    let (theirs, right) = (format!("{from}={to}"), format!("{from}={}", mapped.to));
                    problems.push(conflict(member, MAPPING, &theirs, (first, &right)));
                }
            }
        }
        ports
    }
}

/// A listener that speaks TLS is asked in TLS, unless something else is said.
fn check(
    speaks: Protocol,
    members: &[&Member<'_>],
    problems: &mut Vec<Problem>,
) -> Result<HealthCheck, Wrong> {
    let mut text =
        |name: &str, of: fn(&CheckAsk) -> Option<String>| settle_check(members, name, of, problems);
    let port = text("port", |ask| ask.port.clone());
    let path = text("path", |ask| ask.path.clone());
    let codes = text("success-codes", |ask| ask.codes.clone());
    let mut number =
        |name: &str, of: fn(&CheckAsk) -> Option<u32>| settle_check(members, name, of, problems);
    let interval = number("interval-seconds", |ask| ask.interval).unwrap_or(15);
    let timeout = number("timeout-seconds", |ask| ask.timeout).unwrap_or(5);
    let healthy = number("healthy-threshold-count", |ask| ask.healthy);
    let unhealthy = number("unhealthy-threshold-count", |ask| ask.unhealthy);
    let protocol = settle_check(members, "protocol", |check| check.protocol, problems);
    if timeout >= interval {
        let message = format!("its timeout, {timeout} s, is not below {interval} s");
        let name = "frontend-nlb-healthcheck-timeout-seconds";
        return Err((name, message, "make the timeout shorter or the interval longer"));
    }
    Ok(HealthCheck {
        protocol: protocol.unwrap_or(speaks),
        port: port.unwrap_or_else(|| "traffic-port".to_owned()),
        path: path.unwrap_or_else(|| "/".to_owned()),
        interval,
        timeout,
        healthy: healthy.unwrap_or(2),
        unhealthy: unhealthy.unwrap_or(2),
        matcher: Matcher::Http(codes.unwrap_or_else(|| "200".to_owned())),
    })
}
