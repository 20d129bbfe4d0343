//! Actions: read from calls, checked, and shown in replies.

mod identity;
mod routing;
mod shape;

use identity::identity;
pub(super) use identity::keep_secret;
use routing::{fixed, forward, redirect};
pub(super) use shape::shapes;

use crate::error::{AwsError, Code};
use crate::state::load_balancer::Protocol;
use crate::state::rule::{Action, ActionKind, IdentityKind, Redirect};
use crate::wire::Params;

const TYPES: [&str; 6] = [
    "forward",
    "redirect",
    "fixed-response",
    "authenticate-oidc",
    "authenticate-cognito",
    "jwt-validation",
];

/// Reads the actions in a field, in their order, each well-formed and all fit for one another.
pub(super) fn read(params: &Params<'_>, field: &str) -> Result<Vec<Action>, AwsError> {
    let given = params.structures(field);
    if given.is_empty() {
        return Err(params.missing(field));
    }
    if given.len() > 10 {
        return Err(AwsError::new(Code::TooManyActions, "There are more than 10 actions"));
    }
    let mut actions = Vec::with_capacity(given.len());
    for params in &given {
        let order = params.number("Order", 1, 50_000_u32)?;
        if order.is_none() && given.len() > 1 {
            return Err(AwsError::validation(
                "When you specify multiple actions, you must specify an order for each action",
            ));
        }
        actions.push(Action { order: order.unwrap_or(1), kind: kind(params)? });
    }
    in_order(&mut actions)?;
    Ok(actions)
}

/// Sorts the actions and sees to it that exactly one routes, and that it is the last.
fn in_order(actions: &mut [Action]) -> Result<(), AwsError> {
    actions.sort_by_key(|action| action.order);
    if actions.windows(2).any(|pair| matches!(pair, [a, b] if a.order == b.order)) {
        return Err(AwsError::validation("The order of each action must be unique"));
    }
    let routing: Vec<&Action> =
        actions.iter().filter(|a| !matches!(a.kind, ActionKind::Identity(_))).collect();
    match routing.as_slice() {
        [only] if actions.last().is_some_and(|last| last == *only) => Ok(()),
        [only] => Err(AwsError::validation(format!(
            "An action of type '{}' must have a higher order than all other actions",
            only.kind.name()
        ))),
        [] => Err(AwsError::validation(
            "A rule must have an action of type 'forward', 'redirect' or 'fixed-response'",
        )),
        several => {
            let types: Vec<_> = several.iter().map(|action| action.kind.name()).collect();
            let text = format!("Action types '{}' cannot be specified together", types.join(","));
            Err(AwsError::validation(text))
        }
    }
}

fn kind(params: &Params<'_>) -> Result<ActionKind, AwsError> {
    let name = params.word("Type", &TYPES)?.ok_or_else(|| params.missing("Type"))?;
    Ok(match name {
        "forward" => ActionKind::Forward(forward(params)?),
        "redirect" => ActionKind::Redirect(redirect(&needed(params, name, "RedirectConfig")?)?),
        "fixed-response" => {
            ActionKind::Fixed(fixed(&needed(params, name, "FixedResponseConfig")?)?)
        }
        "authenticate-oidc" => ActionKind::Identity(identity(
            &needed(params, name, "AuthenticateOidcConfig")?,
            IdentityKind::Oidc,
        )?),
        "authenticate-cognito" => ActionKind::Identity(identity(
            &needed(params, name, "AuthenticateCognitoConfig")?,
            IdentityKind::Cognito,
        )?),
        _ => ActionKind::Identity(identity(
            &needed(params, name, "JwtValidationConfig")?,
            IdentityKind::Jwt,
        )?),
    })
}

fn needed<'a>(params: &Params<'a>, kind: &str, field: &str) -> Result<Params<'a>, AwsError> {
    if params.has(field) {
        return Ok(params.structure(field));
    }
    Err(AwsError::validation(format!(
        "For actions of type '{kind}', you must specify the following fields: '{field}'"
    )))
}

/// Refuses actions that a listener of this protocol and port cannot have.
pub(super) fn fit(actions: &[Action], protocol: Protocol, port: u16) -> Result<(), AwsError> {
    for action in actions {
        match (&action.kind, protocol) {
            (ActionKind::Identity(identity), Protocol::Http) => {
                let text = format!(
                    "Actions of type '{}' are supported only on HTTPS listeners",
                    identity.kind.name()
                );
                return Err(AwsError::new(Code::InvalidLoadBalancerAction, text));
            }
            (ActionKind::Redirect(redirect), Protocol::Https) if redirect.protocol == "HTTP" => {
                return Err(AwsError::validation("You cannot redirect HTTPS to HTTP."));
            }
            (ActionKind::Redirect(redirect), _) if is_loop(redirect, protocol, port) => {
                let text = "The redirect configuration is not valid because it creates a loop.";
                return Err(AwsError::new(Code::InvalidLoadBalancerAction, text));
            }
            (
                ActionKind::Identity(_)
                | ActionKind::Redirect(_)
                | ActionKind::Fixed(_)
                | ActionKind::Forward(_),
                _,
            ) => {}
        }
    }
    Ok(())
}

/// Whether a redirect changes nothing but the query.
fn is_loop(redirect: &Redirect, protocol: Protocol, port: u16) -> bool {
    let same_protocol = ["#{protocol}", protocol.name()].contains(&redirect.protocol.as_str());
    let same_port = redirect.port == "#{port}" || redirect.port.parse() == Ok(port);
    same_protocol && same_port && redirect.host == "#{host}" && redirect.path == "/#{path}"
}
