//! Counts of TLS with clients, and when our certificates end.

use super::{counters, gauges};
use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Registry};
use std::collections::BTreeMap;

/// Why a client has no TLS with us, a closed set: the reasons are labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsFailure {
    /// What it began with is no TLS greeting, or was not complete in time.
    Greeting,
    /// No server is for the name that it asked for.
    NoServer,
    /// The server has no certificate that can be used.
    NoCertificate,
    /// The handshake was not complete in time.
    Timeout,
    /// It went away.
    Closed,
    /// It sent an alert: often it does not believe our certificate.
    Alert,
    /// There is no version, cipher suite or group that both know.
    Incompatible,
    /// It showed no certificate where one is wanted.
    ClientNone,
    /// Its certificate is out of date.
    ClientExpired,
    /// Its certificate was revoked.
    ClientRevoked,
    /// Nobody whom we trust vouches for its certificate.
    ClientUntrusted,
    /// Its certificate is none of those that were named.
    ClientNotNamed,
    /// Its certificate is of no use otherwise.
    ClientCertificate,
    /// It does not keep to the protocol.
    Protocol,
}

impl TlsFailure {
    const ALL: [Self; 14] = [
        Self::Greeting,
        Self::NoServer,
        Self::NoCertificate,
        Self::Timeout,
        Self::Closed,
        Self::Alert,
        Self::Incompatible,
        Self::ClientNone,
        Self::ClientExpired,
        Self::ClientRevoked,
        Self::ClientUntrusted,
        Self::ClientNotNamed,
        Self::ClientCertificate,
        Self::Protocol,
    ];

    /// The label.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::NoServer => "no_server",
            Self::NoCertificate => "no_certificate",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Alert => "alert",
            Self::Incompatible => "incompatible",
            Self::ClientNone => "client_certificate_none",
            Self::ClientExpired => "client_certificate_expired",
            Self::ClientRevoked => "client_certificate_revoked",
            Self::ClientUntrusted => "client_certificate_untrusted",
            Self::ClientNotNamed => "client_certificate_not_named",
            Self::ClientCertificate => "client_certificate",
            Self::Protocol => "protocol",
        }
    }
}

/// A handshake that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shaken {
    /// Of TLS 1.3; otherwise of 1.2.
    pub(crate) v1_3: bool,
    /// A session was taken up again.
    pub(crate) resumed: bool,
}

/// The families.
#[derive(Debug)]
pub(crate) struct Tls {
    /// By version, then by whether a session was resumed.
    shaken: [[IntCounter; 2]; 2],
    failures: [IntCounter; TlsFailure::ALL.len()],
    expiry: IntGaugeVec,
}

const VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];
const FAILURES: &str = "edgeway_tls_handshake_failures_total";
const EXPIRY: (&str, &str) = (
    "edgeway_certificate_expiry_seconds",
    "When the first of a server's certificates ends, in seconds since 1970.",
);

impl Tls {
    pub(super) fn new(on: &Registry) -> Result<Self, prometheus::Error> {
        let help = "TLS handshakes with clients.";
        let shaken = counters(on, ("edgeway_tls_handshakes_total", help), &["version", "resumed"])?;
        let help = "TLS handshakes with clients that failed, by reason.";
        let failures: IntCounterVec = counters(on, (FAILURES, help), &["reason"])?;
        Ok(Self {
            shaken: VERSIONS.map(|version| {
                ["false", "true"].map(|resumed| shaken.with_label_values(&[version, resumed]))
            }),
            failures: TlsFailure::ALL.map(|failure| failures.with_label_values(&[failure.label()])),
            expiry: gauges(on, EXPIRY, &["gateway", "server"])?,
        })
    }

    /// Counts a handshake.
    pub(crate) fn shaken(&self, Shaken { v1_3, resumed }: Shaken) {
        let [[full_1_2, resumed_1_2], [full_1_3, resumed_1_3]] = &self.shaken;
        let counter = match (v1_3, resumed) {
            (false, false) => full_1_2,
            (false, true) => resumed_1_2,
            (true, false) => full_1_3,
            (true, true) => resumed_1_3,
        };
        counter.inc();
    }

    /// Counts a handshake that came to nothing.
    pub(crate) fn failed(&self, failure: TlsFailure) {
        let at = TlsFailure::ALL.iter().position(|it| *it == failure);
        if let Some(counter) = at.and_then(|at| self.failures.get(at)) {
            counter.inc();
        }
    }

    /// Tells when certificates end, by Gateway and the server's port name, and forgets those of servers
    /// that are no more.
    pub(crate) fn expire(&self, ends: &BTreeMap<(String, String), i64>) {
        self.expiry.reset();
        for ((gateway, server), end) in ends {
            self.expiry.with_label_values(&[gateway, server]).set(*end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{Encoder, TextEncoder};

    #[test]
    fn every_reason_and_version_has_a_counter_of_its_own() {
        let registry = Registry::new();
        let tls = Tls::new(&registry).unwrap();
        for failure in TlsFailure::ALL {
            tls.failed(failure);
        }
        for v1_3 in [false, true] {
            for resumed in [false, true] {
                tls.shaken(Shaken { v1_3, resumed });
            }
        }
        let owner = ("ns/gw".to_owned(), "https".to_owned());
        tls.expire(&BTreeMap::from([(("ns/old".to_owned(), "https".to_owned()), 1)]));
        tls.expire(&BTreeMap::from([(owner, 1_900_000_000)]));
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let counted = text.lines().filter(|line| line.ends_with("} 1")).count();
        assert_eq!(counted, TlsFailure::ALL.len() + 4, "{text}");
        let line =
            r#"edgeway_certificate_expiry_seconds{gateway="ns/gw",server="https"} 1900000000"#;
        assert!(text.contains(line) && !text.contains("ns/old"), "{text}");
    }
}
