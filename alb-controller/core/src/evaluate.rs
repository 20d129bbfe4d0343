//! What a load balancer does with a request, told from the same rules that are written to AWS.

use crate::{
    glob,
    rule::{
        Action, Authentication, Condition, Patterns, QueryPair, Redirect, Rewrite, Rule, Transform,
    },
    stack::{LoadBalancer, Stack},
    target::Protocol,
};
use ipnet::IpNet;
use regex::Regex;
use std::net::IpAddr;

/// A request, as far as rules look at it.
#[derive(Clone, Debug)]
pub struct AlbRequest<'a> {
    /// What the client speaks.
    pub scheme: Protocol,
    /// The port it connected to.
    pub port: u16,
    /// The method.
    pub method: &'a str,
    /// The host, without a port.
    pub host: &'a str,
    /// The path, with its slash.
    pub path: &'a str,
    /// What follows the question mark; empty if there is none.
    pub query: &'a str,
    /// Names and values of headers.
    pub headers: &'a [(String, String)],
    /// The peer's address.
    pub source_ip: IpAddr,
}

/// What becomes of a request, and why.
#[derive(Clone, Copy, Debug)]
pub struct AlbDecision<'a> {
    /// Port of the listener that took it.
    pub listener: u16,
    /// Priority and rule; nothing if it was left to the default action.
    pub rule: Option<(u32, &'a Rule)>,
    /// What a client must show first.
    pub authentication: Option<&'a Authentication>,
    /// What becomes of it.
    pub action: &'a Action,
}

/// What a target gets to see, after the rule's transforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The host header.
    pub host: String,
    /// Path and query.
    pub target: String,
}

/// What a stack does with a request; nothing if it does not listen there, or does not speak the
/// client's protocol.
pub fn evaluate<'a>(stack: &'a Stack, request: &AlbRequest<'_>) -> Option<AlbDecision<'a>> {
    stack.load_balancer.evaluate(request)
}

impl LoadBalancer {
    /// What it does with a request; nothing if it does not listen there, or does not speak the
    /// client's protocol.
    pub fn evaluate(&self, request: &AlbRequest<'_>) -> Option<AlbDecision<'_>> {
        let listener = self.listeners.get(&request.port)?;
        if listener.protocol != request.scheme {
            return None;
        }
        let rule = listener.rules.iter().find(|(_, rule)| rule.matches(request));
        let rule = rule.map(|(priority, rule)| (*priority, rule));
        let (authentication, action) = match rule {
            Some((_, rule)) => (&rule.authentication, &rule.action),
            None => (&listener.authentication, &listener.default_action),
        };
        let authentication = authentication.as_ref();
        Some(AlbDecision { listener: request.port, rule, authentication, action })
    }
}

impl AlbDecision<'_> {
    /// Host and path as a target sees them.
    pub fn forwarded(&self, request: &AlbRequest<'_>) -> Forwarded {
        let mut host = request.host.to_owned();
        let mut target = request.path.to_owned();
        if !request.query.is_empty() {
            target = format!("{target}?{}", request.query);
        }
        for transform in self.rule.iter().flat_map(|(_, rule)| &rule.transforms) {
            match transform {
                Transform::Url(rewrites) => target = rewritten(rewrites, target),
                Transform::Host(rewrites) => host = rewritten(rewrites, host),
            }
        }
        Forwarded { host, target }
    }
}

fn rewritten(rewrites: &[Rewrite], text: String) -> String {
    rewrites.iter().fold(text, |text, Rewrite { regex, replace }| match Regex::new(regex) {
        Ok(regex) => regex.replace(&text, replace.as_str()).into_owned(),
        Err(_) => text,
    })
}

impl Redirect {
    /// The URL that a client is sent to. An ALB always names the port.
    pub fn location(&self, request: &AlbRequest<'_>) -> String {
        let Self { protocol, host, port, path, query, status: _ } = self;
        let fill = |text: &str| {
            text.replace("#{protocol}", &request.scheme.as_str().to_ascii_lowercase())
                .replace("#{host}", request.host)
                .replace("#{port}", &request.port.to_string())
                .replace("#{path}", request.path.trim_start_matches('/'))
                .replace("#{query}", request.query)
        };
        let (scheme, port) = (fill(protocol).to_ascii_lowercase(), fill(port));
        let query = fill(query);
        let query = if query.is_empty() { query } else { format!("?{query}") };
        format!("{scheme}://{}:{port}{}{query}", fill(host), fill(path))
    }

    /// The status of the answer.
    pub fn code(&self) -> u16 {
        if self.status == "HTTP_302" { 302 } else { 301 }
    }
}

impl Rule {
    /// Whether all conditions hold.
    pub fn matches(&self, request: &AlbRequest<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.matches(request))
    }
}

impl Condition {
    fn matches(&self, request: &AlbRequest<'_>) -> bool {
        match self {
            Self::Host(patterns) => patterns.match_folded(request.host),
            Self::Path(patterns) => patterns.match_exactly(request.path),
            Self::Header { name, values } => {
                let mut same =
                    request.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
                same.any(|(_, value)| values.match_folded(value))
            }
            Self::Method(methods) => methods.iter().any(|method| method == request.method),
            Self::Query(pairs) => pairs.iter().any(|pair| pair.matches(request.query)),
            Self::SourceIp(ranges) => ranges.iter().any(|range| {
                range.parse::<IpNet>().is_ok_and(|net| net.contains(&request.source_ip))
            }),
        }
    }
}

