//! From objects to what they wish for in AWS. Whatever is wrong with one Ingress is said of that one,
//! and the rest of its group goes on.

mod add_ons;
mod agree;
mod alternatives;
mod attached;
mod authentication;
mod bindings;
mod callers;
mod certificates;
mod class;
mod doors;
mod endpoints;
mod followed;
mod frontend;
mod group;
mod health;
mod hosts;
mod index;
mod joined;
mod listeners;
mod member;
mod needs;
mod network;
mod redirects;
mod room;
mod routes;
mod tagging;
mod target_group;
#[cfg(test)]
mod tests;
mod thin;
mod wish;

pub use doors::DESCRIPTION as DOOR_DESCRIPTION;
pub use joined::object_of;
pub use needs::{needs, secrets};
pub(crate) use {endpoints::containers_ready, index::selects};

use crate::{
    add_ons::AddOns,
    frontend::Front,
    goal::Desired,
    id::StackId,
    names,
    pairs::Pairs,
    settings::{AWS, Lookups, Settings},
    stack::{
        IpAddressType, LoadBalancer, Ownership, Scheme, SecurityGroup, SecurityGroupRef, Stack,
    },
    tags,
};
use agree::{merge, settle, settle_strictly};
use class::Flavour;
use doors::Doors;
use edgeway_api::{Objects, Problem, Severity, ingress::GatewayService};
use group::Group;
use index::Index;
use joined::Joined;
use listeners::Plot;
use member::Member;
use routes::Routes;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};
use target_group::Site;
use wish::class_attributes;

/// All that wishes are made from.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    index: Index<'a>,
    /// Gateways that ask for a load balancer.
    joined: &'a [Joined<'a>],
    settings: &'a Settings,
    lookups: &'a Lookups,
}

impl Scene<'_> {
    /// Where a target is to be registered: an address outside the VPC is in all zones.
    fn zone(&self, address: &str) -> Option<String> {
        let ranges = &self.lookups.vpc_ranges;
        let address: IpAddr = address.parse().ok()?;
        let outside = !ranges.is_empty() && !ranges.iter().any(|range| range.contains(&address));
        outside.then(|| "all".to_owned())
    }
}

/// What the Ingresses among `objects`, and Gateways that ask for a load balancer, wish for.
pub fn desired(objects: &Objects, settings: &Settings, lookups: &Lookups) -> Desired {
    let joined = joined::all(objects);
    let scene = Scene { index: Index::of(objects), joined: &joined, settings, lookups };
    let (incomplete, limits) = (incomplete(objects), lookups.limits);
    let namespaces = settings.namespaces.clone();
    let (given, external_tags) =
        (settings.given_security_group.clone(), settings.external_tags.clone());
    let mut desired =
        Desired { incomplete, namespaces, given, external_tags, limits, ..Desired::default() };
    let mut doors = Doors::default();
    for (id, group) in group::gather(&scene, &mut desired) {
        if group.members.is_empty() {
            desired.held.insert(id, group.broken);
        } else {
            add(&scene, id, group, (&mut desired, &mut doors));
        }
    }
    desired.doors = doors.open;
    desired.uncertain_ports = doors.uncertain;
    let is_ours = settings.given_security_group.is_none();
    if is_ours && desired.stacks.values().any(|stack| bears_shared(stack, settings)) {
        desired.shared = Some(shared(settings));
    }
    bindings::add(&scene, &mut desired);
    followed::add(&scene, &mut desired);
    finish(&mut desired.problems, objects);
    desired
}

/// Why nothing may be taken for gone: what could not be read might have been an
/// Ingress, or a Gateway with a load balancer.
fn incomplete(objects: &Objects) -> Option<String> {
    let kinds = ["File", "Ingress", "IngressClass", "IngressClassParams"];
    let may_join =
        objects.ingress_classes.iter().any(|class| GatewayService::of(class) != Ok(None));
    let severe = objects.defects.iter().filter(|problem| problem.severity == Severity::Error);
    let mut unreadable = severe.filter(|problem| {
        let kind = problem.object.kind.as_str();
        kinds.contains(&kind) || (may_join && kind == "Gateway")
    });
    unreadable.next().map(|problem| format!("{} cannot be read", problem.object))
}

/// Sorts problems, and says where the objects at fault stand.
fn finish(problems: &mut Vec<Problem>, objects: &Objects) {
    problems.iter_mut().for_each(joined::told);
    for problem in problems.iter_mut().filter(|problem| problem.origin.is_empty()) {
        if let Some(origin) = objects.origins.get(&problem.object) {
            problem.origin.clone_from(origin);
        }
    }
    problems.sort();
    problems.dedup();
}

