//! What the gateway makes of fields of a request before it routes, for conditions that ask for them.

use super::{asked::Asked, headers, known::Known};
use crate::edge::Trust;
use edgeway_core::request::{Edge, Made};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::{borrow::Cow, net::IpAddr};

/// A request at the gateway's edge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtEdge<'a> {
    /// The request.
    pub(crate) asked: &'a Asked,
    /// Its fields, as sent.
    pub(crate) fields: &'a HeaderMap,
    /// Who is believed.
    pub(crate) trust: &'a Trust,
    /// The other end of the connection.
    pub(crate) peer: IpAddr,
    /// The request's new id.
    pub(crate) id: Option<&'a HeaderValue>,
    /// The certificate that the client showed.
    pub(crate) certificate: Option<&'a HeaderValue>,
}

impl Edge for AtEdge<'_> {
    fn made(&self, field: Made) -> Option<Cow<'_, [u8]>> {
        let Self { asked, fields, trust, peer, id, certificate } = *self;
        let as_sent = |name: HeaderName| fields.get(name).map(|value| Cow::from(value.as_bytes()));
        match field {
            Made::ForwardedFor => {
                let all = trust.forwarded_for(fields, peer)?;
                Some(all.into_bytes().into())
            }
            Made::RequestId => id.map(|id| id.as_bytes().into()),
            Made::ExternalAddress => Some(asked.client.to_string().into_bytes().into()),
            Made::ClientCertificate => certificate.map(|it| it.as_bytes().into()),
            Made::Connection if asked.websocket => as_sent(header::CONNECTION),
            Made::Upgrade if asked.websocket => as_sent(header::UPGRADE),
            Made::Connection | Made::Upgrade => None,
            Made::Te => {
                let crosses = asked.known.has(Known::HOP)
                    && headers::has_token(fields, &header::TE, "trailers");
                crosses.then(|| b"trailers"[..].into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{edge::Edge as Settings, proxy::asked::Origin};
    use edgeway_core::request::Scheme;

    const FIELDS: [Made; 7] = [
        Made::ForwardedFor,
        Made::RequestId,
        Made::ExternalAddress,
        Made::ClientCertificate,
        Made::Connection,
        Made::Upgrade,
        Made::Te,
    ];

    fn made(hops: usize, lines: &[(&str, &str)]) -> [Option<String>; 7] {
        let mut request = http::Request::builder().uri("/").header("host", "a");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let settings = Settings { trust: Trust::hops(hops), ..Settings::default() };
        let peer = IpAddr::from([10, 0, 0, 1]);
        let asked =
            Asked::new(&parts, Origin { scheme: Scheme::Http, peer, edge: &settings }).unwrap();
        let (fields, trust) = (&parts.headers, &settings.trust);
        let (id, certificate) =
            (HeaderValue::from_static("new"), HeaderValue::from_static("Hash="));
        let (id, certificate) = (Some(&id), (hops > 0).then_some(&certificate));
        let edge = AtEdge { asked: &asked, fields, trust, peer, id, certificate };
        FIELDS.map(|field| {
            edge.made(field).map(|value| String::from_utf8(value.into_owned()).unwrap())
        })
    }

    #[test]
    fn conditions_see_what_endpoints_will() {
        let forged = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-request-id", "old"),
            ("x-envoy-external-address", "9.9.9.9"),
            ("x-forwarded-client-cert", "Hash=0"),
            ("te", "gzip, trailers"),
        ];
        let websocket = [("connection", "Upgrade"), ("upgrade", "websocket")];
        let lonely = [("upgrade", "websocket"), ("te", "gzip"), ("connection", "te")];
        for (hops, lines, expected) in [
            (0, &[][..], [Some("10.0.0.1"), Some("new"), Some("10.0.0.1"), None, None, None, None]),
            (
                0,
                &forged,
                [
                    Some("1.1.1.1,10.0.0.1"),
                    Some("new"),
                    Some("10.0.0.1"),
                    None,
                    None,
                    None,
                    Some("trailers"),
                ],
            ),
            (
                1,
                &forged,
                [
                    Some("1.1.1.1,10.0.0.1"),
                    Some("new"),
                    Some("1.1.1.1"),
                    Some("Hash="),
                    None,
                    None,
                    Some("trailers"),
                ],
            ),
            (
                0,
                &websocket,
                [
                    Some("10.0.0.1"),
                    Some("new"),
                    Some("10.0.0.1"),
                    None,
                    Some("Upgrade"),
                    Some("websocket"),
                    None,
                ],
            ),
            (0, &lonely, [Some("10.0.0.1"), Some("new"), Some("10.0.0.1"), None, None, None, None]),
        ] {
            assert_eq!(made(hops, lines), expected.map(|it| it.map(str::to_owned)), "{lines:?}");
        }
    }
}
