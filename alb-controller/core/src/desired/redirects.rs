//! Rules that redirects make useless are left out, so that one set of rules can serve HTTP and HTTPS:
//! a redirect to where the request is already, and whatever comes after a redirect that takes all.

use crate::rule::{Action, Condition, Patterns, Redirect, Rule};
use crate::target::Protocol;

/// The rules that are of use on a listener.
pub(super) fn useful(rules: &[Rule], protocol: Protocol, port: u16) -> Vec<Rule> {
    let mut useful: Vec<Rule> = Vec::new();
    for rule in rules {
        let loops = matches!(&rule.action, Action::Redirect(redirect) if loops(redirect, rule, protocol, port));
        if !loops && !useful.iter().any(|earlier| swallows(earlier, rule)) {
            useful.push(rule.clone());
        }
    }
    useful
}

/// Whether a redirect leads to where its requests are already.
fn loops(redirect: &Redirect, rule: &Rule, protocol: Protocol, port: u16) -> bool {
    if has_regex(rule, |condition| matches!(condition, Condition::Path(_))) {
        return false;
    }
    let Matched { hosts, paths } = Matched::of(rule);
    let same = Redirect::default();
    let among = |values: &[String], wanted: &str| values.iter().any(|value| value == wanted);
    (redirect.protocol == same.protocol || redirect.protocol == protocol.as_str())
        && (redirect.port == same.port || redirect.port == port.to_string())
        && (redirect.host == same.host || among(&hosts, &redirect.host))
        && (redirect.path == same.path || among(&paths, &redirect.path))
        && redirect.query == same.query
}

/// Whether an earlier redirect takes all requests that a later rule is for.
fn swallows(earlier: &Rule, later: &Rule) -> bool {
    if !matches!(earlier.action, Action::Redirect(_)) || !has_only_host_and_path(earlier) {
        return false;
    }
    // One whose hosts are expressions takes some of all hosts: nobody can say which.
    if has_regex(earlier, |condition| matches!(condition, Condition::Host(_))) {
        return false;
    }
    let (wide, narrow) = (Matched::of(earlier), Matched::of(later));
    let within = |narrow: &[String], wide: &[String]| {
        !narrow.is_empty() && narrow.iter().all(|value| wide.contains(value))
    };
    let everything = wide.paths.iter().any(|path| path == "/*");
    (wide.hosts.is_empty() || within(&narrow.hosts, &wide.hosts))
        && (wide.paths.is_empty() || everything || within(&narrow.paths, &wide.paths))
}

fn has_only_host_and_path(rule: &Rule) -> bool {
    rule.conditions.iter().all(|c| matches!(c, Condition::Host(_) | Condition::Path(_)))
}

fn has_regex(rule: &Rule, is_meant: impl Fn(&Condition) -> bool) -> bool {
    rule.conditions.iter().any(|condition| {
        let regex = matches!(
            condition,
            Condition::Host(Patterns::Regex(_)) | Condition::Path(Patterns::Regex(_))
        );
        regex && is_meant(condition)
    })
}

/// The hosts and paths that a rule is for.
struct Matched {
    hosts: Vec<String>,
    paths: Vec<String>,
}

impl Matched {
    /// Hosts that are expressions do not count; a path that is one is taken as it is written.
    fn of(rule: &Rule) -> Self {
        let mut matched = Self { hosts: Vec::new(), paths: Vec::new() };
        for condition in &rule.conditions {
            match condition {
                Condition::Host(Patterns::Text(values)) => {
                    matched.hosts.extend(values.iter().cloned());
                }
                Condition::Path(patterns) => {
                    matched.paths.extend(patterns.values().iter().cloned());
                }
                Condition::Host(Patterns::Regex(_))
                | Condition::Header { .. }
                | Condition::Method(_)
                | Condition::Query(_)
                | Condition::SourceIp(_) => {}
            }
        }
        matched
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tags::Tags;

    fn rule(host: &str, paths: &[&str], action: Action) -> Rule {
        let text =
            |values: &[&str]| Patterns::Text(values.iter().map(|v| (*v).to_owned()).collect());
        let mut conditions = vec![Condition::Path(text(paths))];
        if !host.is_empty() {
            conditions.insert(0, Condition::Host(text(&[host])));
        }
        Rule { conditions, authentication: None, action, transforms: Vec::new(), tags: Tags::new() }
    }

    fn to_https() -> Action {
        Action::Redirect(Redirect {
            protocol: "HTTPS".into(),
            port: "443".into(),
            ..Redirect::default()
        })
    }

    #[test]
    fn a_redirect_to_https_takes_all_on_http_and_is_nothing_on_https() {
        let rules =
            [rule("", &["/*"], to_https()), rule("a", &["/x", "/x/*"], Action::answer(200, None))];
        assert_eq!(useful(&rules, Protocol::Http, 80), rules[..1]);
        assert_eq!(useful(&rules, Protocol::Https, 443), rules[1..]);
    }

    #[test]
    fn a_redirect_of_one_host_leaves_others_alone() {
        let rules = [rule("a", &["/*"], to_https()), rule("b", &["/*"], Action::answer(200, None))];
        assert_eq!(useful(&rules, Protocol::Http, 80), rules);
    }

    #[test]
    fn hosts_that_are_expressions_loop_as_all_do_and_swallow_nothing() {
        let regex = Condition::Host(Patterns::Regex(vec!["^a".to_owned()]));
        let of = |condition: &Condition, action| Rule {
            conditions: vec![condition.clone()],
            ..rule("", &["/*"], action)
        };
        let rules = [of(&regex, to_https()), rule("b", &["/x"], Action::answer(200, None))];
        assert_eq!(useful(&rules, Protocol::Http, 80), rules, "b is no host of the redirect");
        assert_eq!(useful(&rules, Protocol::Https, 443), rules[1..], "it would redirect to itself");
        let rules = [rule("", &["/*"], to_https()), of(&regex, Action::answer(200, None))];
        assert_eq!(useful(&rules, Protocol::Http, 80), rules[..1]);
        let path = Condition::Path(Patterns::Regex(vec!["^/a".to_owned()]));
        let rules = [of(&path, to_https())];
        assert_eq!(useful(&rules, Protocol::Https, 443), rules, "some paths may lead elsewhere");
    }

    #[test]
    fn what_forwards_takes_nothing_away() {
        let rules = [
            rule("", &["/*"], Action::answer(200, None)),
            rule("a", &["/*"], Action::answer(404, None)),
        ];
        assert_eq!(useful(&rules, Protocol::Http, 80), rules);
    }
}
