//! Target groups, targets and their health.

use std::time::Duration;

use super::{Account, Seen};
use crate::plane::table::Table;
use crate::state::health::{Failure, Finding};
use crate::state::target_group::TargetKey;

const BASE: &str = "Protocol=HTTP&Port=80&VpcId=vpc-10ca1a1b&TargetType=ip";

fn target(group: &str, id: &str, port: u16) -> String {
    format!("TargetGroupArn={group}&Targets.member.1.Id={id}&Targets.member.1.Port={port}")
}

fn forward(account: &mut Account, group: &str) {
    let lb = account.load_balancer("shop");
    let form = format!(
        "LoadBalancerArn={lb}&Protocol=HTTP&Port=80&DefaultActions.member.1.Type=forward\
         &DefaultActions.member.1.TargetGroupArn={group}"
    );
    account.elb("CreateListener", &form);
}

fn health(account: &mut Account, group: &str) -> Seen {
    account.elb("DescribeTargetHealth", &format!("TargetGroupArn={group}"))
}

fn states(account: &mut Account, group: &str) -> Vec<String> {
    health(account, group).column("TargetHealthDescriptions", "TargetHealth.State")
}

fn observe(account: &mut Account, group: &str, port: u16, finding: &Finding) {
    let key = TargetKey { id: "127.0.0.1".into(), port };
    account.world.observe(&group.into(), &key, finding, account.now);
}

#[test]
fn a_new_group_has_the_health_check_of_its_protocol_version() {
    let mut account = Account::new();
    let made = account.elb("CreateTargetGroup", &format!("Name=a&{BASE}"));
    let field = |name: &str| made.text(&format!("TargetGroups.0.{name}"));
    let fields = [
        "HealthCheckProtocol",
        "HealthCheckPort",
        "HealthCheckPath",
        "HealthCheckIntervalSeconds",
        "HealthCheckTimeoutSeconds",
        "HealthyThresholdCount",
        "UnhealthyThresholdCount",
        "Matcher.HttpCode",
        "ProtocolVersion",
        "IpAddressType",
    ];
    let expected = ["HTTP", "traffic-port", "/", "30", "5", "5", "2", "200", "HTTP1", "ipv4"];
    assert_eq!(fields.map(field), expected);
    let grpc = account.elb("CreateTargetGroup", &format!("Name=g&{BASE}&ProtocolVersion=GRPC"));
    assert_eq!(grpc.text("TargetGroups.0.Matcher.GrpcCode"), "12");
    assert_eq!(grpc.text("TargetGroups.0.HealthCheckPath"), "/AWS.ALB/healthcheck");
}

#[test]
fn creating_it_again_gives_the_same_or_is_refused() {
    let mut account = Account::new();
    let arn = account.group("a");
    assert_eq!(account.group("a"), arn);
    let (code, _) =
        account.refused("CreateTargetGroup", &format!("Name=a&{BASE}&HealthCheckPath=/x"));
    assert_eq!(code, "DuplicateTargetGroupName");
}

#[test]
fn what_aws_refuses_is_refused_in_its_words() {
    let mut account = Account::with(|config| config.limits.target_groups = 0);
    let rows = [
        (
            format!("Name=a&{BASE}&HealthCheckIntervalSeconds=5&HealthCheckTimeoutSeconds=5"),
            "Health check timeout '5' must be smaller than the interval '5'",
        ),
        (
            format!("Name=a&{BASE}").replace("vpc-10ca1a1b", "vpc-x"),
            "The VPC ID 'vpc-x' is not found",
        ),
        (format!("Name=a&{BASE}").replace("=HTTP&", "=TCP&"), "'TCP'"),
        (format!("Name=a&{BASE}&HealthyThresholdCount=1"), "'healthyThresholdCount'"),
        (format!("Name=a&{BASE}&Matcher.HttpCode=500"), "from 200 to 499"),
        (format!("Name=a&{BASE}&Matcher.GrpcCode=0"), "HTTP1"),
        (format!("Name=a&{BASE}&HealthCheckPath=x"), "must begin with '/'"),
        (format!("Name=a&{BASE}&HealthCheckPath=/a b"), "no spaces"),
        (format!("Name=a&{BASE}&HealthCheckPort=0"), "'healthCheckPort'"),
        (format!("Name=-a&{BASE}"), "cannot begin with a hyphen(-)"),
        (format!("Name=a&{BASE}").replace("TargetType=ip", "TargetType=lambda"), "'lambda'"),
        (format!("Name=a&{BASE}").replace("&Port=80", ""), "'port'"),
    ];
    for (form, text) in rows {
        let (code, message) = account.refused("CreateTargetGroup", &form);
        assert_eq!(code, "ValidationError", "{form}: {message}");
        assert!(message.contains(text), "{form}: {message}");
    }
    let (code, _) = account.refused("CreateTargetGroup", &format!("Name=a&{BASE}"));
    assert_eq!(code, "TooManyTargetGroups");
}

