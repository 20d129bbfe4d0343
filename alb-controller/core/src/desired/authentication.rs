//! Logins and tokens that an Ingress, or the Service that it sends to, asks for.

use super::target_group::Site;
use crate::{
    annotations::{Annotations, Fault, value::Expected},
    rule::{
        Authentication, Claim, ClaimFormat, ClientSecret, Cognito, Jwt, Login, Oidc,
        Unauthenticated,
    },
};
use edgeway_api::{Problem, Resource, Severity};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A user pool as it is written. Names of fields are in small letters by now.
#[derive(Deserialize)]
struct CognitoSpec {
    #[serde(rename = "userpoolarn")]
    pool: String,
    #[serde(rename = "userpoolclientid")]
    client: String,
    #[serde(rename = "userpooldomain")]
    domain: String,
}

/// A provider as it is written.
#[derive(Deserialize)]
pub(super) struct OidcSpec {
    issuer: String,
    #[serde(rename = "authorizationendpoint")]
    authorization: String,
    #[serde(rename = "tokenendpoint")]
    token: String,
    #[serde(rename = "userinfoendpoint")]
    user_info: String,
    #[serde(rename = "secretname")]
    pub(super) secret: String,
}

#[derive(Deserialize)]
struct JwtSpec {
    #[serde(rename = "jwksendpoint", default)]
    keys: String,
    #[serde(default)]
    issuer: String,
    #[serde(rename = "additionalclaims", default)]
    claims: Vec<ClaimSpec>,
}

#[derive(Deserialize)]
struct ClaimSpec {
    #[serde(default)]
    format: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    values: Vec<String>,
}

const OIDC: &str = "auth-idp-oidc";
const COGNITO: &str = "auth-idp-cognito";
const JWT: &str = "jwt-validation";
/// Field of the two above whose keys are the provider's, so that their case counts.
const PARAMETERS: &str = "authenticationRequestExtraParams";

/// What clients must show, if anything.
pub(super) fn read(
    site: &Site<'_, '_>,
    annotations: &Annotations<'_>,
) -> Result<Option<Authentication>, Fault> {
    // A token is asked for by Ingresses alone.
    let token = jwt(&site.member.annotations)?;
    let kind = annotations.text("auth-type");
    let login = match kind.as_ref().map(|found| (found, found.text)) {
        None | Some((_, "none")) => None,
        Some((_, "oidc")) => Some(oidc(site, annotations)?),
        Some((_, "cognito")) => Some(cognito(site, annotations)?),
        Some((found, _)) => {
            return Err(found.fault(&Expected::one_of("none, oidc, cognito")));
        }
    };
    match (login, token) {
        (Some(_), Some(_)) => Err(site.fault(
            "annotation-invalid",
            "it asks for a login and for a token".to_owned(),
            "remove alb.ingress.kubernetes.io/auth-type or alb.ingress.kubernetes.io/jwt-validation",
        )),
        (login, token) => Ok(login.or(token)),
    }
}

/// Providers that cannot be read, where no login is asked for yet.
pub(super) fn unused(annotations: &Annotations<'_>) -> Option<Problem> {
    if annotations.text("auth-type").is_some_and(|found| found.text != "none") {
        return None;
    }
    let oidc = annotations.json::<OidcSpec>(OIDC).err();
    let fault = oidc.or_else(|| annotations.json::<CognitoSpec>(COGNITO).err())?;
    Some(Problem { severity: Severity::Warning, ..*fault })
}

/// The Secret, in the Ingress' own namespace, that a login needs.
pub(super) fn secret_name(annotations: &Annotations<'_>) -> Option<String> {
    let kind = annotations.text("auth-type")?;
    let spec = (kind.text == "oidc").then(|| annotations.json::<OidcSpec>(OIDC).ok().flatten());
    spec.flatten().map(|spec| spec.secret)
}

fn oidc(site: &Site<'_, '_>, annotations: &Annotations<'_>) -> Result<Authentication, Fault> {
    let spec = annotations.json::<OidcSpec>(OIDC)?.ok_or_else(|| missing(site, OIDC))?;
    let login = login(annotations, OIDC)?;
    let (client_id, secret) = credentials(site, &spec.secret)?;
    Ok(Authentication::Oidc(Box::new(Oidc {
        issuer: spec.issuer,
        authorization_endpoint: spec.authorization,
        token_endpoint: spec.token,
        user_info_endpoint: spec.user_info,
        client_id,
        secret,
        login,
    })))
}

