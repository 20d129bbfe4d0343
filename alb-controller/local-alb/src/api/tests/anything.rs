//! That no parameters make an operation panic, and that the data plane can follow whatever comes
//! of them.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::Account;
use crate::api::TABLES;
use crate::plane::table::Table;
use crate::wire::{Query, Request, Service};

const NAMES: [&str; 40] = [
    "Name",
    "LoadBalancerArn",
    "ListenerArn",
    "RuleArn",
    "TargetGroupArn",
    "Protocol",
    "Port",
    "VpcId",
    "Priority",
    "PageSize",
    "Marker",
    "TargetType",
    "Scheme",
    "Type",
    "IpAddressType",
    "Subnets.member.1",
    "Subnets.member.2",
    "SecurityGroups.member.1",
    "Tags.member.1.Key",
    "Conditions.member.1.Field",
    "Conditions.member.1.Values.member.1",
    "Conditions.member.1.RegexValues.member.1",
    "Actions.member.1.Type",
    "Actions.member.1.TargetGroupArn",
    "Actions.member.1.RedirectConfig.StatusCode",
    "Actions.member.1.RedirectConfig.Path",
    "DefaultActions.member.1.Type",
    "DefaultActions.member.1.TargetGroupArn",
    "DefaultActions.member.1.FixedResponseConfig.StatusCode",
    "Targets.member.1.Id",
    "Targets.member.1.Port",
    "Attributes.member.1.Key",
    "Attributes.member.1.Value",
    "ResourceArns.member.1",
    "RulePriorities.member.1.RuleArn",
    "RulePriorities.member.1.Priority",
    "Filter.1.Name",
    "Filter.1.Value.1",
    "GroupId",
    "IpPermissions.1.IpProtocol",
];

/// Values that fit somewhere, and some that fit nowhere.
fn value() -> impl Strategy<Value = String> {
    let known = select(vec![
        "LB",
        "LISTENER",
        "RULE",
        "GROUP",
        "shop",
        "HTTP",
        "HTTPS",
        "80",
        "65535",
        "0",
        "-1",
        "vpc-10ca1a1b",
        "subnet-10ca1a1a",
        "subnet-10ca1a1b",
        "sg-10ca1def",
        "ip",
        "forward",
        "redirect",
        "fixed-response",
        "HTTP_301",
        "200",
        "path-pattern",
        "host-header",
        "/x*",
        "*.example.com",
        "(",
        "^a",
        "127.0.0.1",
        "10.0.0.1",
        "all",
        "tcp",
        "vpc-id",
        "stickiness.enabled",
        "true",
        "deregistration_delay.timeout_seconds",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "\\PC{0,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_parameters_make_an_operation_panic(
        calls in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::collection::vec((select(NAMES.to_vec()), value()), 0..8)),
            1..12,
        ),
    ) {
        let mut account = Account::new();
        let lb = account.load_balancer("first");
        let (listener, group) = (account.listener(&lb, 80), account.group("first"));
        let rule = account.elb("DescribeRules", &format!("ListenerArn={listener}")).text("Rules.0.RuleArn");
        let services = [
            Service::LoadBalancing, Service::Ec2, Service::Sts, Service::Acm, Service::Tagging,
            Service::Waf, Service::Shield,
        ];
        let all: Vec<_> = services
            .into_iter()
            .zip(TABLES)
            .flat_map(|(service, table)| table.iter().map(move |(name, _)| (service, *name)))
            .collect();
        for (which, pairs) in calls {
            let (service, action) = *which.get(&all);
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (name, value) in pairs {
                let value = match value.as_str() {
                    "LB" => &lb,
                    "LISTENER" => &listener,
                    "RULE" => &rule,
                    "GROUP" => &group,
                    other => other,
                };
                form.append_pair(name, value);
            }
            let form = form.finish();
            let request = Request {
                service,
                action: action.to_owned(),
                region: "eu-west-1".to_owned(),
                query: Query::decode(form.as_bytes()),
                json: Value::String(form),
                objects: crate::bucket::Objects::new(),
            };
            let _ = account.world.apply(&request, account.now, account.now);
            Table::of(account.world.regions(), &Table::default());
        }
    }
}
