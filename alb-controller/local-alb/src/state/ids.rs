//! Names of things: ARNs, and the random parts in them.

use std::fmt;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The full name of a load balancer, listener, rule, target group or certificate.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Arn(Arc<str>);

impl Arn {
    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What comes after the first `KIND/`: `app/name/id` of a load balancer's ARN.
    pub(crate) fn after(&self, kind: &str) -> &str {
        self.0.split_once(kind).map_or("", |(_, rest)| rest)
    }
}

impl From<String> for Arn {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Arn {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl std::borrow::Borrow<str> for Arn {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Arn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The source of the random parts; the same seed gives the same names.
#[derive(Clone, Debug)]
pub(crate) struct Ids(StdRng);

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// So many hexadecimal digits.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        (0..digits).filter_map(|_| char::from_digit(self.0.random_range(0..16), 16)).collect()
    }

    /// So many decimal digits.
    pub(crate) fn digits(&mut self, digits: usize) -> String {
        (0..digits).filter_map(|_| char::from_digit(self.0.random_range(0..10), 10)).collect()
    }

    /// A random number in the form of a UUID.
    pub(crate) fn uuid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.0.random()).into_uuid().to_string()
    }
}
