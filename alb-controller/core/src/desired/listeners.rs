//! Listeners of a group: each member's rules on each of its ports.

use super::{
    Scene,
    agree::{merge, ports},
    callers::Callers,
    certificates,
    group::Group,
    hosts,
    member::Member,
    redirects::useful,
    routes::Routes,
    wish::{Attributes, class_listener_attributes},
};
use crate::{
    add_ons::MutualTls,
    annotations::{PREFIX, field},
    id::StackId,
    plan::slots::fresh,
    rule::{Action, Authentication, Redirect, Rule},
    stack::{Ingress, IpAddressType, Listener},
    switches::Switch,
    tags,
    target::Protocol,
};
use edgeway_api::Problem;
use std::collections::{BTreeMap, BTreeSet};

/// What listeners are made from.
pub(super) struct Plot<'p, 'a> {
    pub(super) scene: &'p Scene<'a>,
    pub(super) stack: &'p StackId,
    pub(super) group: &'p Group<'a>,
    /// Rules by member, `namespace/name`.
    pub(super) routes: &'p BTreeMap<String, Routes>,
    pub(super) addresses: IpAddressType,
    /// Whether the listeners are somebody else's, and rules alone are made.
    pub(super) is_attached: bool,
}

/// Listeners, and who may connect to them.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub(super) listeners: BTreeMap<u16, Listener>,
    pub(super) ingress: BTreeSet<Ingress>,
}

/// Builds all listeners.
pub(super) fn build(plot: &Plot<'_, '_>, problems: &mut Vec<Problem>) -> Built {
    let mut built = Built::default();
    let limits = plot.scene.lookups.limits;
    let (mut budget, mut certificates) = (limits.rules, limits.certificates);
    let protocols: BTreeMap<u16, Protocol> = ports(&plot.group.members)
        .into_iter()
        .filter_map(|port| Some((port, plot.protocol(port)?)))
        .collect();
    let redirect = if plot.is_attached { None } else { plot.redirect(&protocols, problems) };
    for (port, protocol) in protocols {
        let spot =
            Spot { port, protocol, redirect: redirect.filter(|_| protocol == Protocol::Http) };
        let members = plot.members(spot, problems);
        let (members, mutual_tls) = plot.agree_on_tls(spot, members, problems);
        if !members.is_empty() {
            built.ingress.extend(plot.ingress(port, &members));
            let mut listener = plot.listener(spot, &members, (&mut budget, certificates, problems));
            listener.mutual_tls = mutual_tls;
            certificates = certificates.saturating_sub(listener.more_certificates.len());
            built.listeners.insert(port, listener);
        }
    }
    built
}

/// Whether plain HTTP is redirected for all of a group, as it is not on somebody else's listeners.
pub(super) fn is_redirected(group: &Group<'_>) -> bool {
    if group.members.iter().any(|member| member.wish.host.is_some()) {
        return false;
    }
    let speaks = |port| group.members.iter().find_map(|member| member.wish.ports.get(&port));
    let port = group.members.iter().find_map(|member| member.wish.ssl_redirect);
    port.and_then(speaks) == Some(&Protocol::Https)
}

/// A port, and what is decided about it.
#[derive(Clone, Copy)]
struct Spot {
    port: u16,
    protocol: Protocol,
    /// The port that all requests are redirected to.
    redirect: Option<u16>,
}

impl<'p, 'a> Plot<'p, 'a> {
    /// What the first member that lists a port says it speaks.
    fn protocol(&self, port: u16) -> Option<Protocol> {
        self.group.members.iter().find_map(|member| member.wish.ports.get(&port).copied())
    }

