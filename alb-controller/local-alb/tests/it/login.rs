//! Users who log in at a provider, and what their requests tell a target.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

use crate::alb::{Alb, Answer, element, get};
use crate::provider::Provider;
use crate::target::Target;
use crate::tls::{https_listener, request_certificate, send_secure};

const HOST: &str = "shop.example.com";

/// A load balancer whose listener 443 lets users of a provider in.
struct Shop {
    alb: Alb,
    provider: Provider,
    target: Target,
    listener: String,
    group: String,
    address: SocketAddr,
}

/// The actions: log in, then the target.
fn actions(provider: &Provider, group: &str, more: &[(&str, &str)]) -> String {
    let url = provider.url();
    let config = [
        ("Issuer", url.as_str()),
        ("AuthorizationEndpoint", &format!("{url}/authorize?tenant=1")),
        ("TokenEndpoint", &format!("{url}/token")),
        ("UserInfoEndpoint", &format!("{url}/userinfo")),
        ("ClientId", "shop"),
    ];
    let pair = |(name, value): &(&str, &str)| {
        format!("&DefaultActions.member.1.AuthenticateOidcConfig.{name}={value}")
    };
    let config: String = config.iter().chain(more).map(pair).collect();
    format!(
        "DefaultActions.member.1.Type=authenticate-oidc&DefaultActions.member.1.Order=1{config}\
         &DefaultActions.member.2.Type=forward&DefaultActions.member.2.Order=2\
         &DefaultActions.member.2.TargetGroupArn={group}"
    )
}

const SECRET: (&str, &str) = ("ClientSecret", "hush/hush");

impl Shop {
    async fn with(more: &[(&str, &str)]) -> Self {
        let (alb, provider) = (Alb::start().await, Provider::start().await);
        let target = Target::start("a").await;
        let plain = alb.shop(target.address).await;
        let certificate = request_certificate(&alb, HOST).await;
        let actions = actions(&provider, &plain.group, more);
        let listener = https_listener(&alb, &plain.lb, &certificate, &actions).await;
        let address = alb.running.address_of("shop", 443).unwrap();
        Self { alb, provider, target, listener, group: plain.group, address }
    }

    fn browser(&self) -> Browser {
        Browser { address: self.address, jar: BTreeMap::new() }
    }
}

/// A client that keeps cookies.
struct Browser {
    address: SocketAddr,
    jar: BTreeMap<String, String>,
}

impl Browser {
    async fn get(&mut self, url: &str) -> Answer {
        self.get_with(url, "").await
    }

