//! The calls of the JSON services.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Account;
use crate::wire::Service;

fn acm(account: &mut Account, action: &str, json: Value) -> Result<Value, String> {
    account.json(Service::Acm, action, json).map_err(|error| error.code.name().to_owned())
}

fn import(names: &[&str]) -> (rcgen::CertifiedKey<rcgen::KeyPair>, Value) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let pem = |label: &str, der: &[u8]| {
        let body = STANDARD.encode(der);
        STANDARD.encode(format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"))
    };
    let request = json!({
        "Certificate": pem("CERTIFICATE", made.cert.der()),
        "PrivateKey": pem("PRIVATE KEY", &made.signing_key.serialize_der()),
    });
    (made, request)
}

#[test]
fn certificates_are_requested_listed_and_described() {
    let mut account = Account::new();
    let wanted = json!({
        "DomainName": "*.example.com", "SubjectAlternativeNames": ["example.com", "*.example.com"],
        "Tags": [{"Key": "team", "Value": "x"}],
    });
    let arn = acm(&mut account, "RequestCertificate", wanted).unwrap()["CertificateArn"].clone();
    let listed =
        acm(&mut account, "ListCertificates", json!({"CertificateStatuses": ["ISSUED"]})).unwrap();
    assert_eq!(listed["CertificateSummaryList"][0]["CertificateArn"], arn);
    let read = acm(&mut account, "DescribeCertificate", json!({"CertificateArn": arn})).unwrap();
    assert_eq!(
        read["Certificate"]["SubjectAlternativeNames"],
        json!(["*.example.com", "example.com"])
    );
    let tags = acm(&mut account, "ListTagsForCertificate", json!({"CertificateArn": arn})).unwrap();
    assert_eq!(tags["Tags"][0]["Value"], "x");
    acm(&mut account, "DeleteCertificate", json!({"CertificateArn": arn})).unwrap();
    let gone = acm(&mut account, "DescribeCertificate", json!({"CertificateArn": arn}));
    assert_eq!(gone.unwrap_err(), "ResourceNotFoundException");
}