#[test]
fn a_group_in_use_is_not_deleted_and_says_by_whom() {
    let mut account = Account::new();
    let group = account.group("a");
    forward(&mut account, &group);
    let form = format!("TargetGroupArn={group}");
    assert_eq!(account.refused("DeleteTargetGroup", &form).0, "ResourceInUse");
    let lb = account.elb("DescribeLoadBalancers", "").text("LoadBalancers.0.LoadBalancerArn");
    let read = account.elb("DescribeTargetGroups", &format!("LoadBalancerArn={lb}"));
    assert_eq!(read.text("TargetGroups.0.LoadBalancerArns.0"), lb);
    account.elb("DeleteLoadBalancer", &format!("LoadBalancerArn={lb}"));
    account.elb("DeleteTargetGroup", &form);
    account.elb("DeleteTargetGroup", &form);
    let (code, _) = account.refused("DescribeTargetGroups", "Names.member.1=a");
    assert_eq!(code, "TargetGroupNotFound");
}

#[test]
fn attributes_that_contradict_one_another_are_refused() {
    let mut account = Account::new();
    let group = account.group("a");
    let set = |pairs: &[(&str, &str)]| {
        let list = (1..).zip(pairs).map(|(n, (key, value)): (u8, _)| {
            format!("&Attributes.member.{n}.Key={key}&Attributes.member.{n}.Value={value}")
        });
        format!("TargetGroupArn={group}{}", list.collect::<String>())
    };
    let rows: [&[(&str, &str)]; 4] = [
        &[("stickiness.enabled", "true"), ("stickiness.type", "app_cookie")],
        &[("stickiness.enabled", "true"), ("load_balancing.algorithm.type", "weighted_random")],
        &[
            ("slow_start.duration_seconds", "30"),
            ("load_balancing.algorithm.type", "least_outstanding_requests"),
        ],
        &[("load_balancing.algorithm.anomaly_mitigation", "on")],
    ];
    for pairs in rows {
        account.refused("ModifyTargetGroupAttributes", &set(pairs));
    }
    account.elb(
        "ModifyTargetGroupAttributes",
        &set(&[("deregistration_delay.timeout_seconds", "3600")]),
    );
    let (_, message) = account.refused(
        "ModifyTargetGroupAttributes",
        &set(&[("deregistration_delay.timeout_seconds", "3601")]),
    );
    assert!(message.contains("3600"), "{message}");
}

#[test]
fn targets_are_known_by_address_and_port() {
    let mut account = Account::new();
    let group = account.group("a");
    for port in [80, 81, 80] {
        account.elb("RegisterTargets", &target(&group, "127.0.0.1", port));
    }
    let read = health(&mut account, &group);
    assert_eq!(read.column("TargetHealthDescriptions", "Target.Port"), ["80", "81"]);
    assert_eq!(
        read.column("TargetHealthDescriptions", "TargetHealth.Reason"),
        ["Target.NotInUse", "Target.NotInUse"]
    );
    account.elb("DeregisterTargets", &target(&group, "127.0.0.1", 99));
    account.elb("DeregisterTargets", &target(&group, "127.0.0.1", 81));
    assert_eq!(states(&mut account, &group), ["unused"]);
}

#[test]
fn addresses_are_let_in_as_aws_lets_them_in() {
    let mut account = Account::new();
    let group = account.group("a");
    let register = |id: &str, zone: &str| {
        let zone = if zone.is_empty() {
            String::new()
        } else {
            format!("&Targets.member.1.AvailabilityZone={zone}")
        };
        format!("TargetGroupArn={group}&Targets.member.1.Id={id}{zone}")
    };
    for (id, zone) in [
        ("10.0.3.4", ""),
        ("192.168.1.1", "all"),
        ("100.64.0.9", "all"),
        ("127.0.0.1", ""),
        ("127.0.0.2", "all"),
    ] {
        account.elb("RegisterTargets", &register(id, zone));
    }
    let rows = [
        ("8.8.8.8", "all", "InvalidTarget", "private range"),
        ("hello", "", "InvalidTarget", "is not valid"),
        ("::1", "", "InvalidTarget", "is not of type 'ipv4'"),
        (
            "172.16.0.1",
            "",
            "ValidationError",
            "The Availability Zone is required for IP address '172.16.0.1' because it is not in the VPC",
        ),
        (
            "10.0.3.4",
            "all",
            "ValidationError",
            "The IP address '10.0.3.4' is within the VPC, and cannot have its Availability Zone overridden to 'all' from 'eu-west-1a'",
        ),
    ];
    for (id, zone, code, text) in rows {
        let (got, message) = account.refused("RegisterTargets", &register(id, zone));
        assert_eq!(got, code, "{id}: {message}");
        assert!(message.contains(text), "{id}: {message}");
    }
    let (code, _) = account.refused("RegisterTargets", &format!("TargetGroupArn={group}"));
    assert_eq!(code, "ValidationError");
}

