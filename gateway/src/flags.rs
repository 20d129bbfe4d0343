//! Response flags: why a request ended as it did, in Envoy's shorthand.

use std::{borrow::Cow, ops};

/// A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Flags(u32);

impl Flags {
    /// Nothing went wrong.
    pub(crate) const NONE: Self = Self(0);
    /// Retries were used up.
    pub(crate) const RETRIES_EXHAUSTED: Self = Self(1);
    /// No endpoint.
    pub(crate) const NO_ENDPOINT: Self = Self(1 << 1);
    /// The endpoint did not answer in time.
    pub(crate) const TIMEOUT: Self = Self(1 << 2);
    /// Could not connect.
    pub(crate) const CONNECT_FAILURE: Self = Self(1 << 3);
    /// The endpoint closed the connection.
    pub(crate) const TERMINATED: Self = Self(1 << 4);
    /// No route.
    pub(crate) const NO_ROUTE: Self = Self(1 << 5);
    /// The client went away.
    pub(crate) const CLIENT_GONE: Self = Self(1 << 6);
    /// The client did not speak HTTP properly.
    pub(crate) const CLIENT_PROTOCOL: Self = Self(1 << 7);
    /// The endpoint did not speak HTTP properly.
    pub(crate) const ENDPOINT_PROTOCOL: Self = Self(1 << 8);
    /// The route names a destination that does not exist.
    pub(crate) const NO_CLUSTER: Self = Self(1 << 9);
    /// It was held up on purpose.
    pub(crate) const DELAYED: Self = Self(1 << 10);
    /// It was aborted on purpose.
    pub(crate) const ABORTED: Self = Self(1 << 11);
    /// A limit of the destination was reached.
    pub(crate) const OVERFLOW: Self = Self(1 << 13);
    /// The endpoint called the request off.
    pub(crate) const ENDPOINT_RESET: Self = Self(1 << 14);
    /// The client called the request off.
    pub(crate) const CLIENT_RESET: Self = Self(1 << 12);
    /// Nothing moved for too long.
    pub(crate) const STREAM_IDLE: Self = Self(1 << 15);
    /// It was turned away, since memory was short.
    pub(crate) const OVERLOAD: Self = Self(1 << 16);

    /// In the order in which they are written.
    const WORDS: [(Self, &'static str); 17] = [
        (Self::RETRIES_EXHAUSTED, "URX"),
        (Self::DELAYED, "DI"),
        (Self::ABORTED, "FI"),
        (Self::NO_ENDPOINT, "UH"),
        (Self::TIMEOUT, "UT"),
        (Self::CONNECT_FAILURE, "UF"),
        (Self::TERMINATED, "UC"),
        (Self::OVERFLOW, "UO"),
        (Self::ENDPOINT_RESET, "UR"),
        (Self::NO_ROUTE, "NR"),
        (Self::CLIENT_GONE, "DC"),
        (Self::CLIENT_RESET, "DR"),
        (Self::STREAM_IDLE, "SI"),
        (Self::CLIENT_PROTOCOL, "DPE"),
        (Self::ENDPOINT_PROTOCOL, "UPE"),
        (Self::NO_CLUSTER, "NC"),
        (Self::OVERLOAD, "OM"),
    ];

    /// Whether all of `other` are set.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// `-`, or the words, joined by commas.
    pub(crate) fn text(self) -> Cow<'static, str> {
        let words =
            || Self::WORDS.iter().filter(|(flag, _)| self.has(*flag)).map(|(_, word)| *word);
        match (words().next(), words().nth(1)) {
            (None, _) => Cow::Borrowed("-"),
            (Some(word), None) => Cow::Borrowed(word),
            (Some(_), Some(_)) => Cow::Owned(words().collect::<Vec<_>>().join(",")),
        }
    }
}

impl ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl ops::BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::Flags;

    #[test]
    fn flags_are_written_as_envoy_writes_them() {
        for (flags, text) in [
            (Flags::NONE, "-"),
            (Flags::NO_ROUTE, "NR"),
            (Flags::CONNECT_FAILURE | Flags::RETRIES_EXHAUSTED, "URX,UF"),
            (Flags::TIMEOUT | Flags::RETRIES_EXHAUSTED, "URX,UT"),
            (Flags::TIMEOUT | Flags::DELAYED, "DI,UT"),
        ] {
            assert_eq!(flags.text(), text);
        }
    }
}