fn cognito(site: &Site<'_, '_>, annotations: &Annotations<'_>) -> Result<Authentication, Fault> {
    let spec = annotations.json::<CognitoSpec>(COGNITO)?.ok_or_else(|| missing(site, COGNITO))?;
    let login = login(annotations, COGNITO)?;
    let CognitoSpec { pool: user_pool, client: client_id, domain } = spec;
    Ok(Authentication::Cognito(Box::new(Cognito { user_pool, client_id, domain, login })))
}

fn missing(site: &Site<'_, '_>, name: &str) -> Fault {
    let message = format!("it asks for a login, and alb.ingress.kubernetes.io/{name} is missing");
    site.fault("annotation-invalid", message, "add it, or remove auth-type")
}

fn login(annotations: &Annotations<'_>, provider: &str) -> Result<Login, Fault> {
    let usual = Login::default();
    let unauthenticated = annotations.read("auth-on-unauthenticated-request", |text| {
        Unauthenticated::parse(text).ok_or_else(|| Expected::one_of(Unauthenticated::choices()))
    })?;
    Ok(Login {
        unauthenticated: unauthenticated.unwrap_or(usual.unauthenticated),
        scope: annotations.word("auth-scope").unwrap_or(usual.scope),
        cookie: annotations.word("auth-session-cookie").unwrap_or(usual.cookie),
        timeout: annotations
            .number("auth-session-timeout", 1..=604_800_i64)?
            .unwrap_or(usual.timeout),
        parameters: parameters(annotations, provider)?,
    })
}

/// Parameters of the request to the provider, with their names as they are written.
fn parameters(
    annotations: &Annotations<'_>,
    provider: &str,
) -> Result<BTreeMap<String, String>, Fault> {
    let read = annotations.read(provider, |text| {
        let json: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| Expected::new(format!("it cannot be read: {error}"), "write JSON"))?;
        let mut fields = json.as_object().into_iter().flatten();
        let found =
            fields.rfind(|(name, value)| name.eq_ignore_ascii_case(PARAMETERS) && !value.is_null());
        let parameters = found.map(|(_, value)| serde_json::from_value(value.clone()));
        parameters.transpose().map_err(|error| {
            Expected::new(format!("{PARAMETERS}: {error}"), "write names and texts")
        })
    })?;
    Ok(read.flatten().unwrap_or_default())
}

/// Id and secret that prove to the provider who the load balancer is.
fn credentials(site: &Site<'_, '_>, name: &str) -> Result<(String, ClientSecret), Fault> {
    let namespace = site.member.ingress.namespace();
    let Some(secret) = site.scene.index.secret(namespace, name) else {
        let message = format!("there is no Secret {namespace}/{name}, which its login needs");
        return Err(site.fault("secret-not-found", message, "create it, or name another"));
    };
    let text = |key: &str| {
        let bytes = &secret.data.as_ref()?.get(key)?.0;
        std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())
    };
    let lacks = |key: &str| {
        let message = format!("Secret {namespace}/{name} has no {key}, which its login needs");
        site.fault("secret-not-found", message, "add it to the Secret")
    };
    let id = text("clientID").or_else(|| text("clientId")).ok_or_else(|| lacks("clientID"))?;
    let secret = text("clientSecret").ok_or_else(|| lacks("clientSecret"))?;
    let secret = secret.trim_end_matches(char::is_control);
    Ok((id.trim_end().to_owned(), ClientSecret::new(secret)))
}

fn jwt(annotations: &Annotations<'_>) -> Result<Option<Authentication>, Fault> {
    let jwt = annotations.checked_json(JWT, JwtSpec::wish)?;
    Ok(jwt.map(|jwt| Authentication::Jwt(Box::new(jwt))))
}

impl JwtSpec {
    fn wish(self) -> Result<Jwt, Expected> {
        let Self { keys, issuer, claims } = self;
        let needed = |what: &str| {
            Expected::new(format!("{what} is missing"), "give jwksEndpoint and issuer")
        };
        if keys.is_empty() {
            return Err(needed("jwksEndpoint"));
        }
        if issuer.is_empty() {
            return Err(needed("issuer"));
        }
        let claims = claims.into_iter().map(ClaimSpec::wish).collect::<Result<_, _>>()?;
        Ok(Jwt { keys, issuer, claims })
    }
}

impl ClaimSpec {
    fn wish(self) -> Result<Claim, Expected> {
        let Self { format, name, values } = self;
        if name.is_empty() || values.is_empty() {
            return Err(Expected::new(
                "a claim has no name or no values",
                "give format, name and values of each",
            ));
        }
        let format = ClaimFormat::parse(&format).ok_or_else(|| {
            Expected::new(
                format!("there is no format {format:?} of claims"),
                format!("use one of {}", ClaimFormat::choices()),
            )
        })?;
        Ok(Claim { format, name, values })
    }
}
