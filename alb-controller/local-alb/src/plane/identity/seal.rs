//! What clients keep for us: encrypted and authenticated, so that they can neither read nor change it.
//!
//! The key is made at the start; a restart ends every session.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The key of one load balancer on a laptop.
pub(crate) struct Seal(RandomizedNonceKey);

impl fmt::Debug for Seal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Seal")
    }
}

impl Seal {
    /// A key that nobody has seen.
    pub(crate) fn new() -> Result<Self, Unspecified> {
        let mut key = [0; 32];
        rand::fill(&mut key)?;
        Ok(Self(RandomizedNonceKey::new(&AES_256_GCM, &key)?))
    }

    /// A value as text of letters, digits, `-` and `_`. Only the same purpose opens it again.
    pub(crate) fn close(&self, purpose: &str, value: &impl Serialize) -> Option<String> {
        let mut bytes = serde_json::to_vec(value).ok()?;
        let nonce = self.0.seal_in_place_append_tag(Aad::from(purpose), &mut bytes).ok()?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut bytes);
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What was closed for this purpose; nothing, if it was not us.
    pub(crate) fn open<T: DeserializeOwned>(&self, purpose: &str, text: &str) -> Option<T> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(purpose), &mut sealed).ok()?;
        serde_json::from_slice(opened).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_closed_for_the_same_purpose_is_opened() {
        let seal = Seal::new().unwrap();
        let closed = seal.close("state", &"hello").unwrap();
        assert!(!closed.contains("hello"));
        assert_eq!(seal.open::<String>("state", &closed).as_deref(), Some("hello"));
        assert_eq!(seal.open::<String>("session", &closed), None);
        assert_eq!(Seal::new().unwrap().open::<String>("state", &closed), None, "another key");
        for at in 0..closed.len() {
            let mut bytes = closed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(seal.open::<String>("state", &text), None, "changed at {at}");
        }
        for text in ["", "A", "ä", "////", "AAAAAAAAAAAAAAAA"] {
            assert_eq!(seal.open::<String>("state", text), None, "{text}");
        }
    }
}
