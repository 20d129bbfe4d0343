//! Listeners and their certificates.

use serde_json::json;

use super::Account;
use crate::wire::Service;

fn certificate(account: &mut Account) -> String {
    let reply = account
        .json(Service::Acm, "RequestCertificate", json!({"DomainName": "a.example.com"}))
        .unwrap();
    reply["CertificateArn"].as_str().unwrap().to_owned()
}

const FIXED: &str = "DefaultActions.member.1.Type=fixed-response\
                     &DefaultActions.member.1.FixedResponseConfig.StatusCode=404";

#[test]
fn a_listener_is_made_once_and_again_only_with_the_same_settings() {
    let mut account = Account::new();
    let lb = account.load_balancer("shop");
    let arn = account.listener(&lb, 80);
    assert!(arn.contains(":listener/app/shop/"));
    assert_eq!(account.listener(&lb, 80), arn);
    let form = format!("LoadBalancerArn={lb}&Protocol=HTTP&Port=80&{FIXED}")
        .replace("StatusCode=404", "StatusCode=503");
    assert_eq!(account.refused("CreateListener", &form).0, "DuplicateListener");
}

#[test]
fn an_https_listener_has_a_policy_a_certificate_and_no_client_check() {
    let mut account = Account::new();
    let (lb, certificate) = (account.load_balancer("shop"), certificate(&mut account));
    let form = format!(
        "LoadBalancerArn={lb}&Protocol=HTTPS&Port=443&{FIXED}&Certificates.member.1.CertificateArn={certificate}"
    );
    let made = account.elb("CreateListener", &form);
    assert_eq!(made.text("Listeners.0.SslPolicy"), "ELBSecurityPolicy-2016-08");
    assert_eq!(made.text("Listeners.0.Certificates.0.CertificateArn"), certificate);
    assert_eq!(made.text("Listeners.0.MutualAuthentication.Mode"), "off");
    assert_eq!(made.text("Listeners.0.DefaultActions.0.Order"), "1");
}

#[test]
fn what_aws_refuses_is_refused_in_its_words() {
    let mut account = Account::new();
    let (lb, certificate) = (account.load_balancer("shop"), certificate(&mut account));
    let base = format!("LoadBalancerArn={lb}&{FIXED}");
    let https = format!("{base}&Protocol=HTTPS&Port=443");
    let with = format!("{https}&Certificates.member.1.CertificateArn={certificate}");
    let rows = [
        (
            format!("{base}&Protocol=TCP&Port=80"),
            "ValidationError",
            "Listener protocol 'TCP' must be one of 'HTTP, HTTPS'",
        ),
        (format!("{base}&Protocol=HTTP&Port=0"), "ValidationError", "'port'"),
        (format!("{base}&Protocol=HTTP&Port=70000"), "ValidationError", "'port'"),
        (
            format!("{base}&Protocol=HTTP&Port=80&SslPolicy=x"),
            "ValidationError",
            "An SSL policy cannot be specifed for HTTP listeners",
        ),
        (https.clone(), "ValidationError", "A certificate must be specified for HTTPS listeners"),
        (
            format!("{https}&Certificates.member.1.CertificateArn=arn:aws:acm:x"),
            "CertificateNotFound",
            "arn:aws:acm:x",
        ),
        (
            format!("{with}&Certificates.member.2.CertificateArn=b"),
            "TooManyCertificates",
            "Up to '1' certificate ARNs can be specified, but '2' were specified",
        ),
        (
            format!("{with}&SslPolicy=ELBSecurityPolicy-None"),
            "SSLPolicyNotFound",
            "ELBSecurityPolicy-None",
        ),
        (
            format!("{with}&MutualAuthentication.Mode=verify"),
            "ValidationError",
            "Mutual Authentication mode verify requires a trust store arn",
        ),
        (
            format!(
                "{with}&MutualAuthentication.Mode=verify&MutualAuthentication.TrustStoreArn=arn:t"
            ),
            "TrustStoreNotFound",
            "arn:t",
        ),
        (
            format!("LoadBalancerArn={lb}&Protocol=HTTP&Port=80"),
            "ValidationError",
            "'defaultActions'",
        ),
    ];
    for (form, code, text) in rows {
        let (got, message) = account.refused("CreateListener", &form);
        assert_eq!(got, code, "{form}: {message}");
        assert!(message.contains(text), "{form}: {message}");
    }
}

#[test]
fn a_listener_needs_a_load_balancer() {
    let form = format!("LoadBalancerArn=arn:none&Protocol=HTTP&Port=80&{FIXED}");
    assert_eq!(Account::new().refused("CreateListener", &form).0, "LoadBalancerNotFound");
}

#[test]
fn the_quota_of_listeners_holds() {
    let mut account = Account::with(|config| config.limits.listeners = 3);
    let lb = account.load_balancer("shop");
    for port in [80, 81, 82] {
        account.listener(&lb, port);
    }
    let form = format!("LoadBalancerArn={lb}&{FIXED}&Protocol=HTTP&Port=83");
    assert_eq!(account.refused("CreateListener", &form).0, "TooManyListeners");
}

