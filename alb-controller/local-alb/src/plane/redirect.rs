//! Where a redirect sends a client.

use super::evaluate::Ask;
use super::table::Site;
use crate::state::rule::Redirect;

/// The longest `Location`; a longer one is an error of its own.
pub(crate) const LONGEST: usize = 8192;

/// The target of a redirect. The port is always named, as AWS does, and it is the listener's own
/// port, whatever this machine made of it.
pub(crate) fn location(redirect: &Redirect, site: &Site, ask: &Ask<'_>) -> String {
    let protocol = match redirect.protocol.as_str() {
        "#{protocol}" => site.protocol.scheme().to_owned(),
        other => other.to_ascii_lowercase(),
    };
    let port = site.port.to_string();
    let path = ask.path.strip_prefix('/').unwrap_or(ask.path);
    let values = [
        ("#{protocol}", site.protocol.scheme()),
        ("#{host}", ask.host),
        ("#{port}", &port),
        ("#{path}", path),
        ("#{query}", ask.query.unwrap_or_default()),
    ];
    let filled = |template: &str| fill(template, &values);
    let query = filled(&redirect.query);
    let mark = if query.is_empty() { "" } else { "?" };
    format!(
        "{protocol}://{}:{}{}{mark}{query}",
        filled(&redirect.host),
        filled(&redirect.port),
        filled(&redirect.path),
    )
}

/// Puts values in the place of their names; a value is not looked into again.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("#{") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let known = values.iter().find(|(name, _)| from.starts_with(name));
        let (text, used) = known.map_or(("#{", 2), |(name, value)| (*value, name.len()));
        out.push_str(text);
        rest = from.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use http::HeaderMap;

    use super::*;
    use crate::api::tests::Account;
    use crate::plane::table::Table;

    #[test]
    fn placeholders_take_the_parts_of_the_request() {
        let mut account = Account::new();
        let lb = account.load_balancer("shop");
        account.listener(&lb, 80);
        let table = Table::of(account.world.regions(), &Table::default());
        let site = &table.ports[&80][0];
        let headers = HeaderMap::new();
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let redirect = |protocol: &str, host: &str, port: &str, path: &str, query: &str| Redirect {
            protocol: protocol.into(),
            host: host.into(),
            port: port.into(),
            path: path.into(),
            query: query.into(),
            permanent: true,
        };
        let plain = |protocol, port| redirect(protocol, "#{host}", port, "/#{path}", "#{query}");
        let rows = [
            (plain("HTTPS", "443"), "/a/b", Some("x=1"), "https://shop.example.com:443/a/b?x=1"),
            (plain("#{protocol}", "8080"), "/", None, "http://shop.example.com:8080/"),
            (plain("HTTPS", "#{port}"), "/", None, "https://shop.example.com:80/"),
            (
                redirect("HTTP", "new.#{host}", "80", "/v2/#{path}", "from=#{path}&#{query}"),
                "/a",
                Some("q"),
                "http://new.shop.example.com:80/v2/a?from=a&q",
            ),
            (
                redirect("HTTP", "h", "80", "/#{path}/#{none}", ""),
                "/#{host}",
                Some("q"),
                "http://h:80/#{host}/#{none}",
            ),
        ];
        for (redirect, path, query, expected) in rows {
            let host = "shop.example.com";
            let ask = Ask { host, path, query, method: "GET", headers: &headers, source };
            assert_eq!(location(&redirect, site, &ask), expected);
        }
    }
}
