//! Actions as replies show them.

use crate::state::rule::{Action, ActionKind, Forward, Identity, IdentityKind, Redirect};
use crate::wire::Fields;

/// Actions as replies show them: defaults filled in, a single target group in both forms.
pub(in crate::api) fn shapes(actions: &[Action]) -> impl Iterator<Item = Fields> {
    actions.iter().map(|action| {
        let fields = Fields::new().text("Type", action.kind.name());
        let fields = match &action.kind {
            ActionKind::Forward(forward) => forward_shape(fields, forward),
            ActionKind::Redirect(redirect) => {
                fields.with("RedirectConfig", redirect_shape(redirect))
            }
            ActionKind::Fixed(fixed) => fields.with(
                "FixedResponseConfig",
                Fields::new()
                    .maybe("MessageBody", fixed.body.as_ref())
                    .text("StatusCode", fixed.status)
                    .maybe("ContentType", fixed.content_type.as_ref()),
            ),
            ActionKind::Identity(identity) => identity_shape(fields, identity),
        };
        fields.text("Order", action.order)
    })
}

fn forward_shape(fields: Fields, forward: &Forward) -> Fields {
    let fields = match forward.groups.as_slice() {
        [only] => fields.text("TargetGroupArn", &only.arn),
        _ => fields,
    };
    let groups = forward
        .groups
        .iter()
        .map(|group| Fields::new().text("TargetGroupArn", &group.arn).text("Weight", group.weight));
    let sticky = Fields::new()
        .text("Enabled", forward.stickiness.is_some())
        .maybe("DurationSeconds", forward.stickiness);
    let config =
        Fields::new().list("TargetGroups", groups).with("TargetGroupStickinessConfig", sticky);
    fields.with("ForwardConfig", config)
}

fn redirect_shape(redirect: &Redirect) -> Fields {
    Fields::new()
        .text("Protocol", &redirect.protocol)
        .text("Port", &redirect.port)
        .text("Host", &redirect.host)
        .text("Path", &redirect.path)
        .text("Query", &redirect.query)
        .text("StatusCode", if redirect.permanent { "HTTP_301" } else { "HTTP_302" })
}

fn identity_shape(fields: Fields, identity: &Identity) -> Fields {
    let Identity { kind, settings, secret: _, extra, claims } = identity;
    let mut config =
        settings.iter().fold(Fields::new(), |config, (name, value)| config.text(name, value));
    if !extra.is_empty() {
        config = config.entries("AuthenticationRequestExtraParams", extra);
    }
    if !claims.is_empty() {
        config = config.list(
            "AdditionalClaims",
            claims.iter().map(|claim| {
                Fields::new()
                    .text("Format", &claim.format)
                    .text("Name", &claim.name)
                    .texts("Values", &claim.values)
            }),
        );
    }
    let name = match kind {
        IdentityKind::Oidc => "AuthenticateOidcConfig",
        IdentityKind::Cognito => "AuthenticateCognitoConfig",
        IdentityKind::Jwt => "JwtValidationConfig",
    };
    fields.with(name, config)
}
