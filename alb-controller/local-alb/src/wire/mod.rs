//! What travels between a client of AWS and us: parameters in, trees out.

pub(crate) mod doc;
pub(crate) mod envelope;
pub(crate) mod query;
pub(crate) mod receive;
pub(crate) mod server;
pub(crate) mod time;

use std::time::SystemTime;

pub(crate) use doc::Fields;
pub(crate) use envelope::Service;
pub(crate) use query::{Params, Query};
use serde_json::Value;

/// A call as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The service it is for.
    pub(crate) service: Service,
    /// The name of the operation.
    pub(crate) action: String,
    /// The region it is for.
    pub(crate) region: String,
    /// The parameters of a Query call.
    pub(crate) query: Query,
    /// The parameters of a JSON call.
    pub(crate) json: Value,
}

/// What an operation is given.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The parameters of a Query call.
    pub(crate) params: Params<'a>,
    /// The parameters of a JSON call.
    pub(crate) json: &'a Value,
    /// When the call arrived.
    pub(crate) now: SystemTime,
}

/// The result of an operation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// Of a Query call.
    Xml(Fields),
    /// Of a JSON call.
    Json(Value),
}

impl From<Fields> for Reply {
    fn from(fields: Fields) -> Self {
        Self::Xml(fields)
    }
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}
