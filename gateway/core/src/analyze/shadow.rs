//! Rules that never see a request, because others come first: in the same VirtualService, or in
//! another one that serves the same host.

use super::{
    condition::{covers, is_catch_all},
    scene::{Bound, Scene},
    servers::ServerHosts,
};
use crate::compile::listeners::Family;
use edgeway_api::{
    Problem, Resource, VirtualService,
    virtual_service::{HttpMatchRequest, HttpRoute, StringMatch},
};
use std::collections::{BTreeMap, HashMap};

/// Most entries before one that are looked at: advice must stay cheap on ten thousand rules.
const MOST: usize = 64;

/// One match entry of a rule, or a rule without any.
#[derive(Clone, Copy, Debug)]
struct Entry<'o> {
    service: &'o VirtualService,
    rule: usize,
    position: Option<usize>,
    condition: Option<&'o HttpMatchRequest>,
    /// Whether what it takes is served by the rule itself.
    delegates: bool,
}

impl Entry<'_> {
    fn rule_field(&self) -> String {
        format!("spec.http[{}]", self.rule)
    }

    fn field(&self) -> String {
        let rule = self.rule_field();
        self.position.map_or(rule.clone(), |position| format!("{rule}.match[{position}]"))
    }
}

/// Reports such rules.
pub(super) fn analyze(scene: &Scene<'_>, advice: &mut Vec<Problem>) {
    for service in &scene.objects.virtual_services {
        alone(service, advice);
    }
    let mut by_gateway: HashMap<usize, Vec<&Bound<'_>>> = HashMap::new();
    for bound in &scene.bound {
        for position in &bound.gateways {
            by_gateway.entry(*position).or_default().push(bound);
        }
    }
    for servers in tables(scene).values() {
        let mut by_domain: BTreeMap<&str, Vec<&VirtualService>> = BTreeMap::new();
        for (position, server) in servers {
            for bound in by_gateway.get(position).into_iter().flatten() {
                for domain in server.domains(bound) {
                    let services = by_domain.entry(domain).or_default();
                    if !services.iter().any(|one| std::ptr::eq(*one, bound.service)) {
                        services.push(bound.service);
                    }
                }
            }
        }
        for (domain, services) in by_domain.iter().filter(|(_, services)| services.len() > 1) {
            together(domain, services, advice);
        }
    }
}

/// What tells the route tables of a gateway apart: port and address, and for TLS the server.
type TableKey<'o> = (u32, Option<&'o str>, Option<(usize, usize)>);

/// The servers of each route table, with their Gateways' positions. Plain servers of a port share
/// one.
fn tables<'s, 'o>(
    scene: &'s Scene<'o>,
) -> BTreeMap<TableKey<'o>, Vec<(usize, &'s ServerHosts<'o>)>> {
    let mut tables: BTreeMap<TableKey<'_>, Vec<_>> = BTreeMap::new();
    for (position, serving) in scene.gateways.iter().enumerate() {
        for (index, hosts) in serving.servers.iter().enumerate() {
            let Some(port) = &hosts.server.port else { continue };
            let alone = match Family::parse(&port.protocol) {
                Some(Family::Http) => None,
                Some(Family::Https) => Some((position, index)),
                Some(Family::Tls | Family::Tcp) | None => continue,
            };
            let key = (port.number, hosts.server.bind.as_deref(), alone);
            tables.entry(key).or_default().push((position, hosts));
        }
    }
    tables
}

/// Of one VirtualService: rules that an earlier one covers, and entries that add nothing.
fn alone(service: &VirtualService, advice: &mut Vec<Problem>) {
    let mut seen = Seen::default();
    for (rule, route) in service.spec.http.iter().enumerate() {
        let entries = entries(service, rule, route);
        let covered: Vec<_> = entries.iter().map(|entry| (entry, seen.covering(entry))).collect();
        if let Some((_, Some(first))) = covered.first()
            && covered.iter().all(|(_, by)| by.is_some())
        {
            let message = format!("{} takes all of its requests: it is never used", first.field());
            advice.push(
                Problem::warning(
                    service.reference(),
                    format!("spec.http[{rule}]"),
                    "rule-unreachable",
                )
                .message(message)
                .advice("put it before that rule, narrow that one, or remove it"),
            );
            continue;
        }
        for entry in entries {
            if let Some(first) = seen.covering(&entry) {
                advice.push(
                    Problem::warning(service.reference(), entry.field(), "match-ineffective")
                        .message(format!("{} takes all of its requests", first.field()))
                        .advice("remove it, or put it first"),
                );
            }
            seen.insert(entry);
        }
    }
}

