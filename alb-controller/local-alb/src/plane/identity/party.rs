//! An identity provider and what a rule agreed with it, read from the settings of an action.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::state::ids::Arn;
use crate::state::rule::{ClientSecret, Identity, IdentityKind};

/// What becomes of a request of somebody unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Is sent to the provider.
    Asked,
    /// Passes, without a name.
    Let,
    /// 401.
    Refused,
}

/// A provider, and ourselves as its client.
#[derive(Debug)]
pub(crate) struct Party<'a> {
    pub(crate) issuer: String,
    /// The issuer of its tokens, if a stand-in makes them.
    pub(crate) stand_in: Option<&'a str>,
    pub(crate) authorization: String,
    pub(crate) token: String,
    pub(crate) user_info: String,
    pub(crate) client: &'a str,
    pub(crate) secret: Option<&'a ClientSecret>,
    pub(crate) scope: &'a str,
    /// The name of the session's cookies, without their number.
    pub(crate) cookie: &'a str,
    /// The seconds that a session lasts at most.
    pub(crate) lasts: u64,
    pub(crate) unknown: Unknown,
    identity: &'a Identity,
}

impl<'a> Party<'a> {
    /// The provider of an action that lets users log in. `cognito` is the URL that answers in place
    /// of every user pool.
    pub(crate) fn of(identity: &'a Identity, cognito: Option<&'a str>) -> Option<Self> {
        let text = |name| identity.setting(name);
        let at = |name| text(name).to_owned();
        let (issuer, urls, client, stand_in) = match identity.kind {
            IdentityKind::Oidc => {
                let urls = ["AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint"].map(at);
                (at("Issuer"), urls, text("ClientId"), None)
            }
            IdentityKind::Cognito => {
                let (issuer, base) = user_pool(text("UserPoolArn"), text("UserPoolDomain"));
                let base = cognito.map_or(base, |url| url.trim_end_matches('/').to_owned());
                let urls =
                    ["authorize", "token", "userInfo"].map(|at| format!("{base}/oauth2/{at}"));
                (issuer, urls, text("UserPoolClientId"), cognito)
            }
            IdentityKind::Jwt => return None,
        };
        let [authorization, token, user_info] = urls;
        Some(Self {
            issuer,
            stand_in,
            authorization,
            token,
            user_info,
            client,
            secret: identity.secret.as_ref(),
            scope: text("Scope"),
            cookie: text("SessionCookieName"),
            lasts: text("SessionTimeout").parse().unwrap_or(604_800),
            unknown: match text("OnUnauthenticatedRequest") {
                "allow" => Unknown::Let,
                "deny" => Unknown::Refused,
                _ => Unknown::Asked,
            },
            identity,
        })
    }

    /// Parameters that the request for a login gets besides ours.
    pub(crate) fn extra(&self) -> impl Iterator<Item = (&str, &str)> {
        self.identity.extra.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether tokens of this issuer are its own.
    pub(crate) fn issues(&self, issuer: &str) -> bool {
        let same = |known: &str| known.trim_end_matches('/') == issuer.trim_end_matches('/');
        issuer == self.issuer || self.stand_in.is_some_and(same)
    }

    /// What ties sessions and logins to a load balancer and this agreement: another client, scope or
    /// provider asks anew.
    pub(crate) fn bond(&self, load_balancer: &Arn) -> String {
        let parts =
            [load_balancer.as_str(), &self.issuer, &self.authorization, self.client, self.scope];
        URL_SAFE_NO_PAD.encode(digest(&SHA256, parts.join("\n").as_bytes()))
    }
}

/// The issuer of a user pool and where its pages are: a domain of its own, or one of Cognito's.
fn user_pool(arn: &str, domain: &str) -> (String, String) {
    let region = arn.split(':').nth(3).unwrap_or_default();
    let pool = arn.rsplit('/').next().unwrap_or_default();
    let issuer = format!("https://cognito-idp.{region}.amazonaws.com/{pool}");
    let base = if domain.contains('.') {
        format!("https://{domain}")
    } else {
        format!("https://{domain}.auth.{region}.amazoncognito.com")
    };
    (issuer, base)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn pool(domain: &str) -> Identity {
        let arn = "arn:aws:cognito-idp:eu-west-1:000000000000:userpool/eu-west-1_Abc";
        let settings = [
            ("UserPoolArn", arn),
            ("UserPoolClientId", "shop"),
            ("UserPoolDomain", domain),
            ("OnUnauthenticatedRequest", "deny"),
        ];
        Identity {
            kind: IdentityKind::Cognito,
            settings: settings.map(|(name, value)| (name, value.to_owned())).into(),
            secret: None,
            extra: BTreeMap::new(),
            claims: Vec::new(),
        }
    }

    #[test]
    fn a_user_pool_is_where_its_domain_is_unless_another_stands_in() {
        let rows = [
            ("shop", None, "https://shop.auth.eu-west-1.amazoncognito.com/oauth2/token"),
            ("login.example.com", None, "https://login.example.com/oauth2/token"),
            ("shop", Some("http://127.0.0.1:9000/"), "http://127.0.0.1:9000/oauth2/token"),
        ];
        for (domain, cognito, expected) in rows {
            let identity = pool(domain);
            let party = Party::of(&identity, cognito).unwrap();
            assert_eq!(party.token, expected, "{domain} {cognito:?}");
            assert_eq!(party.unknown, Unknown::Refused);
            let own = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Abc";
            assert_eq!(party.issuer, own);
            assert!(party.issues(own) && !party.issues("https://evil.example"));
            assert_eq!(party.issues("http://127.0.0.1:9000"), cognito.is_some());
        }
    }
}
