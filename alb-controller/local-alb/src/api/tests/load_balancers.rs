//! Load balancers, their settings and attributes.

use super::{Account, SUBNETS};

#[test]
fn a_new_load_balancer_has_the_defaults_of_aws() {
    let mut account = Account::new();
    let made = account.elb("CreateLoadBalancer", &format!("Name=shop&{SUBNETS}"));
    let lb = |field: &str| made.text(&format!("LoadBalancers.0.{field}"));
    assert!(
        lb("LoadBalancerArn").starts_with(
            "arn:aws:elasticloadbalancing:eu-west-1:000000000000:loadbalancer/app/shop/"
        )
    );
    assert!(
        lb("DNSName").starts_with("shop-")
            && lb("DNSName").ends_with(".eu-west-1.elb.amazonaws.com")
    );
    assert_eq!(lb("Scheme"), "internet-facing");
    assert_eq!(lb("IpAddressType"), "ipv4");
    assert_eq!(lb("State.Code"), "provisioning");
    assert_eq!(lb("SecurityGroups.0"), "sg-10ca1def");
    assert_eq!(lb("AvailabilityZones.1.ZoneName"), "eu-west-1b");
    let later = account.elb("DescribeLoadBalancers", "Names.member.1=shop");
    assert_eq!(later.text("LoadBalancers.0.State.Code"), "active");
}

#[test]
fn creating_it_again_gives_the_same_or_is_refused() {
    let mut account = Account::new();
    let arn = account.load_balancer("shop");
    assert_eq!(account.load_balancer("shop"), arn);
    let (code, _) =
        account.refused("CreateLoadBalancer", &format!("Name=shop&Scheme=internal&{SUBNETS}"));
    assert_eq!(code, "DuplicateLoadBalancerName");
    assert_eq!(account.elb("DescribeLoadBalancers", "").count("LoadBalancers"), 1);
}

#[test]
fn what_aws_refuses_is_refused_in_its_words() {
    let mut account = Account::new();
    let long = format!("Name={}&{SUBNETS}", "x".repeat(33));
    let rows = [
        (
            "Name=a&Subnets.member.1=subnet-10ca1a1a".to_owned(),
            "ValidationError",
            "At least two subnets in two different Availability Zones must be specified",
        ),
        (
            "Name=a&Subnets.member.1=subnet-10ca1a1a&Subnets.member.2=subnet-10ca1a1a".into(),
            "InvalidConfigurationRequest",
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        ),
        (
            "Name=a&Subnets.member.1=subnet-1&Subnets.member.2=subnet-2".into(),
            "SubnetNotFound",
            "The subnet ID 'subnet-1' is not found",
        ),
        (long, "ValidationError", "cannot be longer than '32' characters"),
        (
            format!("Name=a_b&{SUBNETS}"),
            "ValidationError",
            "can only contain characters that are alphanumeric characters and hyphens(-)",
        ),
        (format!("Name=a-&{SUBNETS}"), "ValidationError", "cannot end with a hyphen(-)"),
        (format!("Name=internal-a&{SUBNETS}"), "ValidationError", "cannot begin with 'internal-'"),
        (
            format!("Name=a&SecurityGroups.member.1=sg-x&{SUBNETS}"),
            "InvalidSecurityGroup",
            "One or more security groups are invalid",
        ),
        (format!("Name=a&Scheme=public&{SUBNETS}"), "InvalidScheme", "'public'"),
        (format!("Name=a&Type=network&{SUBNETS}"), "ValidationError", "'application'"),
        (format!("Name=a&IpAddressType=ipv6&{SUBNETS}"), "ValidationError", "enum value set"),
        (SUBNETS.to_owned(), "ValidationError", "Value null at 'name'"),
        (
            format!("Name=a&Tags.member.1.Key=k&Tags.member.2.Key=k&{SUBNETS}"),
            "DuplicateTagKeys",
            "'k'",
        ),
        (format!("Name=a&Tags.member.1.Key=aws:x&{SUBNETS}"), "ValidationError", "reserved"),
    ];
    for (form, code, text) in rows {
        let (got, message) = account.refused("CreateLoadBalancer", &form);
        assert_eq!(got, code, "{form}: {message}");
        assert!(message.contains(text), "{form}: {message}");
    }
    assert_eq!(account.elb("DescribeLoadBalancers", "").count("LoadBalancers"), 0);
}

#[test]
fn the_quota_of_load_balancers_holds() {
    let mut account = Account::with(|config| config.limits.load_balancers = 2);
    account.load_balancer("a");
    account.load_balancer("b");
    let (code, _) = account.refused("CreateLoadBalancer", &format!("Name=c&{SUBNETS}"));
    assert_eq!(code, "TooManyLoadBalancers");
}

#[test]
fn describing_pages_and_refuses_the_unknown() {
    let mut account = Account::new();
    for name in ["a", "b", "c"] {
        account.load_balancer(name);
    }
    let first = account.elb("DescribeLoadBalancers", "PageSize=2");
    assert_eq!(first.column("LoadBalancers", "LoadBalancerName"), ["a", "b"]);
    let form = format!("PageSize=2&Marker={}", first.text("NextMarker"));
    let rest = account.elb("DescribeLoadBalancers", &form);
    assert_eq!(rest.column("LoadBalancers", "LoadBalancerName"), ["c"]);
    assert!(!rest.has("NextMarker"));
    for form in ["Names.member.1=x", "LoadBalancerArns.member.1=arn:x"] {
        assert_eq!(account.refused("DescribeLoadBalancers", form).0, "LoadBalancerNotFound");
    }
    for form in ["PageSize=401", "PageSize=0", "Marker=x"] {
        assert_eq!(account.refused("DescribeLoadBalancers", form).0, "ValidationError", "{form}");
    }
}