    /// The port that plain HTTP is redirected to.
    fn redirect(
        &self,
        protocols: &BTreeMap<u16, Protocol>,
        problems: &mut Vec<Problem>,
    ) -> Option<u16> {
        let wish = |member: &Member<'_>| member.wish.ssl_redirect;
        let port = super::agree::settle(self.group, "ssl-redirect", wish, problems)?;
        let wrong = match protocols.get(&port) {
            Some(Protocol::Https) => return Some(port),
            Some(Protocol::Http) => format!("port {port} does not speak HTTPS"),
            None => format!("nobody in the group listens on port {port}"),
        };
        let asker = self.group.members.iter().find(|member| wish(member) == Some(port))?;
        problems.push(report(asker, "ssl-redirect", "redirect-impossible", wrong).advice(
            "list the port as HTTPS in alb.ingress.kubernetes.io/listen-ports, or redirect to one that is",
        ));
        None
    }

    /// The members that listen there, without those that cannot together with the first one.
    fn members(&self, spot: Spot, problems: &mut Vec<Problem>) -> Vec<&'p Member<'a>> {
        let Spot { port, protocol, redirect: _ } = spot;
        let mut right = Callers::default();
        let mut members = Vec::new();
        for member in &self.group.members {
            let Some(theirs) = member.wish.ports.get(&port) else { continue };
            if *theirs != protocol {
                let message = format!("port {port} speaks {protocol} for others in the group");
                problems.push(
                    report(member, "listen-ports", "group-conflict", message)
                        .advice("use the same protocol, another port or another group"),
                );
                continue;
            }
            let wrong = right.conflict(&member.wish.callers).filter(|_| !self.is_attached);
            if let Some(name) = wrong {
                let message = format!("port {port} is open to others than these in the group");
                problems.push(
                    report(member, name, "group-conflict", message)
                        .advice("let the same sources in, or use another port or group"),
                );
                continue;
            }
            right.add(&member.wish.callers);
            members.push(member);
        }
        members
    }

    /// What is done about certificates of clients, and the members without those who want another
    /// thing: their requests would be checked in another way than they ask for.
    fn agree_on_tls(
        &self,
        spot: Spot,
        members: Vec<&'p Member<'a>>,
        problems: &mut Vec<Problem>,
    ) -> (Vec<&'p Member<'a>>, Option<MutualTls>) {
        const NAME: &str = "mutual-authentication";
        let mut right: Option<MutualTls> = None;
        if spot.protocol == Protocol::Http || self.is_attached {
            return (members, None);
        }
        let mut agreed = Vec::new();
        for member in members {
            let wish = member.wish.mutual_tls.get(&spot.port);
            let problem = match (wish.map(|wish| wish.resolve(self.scene)).transpose(), &right) {
                (Err(store), _) => {
                    let message = format!("there is no trust store {store}");
                    report(member, NAME, "trust-store-not-found", message)
                        .advice("create it, or name another")
                }
                (Ok(Some(theirs)), Some(right)) if theirs != *right => {
                    let message = format!(
                        "port {} asks clients otherwise for others in the group",
                        spot.port
                    );
                    report(member, NAME, "group-conflict", message)
                        .advice("ask for the same, or use another port or group")
                }
                (Ok(theirs), _) => {
                    right = right.or(theirs);
                    agreed.push(member);
                    continue;
                }
            };
            problems.push(problem);
        }
        if self.scene.settings.has(Switch::Reset) {
            right = right.or(Some(MutualTls::Off));
        }
        (agreed, right)
    }

