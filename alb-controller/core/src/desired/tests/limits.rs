//! What a load balancer has room for.

use super::{host, ingress, listener, lookups, objects, problems, rules, settings};
use crate::desired;

fn of_hosts(count: usize) -> String {
    let hosts: Vec<String> =
        (0..count).map(|n| host(&format!("h{n}.example.com"), &["Prefix / web:80"])).collect();
    ingress("shop", &[], &rules(&hosts))
}

#[test]
fn limits_are_those_of_the_account_and_told_of_in_time() {
    let objects = objects(&[super::WEB, &of_hosts(8)]);
    let with = |rules: usize| {
        let mut lookups = lookups();
        lookups.limits.learn("rules-per-application-load-balancer", rules);
        lookups.limits.learn("something-else", 1);
        desired(&objects, &settings(), &lookups)
    };
    assert_eq!(problems(&with(11)), [""; 0]);
    assert_eq!(problems(&with(10)), ["Ingress default/shop limit-near"]);
    let beyond = with(7);
    let said = ["Ingress default/shop limit-near", "Ingress default/shop too-many-rules"];
    assert_eq!(problems(&beyond), said);
    assert_eq!(listener(&beyond, 80).rules.len(), 7);
}

#[test]
fn a_certificate_that_aws_has_refused_costs_its_member_alone_its_place() {
    let member = |name: &str| {
        let arn = format!("arn:{name}");
        let group = [("group.name", "g"), ("certificate-arn", arn.as_str())];
        let host = host(&format!("{name}.example.com"), &["Prefix / web:80"]);
        ingress(name, &group, &rules(&[host]))
    };
    let objects = objects(&[super::WEB, &member("a"), &member("b")]);
    let mut lookups = lookups();
    lookups.refused.insert("arn:a".to_owned());
    let wish = desired(&objects, &settings(), &lookups);
    assert_eq!(problems(&wish), ["Ingress default/a certificate-not-found"]);
    assert_eq!(listener(&wish, 443).certificate.as_deref(), Some("arn:b"));
    assert_eq!(listener(&wish, 443).rules.len(), 2);
}

#[test]
fn certificates_that_do_not_fit_are_left_out_and_told_of() {
    let arns: Vec<String> = (0..30).map(|n| format!("arn:aws:acm:x:1:certificate/{n}")).collect();
    let ingress = ingress(
        "shop",
        &[("certificate-arn", &arns.join(","))],
        &rules(&[host("a.example.com", &["Prefix / web:80"])]),
    );
    let wish = desired(&objects(&[super::WEB, &ingress]), &settings(), &lookups());
    let listener = listener(&wish, 443);
    assert_eq!(listener.certificate.as_ref(), arns.first());
    assert_eq!(listener.more_certificates.len(), 25);
    assert!(problems(&wish).contains(&"Ingress default/shop too-many-certificates".to_owned()));
    assert_eq!(listener.rules.len(), 1, "its rules are served all the same");
}
