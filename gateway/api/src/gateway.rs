//! Gateway: ports that are open to the world, the hosts served on them, and their TLS.

use crate::{
    Object,
    resource::Spec,
    shape::{shape, words},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which workload opens which ports for which hosts.
pub type Gateway = Object<GatewaySpec>;

impl Spec for GatewaySpec {
    const KIND: &'static str = "Gateway";
}

shape! {
    /// What a [`Gateway`] asks for.
    GatewaySpec {
        /// The servers, each a port with hosts.
        servers: Vec<Server>,
        /// Labels of the pods that serve; empty selects every gateway.
        selector: BTreeMap<String, String>,
    }

    /// One port, and what is served there.
    Server {
        /// Where to listen, and what is spoken there.
        port: Option<Port>,
        /// Address to listen at instead of all.
        bind: Option<String>,
        /// Hosts as `host`, `namespace/host`, `./host` or `*/host`.
        hosts: Vec<String>,
        /// TLS of the port.
        tls: Option<ServerTls>,
        /// Has no effect in Istio either.
        default_endpoint: Option<String>,
        /// Name of the server, for people.
        name: Option<String>,
    }

    /// A port of a server.
    Port {
        /// The number that a client connects to.
        number: u32,
        /// HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP, TLS and the like.
        protocol: String,
        /// Name of the port, part of statistics.
        name: String,
        /// Deprecated; without effect.
        target_port: Option<u32>,
    }

    /// How a server terminates, passes through or enforces TLS.
    ServerTls {
        /// Answer plain HTTP with a redirect to https.
        https_redirect: Option<bool>,
        /// What happens to TLS on the port.
        mode: Option<TlsMode>,
        /// File with the server's certificates.
        server_certificate: Option<String>,
        /// File with the server's private key.
        private_key: Option<String>,
        /// File with the authorities that vouch for clients.
        ca_certificates: Option<String>,
        /// File with revoked client certificates.
        ca_crl: Option<String>,
        /// Secret with key and certificates.
        credential_name: Option<String>,
        /// Several of these, for different key types; not beside `credentialName`.
        credential_names: Vec<String>,
        /// Secret with the authorities that vouch for clients.
        ca_cert_credential_name: Option<String>,
        /// Several pairs of files instead of one.
        tls_certificates: Vec<TlsCertificate>,
        /// Names of which a client's certificate must have one.
        subject_alt_names: Vec<String>,
        /// Base64 SHA-256 hashes of the accepted clients' public keys.
        verify_certificate_spki: Vec<String>,
        /// Hex SHA-256 hashes of the accepted clients' certificates.
        verify_certificate_hash: Vec<String>,
        /// Oldest version to speak.
        min_protocol_version: Option<TlsVersion>,
        /// Newest version to speak.
        max_protocol_version: Option<TlsVersion>,
        /// Cipher suites of TLS 1.2, in order of preference.
        cipher_suites: Vec<String>,
        /// Curves of the key exchange, in order of preference.
        ecdh_curves: Vec<String>,
        /// Part of the shared shape; means nothing for a server.
        insecure_skip_verify: Option<bool>,
    }

    /// A pair of files, and whom the server trusts.
    TlsCertificate {
        /// File with the server's certificates.
        server_certificate: Option<String>,
        /// File with the server's private key.
        private_key: Option<String>,
        /// File with the authorities that vouch for clients.
        ca_certificates: Option<String>,
    }
}

words! {
    /// What happens to TLS on a port.
    TlsMode {
        /// Left as it is; the SNI chooses where it goes.
        Passthrough,
        /// Terminated with the server's certificate.
        Simple,
        /// Terminated; the client shows a certificate too.
        Mutual,
        /// Left as it is; the SNI itself names the cluster.
        AutoPassthrough,
        /// Terminated with the mesh's own certificates on both sides.
        IstioMutual,
        /// Terminated; the client may show a certificate.
        OptionalMutual,
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TlsVersion {
    /// Left to the gateway.
    #[serde(rename = "TLS_AUTO")]
    Auto,
    /// TLS 1.0.
    #[serde(rename = "TLSV1_0")]
    V1_0,
    /// TLS 1.1.
    #[serde(rename = "TLSV1_1")]
    V1_1,
    /// TLS 1.2.
    #[serde(rename = "TLSV1_2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "TLSV1_3")]
    V1_3,
}