    /// Who may connect.
    fn ingress(&self, port: u16, members: &[&Member<'_>]) -> Vec<Ingress> {
        let mut callers = Callers::default();
        for member in members {
            callers.add(&member.wish.callers);
        }
        let open = |source| Ingress { from: port, to: port, source, description: String::new() };
        callers.sources(self.addresses).map(open).collect()
    }

    fn listener(
        &self,
        spot: Spot,
        members: &[&Member<'_>],
        (budget, room, problems): (&mut usize, usize, &mut Vec<Problem>),
    ) -> Listener {
        if self.is_attached {
            return self.attached(spot, members, (budget, problems));
        }
        let secure = spot.protocol == Protocol::Https;
        let (certificate, more_certificates) = if secure {
            certificates::of_listener(self.scene, (spot.port, members), (room, problems))
        } else {
            (None, BTreeSet::new())
        };
        let port = spot.port.to_string();
        let mut tags = merge(members, "tags", |member| member.wish.tags.clone(), problems);
        tags = self.scene.settings.with_defaults(tags);
        tags.extend(tags::tracking(&self.scene.settings.cluster, self.stack, &port));
        let (authentication, default_action) = self.default_action(spot, members, problems);
        let trace = authentication.as_ref().and_then(Authentication::trace);
        tags.extend(trace.map(|trace| (tags::SECRET.to_owned(), trace)));
        Listener {
            protocol: spot.protocol,
            ssl_policy: secure.then(|| self.ssl_policy(members, problems)),
            certificate,
            more_certificates,
            attributes: attributes(spot, members, problems),
            mutual_tls: None,
            authentication,
            default_action,
            rules: self.rules(spot, members, (budget, problems)),
            foreign: BTreeMap::new(),
            tags,
        }
    }

    /// Somebody else's listener, of which rules alone are ours to wish.
    fn attached(
        &self,
        spot: Spot,
        members: &[&Member<'_>],
        ledger: (&mut usize, &mut Vec<Problem>),
    ) -> Listener {
        let mut rules = self.rules(spot, members, ledger);
        for rule in rules.values_mut() {
            // The load balancer does not say whose they are.
            rule.tags.extend(members.first().map(|member| member.flavour.tag()));
        }
        Listener { rules, ..Listener::attached(spot.protocol) }
    }

    fn ssl_policy(&self, members: &[&Member<'_>], problems: &mut Vec<Problem>) -> String {
        let mut policies = members.iter().filter_map(|m| Some((*m, m.wish.ssl_policy.clone()?)));
        let Some((_, right)) = policies.next() else {
            return self.scene.settings.default_ssl_policy.clone();
        };
        for (member, theirs) in policies.filter(|(_, theirs)| *theirs != right) {
            let message = format!("it wants {theirs}, but {right} comes first in the group");
            problems.push(
                report(member, "ssl-policy", "group-conflict", message)
                    .advice("use the same policy, another port or another group"),
            );
        }
        right
    }

    fn default_action(
        &self,
        spot: Spot,
        members: &[&Member<'_>],
        problems: &mut Vec<Problem>,
    ) -> (Option<Authentication>, Action) {
        if let Some(port) = spot.redirect {
            let (protocol, port) = ("HTTPS".to_owned(), port.to_string());
            let redirect = Redirect { protocol, port, ..Redirect::default() };
            return (None, Action::Redirect(redirect));
        }
        let own = |member: &&&Member<'_>| {
            let routes = self.routes.get(&member.name())?;
            let (authentication, action) = routes.default.clone()?;
            let hosts = routes.hosts.as_ref();
            Some((authentication, hosts.map_or(action, |it| it.default_action(spot.protocol))))
        };
        let mut defaults = members.iter().filter_map(|member| Some((member, own(&member)?)));
        let Some((first, (authentication, action))) = defaults.next() else {
            return (None, Action::answer(404, None));
        };
        for (member, _) in defaults {
            let message =
                format!("{} has a default backend on port {} as well", first.name(), spot.port);
            let problem =
                Problem::error(member.reference.clone(), "spec.defaultBackend", "group-conflict");
            problems.push(
                problem.message(message).advice("remove one of them, or use another port or group"),
            );
        }
        (authentication.filter(|_| spot.protocol == Protocol::Https), action)
    }

    /// The rules of all members in their order; none where all is redirected.
    fn rules(
        &self,
        spot: Spot,
        members: &[&Member<'_>],
        (budget, problems): (&mut usize, &mut Vec<Problem>),
    ) -> BTreeMap<u32, Rule> {
        if spot.redirect.is_some() {
            return BTreeMap::new();
        }
        let own = members.iter().filter_map(|member| self.routes.get(&member.name()));
        let mut all: Vec<Rule> = own.flat_map(|routes| routes.rules.iter().cloned()).collect();
        if spot.protocol == Protocol::Http {
            let asks = |member: &&&Member<'_>| {
                let routes = self.routes.get(&member.name());
                let rules = routes.into_iter().flat_map(|routes| &routes.rules);
                rules.into_iter().any(|rule| rule.authentication.is_some())
            };
            problems.extend(members.iter().filter(asks).map(|member| skipped(member, spot.port)));
            all.iter_mut().for_each(open);
        }
        let mut rules = useful(&all, spot.protocol, spot.port);
        // What only a load balancer does comes before what a gateway does.
        let thin = members.iter().filter_map(|m| Some((*m, self.routes.get(&m.name())?)));
        rules.extend(hosts::rules(thin, (spot.port, spot.protocol)));
        if rules.len() > *budget {
            let late: BTreeSet<Option<String>> =
                rules.drain(*budget..).map(|rule| rule.owner().map(str::to_owned)).collect();
            let is_late = |member: &&&Member<'_>| {
                // Rules that lead to gateways are several members' own.
                late.contains(&member.door.is_none().then(|| member.name()))
            };
            for member in members.iter().filter(is_late) {
                problems.push(too_many(member, spot.port, self.scene.lookups.limits.rules));
            }
        }
        *budget -= rules.len();
        let numbered = fresh(rules.len()).into_iter().zip(rules);
        numbered
            .map(|(priority, mut rule)| {
                let cluster = &self.scene.settings.cluster;
                let place = format!("{}:{priority}", spot.port);
                let own = std::mem::take(&mut rule.tags);
                rule.tags = self.scene.settings.with_defaults(own);
                rule.tags.extend(tags::tracking(cluster, self.stack, &place));
                (priority, rule)
            })
            .collect()
    }
}

/// Only HTTPS listeners can ask for a login or a token.
fn open(rule: &mut Rule) {
    rule.authentication = None;
    rule.tags.remove(tags::SECRET);
}

/// What members ask for, under what the class of the first one fixes.
fn attributes(spot: Spot, members: &[&Member<'_>], problems: &mut Vec<Problem>) -> Attributes {
    let place = (spot.protocol, spot.port);
    let name = format!("listener-attributes.{}-{}", spot.protocol, spot.port);
    let class = members.first().and_then(|member| member.params);
    let fixed = class_listener_attributes(class, spot.protocol, spot.port);
    let asked = |member: &Member<'_>| {
        let mut asked = member.wish.listener_attributes.get(&place).cloned().unwrap_or_default();
        asked.retain(|key, _| !fixed.contains_key(key));
        asked
    };
    let mut attributes = merge(members, &name, asked, problems);
    attributes.extend(fixed);
    attributes
}

fn skipped(member: &Member<'_>, port: u16) -> Problem {
    Problem::warning(member.reference.clone(), "", "login-skipped")
        .message(format!("it asks for a login or a token, and clients of port {port} need none"))
        .advice(
            "redirect them with alb.ingress.kubernetes.io/ssl-redirect, or list HTTPS ports only",
        )
}

fn too_many(member: &Member<'_>, port: u16, most: usize) -> Problem {
    Problem::error(member.reference.clone(), "spec.rules", "too-many-rules")
        .message(format!("some of its rules on port {port} do not fit: a load balancer has {most}"))
        .advice("put some Ingresses into another group, or let a gateway route by path")
}

fn report(member: &Member<'_>, name: &str, code: &'static str, message: String) -> Problem {
    Problem::error(member.reference.clone(), field(&format!("{PREFIX}{name}")), code)
        .message(message)
}
