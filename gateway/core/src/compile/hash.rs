//! `consistentHash`: what a destination's requests are told apart by.

use crate::{
    action::hash::{Cookie, HashSource},
    matcher::header::never_crosses,
    request::Made,
};
use edgeway_api::{
    destination_rule::{ConsistentHash, LoadBalancerSettings},
    duration::Duration,
};
use http::HeaderName;

/// What `settings` tell requests apart by; `None` if they do not, or by what no request can have.
pub(super) fn source(settings: Option<&LoadBalancerSettings>) -> Option<HashSource> {
    let ConsistentHash {
        http_header_name,
        http_cookie,
        use_source_ip,
        http_query_parameter_name,
        ring_hash: _,
        maglev: _,
        minimum_ring_size: _,
    } = settings?.consistent_hash.as_ref()?;
    if let Some(name) = http_header_name.as_deref().filter(|name| !name.is_empty()) {
        return header(name).filter(|source| match source {
            HashSource::Header(name) => !never_crosses(name),
            HashSource::Made(_)
            | HashSource::Authority
            | HashSource::Path
            | HashSource::Method
            | HashSource::Scheme
            | HashSource::Query(_)
            | HashSource::Cookie(_)
            | HashSource::ClientAddress => true,
        });
    }
    if let Some(cookie) = http_cookie {
        let attributes = cookie.attributes.iter();
        return Some(HashSource::Cookie(Cookie::new(
            &cookie.name,
            cookie.path.as_deref().unwrap_or_default(),
            cookie.ttl.as_ref().and_then(Duration::get),
            attributes.map(|one| (one.name.as_str(), one.value.as_deref().unwrap_or_default())),
        )));
    }
    if *use_source_ip == Some(true) {
        return Some(HashSource::ClientAddress);
    }
    let parameter = http_query_parameter_name.as_deref().filter(|name| !name.is_empty());
    parameter.map(|name| HashSource::Query(name.into()))
}

/// A header by its name, pseudo headers included; `None` if none can have this name.
pub(super) fn header(name: &str) -> Option<HashSource> {
    Some(match name.to_ascii_lowercase().as_str() {
        ":authority" | "host" => HashSource::Authority,
        ":path" => HashSource::Path,
        ":method" => HashSource::Method,
        ":scheme" | "x-forwarded-proto" => HashSource::Scheme,
        other => {
            let name = HeaderName::try_from(other).ok()?;
            Made::named(&name).map_or(HashSource::Header(name), HashSource::Made)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration as Time;

    #[test]
    fn each_kind_of_key_is_read() {
        let minute = Some(Time::from_secs(60));
        for (hash, expected) in [
            ("{httpHeaderName: X-User}", Some(HashSource::Header("x-user".parse().unwrap()))),
            ("{httpHeaderName: ':authority'}", Some(HashSource::Authority)),
            ("{httpHeaderName: 'not a name'}", None),
            ("{httpHeaderName: X-Forwarded-For}", Some(HashSource::Made(Made::ForwardedFor))),
            ("{httpHeaderName: x-forwarded-proto}", Some(HashSource::Scheme)),
            ("{httpHeaderName: x-envoy-retry-on}", None),
            ("{useSourceIp: true}", Some(HashSource::ClientAddress)),
            ("{useSourceIp: false}", None),
            ("{httpQueryParameterName: Q}", Some(HashSource::Query("Q".into()))),
            (
                "{httpCookie: {name: c, path: /x, ttl: 60s, attributes: [{name: Secure}]}}",
                Some(HashSource::Cookie(Cookie::new("c", "/x", minute, [("Secure", "")]))),
            ),
            ("{httpCookie: {name: c}}", Some(HashSource::Cookie(Cookie::new("c", "", None, [])))),
            ("{}", None),
        ] {
            let text = format!("{{consistentHash: {hash}}}");
            let settings: LoadBalancerSettings = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(source(Some(&settings)), expected, "{hash}");
        }
        assert_eq!(source(None), None);
    }
}
