//! Logins, tokens, certificates of clients, access control lists.

use super::{host, ingress, listener, lookups, objects, only, problems, rules, settings, wishes};
use crate::{
    add_ons::{MutualTls, Shield, WebAcl},
    desired,
    rule::{Action, Authentication},
};

const CERT: (&str, &str) = ("certificate-arn", "arn:aws:acm:x:1:certificate/1");
const OIDC: (&str, &str) = (
    "auth-idp-oidc",
    r#"{"issuer": "https://i", "authorizationEndpoint": "https://i/a", "tokenEndpoint": "https://i/t",
      "UserInfoEndpoint": "https://i/u", "secretName": "oidc",
      "authenticationRequestExtraParams": {"Prompt": "login"}}"#,
);
const COGNITO: (&str, &str) =
    ("auth-idp-cognito", r#"{"userPoolARN": "p", "userPoolClientID": "c", "userPoolDomain": "d"}"#);
const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata: {name: oidc}
stringData: {clientID: \"me \", clientSecret: \"hunter2\\n\"}
";

fn shop(annotations: &[(&str, &str)]) -> String {
    ingress("shop", annotations, &rules(&[host("a.example.com", &["Prefix / web:80"])]))
}

#[test]
fn a_login_comes_before_the_action_on_https_alone() {
    let ports = ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#);
    let ingress = shop(&[CERT, ports, ("auth-type", "oidc"), OIDC]);
    let wish = wishes(&[super::WEB, SECRET, &ingress]);
    let rule = listener(&wish, 443).rules.values().next().unwrap();
    let Some(Authentication::Oidc(oidc)) = &rule.authentication else { panic!("{rule:?}") };
    assert_eq!((oidc.client_id.as_str(), oidc.secret.expose()), ("me", "hunter2"));
    assert_eq!(oidc.login.parameters["Prompt"], "login", "the provider's own spelling");
    assert_eq!(oidc.login.timeout, 604_800);
    let plain = listener(&wish, 80).rules.values().next().unwrap();
    assert_eq!(plain.authentication, None);
    assert_eq!(problems(&wish), ["Ingress default/shop login-skipped"]);
    assert!(!format!("{wish:?}").contains("hunter2"), "the secret is nowhere to be seen");
}

#[test]
fn another_secret_makes_another_rule() {
    let ingress = shop(&[CERT, ("auth-type", "oidc"), OIDC]);
    let rule = |secret: &str| {
        let wish = wishes(&[super::WEB, secret, &ingress]);
        listener(&wish, 443).rules.values().next().unwrap().clone()
    };
    let (one, other) = (rule(SECRET), rule(&SECRET.replace("hunter2", "hunter3")));
    assert!(one.acts_like(&rule(SECRET)) && !one.acts_like(&other));
}

#[test]
fn without_what_a_login_needs_the_ingress_is_left_out() {
    let table = [
        (vec![("auth-type", "oidc"), OIDC], "secret-not-found"),
        (vec![("auth-type", "oidc")], "annotation-invalid"),
        (vec![("auth-type", "ldap")], "annotation-invalid"),
        (
            vec![
                ("auth-type", "cognito"),
                COGNITO,
                ("jwt-validation", r#"{"jwksEndpoint": "k", "issuer": "i"}"#),
            ],
            "annotation-invalid",
        ),
        (vec![("jwt-validation", r#"{"jwksEndpoint": "k"}"#)], "annotation-invalid"),
    ];
    for (annotations, code) in table {
        let ingress = shop(&[vec![CERT], annotations].concat());
        let wish = wishes(&[super::WEB, &ingress]);
        assert!(wish.stacks.is_empty(), "{ingress}");
        assert_eq!(problems(&wish), [format!("Ingress default/shop {code}")]);
    }
}

#[test]
fn the_service_that_is_sent_to_has_a_say_about_logins() {
    let service = super::WEB.replace(
        "metadata: {name: web}",
        &format!(
            "metadata:\n  name: web\n  annotations:\n    \
             alb.ingress.kubernetes.io/auth-type: cognito\n    \
             alb.ingress.kubernetes.io/auth-idp-cognito: '{}'",
            COGNITO.1
        ),
    );
    let wish = wishes(&[&service, &shop(&[CERT])]);
    let rule = listener(&wish, 443).rules.values().next().unwrap();
    assert!(matches!(rule.authentication, Some(Authentication::Cognito(_))), "{rule:?}");
}

#[test]
fn the_default_backend_asks_for_a_login_too() {
    let backend = "defaultBackend: {service: {name: web, port: {number: 80}}}";
    let annotations = [CERT, ("auth-type", "cognito"), COGNITO];
    let wish = wishes(&[super::WEB, &ingress("shop", &annotations, backend)]);
    let listener = listener(&wish, 443);
    assert!(listener.authentication.is_some());
    assert!(matches!(listener.default_action, Action::Forward(_)));
}

#[test]
fn clients_show_certificates_where_they_are_asked_to() {
    let verify = |store: &str| {
        (
            "mutual-authentication".to_owned(),
            format!(r#"[{{"port": 443, "mode": "verify", "trustStore": "{store}"}}]"#),
        )
    };
    let wish_for = |store: &str| {
        let (name, value) = verify(store);
        let ingress = shop(&[CERT, (&name, &value)]);
        let mut lookups = lookups();
        lookups.trust_stores = Some([("partners".to_owned(), "arn:ts".to_owned())].into());
        desired(&objects(&[super::WEB, &ingress]), &settings(), &lookups)
    };
    let found = listener(&wish_for("partners"), 443).mutual_tls.clone();
    let verify =
        MutualTls::Verify { trust_store: "arn:ts".into(), ignore_expiry: false, advertise: false };
    assert_eq!(found, Some(verify));
    let missing = wish_for("nobody");
    assert_eq!(problems(&missing), ["Ingress default/shop trust-store-not-found"]);
    assert!(only(&missing).load_balancer.listeners.is_empty(), "it is not open to everybody");
}

#[test]
fn members_agree_on_certificates_of_clients() {
    let member = |name: &str, mode: &str| {
        let tls = format!(r#"[{{"port": 443, "mode": "{mode}"}}]"#);
        let group = [CERT, ("group.name", "g"), ("mutual-authentication", &tls)];
        ingress(name, &group, &rules(&[host(&format!("{name}.example.com"), &["Prefix / web:80"])]))
    };
    let wish = wishes(&[super::WEB, &member("a", "passthrough"), &member("b", "off")]);
    assert_eq!(problems(&wish), ["Ingress default/b group-conflict"]);
    assert_eq!(listener(&wish, 443).mutual_tls, Some(MutualTls::Passthrough));
    assert_eq!(listener(&wish, 443).rules.len(), 1, "only the first one's");
}

#[test]
fn add_ons_are_what_members_agree_on() {
    let ingress = shop(&[
        ("wafv2-acl-arn", "arn:acl"),
        ("shield-advanced-protection", "true"),
        ("minimum-load-balancer-capacity", "CapacityUnits=100"),
        ("ipam-ipv4-pool-id", "ipam-pool-1"),
    ]);
    let wish = wishes(&[super::WEB, &ingress]);
    let add_ons = &only(&wish).load_balancer.add_ons;
    assert_eq!(add_ons.web_acl, Some(WebAcl::Arn("arn:acl".into())));
    assert_eq!(add_ons.shield, Some(Shield::Ours));
    assert_eq!(add_ons.capacity, Some(100));
    assert_eq!(add_ons.address_pool.as_deref(), Some("ipam-pool-1"));
    let none = wishes(&[super::WEB, &shop(&[("wafv2-acl-arn", "none")])]);
    assert_eq!(only(&none).load_balancer.add_ons.web_acl, Some(WebAcl::Nothing));
    let silent = wishes(&[super::WEB, &shop(&[])]);
    assert_eq!(only(&silent).load_balancer.add_ons, crate::add_ons::AddOns::default());
}

#[test]
fn a_web_acl_is_found_by_name_or_its_asker_is_left_out() {
    let ingress = shop(&[("wafv2-acl-name", "shop"), ("wafv2-acl-arn", "arn:other")]);
    let objects = objects(&[super::WEB, &ingress]);
    let mut lookups = lookups();
    lookups.web_acls = Some([("shop".to_owned(), "arn:shop".to_owned())].into());
    let wish = desired(&objects, &settings(), &lookups);
    assert_eq!(only(&wish).load_balancer.add_ons.web_acl, Some(WebAcl::Arn("arn:shop".into())));
    lookups.web_acls = Some(std::collections::BTreeMap::new());
    let wish = desired(&objects, &settings(), &lookups);
    assert!(wish.stacks.is_empty());
    assert_eq!(problems(&wish), ["Ingress default/shop web-acl-not-found"]);
}

#[test]
fn secrets_of_logins_are_to_be_read_and_no_others() {
    let objects = objects(&[super::WEB, SECRET, &shop(&[CERT, ("auth-type", "oidc"), OIDC])]);
    let wanted = crate::secrets(&objects, &settings());
    assert_eq!(wanted, [("default".to_owned(), "oidc".to_owned())].into());
}
