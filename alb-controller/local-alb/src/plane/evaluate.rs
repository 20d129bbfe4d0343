//! Which rule a request falls under.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use super::table::Site;
use crate::state::rule::{Condition, QueryPair, Rule, Values};

/// The parts of a request that rules look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// Lower-case, without port.
    pub(crate) host: &'a str,
    /// As it was sent: neither decoded nor normalised.
    pub(crate) path: &'a str,
    /// Without its question mark.
    pub(crate) query: Option<&'a str>,
    pub(crate) method: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// The peer of the connection, whatever headers say.
    pub(crate) source: IpAddr,
}

/// The first rule whose conditions all hold; without one the default actions apply.
pub(crate) fn rule_for<'t>(site: &'t Site, ask: &Ask<'_>) -> Option<&'t Rule> {
    site.rules.iter().find(|rule| rule.conditions.iter().all(|condition| holds(condition, ask)))
}

fn holds(condition: &Condition, ask: &Ask<'_>) -> bool {
    match condition {
        Condition::Host(values) => fits(values, ask.host.as_bytes()),
        Condition::Path(values) => fits(values, ask.path.as_bytes()),
        Condition::Header { name, values } => {
            ask.headers.get_all(name).iter().any(|value| fits(values, value.as_bytes()))
        }
        Condition::Method(methods) => methods.iter().any(|method| method == ask.method),
        Condition::Query(pairs) => {
            let sent = ask.query.unwrap_or_default();
            sent.split('&').filter(|part| !part.is_empty()).any(|part| {
                let (key, value) = part.split_once('=').unwrap_or((part, ""));
                pairs.iter().any(|pair| fits_pair(pair, key, value))
            })
        }
        Condition::Source(networks) => {
            let source = IpNet::from(ask.source);
            networks.iter().any(|network| network.range.contains(&source))
        }
    }
}

fn fits(values: &Values, text: &[u8]) -> bool {
    values.patterns.iter().any(|pattern| pattern.matches(text))
        || values.regexes.iter().any(|regex| regex.is_match(text))
}

