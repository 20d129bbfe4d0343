//! Tokens that clients bring along (RFC 7519), as `jwt-validation` checks them: signed with RS256 by a
//! key of the provider, of the right issuer, alive, and with the claims that the action names.
//!
//! Reasons are AWS's words, as access logs have them.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::state::rule::Claim;

const FORMAT: &str = "JWTRequestFormatInvalid";
const SIGNATURE: &str = "JWTSignatureValidationError";
const MISSING: &str = "JWTClaimNotPresent";
const CLAIM_FORMAT: &str = "JWTClaimFormatInvalid";
const VALUE: &str = "JWTClaimValueInvalid";

/// The bytes of the one size of keys that AWS takes.
const KEY: usize = 2048 / 8;

/// A key of a provider that tokens may be signed with.
#[derive(Debug)]
pub(crate) struct Key {
    id: Option<String>,
    parts: PublicKeyComponents<Vec<u8>>,
}

/// A key as a set of keys has it (RFC 7517).
#[derive(Debug, Deserialize)]
pub(crate) struct Listed {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Listed {
    /// The key, if it is one for RS256 of 2048 bits.
    pub(crate) fn key(self) -> Option<Key> {
        let Self { kty, kid, alg, purpose, n, e } = self;
        let fits = kty == "RSA"
            && alg.is_none_or(|alg| alg == "RS256")
            && purpose.is_none_or(|purpose| purpose == "sig");
        let number = |text: Option<String>| {
            let bytes = URL_SAFE_NO_PAD.decode(text?).ok()?;
            Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>())
        };
        let (n, e) = (number(n)?, number(e)?);
        let size = n.len() == KEY && n.first().is_some_and(|byte| byte & 0x80 != 0);
        (fits && size).then_some(Key { id: kid, parts: PublicKeyComponents { n, e } })
    }
}

/// A token, its signature not checked yet.
#[derive(Debug)]
pub(crate) struct Token<'a> {
    key: Option<String>,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Map<String, Value>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

