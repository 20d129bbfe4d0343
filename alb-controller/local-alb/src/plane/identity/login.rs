//! Users who log in: sent to their provider, taken back, and known until their session ends.
//!
//! How it goes is told in AWS's guide (`listener-authenticate-users`); what it does not tell is done
//! as `OpenID` Connect Core 1.0 has it.

use std::time::{Duration, SystemTime};

use form_urlencoded::Serializer;
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};

use super::party::Party;
use super::provider::{self, Failure, Tokens};
use super::session::{Session, cookie, given};
use super::{Identities, Visit};
use crate::plane::body::Body;
use crate::plane::pages::page;
use crate::state::ids::Arn;

/// Where providers send users back to.
pub(crate) const CALLBACK: &str = "/oauth2/idpresponse";
/// The cookie that ties a login to the browser that began it.
const NONCE: &str = "AWSALBAuthNonce";
/// How long a login may take.
const LOGIN: Duration = Duration::from_secs(15 * 60);
/// What the state of a login is sealed for.
const PURPOSE: &str = "state";
/// What cannot go wrong did.
const UNABLE: Failure = Failure::new(500, "AuthUnhandledException");

/// What a provider gives back unread with its answer.
#[derive(Debug, Deserialize, Serialize)]
struct State {
    bond: String,
    url: String,
    nonce: String,
    /// The second at which the login has to be done.
    until: u64,
}

/// A session, and the cookies that are new because of it.
pub(crate) struct Known {
    pub(crate) session: Session,
    pub(crate) cookies: Vec<HeaderValue>,
}

/// The session of a visitor; nothing if there is none, or its tokens have ended for good.
pub(crate) async fn known(
    own: &Identities,
    party: &Party<'_>,
    load_balancer: &Arn,
    visit: &Visit<'_>,
) -> Option<Known> {
    let now = seconds(visit.now);
    let session = Session::read(&own.seal, visit.headers, party.cookie, now)?;
    if session.bond != party.bond(load_balancer) {
        return None;
    }
    let ended = session.renew.is_some_and(|renew| renew <= now);
    let Some(refresh) = session.refresh.clone().filter(|_| ended) else {
        // Without a refresh token a session lasts as long as it may, whatever its tokens do.
        return Some(Known { session, cookies: Vec::new() });
    };
    let grant = [("grant_type", "refresh_token"), ("refresh_token", &refresh)];
    let tokens = provider::redeem(&own.web, party, &grant).await.ok()?;
    let claims = provider::user_info(&own.web, party, &tokens.access).await.ok()?;
    let Tokens { access, id: _, refresh: next, expires_in } = tokens;
    let renew = expires_in.map(|lasts| now.saturating_add(lasts));
    let refresh = next.or(Some(refresh));
    let session = Session { claims, access, refresh, renew, ..session };
    if session.too_large() {
        return None;
    }
    let cookies = session.cookies(&own.seal, party.cookie, visit.headers)?;
    Some(Known { session, cookies })
}

/// Sends a visitor to the provider.
pub(crate) fn challenge(
    own: &Identities,
    party: &Party<'_>,
    load_balancer: &Arn,
    visit: &Visit<'_>,
) -> Result<Response<Body>, Failure> {
    let host = visit.host.ok_or(Failure::new(401, "AuthMissingHostHeader"))?;
    let nonce: String = rand::rng().sample_iter(Alphanumeric).take(16).map(char::from).collect();
    let ends = visit.now + LOGIN;
    let state = State {
        bond: party.bond(load_balancer),
        url: format!("https://{}{}", with_port(host, visit.port), visit.target),
        nonce: nonce.clone(),
        until: seconds(ends),
    };
    let state = own.seal.close(PURPOSE, &state).ok_or(UNABLE)?;
    let mut query = Serializer::new(String::new());
    query
        .append_pair("client_id", party.client)
        .append_pair("redirect_uri", &back(host))
        .append_pair("response_type", "code")
        .append_pair("scope", party.scope)
        .append_pair("state", &state)
        .extend_pairs(party.extra());
    let mark = if party.authorization.contains('?') { '&' } else { '?' };
    let target = format!("{}{mark}{}", party.authorization, query.finish());
    let cookie = given(NONCE, &nonce, ends).ok_or(UNABLE)?;
    away(&target, vec![cookie]).ok_or(UNABLE)
}

/// Takes back a visitor whom a provider sent. `party` finds the agreement that the login is about.
pub(crate) async fn back_again<'a>(
    own: &Identities,
    visit: &Visit<'_>,
    party: impl FnOnce(&str) -> Option<Party<'a>>,
) -> Result<Response<Body>, Failure> {
    let refused = |why| Err(Failure::new(401, why));
    let now = seconds(visit.now);
    let Some(state) = parameter(visit, "state") else { return refused("AuthMissingStateParam") };
    let Some(state) = own.seal.open::<State>(PURPOSE, &state) else {
        return refused("AuthInvalidStateParam");
    };
    match cookie(visit.headers, NONCE) {
        None => return refused("AuthMissingAWSALBAuthNonce"),
        Some(nonce) if nonce != state.nonce => return refused("AuthInvalidAWSALBAuthNonce"),
        Some(_) => {}
    }
    let Some(party) = party(&state.bond).filter(|_| state.until > now) else {
        return refused("AuthInvalidStateParam");
    };
    if let Some(error) = parameter(visit, "error") {
        tracing::warn!(issuer = party.issuer, error, "the identity provider let nobody in");
        let status = if error == "access_denied" { 401 } else { 561 };
        return Err(Failure::new(status, "AuthInvalidGrantError"));
    }
    let Some(code) = parameter(visit, "code") else { return refused("AuthMissingCodeParam") };
    let Some(host) = visit.host else { return refused("AuthMissingHostHeader") };
    let session = begin(own, &party, (&code, &back(host)), now).await?;
    let session = Session { bond: state.bond, ..session };
    if session.too_large() {
        return Err(Failure::new(500, "AuthUserinfoResponseSizeExceeded"));
    }
    let cookies = session.cookies(&own.seal, party.cookie, visit.headers).ok_or(UNABLE)?;
    away(&state.url, cookies).ok_or(UNABLE)
}