#[test]
fn the_quotas_of_targets_hold() {
    let mut account = Account::with(|config| {
        config.limits.targets_per_group = 2;
        config.limits.targets_per_load_balancer = 1;
    });
    let group = account.group("a");
    for port in [1, 2] {
        account.elb("RegisterTargets", &target(&group, "127.0.0.1", port));
    }
    let form = target(&group, "127.0.0.1", 3);
    assert_eq!(account.refused("RegisterTargets", &form).0, "TooManyTargets");
    let lb = account.load_balancer("shop");
    let form = format!(
        "LoadBalancerArn={lb}&Protocol=HTTP&Port=80&DefaultActions.member.1.Type=forward\
         &DefaultActions.member.1.TargetGroupArn={group}"
    );
    assert_eq!(account.refused("CreateListener", &form).0, "TooManyTargets");
}

#[test]
fn a_target_goes_from_initial_to_healthy_to_unhealthy() {
    let mut account = Account::new();
    let group = account.group("a");
    account.elb("RegisterTargets", &target(&group, "127.0.0.1", 80));
    observe(&mut account, &group, 80, &Finding::Passed);
    assert_eq!(states(&mut account, &group), ["unused"], "nothing forwards to it yet");
    forward(&mut account, &group);
    assert_eq!(states(&mut account, &group), ["initial"]);
    observe(&mut account, &group, 80, &Finding::Passed);
    assert_eq!(states(&mut account, &group), ["healthy"]);
    for _ in 0..2 {
        observe(&mut account, &group, 80, &Finding::Failed(Failure::Timeout));
    }
    let read = health(&mut account, &group);
    assert_eq!(read.text("TargetHealthDescriptions.0.TargetHealth.State"), "unhealthy");
    assert_eq!(read.text("TargetHealthDescriptions.0.TargetHealth.Reason"), "Target.Timeout");
    assert_eq!(read.text("TargetHealthDescriptions.0.HealthCheckPort"), "80");
}

#[test]
fn a_deregistered_target_drains_for_the_whole_delay() {
    let mut account = Account::new();
    let group = account.group("a");
    account.elb("RegisterTargets", &target(&group, "127.0.0.1", 80));
    forward(&mut account, &group);
    account.elb("DeregisterTargets", &target(&group, "127.0.0.1", 80));
    assert_eq!(states(&mut account, &group), ["draining"]);
    account.now += Duration::from_secs(299);
    account.world.settle(account.now);
    assert_eq!(states(&mut account, &group), ["draining"]);
    assert!(account.world.take_cut().is_empty());
    account.now += Duration::from_secs(2);
    account.world.settle(account.now);
    assert!(states(&mut account, &group).is_empty());
    assert_eq!(account.world.take_cut().len(), 1);
    let asked = account.elb("DescribeTargetHealth", &target(&group, "127.0.0.1", 80));
    assert_eq!(
        asked.text("TargetHealthDescriptions.0.TargetHealth.Reason"),
        "Target.NotRegistered"
    );
}

#[test]
fn registering_again_ends_the_drain() {
    let mut account = Account::new();
    let group = account.group("a");
    account.elb("RegisterTargets", &target(&group, "127.0.0.1", 80));
    forward(&mut account, &group);
    account.elb("DeregisterTargets", &target(&group, "127.0.0.1", 80));
    account.elb("RegisterTargets", &target(&group, "127.0.0.1", 80));
    assert_eq!(states(&mut account, &group), ["initial"]);
    account.now += Duration::from_secs(400);
    account.world.settle(account.now);
    assert_eq!(states(&mut account, &group), ["initial"]);
}

#[test]
fn a_target_starts_slowly_where_another_one_is_warm() {
    let mut account = Account::new();
    let group = account.group("web");
    forward(&mut account, &group);
    let seconds =
        "Attributes.member.1.Key=slow_start.duration_seconds&Attributes.member.1.Value=30";
    let form = format!("TargetGroupArn={group}&{seconds}");
    account.elb("ModifyTargetGroupAttributes", &form);
    let ramps = |account: &Account| -> Vec<bool> {
        let table = Table::of(account.world.regions(), &Table::default());
        table.groups[group.as_str()].targets.iter().map(|target| target.ramp.is_some()).collect()
    };
    for port in [80, 81] {
        account.elb("RegisterTargets", &target(&group, "127.0.0.1", port));
        observe(&mut account, &group, port, &Finding::Passed);
        account.now += Duration::from_secs(10);
    }
    assert_eq!(ramps(&account), [false, true], "the first takes all traffic at once");
    account.elb("RegisterTargets", &target(&group, "127.0.0.1", 82));
    observe(&mut account, &group, 81, &Finding::Passed);
    observe(&mut account, &group, 82, &Finding::Passed);
    assert_eq!(ramps(&account), [false, true, true], "a check does not begin it anew");
}