impl<'a> Token<'a> {
    /// Reads a token of one signature.
    pub(crate) fn read(text: &'a str) -> Result<Self, &'static str> {
        let (signed, signature) = text.rsplit_once('.').ok_or(FORMAT)?;
        let (header, claims) = signed.split_once('.').ok_or(FORMAT)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| FORMAT);
        let header: Header = serde_json::from_slice(&bytes(header)?).map_err(|_| FORMAT)?;
        let claims = serde_json::from_slice(&bytes(claims)?).map_err(|_| FORMAT)?;
        if header.alg != "RS256" {
            return Err(SIGNATURE);
        }
        // What must be understood is not (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(FORMAT);
        }
        Ok(Self { key: header.kid, signed, signature: bytes(signature)?, claims })
    }

    /// Whether a key of the set may have signed it.
    pub(crate) fn knows(&self, keys: &[Key]) -> bool {
        keys.iter().any(|key| self.may_be_of(key))
    }

    fn may_be_of(&self, key: &Key) -> bool {
        self.key.is_none() || self.key == key.id
    }

    /// Checks that one of the keys signed it.
    pub(crate) fn is_signed(&self, keys: &[Key]) -> Result<(), &'static str> {
        let (signed, signature) = (self.signed.as_bytes(), self.signature.as_slice());
        let fits =
            |key: &Key| key.parts.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok();
        let signed = keys.iter().filter(|key| self.may_be_of(key)).any(fits);
        signed.then_some(()).ok_or(SIGNATURE)
    }

    /// Checks who issued it, when it is alive (`now` in seconds), and the claims asked for.
    pub(crate) fn says(
        &self,
        issuer: &str,
        claims: &[Claim],
        now: u64,
    ) -> Result<(), &'static str> {
        let by = self.claims.get("iss").ok_or(MISSING)?;
        if by.as_str().ok_or(CLAIM_FORMAT)? != issuer {
            return Err(VALUE);
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact for long")]
        let now = now as f64;
        let second = |name| match self.claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(CLAIM_FORMAT),
        };
        let alive = second("exp")?.ok_or(MISSING)? > now;
        let begun = second("nbf")?.is_none_or(|begin| begin <= now);
        let made = second("iat")?.is_none_or(|made| made <= now);
        if !(alive && begun && made) {
            return Err(VALUE);
        }
        claims.iter().try_for_each(|claim| self.has(claim))
    }

    /// Checks that a claim has one of the values asked for. AWS does not say whether it takes one or
    /// all of them.
    fn has(&self, claim: &Claim) -> Result<(), &'static str> {
        let found = self.claims.get(&claim.name).ok_or(MISSING)?;
        let wanted = |value: &str| claim.values.iter().any(|wanted| wanted == value);
        let fits = match claim.format.as_str() {
            "string-array" => {
                let list = found.as_array().ok_or(CLAIM_FORMAT)?;
                let texts = list.iter().map(|value| value.as_str().ok_or(CLAIM_FORMAT));
                texts.collect::<Result<Vec<_>, _>>()?.into_iter().any(wanted)
            }
            "space-separated-values" => found.as_str().ok_or(CLAIM_FORMAT)?.split(' ').any(wanted),
            _ => wanted(found.as_str().ok_or(CLAIM_FORMAT)?),
        };
        fits.then_some(()).ok_or(VALUE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode("signature"))
    }

    #[test]
    fn a_token_is_read_or_told_why_not() {
        let good = text(&json!({"alg": "RS256", "kid": "k"}), &json!({}));
        let (head, _) = good.rsplit_once('.').unwrap();
        let rows = [
            (good.clone(), None),
            (text(&json!({"alg": "none"}), &json!({})), Some(SIGNATURE)),
            (text(&json!({"alg": "HS256"}), &json!({})), Some(SIGNATURE)),
            (text(&json!({"alg": "RS256", "crit": ["x"]}), &json!({})), Some(FORMAT)),
            (text(&json!({}), &json!({})), Some(FORMAT)),
            (text(&json!({"alg": "RS256"}), &json!([])), Some(FORMAT)),
            (head.to_owned(), Some(FORMAT)),
            (format!("{good}.x"), Some(FORMAT)),
            (format!("{head}.a+b"), Some(FORMAT)),
            ("..".to_owned(), Some(FORMAT)),
            (String::new(), Some(FORMAT)),
        ];
        for (token, expected) in rows {
            assert_eq!(Token::read(&token).err(), expected, "{token}");
        }
    }

    #[test]
    fn claims_have_to_be_what_was_asked_for() {
        let claim = |format: &str, name: &str, values: &[&str]| Claim {
            format: format.into(),
            name: name.into(),
            values: values.iter().map(ToString::to_string).collect(),
        };
        let single = claim("single-string", "role", &["admin", "editor"]);
        let list = claim("string-array", "groups", &["ops"]);
        let spaced = claim("space-separated-values", "scope", &["read", "write"]);
        let with = |more: Value| {
            let mut all = json!({"iss": "i", "exp": 101});
            all.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            all
        };
        let rows: &[(Value, &[&Claim], Option<&str>)] = &[
            (with(json!({})), &[], None),
            (with(json!({"exp": 101.5, "nbf": 100, "iat": 99.9})), &[], None),
            (with(json!({"exp": 100})), &[], Some(VALUE)),
            (with(json!({"exp": "101"})), &[], Some(CLAIM_FORMAT)),
            (json!({"iss": "i"}), &[], Some(MISSING)),
            (json!({"exp": 101}), &[], Some(MISSING)),
            (with(json!({"iss": "j"})), &[], Some(VALUE)),
            (with(json!({"iss": ["i"]})), &[], Some(CLAIM_FORMAT)),
            (with(json!({"nbf": 101})), &[], Some(VALUE)),
            (with(json!({"iat": 101})), &[], Some(VALUE)),
            (with(json!({"role": "editor"})), &[&single], None),
            (with(json!({"role": "reader"})), &[&single], Some(VALUE)),
            (with(json!({"role": ["admin"]})), &[&single], Some(CLAIM_FORMAT)),
            (with(json!({})), &[&single], Some(MISSING)),
            (with(json!({"groups": ["dev", "ops"]})), &[&list], None),
            (with(json!({"groups": ["dev"]})), &[&list], Some(VALUE)),
            (with(json!({"groups": "ops"})), &[&list], Some(CLAIM_FORMAT)),
            (with(json!({"groups": ["ops", 1]})), &[&list], Some(CLAIM_FORMAT)),
            (with(json!({"scope": "mail read"})), &[&spaced], None),
            (with(json!({"scope": "reads"})), &[&spaced], Some(VALUE)),
            (with(json!({"scope": "read", "role": "x"})), &[&spaced, &single], Some(VALUE)),
        ];
        for (claims, asked, expected) in rows {
            let text = text(&json!({"alg": "RS256"}), claims);
            let asked: Vec<_> = asked.iter().copied().cloned().collect();
            let said = Token::read(&text).unwrap().says("i", &asked, 100);
            assert_eq!(said.err(), *expected, "{claims} {asked:?}");
        }
    }

    #[test]
    fn only_keys_of_2048_bits_for_signatures_are_taken() {
        let n = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
        let key = |more: Value| {
            let mut all = json!({"kty": "RSA", "kid": "k", "n": n(256), "e": "AQAB"});
            all.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            serde_json::from_value::<Listed>(all).unwrap().key().is_some()
        };
        let rows = [
            (json!({}), true),
            (json!({"use": "sig", "alg": "RS256"}), true),
            (json!({"use": "enc"}), false),
            (json!({"alg": "PS256"}), false),
            (json!({"kty": "EC"}), false),
            (json!({"n": n(128)}), false),
            (json!({"n": n(512)}), false),
            (json!({"n": null}), false),
            (json!({"e": "!"}), false),
        ];
        for (more, expected) in rows {
            assert_eq!(key(more.clone()), expected, "{more}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[A-Za-z0-9._=-]{0,80}|\\PC{0,40}") {
            if let Ok(token) = Token::read(&text) {
                let _ = token.says("i", &[], 0);
            }
        }
    }
}
