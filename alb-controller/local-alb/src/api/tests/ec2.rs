//! The calls of EC2.

use super::{Account, SUBNETS};
use crate::error::AwsError;

fn code(result: Result<super::Seen, AwsError>) -> &'static str {
    result.expect_err("refused").code.name()
}

#[test]
fn the_network_is_there_from_the_start_and_found_by_filters() {
    let mut account = Account::new();
    let all = account.ec2("DescribeSubnets", "").unwrap();
    assert_eq!(
        all.column("subnetSet", "availabilityZone"),
        ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    );
    assert_eq!(
        all.column("subnetSet", "cidrBlock"),
        ["10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20"]
    );
    let rows = [
        ("Filter.1.Name=tag:kubernetes.io/role/elb&Filter.1.Value.1=1&Filter.1.Value.2=", 3),
        ("Filter.1.Name=tag-key&Filter.1.Value.1=kubernetes.io/role/internal-*", 3),
        (
            "Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-10ca1a1b&Filter.2.Name=availability-zone&Filter.2.Value.1=*b",
            1,
        ),
        ("Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-other", 0),
        ("SubnetId.1=subnet-10ca1a1c", 1),
    ];
    for (form, count) in rows {
        assert_eq!(
            account.ec2("DescribeSubnets", form).unwrap().count("subnetSet"),
            count,
            "{form}"
        );
    }
    assert_eq!(
        code(account.ec2("DescribeSubnets", "SubnetId.1=subnet-x")),
        "InvalidSubnetID.NotFound"
    );
    assert_eq!(
        code(account.ec2("DescribeSubnets", "Filter.1.Name=colour&Filter.1.Value.1=red")),
        "InvalidParameterValue"
    );
    let vpc = account.ec2("DescribeVpcs", "VpcId.1=vpc-10ca1a1b").unwrap();
    assert_eq!(vpc.text("vpcSet.0.cidrBlockAssociationSet.0.cidrBlock"), "10.0.0.0/16");
    assert_eq!(code(account.ec2("DescribeVpcs", "VpcId.1=vpc-x")), "InvalidVpcID.NotFound");
    let zones = account.ec2("DescribeAvailabilityZones", "").unwrap();
    assert_eq!(zones.text("availabilityZoneInfo.0.zoneId"), "ew1-az1");
    let routes = account
        .ec2("DescribeRouteTables", "Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-10ca1a1b")
        .unwrap();
    assert_eq!(routes.text("routeTableSet.0.routeSet.1.gatewayId"), "igw-10ca1a1b");
}

#[test]
fn security_groups_come_and_go_with_their_rules() {
    let mut account = Account::new();
    let form = "GroupName=web&GroupDescription=d&VpcId=vpc-10ca1a1b&TagSpecification.1.ResourceType=security-group\
                &TagSpecification.1.Tag.1.Key=team&TagSpecification.1.Tag.1.Value=x";
    let id = account.ec2("CreateSecurityGroup", form).unwrap().text("groupId");
    assert_eq!(code(account.ec2("CreateSecurityGroup", form)), "InvalidGroup.Duplicate");
    let rules = format!(
        "GroupId={id}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80\
         &IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0&IpPermissions.1.IpRanges.1.Description=all\
         &IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0&IpPermissions.1.Groups.1.GroupId=sg-10ca1def"
    );
    let given = account.ec2("AuthorizeSecurityGroupIngress", &rules).unwrap();
    assert_eq!(given.count("securityGroupRuleSet"), 3);
    assert_eq!(
        code(account.ec2("AuthorizeSecurityGroupIngress", &rules)),
        "InvalidPermission.Duplicate"
    );
    let read =
        account.ec2("DescribeSecurityGroups", "Filter.1.Name=tag:team&Filter.1.Value.1=x").unwrap();
    assert_eq!(read.count("securityGroupInfo.0.ipPermissions"), 1);
    assert_eq!(read.text("securityGroupInfo.0.ipPermissions.0.ipRanges.0.description"), "all");
    assert_eq!(read.text("securityGroupInfo.0.ipPermissions.0.groups.0.groupId"), "sg-10ca1def");
    account.ec2("RevokeSecurityGroupIngress", &rules).unwrap();
    assert_eq!(
        code(account.ec2("RevokeSecurityGroupIngress", &rules)),
        "InvalidPermission.NotFound"
    );
    account.ec2("DeleteSecurityGroup", &format!("GroupId={id}")).unwrap();
    assert_eq!(
        code(account.ec2("DeleteSecurityGroup", &format!("GroupId={id}"))),
        "InvalidGroup.NotFound"
    );
}

