//! Logins and tokens, in AWS's shape and in ours.

use aws_sdk_elasticloadbalancingv2::types::{
    self as elb, AuthenticateCognitoActionConditionalBehaviorEnum as CognitoBehavior,
    AuthenticateOidcActionConditionalBehaviorEnum as OidcBehavior,
};
use edgeway_alb_core::rule::{
    Authentication, Claim, ClaimFormat, ClientSecret, Cognito, Jwt, Login, Oidc, Unauthenticated,
};
use std::collections::{BTreeMap, HashMap};

fn text(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

/// What AWS tells of a login.
struct Told<'a> {
    unauthenticated: Option<&'a str>,
    scope: Option<&'a str>,
    cookie: Option<&'a str>,
    timeout: Option<i64>,
    parameters: Option<&'a HashMap<String, String>>,
}

impl Told<'_> {
    /// What AWS leaves out is as usual.
    fn login(self) -> Login {
        let usual = Login::default();
        let or = |given: Option<&str>, usual: String| given.map_or(usual, str::to_owned);
        let parameters = self.parameters.into_iter().flatten();
        Login {
            unauthenticated: self
                .unauthenticated
                .and_then(Unauthenticated::parse)
                .unwrap_or(usual.unauthenticated),
            scope: or(self.scope, usual.scope),
            cookie: or(self.cookie, usual.cookie),
            timeout: self.timeout.unwrap_or(usual.timeout),
            parameters: parameters.map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }
}

/// What a client must show, if that is what the action is about.
pub(super) fn read(action: &elb::Action) -> Option<Authentication> {
    if let Some(config) = action.authenticate_oidc_config() {
        return Some(Authentication::Oidc(Box::new(oidc(config))));
    }
    if let Some(config) = action.authenticate_cognito_config() {
        return Some(Authentication::Cognito(Box::new(cognito(config))));
    }
    action.jwt_validation_config().map(|config| Authentication::Jwt(Box::new(jwt(config))))
}

fn oidc(config: &elb::AuthenticateOidcActionConfig) -> Oidc {
    let told = Told {
        unauthenticated: config.on_unauthenticated_request().map(OidcBehavior::as_str),
        scope: config.scope(),
        cookie: config.session_cookie_name(),
        timeout: config.session_timeout(),
        parameters: config.authentication_request_extra_params(),
    };
    Oidc {
        issuer: text(config.issuer()),
        authorization_endpoint: text(config.authorization_endpoint()),
        token_endpoint: text(config.token_endpoint()),
        user_info_endpoint: text(config.user_info_endpoint()),
        client_id: text(config.client_id()),
        secret: ClientSecret::default(),
        login: told.login(),
    }
}

fn cognito(config: &elb::AuthenticateCognitoActionConfig) -> Cognito {
    let told = Told {
        unauthenticated: config.on_unauthenticated_request().map(CognitoBehavior::as_str),
        scope: config.scope(),
        cookie: config.session_cookie_name(),
        timeout: config.session_timeout(),
        parameters: config.authentication_request_extra_params(),
    };
    Cognito {
        user_pool: text(config.user_pool_arn()),
        client_id: text(config.user_pool_client_id()),
        domain: text(config.user_pool_domain()),
        login: told.login(),
    }
}

fn jwt(config: &elb::JwtValidationActionConfig) -> Jwt {
    let claim = |claim: &elb::JwtValidationActionAdditionalClaim| {
        let format = claim.format().and_then(|format| ClaimFormat::parse(format.as_str()));
        Claim {
            format: format.unwrap_or(ClaimFormat::Single),
            name: text(claim.name()),
            values: claim.values().to_vec(),
        }
    };
    Jwt {
        keys: text(config.jwks_endpoint()),
        issuer: text(config.issuer()),
        claims: config.additional_claims().iter().map(claim).collect(),
    }
}

