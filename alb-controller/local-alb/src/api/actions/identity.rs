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
    let mut claims = Vec::new();
    for claim in params.structures("AdditionalClaims") {
        const FORMATS: [&str; 3] = ["single-string", "string-array", "space-separated-values"];
        let format = claim.word("Format", &FORMATS)?.ok_or_else(|| claim.missing("Format"))?;
        claims.push(Claim {
            format: format.to_owned(),
            name: claim.required("Name")?.to_owned(),
            values: claim.strings("Values"),
        });
    }
    let secret = params.text("ClientSecret").map(ClientSecret::new);
    Ok(Identity { kind, settings, secret, extra, claims })
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