/// Of several VirtualServices of one host, in their order: rules that one of another covers.
fn together(domain: &str, services: &[&VirtualService], advice: &mut Vec<Problem>) {
    let mut seen = Seen::default();
    let all = services.iter().flat_map(|service| {
        let rules = service.spec.http.iter().enumerate();
        let mut ended = false;
        // What stands behind a catch-all of its own VirtualService is not even in the table.
        rules
            .take_while(move |(_, route)| {
                let goes_on = !ended;
                ended = catches_all(route);
                goes_on
            })
            .map(|(rule, route)| (*service, rule, route))
    });
    let (last, first): (Vec<_>, Vec<_>) = all.partition(|(_, _, route)| catches_all(route));
    for (service, rule, route) in first.into_iter().chain(last) {
        let entries = entries(service, rule, route);
        let covering: Vec<_> = entries.iter().map(|entry| seen.covering(entry)).collect();
        let rival =
            covering.iter().flatten().find(|by| !std::ptr::eq(by.service, service)).copied();
        if let Some(winner) = rival.filter(|_| covering.iter().all(Option::is_some)) {
            let field = format!("spec.http[{rule}]");
            advice.push(
                Problem::warning(service.reference(), field, "rule-shadowed")
                    .message(format!(
                        "for host `{domain}`, {} of {} comes first and takes all of its requests",
                        winner.field(),
                        winner.service.reference(),
                    ))
                    .advice("merge the two VirtualServices, or narrow that rule"),
            );
        }
        for entry in entries {
            seen.insert(entry);
        }
    }
}

fn catches_all(route: &HttpRoute) -> bool {
    route.matches.is_empty() || route.matches.iter().any(|entry| is_catch_all(Some(entry)))
}

fn entries<'o>(service: &'o VirtualService, rule: usize, route: &'o HttpRoute) -> Vec<Entry<'o>> {
    let delegates = route.delegate.is_some();
    let entry = |position, condition| Entry { service, rule, position, condition, delegates };
    if route.matches.is_empty() {
        return vec![entry(None, None)];
    }
    let matches = route.matches.iter().enumerate();
    matches.map(|(position, condition)| entry(Some(position), Some(condition))).collect()
}

/// Entries so far, by what they ask of the path, so that few have to be compared.
#[derive(Debug, Default)]
struct Seen<'o> {
    by_path: HashMap<(Kind, &'o str), Vec<Entry<'o>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Any,
    Exact,
    Prefix,
    Regex,
}

impl<'o> Seen<'o> {
    fn insert(&mut self, entry: Entry<'o>) {
        // The delegate may take less than the rule that leads to it.
        if !entry.delegates {
            self.by_path.entry(key(entry.condition)).or_default().push(entry);
        }
    }