#[test]
fn modifying_keeps_what_is_not_named_and_switches_protocols_with_care() {
    let mut account = Account::new();
    let (lb, certificate) = (account.load_balancer("shop"), certificate(&mut account));
    let arn = account.listener(&lb, 80);
    account.listener(&lb, 81);
    let modify = |rest: &str| format!("ListenerArn={arn}&{rest}");
    let moved = account.elb("ModifyListener", &modify("Port=8080"));
    assert_eq!(moved.text("Listeners.0.Port"), "8080");
    assert_eq!(moved.text("Listeners.0.DefaultActions.0.FixedResponseConfig.StatusCode"), "404");
    assert_eq!(account.refused("ModifyListener", &modify("Port=81")).0, "DuplicateListener");
    let cert = format!("Protocol=HTTPS&Certificates.member.1.CertificateArn={certificate}");
    let (_, message) = account.refused("ModifyListener", &modify(&cert));
    assert!(message.contains("SSL policy"), "{message}");
    let both = format!("{cert}&SslPolicy=ELBSecurityPolicy-TLS13-1-2-2021-06");
    let secure = account.elb("ModifyListener", &modify(&both));
    assert_eq!(secure.text("Listeners.0.SslPolicy"), "ELBSecurityPolicy-TLS13-1-2-2021-06");
    let plain = account.elb("ModifyListener", &modify("Protocol=HTTP"));
    assert!(!plain.has("Listeners.0.SslPolicy") && !plain.has("Listeners.0.Certificates"));
}

#[test]
fn a_modified_listener_must_still_suit_its_rules() {
    let mut account = Account::new();
    let (lb, certificate) = (account.load_balancer("shop"), certificate(&mut account));
    let form = format!(
        "LoadBalancerArn={lb}&Protocol=HTTPS&Port=443&{FIXED}&Certificates.member.1.CertificateArn={certificate}"
    );
    let arn = account.elb("CreateListener", &form).text("Listeners.0.ListenerArn");
    let rule = format!(
        "ListenerArn={arn}&Priority=1&Conditions.member.1.Field=path-pattern&Conditions.member.1.Values.member.1=/x\
         &Actions.member.1.Type=jwt-validation&Actions.member.1.Order=1&Actions.member.1.JwtValidationConfig.Issuer=i\
         &Actions.member.1.JwtValidationConfig.JwksEndpoint=https://i/jwks&Actions.member.2.Type=fixed-response\
         &Actions.member.2.Order=2&Actions.member.2.FixedResponseConfig.StatusCode=200"
    );
    account.elb("CreateRule", &rule);
    let (code, _) = account.refused("ModifyListener", &format!("ListenerArn={arn}&Protocol=HTTP"));
    assert_eq!(code, "InvalidLoadBalancerAction");
}

#[test]
fn extra_certificates_are_added_once_and_the_default_one_stays() {
    let mut account = Account::with(|config| config.limits.certificates = 2);
    let lb = account.load_balancer("shop");
    let certificates: Vec<_> = (0..4).map(|_| certificate(&mut account)).collect();
    let form = format!(
        "LoadBalancerArn={lb}&Protocol=HTTPS&Port=443&{FIXED}&Certificates.member.1.CertificateArn={}",
        certificates[0]
    );
    let arn = account.elb("CreateListener", &form).text("Listeners.0.ListenerArn");
    let named = |index: usize| {
        format!("ListenerArn={arn}&Certificates.member.1.CertificateArn={}", certificates[index])
    };
    account.elb("AddListenerCertificates", &named(0));
    account.elb("AddListenerCertificates", &named(1));
    account.elb("AddListenerCertificates", &named(1));
    assert_eq!(account.refused("AddListenerCertificates", &named(2)).0, "TooManyCertificates");
    let read = account.elb("DescribeListenerCertificates", &format!("ListenerArn={arn}"));
    assert_eq!(read.column("Certificates", "IsDefault"), ["true", "false", "false"]);
    account.elb("RemoveListenerCertificates", &named(0));
    assert_eq!(account.refused("RemoveListenerCertificates", &named(0)).0, "OperationNotPermitted");
    account.elb("RemoveListenerCertificates", &named(3));
}

#[test]
fn listeners_are_described_by_load_balancer_or_by_name() {
    let mut account = Account::new();
    let lb = account.load_balancer("shop");
    let (second, first) = (account.listener(&lb, 8080), account.listener(&lb, 80));
    let read = account.elb("DescribeListeners", &format!("LoadBalancerArn={lb}&PageSize=1"));
    assert_eq!(read.column("Listeners", "ListenerArn"), [first]);
    let read = account.elb("DescribeListeners", &format!("ListenerArns.member.1={second}"));
    assert_eq!(read.column("Listeners", "Port"), ["8080"]);
    assert_eq!(account.refused("DescribeListeners", "").0, "ValidationError");
    account.elb("DeleteListener", &format!("ListenerArn={second}"));
    let form = format!("ListenerArn={second}");
    assert_eq!(account.refused("DeleteListener", &form).0, "ListenerNotFound");
}
