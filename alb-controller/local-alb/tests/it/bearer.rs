//! Tokens that clients bring along, checked by the keys of whoever issues them.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::alb::{Alb, Answer};
use crate::provider::Provider;
use crate::target::Target;
use crate::tls::{https_listener, request_certificate, send_secure};

const HOST: &str = "api.example.com";

/// Whoever issues tokens, with a key of its own.
struct Issuer {
    key: KeyPair,
    id: &'static str,
}

impl Issuer {
    fn new(id: &'static str) -> Self {
        Self { key: KeyPair::generate(KeySize::Rsa2048).unwrap(), id }
    }

    /// The key as a set of keys lists it.
    fn listed(&self) -> Value {
        // DER of 2048 bits and the exponent 65537: lengths before and after the modulus are known.
        let der = self.key.public_key().as_ref();
        assert_eq!((der.len(), &der[265..]), (270, &[2, 3, 1, 0, 1][..]));
        let n = URL_SAFE_NO_PAD.encode(&der[9..265]);
        json!({"kty": "RSA", "kid": self.id, "use": "sig", "n": n, "e": "AQAB"})
    }

    fn token(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "RS256", "kid": self.id})), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

struct Api {
    _alb: Alb,
    target: Target,
    address: SocketAddr,
}

impl Api {
    async fn start(keys: &str) -> Self {
        let (alb, target) = (Alb::start().await, Target::start("a").await);
        let plain = alb.shop(target.address).await;
        let certificate = request_certificate(&alb, HOST).await;
        let config = "DefaultActions.member.1.JwtValidationConfig";
        let actions = format!(
            "DefaultActions.member.1.Type=jwt-validation&DefaultActions.member.1.Order=1\
             &{config}.JwksEndpoint={keys}&{config}.Issuer=https://issuer.example.com\
             &{config}.AdditionalClaims.member.1.Format=space-separated-values\
             &{config}.AdditionalClaims.member.1.Name=scope\
             &{config}.AdditionalClaims.member.1.Values.member.1=read\
             &DefaultActions.member.2.Type=forward&DefaultActions.member.2.Order=2\
             &DefaultActions.member.2.TargetGroupArn={}",
            plain.group
        );
        https_listener(&alb, &plain.lb, &certificate, &actions).await;
        let address = alb.running.address_of("shop", 443).unwrap();
        Self { _alb: alb, target, address }
    }

    async fn ask(&self, header: &str) -> Answer {
        let request =
            format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{header}Connection: close\r\n\r\n");
        send_secure(self.address, HOST, &request).await
    }

    async fn status(&self, token: &str) -> u16 {
        self.ask(&format!("Authorization: Bearer {token}\r\n")).await.status
    }
}

fn claims(scope: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({"iss": "https://issuer.example.com", "exp": now + 300, "iat": now, "scope": scope})
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_request_with_a_good_token_reaches_the_target() {
    let (issuer, other, provider) = (Issuer::new("1"), Issuer::new("1"), Provider::start().await);
    provider.says("/keys", 200, &json!({"keys": [{"kty": "EC", "kid": "0"}, issuer.listed()]}));
    let api = Api::start(&format!("{}/keys", provider.url())).await;
    let good = issuer.token(&claims("mail read"));
    let (start, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{start}.{}", URL_SAFE_NO_PAD.encode([7; 256]));
    let rows = [
        (String::new(), "no header"),
        ("Authorization: Basic YTpi\r\n".to_owned(), "another scheme"),
        ("Authorization: Bearer x.y.z\r\n".to_owned(), "nonsense"),
        (format!("Authorization: Bearer {forged}\r\n"), "forged"),
        (format!("Authorization: Bearer {}\r\n", other.token(&claims("read"))), "another's key"),
        (format!("Authorization: Bearer {}\r\n", issuer.token(&claims("mail"))), "another scope"),
        (
            format!("Authorization: Bearer {}\r\n", Issuer::new("2").token(&claims("read"))),
            "unknown",
        ),
    ];
    for (header, what) in rows {
        let answer = api.ask(&header).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
    }
    assert_eq!(api.target.served(), 0);
    let passed = api.ask(&format!("authorization: bearer {good}\r\n")).await;
    assert_eq!(passed.status, 200, "{passed:?}");
    assert!(passed.body.contains(&good), "the target sees the token: {passed:?}");
    assert_eq!(provider.asked("/keys").len(), 1, "the keys are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_nobody_passes_and_the_answer_says_why() {
    let (issuer, provider) = (Issuer::new("1"), Provider::start().await);
    let api = Api::start(&format!("{}/keys", provider.url())).await;
    let token = issuer.token(&claims("read"));
    assert_eq!(api.status(&token).await, 500, "out of reach");
    let many = vec![issuer.listed(); 11];
    for (status, keys) in [
        (404, json!({})),
        (200, json!({"keys": "none"})),
        (200, json!({"keys": many})),
        (200, json!({"keys": [issuer.listed()], "more": "x".repeat(151 * 1024)})),
    ] {
        provider.says("/keys", status, &keys);
        assert_eq!(api.status(&token).await, 562);
    }
    provider.says("/keys", 200, &json!({"keys": [issuer.listed()]}));
    assert_eq!(api.status(&token).await, 200);
}