    async fn get_with(&mut self, url: &str, headers: &str) -> Answer {
        let jar: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = format!(
            "GET {url} HTTP/1.1\r\nHost: {HOST}\r\nCookie: {}\r\n{headers}Connection: close\r\n\r\n",
            jar.join("; ")
        );
        let answer = send_secure(self.address, HOST, &request).await;
        for cookie in answer.headers("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            // A sealed value may have any four letters in it, a year too.
            if cookie.contains("Expires=Thu, 01 Jan 1970") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Begins a login: the parameters that the provider gets.
    async fn begin(&mut self, url: &str) -> BTreeMap<String, String> {
        let answer = self.get(url).await;
        assert_eq!(answer.status, 302, "{answer:?}");
        let location = answer.header("location").unwrap();
        let (_, query) = location.split_once('?').unwrap();
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// Logs in, and is where it wanted to go.
    async fn log_in(&mut self, url: &str) -> Answer {
        let state = self.begin(url).await.remove("state").unwrap();
        self.get(&format!("/oauth2/idpresponse?code=c0de&state={state}")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_logs_in_and_the_target_is_told_who_it_is() {
    let more = [
        SECRET,
        ("Scope", "openid%20email"),
        ("AuthenticationRequestExtraParams.entry.1.key", "prompt"),
        ("AuthenticationRequestExtraParams.entry.1.value", "login"),
    ];
    let shop = Shop::with(&more).await;
    let mut browser = shop.browser();
    let asked = browser.begin("/page?x=1").await;
    let expected = [
        ("tenant", "1"),
        ("client_id", "shop"),
        ("redirect_uri", "https://shop.example.com/oauth2/idpresponse"),
        ("response_type", "code"),
        ("scope", "openid email"),
        ("prompt", "login"),
    ];
    for (name, value) in expected {
        assert_eq!(asked[name], value, "{name}");
    }
    assert_eq!(browser.jar["AWSALBAuthNonce"].len(), 16);
    assert_eq!(shop.target.served(), 0);

    let url = format!("/oauth2/idpresponse?code=c0de&state={}", asked["state"]);
    let back = browser.get(&url).await;
    assert_eq!(back.status, 302, "{back:?}");
    assert_eq!(back.header("location"), Some("https://shop.example.com:443/page?x=1"));
    let token = shop.provider.asked("/token").remove(0);
    let basic = format!("authorization: Basic {}", STANDARD.encode("shop:hush%2Fhush"));
    assert!(token.contains(&basic), "{token}");
    let form = "grant_type=authorization_code&code=c0de\
                &redirect_uri=https%3A%2F%2Fshop.example.com%2Foauth2%2Fidpresponse&client_id=shop";
    assert!(token.ends_with(form), "{token}");
    let info = shop.provider.asked("/userinfo").remove(0);
    assert!(info.contains("authorization: Bearer access-1\r\n"), "{info}");

    let forged = "X-Amzn-Oidc-Data: forged\r\nX-Amzn-Oidc-Identity: eve\r\n";
    let seen = browser.get_with("/page?x=1", forged).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(told(&seen, "accesstoken"), ["access-1"]);
    assert_eq!(told(&seen, "identity"), ["ann"]);
    let data = told(&seen, "data");
    assert_eq!(data.len(), 1, "{seen:?}");
    let (header, claims) = verified(&shop, &data[0]).await;
    assert_eq!(header["client"], "shop");
    assert_eq!(header["iss"], shop.provider.url());
    assert_eq!(claims["email"], "ann@example.com");
    assert_eq!(claims["exp"], header["exp"]);
}

/// What the target was told under `x-amzn-oidc-…`.
fn told(seen: &Answer, name: &str) -> Vec<String> {
    let prefix = format!("x-amzn-oidc-{name}:");
    let lines = seen.body.lines().filter(|line| line.to_ascii_lowercase().starts_with(&prefix));
    lines.map(|line| line[prefix.len()..].trim().to_owned()).collect()
}

/// Header and claims of a token, checked by the key that the load balancer publishes.
async fn verified(shop: &Shop, token: &str) -> (Value, Value) {
    let parts: Vec<_> = token.split('.').collect();
    // The decoder insists on the padding that AWS has.
    let bytes = |part: &str| URL_SAFE.decode(part).unwrap();
    let header: Value = serde_json::from_slice(&bytes(parts[0])).unwrap();
    let url = format!("/public-keys/{}", header["kid"].as_str().unwrap());
    let pem = get(shop.alb.running.api, "localhost", &url).await;
    assert_eq!(pem.status, 200, "{pem:?}");
    let der = pem.body.lines().filter(|line| !line.starts_with("-----")).collect::<String>();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, STANDARD.decode(der).unwrap());
    let signed = format!("{}.{}", parts[0], parts[1]);
    key.verify(signed.as_bytes(), &bytes(parts[2])).unwrap();
    let arn = header["signer"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:elasticloadbalancing:us-east-1:") && arn.contains("/shop/"));
    (header, serde_json::from_slice(&bytes(parts[1])).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_unknown_is_refused_or_passes_without_a_name() {
    let shop = Shop::with(&[SECRET, ("OnUnauthenticatedRequest", "deny")]).await;
    let denied = shop.browser().get("/").await;
    assert_eq!((denied.status, shop.target.served()), (401, 0), "{denied:?}");
    assert!(denied.body.contains("401 Authorization Required"), "{denied:?}");

    let shop = Shop::with(&[SECRET, ("OnUnauthenticatedRequest", "allow")]).await;
    let forged =
        "X-Amzn-Oidc-Data: forged\r\nx-amzn-oidc-identity: eve\r\nX-Amzn-Oidc-Accesstoken: x\r\n";
    let seen = shop.browser().get_with("/", forged).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert!(!seen.body.to_ascii_lowercase().contains("x-amzn-oidc"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_went_wrong_says_whose_fault_it_is() {
    let shop = Shop::with(&[SECRET]).await;
    let provider = &shop.provider;
    let good = provider.tokens("access-1", &json!({}));
    let user = json!({"sub": "ann"});
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("id_token");
    let claims = |changes| provider.tokens("a", &changes);
    let large = json!({"sub": "ann", "x": "x".repeat(12_000)});
    let rows = [
        ("no such code", 400, json!({"error": "invalid_grant"}), 200, &user, 561),
        ("an error of the token endpoint", 500, json!({}), 200, &user, 561),
        ("no token", 200, json!([]), 200, &user, 561),
        ("no token of identity", 200, without, 200, &user, 401),
        ("another issuer", 200, claims(json!({"iss": "https://evil"})), 200, &user, 401),
        ("another client", 200, claims(json!({"aud": ["other"]})), 200, &user, 401),
        ("an old token", 200, claims(json!({"exp": 1_000})), 200, &user, 401),
        ("an error about the user", 200, good.clone(), 403, &user, 561),
        ("another user", 200, good.clone(), 200, &json!({"sub": "eve"}), 561),
        ("too much of a user", 200, good.clone(), 200, &large, 500),
        ("all is well", 200, good.clone(), 200, &user, 302),
    ];
    for (what, token_status, token, user_status, user, expected) in rows {
        provider.says("/token", token_status, &token);
        provider.says("/userinfo", user_status, user);
        assert_eq!(shop.browser().log_in("/").await.status, expected, "{what}");
    }
    provider.hangs_up("/token");
    assert_eq!(shop.browser().log_in("/").await.status, 500, "out of reach");
    assert_eq!(shop.target.served(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_browser_that_began_a_login_ends_it() {
    let shop = Shop::with(&[SECRET]).await;
    let mut browser = shop.browser();
    let state = browser.begin("/").await["state"].clone();
    let mut other = shop.browser();
    other.begin("/").await;
    let with = |query: &str| format!("/oauth2/idpresponse?{query}");
    let ok = format!("code=c&state={state}");
    let rows = [
        (with("code=c"), 401),
        (with("code=c&state=AAAA"), 401),
        (with(&format!("code=c&state=A{state}")), 401),
        (with(&format!("state={state}")), 401),
        (with(&format!("error=access_denied&state={state}")), 401),
        (with(&format!("error=server_error&state={state}")), 561),
    ];
    for (url, expected) in rows {
        assert_eq!(browser.get(&url).await.status, expected, "{url}");
    }
    assert_eq!(other.get(&with(&ok)).await.status, 401, "another browser's nonce");
    assert_eq!(shop.browser().get(&with(&ok)).await.status, 401, "no nonce");
    assert_eq!(browser.get(&with(&ok)).await.status, 302);
    // HTTP/1.0 may leave out the host, and then there is no way back.
    let unnamed = send_secure(shop.address, HOST, "GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(unnamed.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_refreshed_when_its_token_ends_and_ends_with_the_agreement() {
    let shop = Shop::with(&[SECRET]).await;
    let provider = &shop.provider;
    let mut first = provider.tokens("access-1", &json!({}));
    first["expires_in"] = 0.into();
    first["refresh_token"] = "again".into();
    provider.says("/token", 200, &first);
    let large = json!({"sub": "ann", "note": "x".repeat(9_000)});
    provider.says("/userinfo", 200, &large);
    let mut browser = shop.browser();
    assert_eq!(browser.log_in("/").await.status, 302);
    assert!(browser.jar.contains_key("AWSELBAuthSessionCookie-2"), "{:?}", browser.jar.keys());

    provider.says("/token", 200, &provider.tokens("access-2", &json!({})));
    provider.says("/userinfo", 200, &json!({"sub": "ann"}));
    let seen = browser.get("/").await;
    assert_eq!(told(&seen, "accesstoken"), ["access-2"], "{seen:?}");
    let asked = provider.asked("/token").pop().unwrap();
    assert!(
        asked.ends_with("grant_type=refresh_token&refresh_token=again&client_id=shop"),
        "{asked}"
    );
    assert!(!browser.jar.contains_key("AWSELBAuthSessionCookie-1"), "{:?}", browser.jar.keys());
    browser.get("/").await;
    assert_eq!(provider.asked("/token").len(), 2, "the new token has not ended");

    let form =
        actions(provider, &shop.group, &[("Scope", "email"), ("UseExistingClientSecret", "true")]);
    let changed =
        shop.alb.done("ModifyListener", &format!("ListenerArn={}&{form}", shop.listener)).await;
    assert_eq!(element(&changed, "Scope"), "email");
    assert_eq!(browser.log_in("/").await.status, 302, "another scope asks anew");
    let asked = provider.asked("/token").pop().unwrap();
    assert!(asked.contains("authorization: Basic "), "the secret is the one from before: {asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_a_pool_of_cognito_log_in_where_it_is_said_to_be() {
    let provider = Provider::start().await;
    provider.says("/oauth2/token", 200, &provider.tokens("access-1", &json!({})));
    provider.says("/oauth2/userInfo", 200, &json!({"sub": "ann"}));
    let alb = Alb::with(|config| config.cognito = Some(provider.url())).await;
    let target = Target::start("a").await;
    let plain = alb.shop(target.address).await;
    let certificate = request_certificate(&alb, HOST).await;
    let pool = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_Abc";
    let config = "DefaultActions.member.1.AuthenticateCognitoConfig";
    let actions = format!(
        "DefaultActions.member.1.Type=authenticate-cognito&DefaultActions.member.1.Order=1\
         &{config}.UserPoolArn={pool}&{config}.UserPoolClientId=shop&{config}.UserPoolDomain=login\
         &DefaultActions.member.2.Type=forward&DefaultActions.member.2.Order=2\
         &DefaultActions.member.2.TargetGroupArn={}",
        plain.group
    );
    https_listener(&alb, &plain.lb, &certificate, &actions).await;
    let address = alb.running.address_of("shop", 443).unwrap();
    let mut browser = Browser { address, jar: BTreeMap::new() };
    assert_eq!(browser.log_in("/").await.status, 302);
    let seen = browser.get("/").await;
    assert_eq!(told(&seen, "identity"), ["ann"], "{seen:?}");
}
