//! Where the variables of header operations come from: the exchange as it stands.

use super::{asked::Asked, headers::X_REQUEST_ID, record::Record};
use crate::access::Timestamp;
use edgeway_core::action::template::{HeaderField, Variable, Variables};
use http::{HeaderMap, Method, StatusCode, Version};
use std::{borrow::Cow, net::SocketAddr};

/// An exchange, for the time of one operation.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// The client's protocol.
    pub(crate) version: Version,
    /// The request's method.
    pub(crate) method: &'a Method,
    /// The request's fields.
    pub(crate) request: &'a HeaderMap,
    /// The request in its final form.
    pub(crate) asked: &'a Asked,
    /// The response, once there is one.
    pub(crate) response: Option<(StatusCode, &'a HeaderMap)>,
    /// Everything else.
    pub(crate) record: &'a Record<'a>,
    /// The client's end of the connection.
    pub(crate) remote: SocketAddr,
    /// Our end.
    pub(crate) local: Option<SocketAddr>,
}

impl Variables for Scene<'_> {
    fn value(&self, variable: &Variable) -> Option<Cow<'_, str>> {
        match variable {
            Variable::Request(field, alternative, length) => {
                let value = self.request_field(field);
                let other = || alternative.as_ref().and_then(|field| self.request_field(field));
                value.or_else(other).map(|value| cut(value, *length))
            }
            Variable::Response(field, alternative, length) => {
                let value = self.response_field(field);
                let other = || alternative.as_ref().and_then(|field| self.response_field(field));
                value.or_else(other).map(|value| cut(value, *length))
            }
            Variable::Operator(name) => self.operator(name),
        }
    }
}

impl Scene<'_> {
    fn request_field(&self, field: &HeaderField) -> Option<Cow<'_, str>> {
        match field {
            HeaderField::Method => Some(self.method.as_str().into()),
            HeaderField::Path => Some(super::record::path(self.asked)),
            HeaderField::Authority => Some((*self.asked.authority).into()),
            HeaderField::Scheme => Some(self.asked.scheme.as_str().into()),
            HeaderField::Status => None,
            HeaderField::Named(name) if *name == X_REQUEST_ID => {
                self.record.id.as_ref().and_then(|id| id.to_str().ok()).map(Cow::Borrowed)
            }
            HeaderField::Named(name) => text(self.request, name),
        }
    }

    fn response_field(&self, field: &HeaderField) -> Option<Cow<'_, str>> {
        let (status, headers) = self.response?;
        match field {
            HeaderField::Status => Some(status.as_str().to_owned().into()),
            HeaderField::Named(name) => text(headers, name),
            HeaderField::Method
            | HeaderField::Path
            | HeaderField::Authority
            | HeaderField::Scheme => None,
        }
    }

    fn operator(&self, name: &str) -> Option<Cow<'_, str>> {
        let record = self.record;
        let owned = |value: String| Some(Cow::Owned(value));
        let ip = |address: SocketAddr| address.ip().to_string();
        match name {
            "BYTES_RECEIVED" => owned(record.request_bytes.to_string()),
            "DOWNSTREAM_REMOTE_ADDRESS" => owned(self.asked.from(self.remote).to_string()),
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => owned(self.asked.client.to_string()),
            "DOWNSTREAM_REMOTE_PORT" => owned(self.remote.port().to_string()),
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => owned(self.remote.to_string()),
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => owned(ip(self.remote)),
            "DOWNSTREAM_LOCAL_ADDRESS" => self.local.map(|local| local.to_string().into()),
            "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => self.local.map(|local| ip(local).into()),
            "DOWNSTREAM_LOCAL_PORT" => self.local.map(|local| local.port().to_string().into()),
            "PROTOCOL" => Some(super::record::protocol(self.version).into()),
            "RESPONSE_CODE" => {
                owned(self.response.map_or(0, |(status, _)| status.as_u16()).to_string())
            }
            "RESPONSE_CODE_DETAILS" => {
                Some(Cow::Borrowed(&*record.details)).filter(|details| !details.is_empty())
            }
            "RESPONSE_FLAGS" => Some(record.flags.text()),
            "ROUTE_NAME" => record.route.map(|route| Cow::Borrowed(&*route.name)),
            "STREAM_ID" => self.request_field(&HeaderField::Named(X_REQUEST_ID.clone())),
            "UPSTREAM_CLUSTER" => record.cluster.map(Cow::Borrowed),
            "UPSTREAM_HOST" | "UPSTREAM_REMOTE_ADDRESS" => {
                record.upstream_host().map(|host| host.to_string().into())
            }
            "UPSTREAM_LOCAL_ADDRESS" => {
                let local = record.upstream.as_ref().and_then(|conn| conn.local());
                local.map(|local| local.to_string().into())
            }
            name if name.starts_with("START_TIME") => owned(Timestamp(record.at).to_string()),
            // What remains is about TLS and the like, of which this connection has none.
            _ => None,
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Option<Cow<'h, str>> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(Cow::Borrowed)
}

fn cut(value: Cow<'_, str>, length: Option<usize>) -> Cow<'_, str> {
    match length.and_then(|length| value.get(..length)) {
        Some(start) if start.len() < value.len() => Cow::Owned(start.to_owned()),
        Some(_) | None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::known::Known;
    use edgeway_core::{action::template::Template, request::Scheme};

    #[test]
    fn variables_are_taken_from_the_exchange() {
        let asked = Asked {
            scheme: Scheme::Http,
            authority: "a.example.com".into(),
            path: "/p".into(),
            query: Some("q".into()),
            client: [1, 1, 1, 1].into(),
            websocket: false,
            grpc: false,
            known: Known::default(),
        };
        let mut request = HeaderMap::new();
        request.insert("x-a", "value".parse().unwrap());
        let response = HeaderMap::new();
        let mut record = Record::new();
        record.id = Some("some-id".parse().unwrap());
        let scene = Scene {
            version: Version::HTTP_2,
            method: &Method::GET,
            request: &request,
            asked: &asked,
            response: Some((StatusCode::NOT_FOUND, &response)),
            record: &record,
            remote: ([10, 0, 0, 1], 5555).into(),
            local: None,
        };
        for (text, expected) in [
            ("%REQ(x-a)%", "value"),
            ("%REQ(x-a):3%", "val"),
            ("%REQ(x-none?x-a)%", "value"),
            ("%REQ(x-request-id)%", "some-id"),
            (
                "%REQ(:path)% %REQ(:method)% %REQ(:scheme)% %REQ(:authority)%",
                "/p?q GET http a.example.com",
            ),
            ("%RESP(x-none)%", ""),
            ("%RESP(:status)%/%RESPONSE_CODE%", "404/404"),
            ("%DOWNSTREAM_REMOTE_ADDRESS%", "1.1.1.1:5555"),
            ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "10.0.0.1"),
            ("%DOWNSTREAM_TLS_VERSION%", ""),
            ("%PROTOCOL%", "HTTP/2"),
            ("%UPSTREAM_HOST%", ""),
        ] {
            let value = Template::parse(text).unwrap().render(&scene);
            let value = value.as_ref().map_or("", |value| value.to_str().unwrap());
            assert_eq!(value, expected, "{text}");
        }
    }
}