fn fits_pair(pair: &QueryPair, key: &str, value: &str) -> bool {
    pair.key.as_ref().is_none_or(|wanted| wanted.matches(key.as_bytes()))
        && pair.value.matches(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::OnceLock;

    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::api::tests::Account;
    use crate::plane::table::Table;

    const FIXED: &str = "Actions.member.1.Type=fixed-response\
                         &Actions.member.1.FixedResponseConfig.StatusCode=200";

    /// A table with one listener, whose rules have these conditions in this order of priority.
    fn table(rules: &[&str]) -> Table {
        let mut account = Account::new();
        let lb = account.load_balancer("shop");
        let listener = account.listener(&lb, 80);
        for (priority, conditions) in (1_u32..).zip(rules) {
            let conditions: Vec<_> =
                conditions.split('&').map(|pair| format!("&Conditions.member.{pair}")).collect();
            let conditions = conditions.concat();
            let form = format!("ListenerArn={listener}&Priority={priority}&{FIXED}{conditions}");
            account.elb("CreateRule", &form);
        }
        Table::of(account.world.regions(), &Table::default())
    }

    /// The priority of the rule that a request falls under; 0 for the default.
    fn falls_under(table: &Table, ask: &Ask<'_>) -> u32 {
        rule_for(&table.ports[&80][0], ask).map_or(0, |rule| rule.priority)
    }

    fn ask<'a>(host: &'a str, target: &'a str, headers: &'a HeaderMap) -> Ask<'a> {
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
        let source = IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3));
        Ask { host, path, query, method: "GET", headers, source }
    }

    #[test]
    fn each_kind_of_condition_holds_where_it_should() {
        let mut headers = HeaderMap::new();
        headers.append("x-env", HeaderValue::from_static("staging"));
        headers.append("x-env", HeaderValue::from_static("Canary-7"));
        let rows = [
            ("1.Field=host-header&1.Values.member.1=*.Example.com", "a.example.com", "/", true),
            ("1.Field=host-header&1.Values.member.1=*.example.com", "example.com", "/", false),
            ("1.Field=host-header&1.RegexValues.member.1=^A[0-9]", "a1.example.com", "/", true),
            ("1.Field=path-pattern&1.Values.member.1=/api/*", "h", "/api/x?y", true),
            ("1.Field=path-pattern&1.Values.member.1=/api/*", "h", "/API/x", false),
            ("1.Field=path-pattern&1.Values.member.1=/api/*", "h", "/a/../api/x", false),
            ("1.Field=path-pattern&1.Values.member.1=/a&1.Values.member.2=/b", "h", "/b", true),
            ("1.Field=path-pattern&1.RegexValues.member.1=^/v[0-9]%2B$", "h", "/v12", true),
            (
                "1.Field=http-header&1.HttpHeaderConfig.HttpHeaderName=X-Env&1.HttpHeaderConfig.Values.member.1=canary-?",
                "h",
                "/",
                true,
            ),
            (
                "1.Field=http-header&1.HttpHeaderConfig.HttpHeaderName=X-None&1.HttpHeaderConfig.Values.member.1=*",
                "h",
                "/",
                false,
            ),
            (
                "1.Field=http-request-method&1.HttpRequestMethodConfig.Values.member.1=POST",
                "h",
                "/",
                false,
            ),
            (
                "1.Field=http-request-method&1.HttpRequestMethodConfig.Values.member.1=GET",
                "h",
                "/",
                true,
            ),
            (
                "1.Field=query-string&1.QueryStringConfig.Values.member.1.Key=V&1.QueryStringConfig.Values.member.1.Value=1*",
                "h",
                "/?a=1&v=12",
                true,
            ),
            (
                "1.Field=query-string&1.QueryStringConfig.Values.member.1.Value=beta",
                "h",
                "/?any=BETA",
                true,
            ),
            (
                "1.Field=query-string&1.QueryStringConfig.Values.member.1.Value=beta",
                "h",
                "/?beta",
                false,
            ),
            (
                "1.Field=query-string&1.QueryStringConfig.Values.member.1.Value=%5C*",
                "h",
                "/?a=x",
                false,
            ),
            ("1.Field=source-ip&1.SourceIpConfig.Values.member.1=10.0.0.0/8", "h", "/", true),
            ("1.Field=source-ip&1.SourceIpConfig.Values.member.1=::/0", "h", "/", false),
        ];
        for (conditions, host, target, expected) in rows {
            let got = falls_under(&table(&[conditions]), &ask(host, target, &headers)) == 1;
            assert_eq!(got, expected, "{conditions} on {host}{target}");
        }
    }

    #[test]
    fn the_lowest_priority_wins_and_all_conditions_must_hold() {
        let table = table(&[
            "1.Field=host-header&1.Values.member.1=a.example.com&2.Field=path-pattern&2.Values.member.1=/x",
            "1.Field=path-pattern&1.Values.member.1=/x*",
            "1.Field=path-pattern&1.Values.member.1=/x",
        ]);
        let none = HeaderMap::new();
        for (host, target, expected) in
            [("a.example.com", "/x", 1), ("b.example.com", "/x", 2), ("a.example.com", "/y", 0)]
        {
            assert_eq!(falls_under(&table, &ask(host, target, &none)), expected, "{host}{target}");
        }
    }

    proptest! {
        #[test]
        fn no_request_makes_it_panic(
            host in "\\PC{0,20}",
            path in "\\PC{0,20}",
            query in proptest::option::of("\\PC{0,20}"),
            value: Vec<u8>,
        ) {
            static TABLE: OnceLock<Table> = OnceLock::new();
            let table = TABLE.get_or_init(|| table(&[
                "1.Field=host-header&1.Values.member.1=*.a?.com",
                "1.Field=path-pattern&1.RegexValues.member.1=(a%2B)%2B$",
                "1.Field=query-string&1.QueryStringConfig.Values.member.1.Key=*&1.QueryStringConfig.Values.member.1.Value=?",
                "1.Field=http-header&1.HttpHeaderConfig.HttpHeaderName=a&1.HttpHeaderConfig.Values.member.1=*a*",
            ]));
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert("a", value);
            }
            let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let ask = Ask {
                host: &host, path: &path, query: query.as_deref(), method: &host, headers: &headers, source,
            };
            falls_under(table, &ask);
        }
    }
}