#[test]
fn a_group_that_something_depends_on_stays() {
    let mut account = Account::new();
    let id = account
        .ec2("CreateSecurityGroup", "GroupName=web&GroupDescription=d")
        .unwrap()
        .text("groupId");
    let made = account
        .elb("CreateLoadBalancer", &format!("Name=a&{SUBNETS}&SecurityGroups.member.1={id}"));
    let delete = format!("GroupId={id}");
    assert_eq!(code(account.ec2("DeleteSecurityGroup", &delete)), "DependencyViolation");
    let interfaces = format!("Filter.1.Name=group-id&Filter.1.Value.1={id}");
    let seen = account.ec2("DescribeNetworkInterfaces", &interfaces).unwrap();
    assert_eq!(seen.count("networkInterfaceSet"), 2);
    let arn = made.text("LoadBalancers.0.LoadBalancerArn");
    account.elb("DeleteLoadBalancer", &format!("LoadBalancerArn={arn}"));
    account.ec2("DeleteSecurityGroup", &delete).unwrap();
    assert_eq!(
        code(account.ec2("DeleteSecurityGroup", "GroupId=sg-10ca1def")),
        "OperationNotPermitted"
    );
}

#[test]
fn bad_rules_and_parameters_are_refused() {
    let mut account = Account::new();
    let rule = |rest: &str| format!("GroupId=sg-10ca1def&IpPermissions.1.{rest}");
    let rows = [
        ("CreateSecurityGroup", "GroupName=x".to_owned(), "MissingParameter"),
        (
            "CreateSecurityGroup",
            "GroupName=sg-x&GroupDescription=d".into(),
            "InvalidParameterValue",
        ),
        (
            "CreateSecurityGroup",
            "GroupName=x&GroupDescription=d&VpcId=vpc-x".into(),
            "InvalidVpcID.NotFound",
        ),
        ("AuthorizeSecurityGroupIngress", "GroupId=sg-x".into(), "InvalidGroup.NotFound"),
        (
            "AuthorizeSecurityGroupIngress",
            rule("IpProtocol=tcp&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"),
            "InvalidParameterValue",
        ),
        (
            "AuthorizeSecurityGroupIngress",
            rule("IpProtocol=tcp&IpPermissions.1.FromPort=9&IpPermissions.1.ToPort=8"),
            "InvalidParameterValue",
        ),
        (
            "AuthorizeSecurityGroupIngress",
            rule("IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/33"),
            "InvalidPermission.Malformed",
        ),
        ("AuthorizeSecurityGroupIngress", rule("IpProtocol=-1"), "InvalidPermission.Malformed"),
        (
            "AuthorizeSecurityGroupIngress",
            rule("IpProtocol=-1&IpPermissions.1.Groups.1.GroupId=sg-x"),
            "InvalidGroup.NotFound",
        ),
        ("CreateTags", "ResourceId.1=sg-x&Tag.1.Key=a".into(), "InvalidGroup.NotFound"),
        ("CreateTags", "ResourceId.1=sg-10ca1def".into(), "MissingParameter"),
        ("DescribeInstances", "InstanceId.1=x".into(), "InvalidInstanceID.Malformed"),
        (
            "DescribeNetworkInterfaces",
            "NetworkInterfaceId.1=eni-x".into(),
            "InvalidNetworkInterfaceID.NotFound",
        ),
        ("RunInstances", String::new(), "InvalidAction"),
    ];
    for (action, form, expected) in rows {
        assert_eq!(code(account.ec2(action, &form)), expected, "{action} {form}");
    }
}

#[test]
fn tags_and_instances() {
    let mut account = Account::with(|config| {
        config.instances.insert("i-0123456789abcdef0".into(), [10, 0, 0, 9].into());
    });
    account
        .ec2("CreateTags", "ResourceId.1=sg-10ca1def&Tag.1.Key=a&Tag.1.Value=1&Tag.2.Key=b")
        .unwrap();
    account
        .ec2("DeleteTags", "ResourceId.1=sg-10ca1def&Tag.1.Key=a&Tag.1.Value=2&Tag.2.Key=b")
        .unwrap();
    let read = account.ec2("DescribeSecurityGroups", "GroupId.1=sg-10ca1def").unwrap();
    assert_eq!(read.column("securityGroupInfo.0.tagSet", "key"), ["a"]);
    let known = account.ec2("DescribeInstances", "").unwrap();
    assert_eq!(known.text("reservationSet.0.instancesSet.0.privateIpAddress"), "10.0.0.9");
    let any = account.ec2("DescribeInstances", "InstanceId.1=i-0aaaaaaaaaaaaaaaa").unwrap();
    assert_eq!(any.text("reservationSet.0.instancesSet.0.privateIpAddress"), "127.0.0.1");
}
