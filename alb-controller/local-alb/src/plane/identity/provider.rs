//! What the load balancer asks an identity provider behind the user's back: tokens for a code, and
//! claims for a token.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::party::Party;
use super::web::{Silence, Web};

/// The most bytes of an answer that are taken in.
const LARGEST: usize = 64 * 1024;
/// How far clocks may differ, in seconds.
const LEEWAY: u64 = 60;

/// Why a login does not come to its end: the status that is answered, and AWS's word for the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) why: Option<&'static str>,
}

impl Failure {
    pub(crate) const fn new(status: u16, why: &'static str) -> Self {
        Self { status, why: Some(why) }
    }
}

/// What a provider gives for a code or a refresh token.
#[derive(Debug, Deserialize)]
pub(crate) struct Tokens {
    #[serde(rename = "access_token")]
    pub(crate) access: String,
    #[serde(rename = "id_token")]
    pub(crate) id: Option<String>,
    #[serde(rename = "refresh_token")]
    pub(crate) refresh: Option<String>,
    /// The seconds that the access token lasts.
    pub(crate) expires_in: Option<u64>,
}

/// The claims of a token of identity that matter here.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

/// Redeems a grant, which is a code or a refresh token with its kind.
pub(crate) async fn redeem(
    web: &Web,
    party: &Party<'_>,
    grant: &[(&str, &str)],
) -> Result<Tokens, Failure> {
    let answered = ask(web, token_request(party, grant), &party.token).await;
    let answered = answered.map_err(|why| match why {
        Silence::Timeout => Failure::new(500, "AuthTokenEpRequestTimeout"),
        Silence::Broken(_) => Failure::new(500, "AuthTokenEpRequestFailed"),
        Silence::TooLarge => Failure::new(561, "AuthInvalidTokenResponse"),
    });
    let (status, body) = answered?;
    if !status.is_success() {
        let said: Option<Value> = serde_json::from_slice(&body).ok();
        let error = said.as_ref().and_then(|said| said.get("error")?.as_str()).unwrap_or("-");
        tracing::warn!(endpoint = party.token, %status, error, "no token was given");
        let invalid = error == "invalid_grant";
        let why = if invalid { "AuthInvalidGrantError" } else { "AuthTokenEpRequestFailed" };
        return Err(Failure::new(561, why));
    }
    serde_json::from_slice(&body).map_err(|why| {
        tracing::warn!(endpoint = party.token, "what was given is no token: {why}");
        Failure::new(561, "AuthInvalidTokenResponse")
    })
}

/// AWS does not say how it tells who it is; this is the way that every provider has to know.
fn token_request(party: &Party<'_>, grant: &[(&str, &str)]) -> http::Result<Request<Full<Bytes>>> {
    let mut form = Serializer::new(String::new());
    form.extend_pairs(grant).append_pair("client_id", party.client);
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&party.token)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json");
    if let Some(secret) = party.secret {
        // Each part is encoded before they are joined: RFC 6749, 2.3.1.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(party.client), encoded(secret.expose()));
        request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)));
    }
    request.body(Full::from(form.finish()))
}

/// The user that a token of identity is about. It came straight from the provider, so its signature
/// says nothing that TLS has not said (`OpenID` Connect Core, 3.1.3.7).
pub(crate) fn subject(token: Option<&str>, party: &Party<'_>, now: u64) -> Result<String, Failure> {
    let bad = Failure::new(401, "AuthInvalidIdToken");
    let payload = token.and_then(|token| token.split('.').nth(1)).ok_or(bad)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map_err(|_| bad)?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|why| {
        tracing::warn!(issuer = party.issuer, "the token of identity cannot be read: {why}");
        bad
    })?;
    let for_us = match &claims.aud {
        Audience::One(one) => one == party.client,
        Audience::Some(list) => list.iter().any(|one| one == party.client),
    };
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact for long")]
    let alive = claims.exp + LEEWAY as f64 > now as f64;
    if !party.issues(&claims.iss) || !for_us || !alive {
        tracing::warn!(
            issuer = party.issuer,
            client = party.client,
            token_issuer = claims.iss,
            for_us,
            alive,
            "the token of identity is not the issuer's, not for this client, or has expired"
        );
        return Err(bad);
    }
    Ok(claims.sub)
}

/// What the provider tells of the user of an access token.
pub(crate) async fn user_info(
    web: &Web,
    party: &Party<'_>,
    access: &str,
) -> Result<Map<String, Value>, Failure> {
    let request = Request::builder()
        .uri(&party.user_info)
        .header(AUTHORIZATION, format!("Bearer {access}"))
        .header(ACCEPT, "application/json")
        .body(Full::default());
    let answered = ask(web, request, &party.user_info).await.map_err(|why| match why {
        Silence::Timeout => Failure::new(500, "AuthUserinfoEpRequestTimeout"),
        Silence::Broken(_) => Failure::new(500, "AuthUserinfoEpRequestFailed"),
        Silence::TooLarge => Failure::new(500, "AuthUserinfoResponseSizeExceeded"),
    });
    let (status, body) = answered?;
    if !status.is_success() {
        tracing::warn!(endpoint = party.user_info, %status, "nothing is told of the user");
        return Err(Failure::new(561, "AuthUserinfoEpRequestFailed"));
    }
    serde_json::from_slice(&body).map_err(|why| {
        tracing::warn!(endpoint = party.user_info, "what is told of the user is no JSON: {why}");
        Failure::new(561, "AuthInvalidUserinfoResponse")
    })
}

async fn ask(
    web: &Web,
    request: http::Result<Request<Full<Bytes>>>,
    endpoint: &str,
) -> Result<(StatusCode, Bytes), Silence> {
    let asked = match request {
        Ok(request) => web.ask(request, LARGEST).await,
        Err(why) => Err(Silence::Broken(why.to_string())),
    };
    asked.inspect_err(|why| tracing::warn!(endpoint, "the identity provider: {why}"))
}