    /// The first of them that covers `entry`.
    fn covering(&self, entry: &Entry<'_>) -> Option<Entry<'o>> {
        let (kind, path) = key(entry.condition);
        let prefixes = matches!(kind, Kind::Exact | Kind::Prefix)
            .then(|| path.char_indices().map(|(end, c)| end + c.len_utf8()))
            .into_iter()
            .flatten()
            .filter_map(|end| Some((Kind::Prefix, path.get(..end)?)));
        let keys = [(Kind::Any, ""), (kind, path), (Kind::Regex, ".*")].into_iter().chain(prefixes);
        let candidates = keys.filter_map(|key| self.by_path.get(&key)).flatten().take(MOST);
        candidates.filter(|seen| covers(seen.condition, entry.condition)).copied().next()
    }
}

fn key(condition: Option<&HttpMatchRequest>) -> (Kind, &str) {
    match condition.and_then(|condition| condition.uri.as_ref()) {
        None => (Kind::Any, ""),
        Some(StringMatch { exact: Some(exact), .. }) => (Kind::Exact, exact),
        Some(StringMatch { prefix: Some(prefix), .. }) if prefix.is_empty() || prefix == "/" => {
            (Kind::Any, "")
        }
        Some(StringMatch { prefix: Some(prefix), .. }) => (Kind::Prefix, prefix),
        Some(StringMatch { regex: Some(regex), .. }) => (Kind::Regex, regex),
        Some(StringMatch { exact: None, prefix: None, regex: None }) => (Kind::Any, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::unit::{FRONT, advice, virtual_service};

    fn rules(http: &str) -> Vec<String> {
        advice(&(FRONT.to_owned() + &virtual_service("a", "a.com", http)))
    }

    #[test]
    fn a_rule_behind_a_wider_one_is_never_used() {
        let to = "directResponse: {status: 200}";
        for (http, expected) in [
            (format!("[{{match: [{{uri: {{prefix: /a}}}}], {to}}}, {{{to}}}]"), ""),
            (
                format!("[{{{to}}}, {{match: [{{uri: {{prefix: /a}}}}], {to}}}]"),
                "[rule-unreachable] VirtualService default/a spec.http[1]: spec.http[0] takes",
            ),
            (
                format!(
                    "[{{match: [{{uri: {{prefix: /a}}}}], {to}}}, {{match: [{{uri: {{exact: /ab}}}}, \
                     {{uri: {{exact: /b}}}}], {to}}}]"
                ),
                "[match-ineffective] VirtualService default/a spec.http[1].match[0]: spec.http[0].match[0]",
            ),
            (
                format!("[{{match: [{{uri: {{exact: /a}}}}, {{uri: {{exact: /a}}}}], {to}}}]"),
                "[match-ineffective] VirtualService default/a spec.http[0].match[1]",
            ),
            (
                format!(
                    "[{{match: [{{uri: {{prefix: /a}}}}], delegate: {{name: b}}}}, \
                     {{match: [{{uri: {{exact: /ab}}}}], {to}}}]"
                ),
                "",
            ),
        ] {
            let found = rules(&http);
            assert_eq!(found.len(), usize::from(!expected.is_empty()), "{http} {found:?}");
            assert!(found.iter().all(|line| line.contains(expected)), "{http} {found:?}");
        }
    }

    #[test]
    fn of_two_virtual_services_the_older_wins_rule_by_rule() {
        let to = "directResponse: {status: 200}";
        let one = virtual_service(
            "a",
            "'*.com'",
            &format!("[{{match: [{{uri: {{prefix: /x}}}}], {to}}}, {{{to}}}]"),
        );
        let two = virtual_service(
            "b",
            "a.com",
            &format!("[{{match: [{{uri: {{exact: /xy}}}}], {to}}}, {{{to}}}]"),
        );
        // Not the same host: the narrower one has routes of its own.
        assert_eq!(advice(&format!("{FRONT}{one}{two}")), Vec::<String>::new());
        let one = one.replace("'*.com'", "a.com");
        let found = advice(&format!("{FRONT}{one}{two}"));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains(
                "[rule-shadowed] VirtualService default/b spec.http[0]: for host `a.com`, \
                 spec.http[0].match[0] of VirtualService default/a comes first"
            ),
            "{found:?}"
        );
        assert!(
            found[1].contains("spec.http[1] of VirtualService default/a comes first"),
            "{found:?}"
        );
        // The other way round the older catch-all stands back, and the younger's is lost.
        let found = advice(&format!("{FRONT}{}{two}", one.replace("/x}", "/other}")));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("spec.http[1]"), "{found:?}");
    }

    #[test]
    fn plain_servers_of_a_port_share_their_hosts() {
        let rule = "[{directResponse: {status: 200}}]";
        let one = virtual_service("a", "a.com", rule);
        let two = virtual_service("b", "a.com", rule).replace("istio-system/gw", "istio-system/h");
        let other = FRONT.replace("name: gw", "name: h");
        let found = advice(&format!("{FRONT}{other}{one}{two}"));
        assert!(found.len() == 1 && found[0].contains("[rule-shadowed]"), "{found:?}");
        let elsewhere = other.replace("number: 80", "number: 81");
        assert_eq!(advice(&format!("{FRONT}{elsewhere}{one}{two}")), Vec::<String>::new());
    }

    #[test]
    fn many_rules_hosts_and_services_are_read_in_a_moment() {
        let to = "directResponse: {status: 200}";
        let rules = (0..2_000).map(|n| format!("{{match: [{{uri: {{prefix: /p{n}/}}}}], {to}}}"));
        let rules = format!("[{}]", rules.collect::<Vec<_>>().join(","));
        let hosts: Vec<String> = (0..2_000).map(|n| format!("h{n}.com")).collect();
        let gateway = FRONT.replace("['*']", &format!("[a.com, {}]", hosts.join(",")));
        let services = hosts
            .iter()
            .map(|host| virtual_service(&host.replace('.', "-"), host, &format!("[{{{to}}}]")));
        let services: String = services.collect();
        let large = virtual_service("a", "a.com", &rules);
        assert_eq!(super::super::unit::count(&format!("{gateway}{large}{services}")), 0);
    }
}