#[test]
fn without_key_types_only_short_rsa_keys_are_listed() {
    let mut account = Account::new();
    let wanted = json!({"DomainName": "a.example.com", "KeyAlgorithm": "EC_prime256v1"});
    acm(&mut account, "RequestCertificate", wanted).unwrap();
    let count = |account: &mut Account, json: Value| {
        acm(account, "ListCertificates", json).unwrap()["CertificateSummaryList"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count(&mut account, json!({})), 0);
    assert_eq!(count(&mut account, json!({"Includes": {"keyTypes": ["EC_prime256v1"]}})), 1);
}

#[test]
fn a_certificate_is_imported_with_its_key_and_the_key_never_shows() {
    let mut account = Account::new();
    let (made, request) = import(&["a.example.com", "b.example.com"]);
    let arn =
        acm(&mut account, "ImportCertificate", request.clone()).unwrap()["CertificateArn"].clone();
    let read = acm(&mut account, "DescribeCertificate", json!({"CertificateArn": arn})).unwrap();
    assert_eq!(read["Certificate"]["Type"], "IMPORTED");
    assert_eq!(
        read["Certificate"]["SubjectAlternativeNames"],
        json!(["a.example.com", "b.example.com"])
    );
    let shown = format!("{:?}", account.world);
    assert!(shown.contains("key hidden"), "{shown}");
    assert!(!shown.contains(&format!("{:?}", made.signing_key.serialize_der())));
    let mut again = request;
    again["CertificateArn"] = arn.clone();
    assert_eq!(acm(&mut account, "ImportCertificate", again).unwrap()["CertificateArn"], arn);
}

#[test]
fn what_is_not_a_certificate_is_refused() {
    let mut account = Account::new();
    let ((_, one), (_, two)) = (import(&["a.example.com"]), import(&["b.example.com"]));
    let mixed = json!({"Certificate": one["Certificate"], "PrivateKey": two["PrivateKey"]});
    let rows = [
        json!({}),
        json!({"Certificate": "%", "PrivateKey": "%"}),
        json!({"Certificate": STANDARD.encode("x"), "PrivateKey": one["PrivateKey"]}),
        json!({"Certificate": one["Certificate"], "PrivateKey": STANDARD.encode("x")}),
        mixed,
    ];
    for row in rows {
        let got = acm(&mut account, "ImportCertificate", row.clone());
        assert_eq!(got.unwrap_err(), "ValidationException", "{row}");
    }
    for name in ["", "a b", "-.*", "*.*.com"] {
        let got = acm(&mut account, "RequestCertificate", json!({"DomainName": name}));
        assert_eq!(got.unwrap_err(), "ValidationException", "{name}");
    }
}

#[test]
fn resources_are_found_by_tags() {
    let mut account = Account::new();
    let lb = account.load_balancer("shop");
    let group = account.group("a");
    let form = format!(
        "ResourceArns.member.1={lb}&ResourceArns.member.2={group}&Tags.member.1.Key=team&Tags.member.1.Value=x"
    );
    account.elb("AddTags", &form);
    let mut find = |json: Value| -> Vec<String> {
        let reply = account.json(Service::Tagging, "GetResources", json).unwrap();
        let list = reply["ResourceTagMappingList"].as_array().unwrap().clone();
        list.iter().map(|item| item["ResourceARN"].as_str().unwrap().to_owned()).collect()
    };
    let team = json!([{"Key": "team", "Values": ["x", "y"]}]);
    assert_eq!(find(json!({"TagFilters": team})), [lb.clone(), group.clone()]);
    let types = json!(["elasticloadbalancing:targetgroup"]);
    assert_eq!(find(json!({"TagFilters": team, "ResourceTypeFilters": types})), [group]);
    assert!(find(json!({"TagFilters": [{"Key": "team", "Values": ["z"]}]})).is_empty());
    assert_eq!(find(json!({"ResourceTypeFilters": ["ec2:subnet"]})).len(), 3);
    assert_eq!(find(json!({"ResourceARNList": [lb]})), [lb]);
    let bad = account.json(Service::Tagging, "GetResources", json!({"TagFilters": [{}]}));
    assert_eq!(bad.unwrap_err().code.name(), "InvalidParameterException");
}

#[test]
fn nothing_is_associated_with_waf_or_shield() {
    let mut account = Account::new();
    let lb = account.load_balancer("shop");
    let mut ask = |service, action: &str| {
        let named = json!({"ResourceArn": lb, "WebACLArn": "arn:none"});
        account.json(service, action, named).map_err(|error| error.code.name())
    };
    assert_eq!(ask(Service::Waf, "GetWebACLForResource"), Ok(json!({})));
    assert_eq!(ask(Service::WafRegional, "GetWebACLForResource"), Ok(json!({})));
    assert_eq!(ask(Service::Waf, "AssociateWebACL"), Err("WAFNonexistentItemException"));
    assert_eq!(
        ask(Service::Shield, "GetSubscriptionState"),
        Ok(json!({"SubscriptionState": "INACTIVE"}))
    );
    assert_eq!(ask(Service::Shield, "DescribeProtection"), Err("ResourceNotFoundException"));
    assert_eq!(ask(Service::Shield, "Nothing"), Err("UnknownOperationException"));
}

#[test]
fn a_web_acl_that_is_named_is_adopted_where_that_is_wished() {
    let mut account = Account::with(|config| config.adopt = true);
    let lb = account.load_balancer("shop");
    let acl = "arn:aws:wafv2:eu-west-1:000000000000:regional/webacl/all/0123";
    let named = json!({"ResourceArn": lb, "WebACLArn": acl});
    account.json(Service::Waf, "AssociateWebACL", named.clone()).unwrap();
    let found = account.json(Service::Waf, "GetWebACLForResource", named.clone()).unwrap();
    assert_eq!((&found["WebACL"]["Name"], &found["WebACL"]["ARN"]), (&json!("all"), &json!(acl)));
    let found = account.json(Service::Waf, "ListResourcesForWebACL", named).unwrap();
    assert_eq!(found["ResourceArns"], json!([lb]));
}