/// The action that asks a client for it. It comes before all others.
pub(super) fn write(authentication: &Authentication) -> elb::Action {
    let build = elb::Action::builder().order(1);
    match authentication {
        Authentication::Oidc(oidc) => build
            .r#type(elb::ActionTypeEnum::AuthenticateOidc)
            .authenticate_oidc_config(oidc_config(oidc))
            .build(),
        Authentication::Cognito(cognito) => build
            .r#type(elb::ActionTypeEnum::AuthenticateCognito)
            .authenticate_cognito_config(cognito_config(cognito))
            .build(),
        Authentication::Jwt(jwt) => build
            .r#type(elb::ActionTypeEnum::JwtValidation)
            .jwt_validation_config(jwt_config(jwt))
            .build(),
    }
}

fn parameters(parameters: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    let pairs = parameters.iter().map(|(key, value)| (key.clone(), value.clone()));
    (!parameters.is_empty()).then(|| pairs.collect())
}

fn oidc_config(oidc: &Oidc) -> elb::AuthenticateOidcActionConfig {
    let Login { unauthenticated, scope, cookie, timeout, parameters: more } = &oidc.login;
    let word = OidcBehavior::from(unauthenticated.as_str());
    elb::AuthenticateOidcActionConfig::builder()
        .issuer(&oidc.issuer)
        .authorization_endpoint(&oidc.authorization_endpoint)
        .token_endpoint(&oidc.token_endpoint)
        .user_info_endpoint(&oidc.user_info_endpoint)
        .client_id(&oidc.client_id)
        .client_secret(oidc.secret.expose())
        .on_unauthenticated_request(word)
        .scope(scope)
        .session_cookie_name(cookie)
        .session_timeout(*timeout)
        .set_authentication_request_extra_params(parameters(more))
        .build()
}

fn cognito_config(cognito: &Cognito) -> elb::AuthenticateCognitoActionConfig {
    let Login { unauthenticated, scope, cookie, timeout, parameters: more } = &cognito.login;
    let word = CognitoBehavior::from(unauthenticated.as_str());
    elb::AuthenticateCognitoActionConfig::builder()
        .user_pool_arn(&cognito.user_pool)
        .user_pool_client_id(&cognito.client_id)
        .user_pool_domain(&cognito.domain)
        .on_unauthenticated_request(word)
        .scope(scope)
        .session_cookie_name(cookie)
        .session_timeout(*timeout)
        .set_authentication_request_extra_params(parameters(more))
        .build()
}

fn jwt_config(jwt: &Jwt) -> elb::JwtValidationActionConfig {
    let claim = |claim: &Claim| {
        let format = claim.format.as_str();
        elb::JwtValidationActionAdditionalClaim::builder()
            .format(elb::JwtValidationActionAdditionalClaimFormatEnum::from(format))
            .name(&claim.name)
            .set_values(Some(claim.values.clone()))
            .build()
    };
    let claims: Vec<_> = jwt.claims.iter().map(claim).collect();
    elb::JwtValidationActionConfig::builder()
        .jwks_endpoint(&jwt.keys)
        .issuer(&jwt.issuer)
        .set_additional_claims(Some(claims).filter(|claims| !claims.is_empty()))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_but_for_the_secret() {
        let login =
            Login { parameters: [("prompt".into(), "login".into())].into(), ..Login::default() };
        let all = [
            Authentication::Oidc(Box::new(Oidc {
                issuer: "https://i".into(),
                authorization_endpoint: "https://i/a".into(),
                token_endpoint: "https://i/t".into(),
                user_info_endpoint: "https://i/u".into(),
                client_id: "id".into(),
                secret: ClientSecret::new("secret"),
                login: login.clone(),
            })),
            Authentication::Cognito(Box::new(Cognito {
                user_pool: "arn:p".into(),
                client_id: "id".into(),
                domain: "d".into(),
                login: Login { unauthenticated: Unauthenticated::Deny, ..login },
            })),
            Authentication::Jwt(Box::new(Jwt {
                keys: "https://i/k".into(),
                issuer: "https://i".into(),
                claims: vec![Claim {
                    format: ClaimFormat::Array,
                    name: "aud".into(),
                    values: vec!["a".into()],
                }],
            })),
        ];
        for wish in all {
            let found = read(&write(&wish)).unwrap();
            assert!(found.equals(&wish), "{found:?}");
        }
    }
}