impl Patterns {
    fn match_exactly(&self, text: &str) -> bool {
        match self {
            Self::Text(globs) => globs.iter().any(|glob| glob::matches(glob, text, false)),
            Self::Regex(regexes) => regexes.iter().any(|regex| found(regex, text)),
        }
    }

    fn match_folded(&self, text: &str) -> bool {
        match self {
            Self::Text(globs) => {
                let text = text.to_lowercase();
                globs.iter().any(|glob| glob::matches(&glob.to_lowercase(), &text, false))
            }
            Self::Regex(regexes) => {
                regexes.iter().any(|regex| found(&format!("(?i){regex}"), text))
            }
        }
    }
}

/// AWS does not say whether an expression must fit the whole text: it need not, here.
fn found(regex: &str, text: &str) -> bool {
    Regex::new(regex).is_ok_and(|regex| regex.is_match(text))
}

impl QueryPair {
    fn matches(&self, query: &str) -> bool {
        let fits = |pattern: &str, text: &str| {
            glob::matches(&pattern.to_lowercase(), &text.to_lowercase(), true)
        };
        query.split('&').filter(|pair| !pair.is_empty()).any(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.key.as_deref().is_none_or(|wanted| fits(wanted, key)) && fits(&self.value, value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(conditions: Vec<Condition>) -> Rule {
        let action = Action::answer(200, None);
        Rule {
            conditions,
            authentication: None,
            action,
            transforms: Vec::new(),
            tags: crate::tags::Tags::new(),
        }
    }

    fn text(values: &[&str]) -> Patterns {
        Patterns::Text(values.iter().map(|value| (*value).to_owned()).collect())
    }

    fn request(headers: &[(String, String)]) -> AlbRequest<'_> {
        AlbRequest {
            scheme: Protocol::Http,
            port: 8080,
            method: "GET",
            host: "Shop.Example.com",
            path: "/Cart/1",
            query: "Version=V1&x",
            headers,
            source_ip: IpAddr::from([10, 1, 2, 3]),
        }
    }

    #[test]
    fn conditions_match_as_elbv2_says() {
        let headers =
            [("X-Kind".to_owned(), "Beta".to_owned()), ("x-kind".to_owned(), "b".to_owned())];
        let header = |values| Condition::Header { name: "x-kind".into(), values };
        let pair = |key: Option<&str>, value: &str| {
            Condition::Query(vec![QueryPair { key: key.map(str::to_owned), value: value.into() }])
        };
        let table = [
            (Condition::Host(text(&["*.example.COM"])), true),
            (Condition::Host(text(&["shop.example.org"])), false),
            (Condition::Host(Patterns::Regex(vec!["^shop\\.".into()])), true),
            (Condition::Path(text(&["/Cart", "/Cart/*"])), true),
            (Condition::Path(text(&["/cart/*"])), false),
            (Condition::Path(Patterns::Regex(vec!["^/Cart/[0-9]+$".into()])), true),
            (header(text(&["beta"])), true),
            (header(text(&["B"])), true),
            (header(text(&["gamma"])), false),
            (Condition::Method(vec!["GET".into()]), true),
            (Condition::Method(vec!["HEAD".into()]), false),
            (pair(Some("version"), "v1"), true),
            (pair(None, "v?"), true),
            (pair(Some("x"), ""), true),
            (pair(Some("y"), "*"), false),
            (Condition::SourceIp(vec!["10.0.0.0/8".into()]), true),
            (Condition::SourceIp(vec!["192.168.0.0/16".into()]), false),
        ];
        for (condition, wanted) in table {
            assert_eq!(
                rule(vec![condition.clone()]).matches(&request(&headers)),
                wanted,
                "{condition}"
            );
        }
    }

    #[test]
    fn a_redirect_fills_its_placeholders() {
        let mut redirect =
            Redirect { protocol: "HTTPS".into(), port: "443".into(), ..Redirect::default() };
        let request = request(&[]);
        assert_eq!(redirect.location(&request), "https://Shop.Example.com:443/Cart/1?Version=V1&x");
        redirect.path = "/new/#{path}".into();
        redirect.query = String::new();
        redirect.port = "8443".into();
        assert_eq!(redirect.location(&request), "https://Shop.Example.com:8443/new/Cart/1");
    }

    #[test]
    fn a_transform_rewrites_what_the_target_sees() {
        let mut rule = rule(Vec::new());
        rule.transforms = vec![Transform::Url(vec![Rewrite {
            regex: "^/Cart/(.*)$".into(),
            replace: "/c/$1".into(),
        }])];
        let decision = AlbDecision {
            listener: 8080,
            rule: Some((1, &rule)),
            authentication: None,
            action: &rule.action,
        };
        let seen = decision.forwarded(&request(&[]));
        assert_eq!(seen.target, "/c/1?Version=V1&x");
    }
}
