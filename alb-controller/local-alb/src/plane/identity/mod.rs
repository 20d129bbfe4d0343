//! Who a client is: asked before another action of a rule answers.

mod keys;
mod login;
mod party;
mod provider;
mod seal;
mod session;
mod signer;
mod token;
mod web;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use serde_json::{Value, json};

use super::body::Body;
use super::pages::page;
use super::table::Site;
use crate::state::ids::Arn;
use crate::state::rule::{Action, ActionKind, Identity, IdentityKind};
use keys::Keys;
use login::seconds;
use party::{Party, Unknown};
use provider::Failure;
use seal::Seal;
use session::Session;
use signer::Signer;
use token::Token;
use web::Web;

const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-amzn-oidc-accesstoken");
const SUBJECT: HeaderName = HeaderName::from_static("x-amzn-oidc-identity");
const DATA: HeaderName = HeaderName::from_static("x-amzn-oidc-data");
/// How long a target may believe what it is told of a user.
const BELIEVED: Duration = Duration::from_secs(120);

/// Keys of this load balancer, and its way to identity providers.
#[derive(Debug)]
pub(crate) struct Identities {
    seal: Seal,
    signer: Signer,
    web: Web,
    keys: Keys,
    /// The URL that answers in place of every user pool of Cognito.
    cognito: Option<String>,
}

/// Why there are no keys or no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unready {
    /// No chance, or no key.
    #[error("a key cannot be made")]
    Key(#[from] aws_lc_rs::error::Unspecified),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// A request, as far as it tells who sends it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit<'a> {
    /// The host with the port that the client named, in lower case; nothing if it named none.
    pub(crate) host: Option<&'a str>,
    /// The listener's port.
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) now: SystemTime,
}

/// What a request that goes on has more, and its answer.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// Headers of the request that are set or, without a value, removed.
    told: Vec<(HeaderName, Option<HeaderValue>)>,
    cookies: Vec<HeaderValue>,
}

impl Pass {
    /// Makes the headers of a request those of a known client.
    pub(crate) fn tell(&mut self, headers: &mut HeaderMap) {
        for (name, value) in self.told.drain(..) {
            match value {
                Some(value) => drop(headers.insert(name, value)),
                None => drop(headers.remove(name)),
            }
        }
    }

    /// Gives the client what it has to bring along the next time.
    pub(crate) fn give(self, headers: &mut HeaderMap) {
        login::add(headers, self.cookies);
    }
}

/// An answer in place of what would come next, with AWS's word for the reason if it is an error.
pub(crate) struct Stopped {
    pub(crate) response: Response<Body>,
    pub(crate) why: Option<&'static str>,
}

impl From<Failure> for Stopped {
    fn from(Failure { status, why }: Failure) -> Self {
        Self { response: page(status), why }
    }
}

impl Identities {
    pub(crate) fn new(cognito: Option<String>) -> Result<Self, Unready> {
        let (seal, signer, web) = (Seal::new()?, Signer::new()?, Web::new()?);
        Ok(Self { seal, signer, web, keys: Keys::default(), cognito })
    }

    /// The key of this name that checks what targets are told, in PEM.
    pub(crate) fn public_key(&self, id: &str) -> Option<&str> {
        self.signer.public_key(id)
    }

    /// What an action that asks for an identity makes of a request.
    pub(crate) async fn admit(
        &self,
        identity: &Identity,
        load_balancer: &Arn,
        visit: &Visit<'_>,
    ) -> Result<Pass, Stopped> {
        let Some(party) = Party::of(identity, self.cognito.as_deref()) else {
            self.check(identity, visit).await?;
            return Ok(Pass::default());
        };
        let known = login::known(self, &party, load_balancer, visit).await;
        let (session, cookies) = match (known, party.unknown) {
            (Some(known), _) => (Some(known.session), known.cookies),
            (None, Unknown::Let) => (None, Vec::new()),
            (None, Unknown::Refused) => return Err(Stopped { response: page(401), why: None }),
            (None, Unknown::Asked) => {
                let response = login::challenge(self, &party, load_balancer, visit)?;
                return Err(Stopped { response, why: None });
            }
        };
        let told = self.told(session.as_ref(), &party, load_balancer, visit.now);
        Ok(Pass { told: told.into(), cookies })
    }

