//! Who is let through by the load balancer itself, before a rule's action.

use crate::words::words;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt};

words! {
    /// What becomes of a client that has not logged in.
    Unauthenticated {
        /// It is answered 401.
        Deny = "deny",
        /// It goes on without identity.
        Allow = "allow",
        /// It is sent to log in.
        Authenticate = "authenticate",
    }

    /// How a claim of a token holds its values.
    ClaimFormat {
        /// One text.
        Single = "single-string",
        /// A list of texts.
        Array = "string-array",
        /// Texts between blanks.
        Blanks = "space-separated-values",
    }
}

/// What a client must show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// A login at an identity provider.
    Oidc(Box<Oidc>),
    /// A login at a Cognito user pool.
    Cognito(Box<Cognito>),
    /// A signed token that is valid.
    Jwt(Box<Jwt>),
}

/// How clients log in, whoever knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// What becomes of those that have not.
    pub unauthenticated: Unauthenticated,
    /// What is asked of the provider.
    pub scope: String,
    /// Name of the cookie.
    pub cookie: String,
    /// Seconds that a login counts.
    pub timeout: i64,
    /// More parameters of the request to the provider.
    pub parameters: BTreeMap<String, String>,
}

/// The habits of AWS.
impl Default for Login {
    fn default() -> Self {
        Self {
            unauthenticated: Unauthenticated::Authenticate,
            scope: "openid".to_owned(),
            cookie: "AWSELBAuthSessionCookie".to_owned(),
            timeout: 604_800,
            parameters: BTreeMap::new(),
        }
    }
}

/// An identity provider that speaks `OpenID` Connect, and who the load balancer is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// The provider.
    pub issuer: String,
    /// Where clients log in.
    pub authorization_endpoint: String,
    /// Where codes are exchanged.
    pub token_endpoint: String,
    /// Where the user's claims are.
    pub user_info_endpoint: String,
    /// Who the load balancer is.
    pub client_id: String,
    /// What proves it. AWS never tells it again.
    pub secret: ClientSecret,
    /// How clients log in.
    pub login: Login,
}

/// A user pool, and who the load balancer is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cognito {
    /// ARN of the pool.
    pub user_pool: String,
    /// Who the load balancer is.
    pub client_id: String,
    /// Domain of the pool.
    pub domain: String,
    /// How clients log in.
    pub login: Login,
}

/// What a token must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// Where the keys are.
    pub keys: String,
    /// Who has issued it.
    pub issuer: String,
    /// What it must say beside that.
    pub claims: Vec<Claim>,
}

/// A claim that a token must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// How it holds its values.
    pub format: ClaimFormat,
    /// Its name.
    pub name: String,
    /// Values, one of which it must have.
    pub values: Vec<String>,
}

/// A secret that nothing prints.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// Keeps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Enough of a hash to notice another secret, and too little to find out which it is.
    fn trace(&self, issuer: &str) -> String {
        let digest = Sha256::new().chain_update(issuer).chain_update(&self.0).finalize();
        let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
        digest.iter().take(4).fold(String::new(), hex)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret")
    }
}

impl Authentication {
    /// Whether AWS would tell both apart: it does not tell the secret.
    pub fn equals(&self, other: &Self) -> bool {
        let bare = |one: &Self| match one {
            Self::Oidc(oidc) => {
                Self::Oidc(Box::new(Oidc { secret: ClientSecret::default(), ..(**oidc).clone() }))
            }
            other @ (Self::Cognito(_) | Self::Jwt(_)) => other.clone(),
        };
        bare(self) == bare(other)
    }

    /// By what a changed secret is noticed, if there is one.
    pub fn trace(&self) -> Option<String> {
        match self {
            Self::Oidc(oidc) => Some(oidc.secret.trace(&oidc.issuer)),
            Self::Cognito(_) | Self::Jwt(_) => None,
        }
    }
}

/// Whether neither or both are there, and do the same as far as AWS tells.
pub fn same(one: Option<&Authentication>, other: Option<&Authentication>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.equals(other),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Such as `login at https://idp.example.com`.
impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oidc(oidc) => write!(f, "login at {}", oidc.issuer),
            Self::Cognito(cognito) => write!(f, "login at {}", cognito.domain),
            Self::Jwt(jwt) => write!(f, "token of {}", jwt.issuer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oidc(secret: &str) -> Authentication {
        Authentication::Oidc(Box::new(Oidc {
            issuer: "https://idp.example.com".into(),
            authorization_endpoint: String::new(),
            token_endpoint: String::new(),
            user_info_endpoint: String::new(),
            client_id: "id".into(),
            secret: ClientSecret::new(secret),
            login: Login::default(),
        }))
    }

    #[test]
    fn a_secret_is_noticed_and_never_shown() {
        let (one, other) = (oidc("hunter2"), oidc("hunter3"));
        assert!(one.equals(&other), "AWS shows no difference");
        assert_ne!(one.trace(), other.trace());
        for text in [format!("{one:?}"), one.to_string(), one.trace().unwrap()] {
            assert!(!text.contains("hunter"), "{text}");
        }
    }
}
