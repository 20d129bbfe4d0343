//! The actions that ask who the client is.

use crate::error::AwsError;
use crate::state::rule::{Action, ActionKind, Claim, ClientSecret, Identity, IdentityKind};
use crate::wire::Params;

/// Settings of the identity actions: name, whether it must be given, default.
const OIDC: [(&str, bool, Option<&str>); 10] = [
    ("Issuer", true, None),
    ("AuthorizationEndpoint", true, None),
    ("TokenEndpoint", true, None),
    ("UserInfoEndpoint", true, None),
    ("ClientId", true, None),
    ("SessionCookieName", false, Some("AWSELBAuthSessionCookie")),
    ("Scope", false, Some("openid")),
    ("SessionTimeout", false, Some("604800")),
    ("OnUnauthenticatedRequest", false, Some("authenticate")),
    ("UseExistingClientSecret", false, None),
];
const COGNITO: [(&str, bool, Option<&str>); 7] = [
    ("UserPoolArn", true, None),
    ("UserPoolClientId", true, None),
    ("UserPoolDomain", true, None),
    ("SessionCookieName", false, Some("AWSELBAuthSessionCookie")),
    ("Scope", false, Some("openid")),
    ("SessionTimeout", false, Some("604800")),
    ("OnUnauthenticatedRequest", false, Some("authenticate")),
];
const JWT: [(&str, bool, Option<&str>); 2] = [("JwksEndpoint", true, None), ("Issuer", true, None)];

pub(super) fn identity(params: &Params<'_>, kind: IdentityKind) -> Result<Identity, AwsError> {
    let known: &[_] = match kind {
        IdentityKind::Oidc => &OIDC,
        IdentityKind::Cognito => &COGNITO,
        IdentityKind::Jwt => &JWT,
    };
    params.number("SessionTimeout", 1_u64, 604_800)?;
    params.word("OnUnauthenticatedRequest", &["deny", "allow", "authenticate"])?;
    let mut settings = Vec::new();
    for (name, must, default) in known {
        let value = if *must { Some(params.required(name)?) } else { params.text(name) };
        if let Some(value) = value.or(*default) {
            settings.push((*name, value.to_owned()));
        }
    }
    let extra = params.map("AuthenticationRequestExtraParams");
    if extra.len() > 10 {
        let text = "Up to 10 extra parameters of an authentication request can be specified";
        return Err(AwsError::validation(text));
    }
    let claims = claims(params)?;
    let secret = params.text("ClientSecret").map(ClientSecret::new);
    Ok(Identity { kind, settings, secret, extra, claims })
}

/// Claims that a token must have, within AWS's limits; the words of refusals are ours.
fn claims(params: &Params<'_>) -> Result<Vec<Claim>, AwsError> {
    const FORMATS: [&str; 3] = ["single-string", "string-array", "space-separated-values"];
    let given = params.structures("AdditionalClaims");
    if given.len() > 10 {
        return Err(AwsError::validation("Up to 10 additional claims can be specified"));
    }
    let mut claims = Vec::new();
    for claim in given {
        let format = claim.word("Format", &FORMATS)?.ok_or_else(|| claim.missing("Format"))?;
        let (name, values) = (claim.required("Name")?, claim.strings("Values"));
        let spaced = |value: &String| format == "space-separated-values" && value.contains(' ');
        let wrong = if ["exp", "iss", "nbf", "iat"].contains(&name) {
            "is validated always and cannot be specified"
        } else if values.is_empty() || values.len() > 10 {
            "must have 1 to 10 values"
        } else if values.iter().any(|value| value.chars().count() > 256 || spaced(value)) {
            "has a value that is longer than 256 characters or has a space where none may be"
        } else {
            claims.push(Claim { format: format.to_owned(), name: name.to_owned(), values });
            continue;
        };
        return Err(AwsError::validation(format!("The additional claim '{name}' {wrong}")));
    }
    Ok(claims)
}

/// Gives actions that are to go on with the secret of those `before` that secret.
pub(in crate::api) fn keep_secret(actions: &mut [Action], before: &[Action]) {
    let known = before.iter().find_map(|action| match &action.kind {
        ActionKind::Identity(identity) => identity.secret.clone(),
        ActionKind::Forward(_) | ActionKind::Redirect(_) | ActionKind::Fixed(_) => None,
    });
    for action in actions {
        if let ActionKind::Identity(identity) = &mut action.kind
            && identity.secret.is_none()
            && identity.setting("UseExistingClientSecret") == "true"
        {
            identity.secret.clone_from(&known);
        }
    }
}
