//! Header values: literals, or Envoy's format strings such as `%REQ(x-a)%`.

use http::{HeaderName, HeaderValue};
use serde::{Serialize, Serializer, ser::SerializeSeq};
use std::borrow::Cow;

/// A header value, parsed once.
#[derive(Clone, Debug)]
pub enum Template {
    /// Ready to be sent.
    Literal(HeaderValue),
    /// Put together per request.
    Format(Vec<Piece>),
}

/// A part of a format string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text.
    Text(Box<str>),
    /// Something that only the running request knows.
    Variable(Variable),
}

/// What a format string may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// `%REQ(name?alternative):length%`.
    Request(HeaderField, Option<HeaderField>, Option<usize>),
    /// `%RESP(name?alternative):length%`.
    Response(HeaderField, Option<HeaderField>, Option<usize>),
    /// Any other of Envoy's operators, by name: `RESPONSE_CODE`, `DOWNSTREAM_REMOTE_ADDRESS`, …
    Operator(Box<str>),
}

/// A header field or pseudo header that a format string names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderField {
    /// `:method`.
    Method,
    /// `:path`, with the query.
    Path,
    /// `:authority`.
    Authority,
    /// `:scheme`.
    Scheme,
    /// `:status`.
    Status,
    /// An ordinary one.
    Named(HeaderName),
}

/// Where variables come from; the shell implements it over the exchange.
pub trait Variables {
    /// The value, or `None` if there is none: then nothing is written in its place.
    fn value(&self, variable: &Variable) -> Option<Cow<'_, str>>;
}

impl Template {
    /// The value to send; `None` if it is empty or cannot be sent (then nothing is written).
    pub fn render(&self, variables: &dyn Variables) -> Option<HeaderValue> {
        match self {
            Self::Literal(value) => Some(value.clone()).filter(|value| !value.is_empty()),
            Self::Format(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(part) => text.push_str(part),
                        Piece::Variable(variable) => {
                            text.push_str(&variables.value(variable).unwrap_or_default());
                        }
                    }
                }
                HeaderValue::from_str(&text).ok().filter(|value| !value.is_empty())
            }
        }
    }
}

/// Why a header value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTemplate(pub String);

/// Operators that carry no argument, as the access log and header formats of Envoy name them.
const OPERATORS: &[&str] = &[
    "BYTES_RECEIVED",
    "CONNECTION_ID",
    "CONNECTION_TERMINATION_DETAILS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_CERT",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_TLS_VERSION",
    "HOSTNAME",
    "PROTOCOL",
    "REQUESTED_SERVER_NAME",
    "RESPONSE_CODE",
    "RESPONSE_CODE_DETAILS",
    "RESPONSE_FLAGS",
    "ROUTE_NAME",
    "START_TIME",
    "STREAM_ID",
    "UPSTREAM_CLUSTER",
    "UPSTREAM_HOST",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_REMOTE_ADDRESS",
    "VIRTUAL_CLUSTER_NAME",
];

impl Template {
    /// Reads a value as it stands in a manifest: `%%` is a percent sign, `%NAME%` and
    /// `%NAME(argument):length%` are Envoy's operators.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            literal.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                literal.push('%');
                rest = after;
                continue;
            }
            let (operator, after) = operator(after)?;
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
            }
            pieces.push(Piece::Variable(operator));
            rest = after;
        }
        literal.push_str(rest);
        if pieces.is_empty() {
            let value = HeaderValue::from_str(&literal);
            return value
                .map(Self::Literal)
                .map_err(|_| BadTemplate("it has characters that no header may carry".into()));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal.into()));
        }
        Ok(Self::Format(pieces))
    }
}