#[test]
fn deleting_takes_listeners_and_rules_along_and_may_be_repeated() {
    let mut account = Account::new();
    let lb = account.load_balancer("shop");
    let listener = account.listener(&lb, 80);
    let form = format!("LoadBalancerArn={lb}");
    account.elb("DeleteLoadBalancer", &form);
    account.elb("DeleteLoadBalancer", &form);
    let (code, _) = account.refused("DescribeRules", &format!("ListenerArn={listener}"));
    assert_eq!(code, "ListenerNotFound");
    let (code, _) = account.refused("DescribeTags", &format!("ResourceArns.member.1={lb}"));
    assert_eq!(code, "LoadBalancerNotFound");
}

#[test]
fn deletion_protection_protects() {
    let mut account = Account::new();
    let lb = account.load_balancer("shop");
    let set = |value: &str| {
        format!(
            "LoadBalancerArn={lb}&Attributes.member.1.Key=deletion_protection.enabled&Attributes.member.1.Value={value}"
        )
    };
    account.elb("ModifyLoadBalancerAttributes", &set("true"));
    let form = format!("LoadBalancerArn={lb}");
    assert_eq!(account.refused("DeleteLoadBalancer", &form).0, "OperationNotPermitted");
    account.elb("ModifyLoadBalancerAttributes", &set("false"));
    account.elb("DeleteLoadBalancer", &form);
}

#[test]
fn attributes_change_all_or_none() {
    let mut account = Account::new();
    let lb = account.load_balancer("shop");
    let form = format!(
        "LoadBalancerArn={lb}&Attributes.member.1.Key=idle_timeout.timeout_seconds&Attributes.member.1.Value=120\
         &Attributes.member.2.Key=routing.http2.enabled&Attributes.member.2.Value=maybe"
    );
    assert_eq!(account.refused("ModifyLoadBalancerAttributes", &form).0, "ValidationError");
    let read = account.elb("DescribeLoadBalancerAttributes", &format!("LoadBalancerArn={lb}"));
    let keys = read.column("Attributes", "Key");
    let values = read.column("Attributes", "Value");
    let value = |key: &str| &values[keys.iter().position(|known| known == key).unwrap()];
    assert_eq!(value("idle_timeout.timeout_seconds"), "60");
    assert_eq!(value("load_balancing.cross_zone.enabled"), "true");
    let twice = format!(
        "LoadBalancerArn={lb}&Attributes.member.1.Key=waf.fail_open.enabled&Attributes.member.1.Value=true\
         &Attributes.member.2.Key=waf.fail_open.enabled&Attributes.member.2.Value=true"
    );
    let (_, message) = account.refused("ModifyLoadBalancerAttributes", &twice);
    assert!(message.contains("must be unique"), "{message}");
}

#[test]
fn subnets_security_groups_and_addresses_are_replaced_whole() {
    let mut account = Account::new();
    let lb = account.load_balancer("shop");
    let form = format!(
        "LoadBalancerArn={lb}&Subnets.member.1=subnet-10ca1a1c&Subnets.member.2=subnet-10ca1a1b"
    );
    let zones = account.elb("SetSubnets", &form);
    assert_eq!(zones.column("AvailabilityZones", "ZoneName"), ["eu-west-1b", "eu-west-1c"]);
    let form = format!("LoadBalancerArn={lb}&IpAddressType=dualstack");
    assert_eq!(account.elb("SetIpAddressType", &form).text("IpAddressType"), "dualstack");
    let form = format!("LoadBalancerArn={lb}&SecurityGroups.member.1=sg-none");
    assert_eq!(account.refused("SetSecurityGroups", &form).0, "InvalidSecurityGroup");
    let read = account.elb("DescribeLoadBalancers", "");
    assert_eq!(read.text("LoadBalancers.0.AvailabilityZones.0.SubnetId"), "subnet-10ca1a1b");
    assert_eq!(read.text("LoadBalancers.0.IpAddressType"), "dualstack");
}

#[test]
fn capacity_is_reserved_and_reset() {
    let mut account = Account::new();
    let lb = account.load_balancer("shop");
    let units =
        |n: u32| format!("LoadBalancerArn={lb}&MinimumLoadBalancerCapacity.CapacityUnits={n}");
    account.elb("ModifyCapacityReservation", &units(150));
    let read = account.elb("DescribeCapacityReservation", &format!("LoadBalancerArn={lb}"));
    assert_eq!(read.text("MinimumLoadBalancerCapacity.CapacityUnits"), "150");
    assert_eq!(read.text("CapacityReservationState.0.State.Code"), "provisioned");
    assert_eq!(
        account.refused("ModifyCapacityReservation", &units(20_000)).0,
        "CapacityUnitsLimitExceeded"
    );
    let reset = format!("LoadBalancerArn={lb}&ResetCapacityReservation=true");
    let read = account.elb("ModifyCapacityReservation", &reset);
    assert!(!read.has("MinimumLoadBalancerCapacity"));
}

#[test]
fn ids_that_nobody_made_are_adopted_only_where_that_is_wished() {
    let form = "Name=a&Subnets.member.1=subnet-0aaa&Subnets.member.2=subnet-0bbb&SecurityGroups.member.1=sg-0ccc";
    assert_eq!(Account::new().refused("CreateLoadBalancer", form).0, "SubnetNotFound");
    let mut account = Account::with(|config| config.adopt = true);
    let made = account.elb("CreateLoadBalancer", form);
    assert_eq!(made.text("LoadBalancers.0.SecurityGroups.0"), "sg-0ccc");
    assert_eq!(made.count("LoadBalancers.0.AvailabilityZones"), 2);
}
