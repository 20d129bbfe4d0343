//! How TLS is ended, and the secrets that it takes: from Secrets as they are, PEM and all.
//!
//! Nothing is parsed here: whether a certificate is one, the shell finds out, which must use it.

use crate::cluster::{Identity, Trust};
use edgeway_api::k8s_openapi::api::core::v1::Secret;
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// How a server ends TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Termination {
    /// Where the Gateway says so, such as `spec.servers[0].tls`: for problems.
    pub field: Arc<str>,
    /// Certificates with their keys; the first that a client understands is shown.
    pub certificates: Vec<Identity>,
    /// What clients have to show; `None`: they are not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<Clients>,
    /// Versions that are spoken.
    pub versions: Versions,
    /// Cipher suites of TLS 1.2; `None`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suites: Option<Vec<Suite>>,
    /// Groups of the key exchange, in order of preference; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
}

/// What clients have to show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clients {
    /// Whether clients without a certificate are turned away.
    pub required: bool,
    /// Who vouches for them.
    pub trust: Trust,
    /// Names of which the certificate must have one; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_alt_names: Vec<Arc<str>>,
    /// Hashes of which one must be that of the certificate's public key, in base64; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key_hashes: Vec<Arc<str>>,
    /// Hashes of which one must be that of the certificate, in hexadecimal; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificate_hashes: Vec<Arc<str>>,
}

/// Versions of TLS that are spoken. Nothing below 1.2 is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Versions {
    /// 1.2 and 1.3.
    #[default]
    Both,
    /// 1.2 alone.
    OnlyV1_2,
    /// 1.3 alone.
    OnlyV1_3,
}

/// Cipher suites of TLS 1.2: those with forward secrecy and authenticated encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Suite {
    EcdheEcdsaAes128Gcm,
    EcdheRsaAes128Gcm,
    EcdheEcdsaAes256Gcm,
    EcdheRsaAes256Gcm,
    EcdheEcdsaChaCha20,
    EcdheRsaChaCha20,
}

/// Groups of the key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Group {
    X25519MlKem768,
    X25519,
    P256,
    P384,
}

/// A Secret that a server or a cluster refers to. Cheap to clone; prints nothing that is in it.
#[derive(Clone)]
pub struct Credential(Arc<Secret>);

impl Credential {
    /// What `secret` holds.
    pub fn new(secret: Arc<Secret>) -> Self {
        Self(secret)
    }

    /// Our certificate with those that lead up to an authority, in PEM.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.first(&["cert", "tls.crt"])
    }

    /// Its private key, in PEM.
    pub fn key(&self) -> Option<&[u8]> {
        self.first(&["key", "tls.key"])
    }

    /// The authorities that vouch for the other side, in PEM.
    pub fn authorities(&self) -> Option<&[u8]> {
        self.first(&["cacert", "ca.crt"])
    }

    /// What they have revoked, in PEM.
    pub fn revoked(&self) -> Option<&[u8]> {
        self.first(&["crl", "ca.crl"])
    }

    /// As Istio: the keys of a generic Secret come before those of `kubernetes.io/tls`.
    fn first(&self, keys: &[&str]) -> Option<&[u8]> {
        let data = self.0.data.as_ref();
        let text = self.0.string_data.as_ref();
        keys.iter().find_map(|key| {
            let bytes = data.and_then(|data| data.get(*key)).map(|bytes| bytes.0.as_slice());
            bytes.or_else(|| text.and_then(|text| text.get(*key)).map(String::as_bytes))
        })
    }

    fn parts(&self) -> [Option<&[u8]>; 4] {
        [self.certificate(), self.key(), self.authorities(), self.revoked()]
    }
}

/// Equal if all that is ever asked of it is.
impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.parts() == other.parts()
    }
}

impl Eq for Credential {}

/// Which parts there are.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Which parts there are.
impl Serialize for Credential {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl Credential {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        let names = ["certificate", "key", "authorities", "revoked"];
        names.into_iter().zip(self.parts()).filter_map(|(name, part)| part.map(|_| name))
    }
}

/// The Secrets of the gateway's namespace that the table refers to, by name.
pub type Credentials = BTreeMap<Arc<str>, Credential>;

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_api::k8s_openapi::ByteString;

    fn credential(pairs: &[(&str, &str)]) -> Credential {
        let data = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
        Credential::new(Arc::new(Secret { data: Some(data.collect()), ..Secret::default() }))
    }

    #[test]
    fn both_kinds_of_secret_are_read_and_the_generic_keys_come_first() {
        let tls = credential(&[("tls.crt", "c"), ("tls.key", "k"), ("ca.crt", "a")]);
        assert_eq!(tls.parts(), [Some(&b"c"[..]), Some(b"k"), Some(b"a"), None]);
        let both = credential(&[("tls.crt", "x"), ("cert", "c"), ("crl", "r")]);
        assert_eq!(both.parts(), [Some(&b"c"[..]), None, None, Some(b"r")]);
        assert_ne!(tls, both);
        assert_eq!(tls, credential(&[("cert", "c"), ("key", "k"), ("cacert", "a")]));
    }

    #[test]
    fn nothing_that_is_secret_is_printed() {
        let secret = credential(&[("tls.crt", "in the open"), ("tls.key", "hidden")]);
        assert_eq!(format!("{secret:?}"), r#"{"certificate", "key"}"#);
        assert_eq!(serde_json::to_string(&secret).unwrap(), r#"["certificate","key"]"#);
    }
}