/// The operator at the start of `text` (its first `%` is already read) and what follows it.
fn operator(text: &str) -> Result<(Variable, &str), BadTemplate> {
    let bad = || BadTemplate(format!("`%{text}` is no operator; write `%%` for a percent sign"));
    let name_end = text.find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
    let (name, rest) = text.split_at(name_end.ok_or_else(bad)?);
    let (argument, rest) = match rest.strip_prefix('(') {
        None => (None, rest),
        Some(rest) => {
            let (argument, rest) = rest.split_once(')').ok_or_else(bad)?;
            (Some(argument), rest)
        }
    };
    let (length, rest) = match rest.strip_prefix(':') {
        None => (None, rest),
        Some(rest) => {
            let end = rest.find('%').ok_or_else(bad)?;
            let (digits, rest) = rest.split_at(end);
            (Some(digits.parse::<usize>().map_err(|_| bad())?), rest)
        }
    };
    let rest = rest.strip_prefix('%').ok_or_else(bad)?;
    let variable = match (name, argument) {
        ("REQ", Some(argument)) => {
            let (header, alternative) = header_names(argument).ok_or_else(bad)?;
            Variable::Request(header, alternative, length)
        }
        ("RESP", Some(argument)) => {
            let (header, alternative) = header_names(argument).ok_or_else(bad)?;
            Variable::Response(header, alternative, length)
        }
        ("START_TIME", Some(format)) => Variable::Operator(format!("START_TIME({format})").into()),
        (name, None) if OPERATORS.contains(&name) => Variable::Operator(name.into()),
        _ => return Err(BadTemplate(format!("the operator `%{name}%` is not supported"))),
    };
    Ok((variable, rest))
}

/// `name` or `name?alternative`; pseudo headers keep their colon.
fn header_names(argument: &str) -> Option<(HeaderField, Option<HeaderField>)> {
    let (name, alternative) = match argument.split_once('?') {
        Some((name, alternative)) => (name, Some(HeaderField::parse(alternative)?)),
        None => (argument, None),
    };
    Some((HeaderField::parse(name)?, alternative))
}

impl HeaderField {
    fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            ":method" => Some(Self::Method),
            ":path" => Some(Self::Path),
            ":authority" | "host" => Some(Self::Authority),
            ":scheme" => Some(Self::Scheme),
            ":status" => Some(Self::Status),
            name => HeaderName::from_bytes(name.as_bytes()).ok().map(Self::Named),
        }
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Literal(value) => serializer.collect_str(&value.to_str().unwrap_or("?")),
            Self::Format(pieces) => serializer.collect_str(&format_args!("{pieces:?}")),
        }
    }
}

pub(super) fn names<S: Serializer>(names: &[HeaderName], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(names.len()))?;
    for name in names {
        list.serialize_element(name.as_str())?;
    }
    list.end()
}

pub(super) fn pairs<S: Serializer>(
    pairs: &[(HeaderName, Template)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(pairs.len()))?;
    for (name, value) in pairs {
        list.serialize_element(&(name.as_str(), value))?;
    }
    list.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known;

    impl Variables for Known {
        fn value(&self, variable: &Variable) -> Option<Cow<'_, str>> {
            match variable {
                Variable::Request(HeaderField::Named(name), _, length) => {
                    let text = name.as_str().get(..length.unwrap_or(usize::MAX));
                    Some(text.unwrap_or(name.as_str()).to_owned().into())
                }
                Variable::Operator(name) if &**name == "RESPONSE_CODE" => Some("200".into()),
                Variable::Request(..) | Variable::Response(..) | Variable::Operator(_) => None,
            }
        }
    }

    #[test]
    fn values_are_read_as_envoy_reads_them() {
        for (text, rendered) in [
            ("plain", Some("plain")),
            ("100%%", Some("100%")),
            ("", None),
            ("a-%REQ(x-b)%-c", Some("a-x-b-c")),
            ("%REQ(X-Long):3%", Some("x-l")),
            ("%RESPONSE_CODE%%%", Some("200%")),
            ("%REQ(:method)%", None),
        ] {
            let value = Template::parse(text).unwrap().render(&Known);
            assert_eq!(value.as_ref().map(|v| v.to_str().unwrap()), rendered, "{text}");
        }
        for bad in
            ["50%", "%", "%NOPE%", "%REQ%", "%REQ(x", "%REQ(a b)%", "%REQ(x):y%", "a\nb", "%lower%"]
        {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
