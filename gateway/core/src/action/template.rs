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
    Request(HeaderName, Option<HeaderName>, Option<usize>),
    /// `%RESP(name?alternative):length%`.
    Response(HeaderName, Option<HeaderName>, Option<usize>),
    /// Any other of Envoy's operators, by name: `RESPONSE_CODE`, `DOWNSTREAM_REMOTE_ADDRESS`, …
    Operator(Box<str>),
}

/// Where variables come from; the shell implements it over the exchange.
pub trait Variables {
    /// The value, or `None` if there is none (Envoy then prints `-`).
    fn value(&self, variable: &Variable) -> Option<Cow<'_, str>>;
}

impl Template {
    /// The value to send; `None` if it is empty or cannot be sent (then nothing is written).
    pub fn render(&self, variables: &dyn Variables) -> Option<HeaderValue> {
        match self {
            Self::Literal(value) => Some(value.clone()),
            Self::Format(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(part) => text.push_str(part),
                        Piece::Variable(variable) => {
                            text.push_str(&variables.value(variable).unwrap_or("-".into()));
                        }
                    }
                }
                HeaderValue::from_str(&text).ok().filter(|value| !value.is_empty())
            }
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