fn bears_shared(stack: &Stack, settings: &Settings) -> bool {
    stack.load_balancer.security_groups.contains(&settings.shared_group())
}

/// The security group that targets know a load balancer by: the common one, or its own where there is
/// none in common. Those of a user's own are for the user to let through.
fn known_by(stack: &Stack, settings: &Settings) -> Option<SecurityGroupRef> {
    let balancer = &stack.load_balancer;
    if balancer.ownership == Ownership::Rules {
        // Each of its addresses is in all of its groups.
        return balancer.security_groups.first().cloned();
    }
    if bears_shared(stack, settings) {
        return Some(settings.shared_group());
    }
    let own = stack.security_group.as_ref().filter(|_| !settings.shared_security_group);
    own.map(|group| SecurityGroupRef::Ours(group.name.clone()))
}

/// The security group that all load balancers have in common.
fn shared(settings: &Settings) -> SecurityGroup {
    let mut tags = settings.default_tags.clone();
    tags.extend([
        (tags::CLUSTER.to_owned(), settings.cluster.clone()),
        (tags::SHARED_RESOURCE.to_owned(), tags::BACKEND_SECURITY_GROUP.to_owned()),
    ]);
    if !settings.controllers.contains(AWS) {
        tags.extend([Flavour::Edgeway.tag()]);
    }
    SecurityGroup {
        name: settings.shared_name(),
        description: "[k8s] Shared Backend SecurityGroup for LoadBalancer".to_owned(),
        ingress: BTreeSet::new(),
        tags,
    }
}

/// Adds the stack of one group.
fn add(
    scene: &Scene<'_>,
    id: StackId,
    mut group: Group<'_>,
    (desired, doors): (&mut Desired, &mut Doors),
) {
    let problems = &mut desired.problems;
    let host = attached::host(scene, &mut group, problems);
    let outline = match &host {
        Some(_) => None,
        None => Some(Outline::of(scene, &mut group, problems)),
    };
    let theirs = host.as_ref().map_or(IpAddressType::Ipv4, |host| host.ip_address_type);
    let addresses = outline.as_ref().map_or(theirs, |outline| outline.addresses);
    let mut routes = read_routes(scene, &id, &mut group, addresses, problems);
    if group.members.is_empty() {
        desired.held.insert(id, group.broken);
        return;
    }
    let is_attached = host.is_some();
    let plot = Plot { scene, stack: &id, group: &group, routes: &routes, addresses, is_attached };
    let listeners::Built { listeners, ingress } = listeners::build(&plot, problems);
    let mut stack = match (outline, &host) {
        (Some(outline), _) => outline.stack(scene, &id, &group, problems),
        (None, Some(host)) => attached::stack(&id, &group, host),
        (None, None) => return,
    };
    stack.load_balancer.listeners = listeners;
    if let Some(security_group) = &mut stack.security_group {
        security_group.ingress = ingress;
    }
    if !is_attached {
        let about = (&group, &stack.load_balancer);
        stack.frontend = frontend::front(scene, &stack.id, about, problems);
    }
    let used: BTreeSet<String> = stack.load_balancer.groups().map(str::to_owned).collect();
    let mut own = Doors::default();
    let guard = known_by(&stack, scene.settings);
    for (name, built) in routes.values_mut().flat_map(|routes| std::mem::take(&mut routes.groups)) {
        if !used.contains(&name) {
            continue;
        }
        if let Some(guard) = &guard {
            own.add(scene, guard, &built);
        }
        stack.backends.insert(name.clone(), built.backend);
        stack.target_groups.insert(name, built.group);
    }
    stack.doors.clone_from(&own.open);
    doors.extend(own);
    if let Some(first) = group.members.first() {
        problems.extend(room::check(&stack, &scene.lookups.limits, &first.reference));
    }
    let members = group.members.iter().map(|member| member.reference.clone());
    desired.members.insert(id.clone(), members.collect());
    desired.stacks.insert(id, stack);
}

