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

use crate::bucket::Objects;

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
    /// The objects of buckets that it names.
    pub(crate) objects: Objects,
}

/// What an operation is given.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The parameters of a Query call.
    pub(crate) params: Params<'a>,
    /// The parameters of a JSON call.
    pub(crate) json: &'a Value,
    /// The objects of buckets that it names, as far as they are there.
    pub(crate) objects: &'a Objects,
    /// When the call arrived.
    pub(crate) now: SystemTime,
}

impl Call<'_> {
    /// An object of a bucket.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> Option<&[u8]> {
        self.objects.get(&(bucket.to_owned(), key.to_owned())).map(Vec::as_slice)
    }
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
