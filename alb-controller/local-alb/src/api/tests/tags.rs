//! Tags of load balancing.

use super::Account;

#[test]
fn tags_are_added_replaced_and_removed_by_key() {
    let mut account = Account::new();
    let (lb, group) = (account.load_balancer("shop"), account.group("a"));
    let both = format!("ResourceArns.member.1={lb}&ResourceArns.member.2={group}");
    account.elb(
        "AddTags",
        &format!("{both}&Tags.member.1.Key=team&Tags.member.1.Value=x&Tags.member.2.Key=env"),
    );
    account.elb(
        "AddTags",
        &format!("ResourceArns.member.1={lb}&Tags.member.1.Key=team&Tags.member.1.Value=y"),
    );
    account.elb("RemoveTags", &format!("ResourceArns.member.1={group}&TagKeys.member.1=env"));
    let read = account.elb("DescribeTags", &both);
    assert_eq!(read.column("TagDescriptions.0.Tags", "Value"), ["", "y"]);
    assert_eq!(read.column("TagDescriptions.1.Tags", "Key"), ["team"]);
}

#[test]
fn too_many_or_malformed_tags_and_unknown_things_are_refused() {
    let mut account = Account::new();
    let lb = account.load_balancer("shop");
    let many = (1..=51).map(|n| format!("&Tags.member.{n}.Key=k{n}")).collect::<Vec<_>>().concat();
    let arns: Vec<_> = (1..=21).map(|n| format!("ResourceArns.member.{n}={lb}&")).collect();
    let arns = arns.concat();
    let on = format!("ResourceArns.member.1={lb}");
    let rows = [
        ("AddTags", format!("{on}{many}"), "TooManyTags"),
        ("AddTags", format!("{on}&Tags.member.1.Key=a&Tags.member.2.Key=a"), "DuplicateTagKeys"),
        ("AddTags", format!("{on}&Tags.member.1.Key=aws:a"), "ValidationError"),
        ("AddTags", format!("{on}&Tags.member.1.Key=a%3Cb"), "ValidationError"),
        ("AddTags", format!("{on}&Tags.member.1.Key={}", "k".repeat(129)), "ValidationError"),
        ("AddTags", on.clone(), "ValidationError"),
        ("DescribeTags", arns, "ValidationError"),
        ("DescribeTags", String::new(), "ValidationError"),
        ("DescribeTags", format!("{on}&ResourceArns.member.2=arn:aws:elasticloadbalancing:eu-west-1:0:targetgroup/x/1"), "TargetGroupNotFound"),
        ("DescribeTags", "ResourceArns.member.1=arn:aws:elasticloadbalancing:eu-west-1:0:listener-rule/app/x/1/2/3".into(), "RuleNotFound"),
        ("DescribeTags", "ResourceArns.member.1=nonsense".into(), "ValidationError"),
    ];
    for (action, form, code) in rows {
        assert_eq!(account.refused(action, &form).0, code, "{action} {form}");
    }
    assert_eq!(account.elb("DescribeTags", &on).count("TagDescriptions.0.Tags"), 0);
}

#[test]
fn account_limits_and_policies_are_listed() {
    let mut account = Account::new();
    let read = account.elb("DescribeAccountLimits", "");
    let names = read.column("Limits", "Name");
    let at = names.iter().position(|n| n == "rules-per-application-load-balancer").unwrap();
    assert_eq!(read.text(&format!("Limits.{at}.Max")), "100");
    let policies =
        account.elb("DescribeSSLPolicies", "Names.member.1=ELBSecurityPolicy-TLS13-1-3-2021-06");
    assert_eq!(policies.text("SslPolicies.0.SslProtocols.0"), "TLSv1.3");
    assert_eq!(account.refused("DescribeSSLPolicies", "Names.member.1=x").0, "SSLPolicyNotFound");
}