    /// Checks the token that a client has to bring along.
    async fn check(&self, identity: &Identity, visit: &Visit<'_>) -> Result<(), Failure> {
        let refused = |why| Failure::new(401, why);
        let sent = visit.headers.get(AUTHORIZATION).ok_or(refused("JWTHeaderNotPresent"))?;
        let text = sent.to_str().ok().and_then(bearer).ok_or(refused("JWTRequestFormatInvalid"))?;
        let token = Token::read(text).map_err(refused)?;
        let keys = self.keys.at(&self.web, identity.setting("JwksEndpoint"), &token).await?;
        token.is_signed(&keys).map_err(refused)?;
        let issuer = identity.setting("Issuer");
        token.says(issuer, &identity.claims, seconds(visit.now)).map_err(refused)
    }

    /// The headers that tell a target of a user. What a client calls so is never passed on.
    fn told(
        &self,
        session: Option<&Session>,
        party: &Party<'_>,
        load_balancer: &Arn,
        now: SystemTime,
    ) -> [(HeaderName, Option<HeaderValue>); 3] {
        let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).ok();
        let data = session.and_then(|session| {
            let exp = seconds(now + BELIEVED);
            let header = json!({
                "alg": "ES256", "typ": "JWT", "kid": self.signer.id(), "signer": load_balancer.as_str(),
                "iss": party.issuer, "client": party.client, "exp": exp,
            });
            let mut claims = session.claims.clone();
            claims.insert("iss".into(), party.issuer.as_str().into());
            claims.insert("exp".into(), exp.into());
            self.signer.sign(&header, &Value::Object(claims))
        });
        [
            (ACCESS_TOKEN, session.and_then(|session| value(&session.access))),
            (SUBJECT, session.and_then(|session| value(session.subject()))),
            (DATA, data.as_deref().and_then(value)),
        ]
    }

    /// The answer to a client that a provider sends back; nothing, if the request is not that.
    pub(crate) async fn callback(&self, sites: &[Arc<Site>], visit: &Visit<'_>) -> Option<Stopped> {
        let path = visit.target.split('?').next().unwrap_or_default();
        if path != login::CALLBACK {
            return None;
        }
        let asked = || sites.iter().flat_map(|site| parties(site, self.cognito.as_deref()));
        asked().next()?;
        let find = |bond: &str| {
            let mut fits = asked().filter(|(site, party)| party.bond(&site.load_balancer) == bond);
            fits.next().map(|(_, party)| party)
        };
        Some(match login::back_again(self, visit, find).await {
            Ok(response) => Stopped { response, why: None },
            Err(failure) => failure.into(),
        })
    }
}

/// The token of an `Authorization` header.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// All that the rules of a listener agreed with providers.
fn parties<'a>(
    site: &'a Site,
    cognito: Option<&'a str>,
) -> impl Iterator<Item = (&'a Site, Party<'a>)> {
    let rules = site.rules.iter().map(|rule| rule.actions.as_slice());
    let actions = rules.chain([site.default_actions.as_slice()]);
    let steps = actions.filter_map(step);
    steps.filter_map(move |identity| Some((site, Party::of(identity, cognito)?)))
}

/// The action among those of a rule that asks for an identity. It is the first: nothing may come
/// before it.
pub(crate) fn step(actions: &[Action]) -> Option<&Identity> {
    match &actions.first()?.kind {
        ActionKind::Identity(identity) => Some(identity),
        ActionKind::Forward(_) | ActionKind::Redirect(_) | ActionKind::Fixed(_) => None,
    }
}

/// What access logs call an action of this kind.
pub(crate) const fn logged(kind: IdentityKind) -> &'static str {
    match kind {
        IdentityKind::Oidc | IdentityKind::Cognito => "authenticate",
        IdentityKind::Jwt => "jwt-validation",
    }
}