/// Reads the rules of all members; who cannot be understood is put aside.
fn read_routes(
    scene: &Scene<'_>,
    stack: &StackId,
    group: &mut Group<'_>,
    addresses: IpAddressType,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Routes> {
    let mut all = BTreeMap::new();
    let dualstack = addresses != IpAddressType::Ipv4;
    let redirected = listeners::is_redirected(group);
    for member in &group.members {
        let site = Site { scene, stack, member, dualstack };
        let read = match &member.door {
            Some(door) => thin::read(site, door, problems),
            None => routes::read(site, problems),
        };
        match read {
            Ok(routes) => drop(all.insert(member.name(), routes)),
            Err(fault) if redirected && member.is_plain() => {
                // All that comes to its ports is sent elsewhere, whatever its rules are.
                problems.push(Problem { severity: Severity::Warning, ..*fault });
                all.insert(member.name(), Routes::default());
            }
            Err(fault) => problems.push(*fault),
        }
    }
    group.set_aside(|member| all.contains_key(&member.name()));
    all
}

/// What a group has agreed on about its load balancer.
struct Outline {
    scheme: Scheme,
    addresses: IpAddressType,
    name: Option<String>,
    guards: network::Guards,
    add_ons: AddOns,
}

impl Outline {
    fn of(scene: &Scene<'_>, group: &mut Group<'_>, problems: &mut Vec<Problem>) -> Self {
        let scheme = settle_strictly(group, "scheme", |member| member.wish.scheme, problems);
        let guards = network::guards(scene, group, problems);
        let add_ons = add_ons::add_ons(scene, group, problems);
        let addresses = |member: &Member<'_>| member.wish.ip_address_type;
        let addresses = settle(group, "ip-address-type", addresses, problems);
        let name = |member: &Member<'_>| member.wish.name.clone();
        Self {
            scheme: scheme.unwrap_or(scene.settings.default_scheme),
            addresses: addresses.unwrap_or(IpAddressType::Ipv4),
            name: settle(group, "load-balancer-name", name, problems),
            guards,
            add_ons,
        }
    }

    /// The stack, but for its listeners and target groups.
    fn stack(
        self,
        scene: &Scene<'_>,
        id: &StackId,
        group: &Group<'_>,
        problems: &mut Vec<Problem>,
    ) -> Stack {
        let settings = scene.settings;
        let place = network::subnets(scene, group, (self.scheme, self.addresses), problems);
        let members: Vec<&Member<'_>> = group.members.iter().collect();
        let tags = merge(&members, "tags", |member| member.wish.tags.clone(), problems);
        let tags = settings.with_defaults(tags);
        let flavour = group.members.first().map_or(Flavour::Edgeway, |member| member.flavour);
        let tagged = |resource| {
            let mut all = tags.clone();
            all.extend(tags::tracking(&settings.cluster, id, resource));
            all.extend([flavour.tag()]);
            all
        };
        let security_group = self.guards.named.is_none().then(|| SecurityGroup {
            name: names::security_group(&settings.cluster, id),
            description: "[k8s] Managed SecurityGroup for LoadBalancer".to_owned(),
            ingress: BTreeSet::new(),
            tags: tagged(tags::MANAGED_SECURITY_GROUP),
        });
        let load_balancer = LoadBalancer {
            name: self
                .name
                .unwrap_or_else(|| names::load_balancer(&settings.cluster, id, self.scheme)),
            scheme: self.scheme,
            ip_address_type: self.addresses,
            subnets: place.subnets,
            security_groups: security_groups(self.guards, security_group.as_ref(), settings),
            attributes: attributes(&members, problems),
            add_ons: self.add_ons,
            tags: tagged(tags::LOAD_BALANCER),
            listeners: BTreeMap::new(),
            foreign: BTreeSet::new(),
            ownership: Ownership::Full,
        };
        Stack {
            id: id.clone(),
            load_balancer,
            subnets_named: place.named,
            security_group,
            target_groups: BTreeMap::new(),
            backends: BTreeMap::new(),
            broken: group.broken.clone(),
            approved: members.iter().filter_map(|member| member.wish.approved.clone()).collect(),
            adopts: settings.adopt || members.iter().any(|member| member.wish.adopts),
            doors: BTreeMap::new(),
            frontend: Front::Nothing,
        }
    }
}

/// None where one that was named cannot be found: then nothing is changed about them.
fn security_groups(
    guards: network::Guards,
    managed: Option<&SecurityGroup>,
    settings: &Settings,
) -> Vec<SecurityGroupRef> {
    let network::Guards { named, shared } = guards;
    let managed = managed.map(|group| SecurityGroupRef::Ours(group.name.clone()));
    let mut groups: Vec<_> = named.into_iter().flatten().chain(managed).collect();
    if shared && !groups.is_empty() {
        groups.push(settings.shared_group());
    }
    groups
}

/// What members ask for, under what the class of the first one fixes.
fn attributes(members: &[&Member<'_>], problems: &mut Vec<Problem>) -> Pairs {
    let fixed = class_attributes(members.first().and_then(|member| member.params));
    let asked = |member: &Member<'_>| {
        let mut asked = member.wish.attributes.clone();
        asked.retain(|key, _| !fixed.contains_key(key));
        asked
    };
    let mut attributes = merge(members, "load-balancer-attributes", asked, problems);
    attributes.extend(fixed);
    attributes
}