/// The session that a code gives.
async fn begin(
    own: &Identities,
    party: &Party<'_>,
    (code, back): (&str, &str),
    now: u64,
) -> Result<Session, Failure> {
    let grant = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", back)];
    let tokens = provider::redeem(&own.web, party, &grant).await?;
    let Tokens { access, id, refresh, expires_in } = tokens;
    let subject = provider::subject(id.as_deref(), party, now)?;
    let claims = provider::user_info(&own.web, party, &access).await?;
    let until = now.saturating_add(party.lasts);
    let renew = expires_in.map(|lasts| now.saturating_add(lasts));
    let session = Session { bond: String::new(), claims, access, refresh, renew, until };
    if session.subject() != subject {
        // Claims of another user must not be taken for this one's: OpenID Connect Core, 5.3.2.
        return Err(Failure::new(561, "AuthInvalidUserinfoResponse"));
    }
    Ok(session)
}

fn away(target: &str, cookies: Vec<HeaderValue>) -> Option<Response<Body>> {
    let mut response = page(302);
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(target).ok()?);
    add(response.headers_mut(), cookies);
    Some(response)
}

/// Gives a response cookies more.
pub(crate) fn add(headers: &mut HeaderMap, cookies: Vec<HeaderValue>) {
    headers.extend(cookies.into_iter().map(|cookie| (SET_COOKIE, cookie)));
}

/// Where a provider is to send users back to. It keeps the port that the browser knows.
fn back(host: &str) -> String {
    format!("https://{host}{CALLBACK}")
}

/// A host with a port, as redirects of AWS always have one.
fn with_port(host: &str, port: u16) -> String {
    match crate::plane::headers::split_port(host) {
        (_, Some(_)) => host.to_owned(),
        (name, None) => format!("{name}:{port}"),
    }
}

fn parameter(visit: &Visit<'_>, name: &str) -> Option<String> {
    let (_, query) = visit.target.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(known, value)| (known == name).then(|| value.into_owned()))
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::header::COOKIE;

    use super::*;
    use crate::state::rule::{Identity, IdentityKind};

    fn identity() -> Identity {
        // Nobody listens there.
        let settings = [
            ("Issuer", "http://127.0.0.1:1"),
            ("AuthorizationEndpoint", "http://127.0.0.1:1/a"),
            ("TokenEndpoint", "http://127.0.0.1:1/t"),
            ("ClientId", "shop"),
        ];
        Identity {
            kind: IdentityKind::Oidc,
            settings: settings.map(|(name, value)| (name, value.to_owned())).into(),
            secret: None,
            extra: BTreeMap::new(),
            claims: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_login_has_to_be_done_within_fifteen_minutes() {
        let (own, identity, lb) = (Identities::new(None).unwrap(), identity(), Arn::from("lb"));
        let party = || Party::of(&identity, None).unwrap();
        let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let mut headers = HeaderMap::new();
        let visit = Visit {
            host: Some("h:8443"),
            port: 443,
            target: "/x?y",
            headers: &headers.clone(),
            now: begin,
        };
        let sent = challenge(&own, &party(), &lb, &visit).unwrap();
        let text = |name| sent.headers()[name].to_str().unwrap();
        let nonce = text(SET_COOKIE).split(';').next().unwrap();
        headers.insert(COOKIE, HeaderValue::try_from(nonce).unwrap());
        let (_, query) = text(LOCATION).split_once('?').unwrap();
        assert!(query.contains("redirect_uri=https%3A%2F%2Fh%3A8443%2Foauth2%2Fidpresponse"));
        let (_, state) = query.split_once("state=").unwrap();
        let target = format!("{CALLBACK}?code=c&state={state}");
        let late = Some("AuthInvalidStateParam");
        let rows = [
            (899, "lb", 500, Some("AuthTokenEpRequestFailed")),
            (900, "lb", 401, late),
            (1, "other", 401, late),
        ];
        for (seconds, lb, status, why) in rows {
            let now = begin + Duration::from_secs(seconds);
            let visit = Visit { target: &target, headers: &headers, now, ..visit };
            let bond = party().bond(&Arn::from(lb));
            let find = |wanted: &str| (wanted == bond).then(party);
            let answered = back_again(&own, &visit, find).await.err();
            assert_eq!(answered, Some(Failure { status, why }), "after {seconds} s");
        }
    }
}
