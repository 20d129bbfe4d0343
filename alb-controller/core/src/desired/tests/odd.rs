//! Odd values, as the AWS Load Balancer Controller takes them.

use super::*;
use crate::{
    rule::{Action, Condition},
    settings::GroupTags,
    stack::{SecurityGroupRef, Source},
    target::Protocol,
};

fn web(name: &str, annotations: &[(&str, &str)]) -> String {
    let at = format!("{name}.example.com");
    ingress(name, annotations, &rules(&[host(&at, &["Prefix / web:80"])]))
}

fn of_group<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("group.name", "shop")], more].concat()
}

/// Who may connect to port 80.
fn callers(desired: &Desired) -> Vec<String> {
    let ingress = &only(desired).security_group.as_ref().unwrap().ingress;
    let text = |source: &Source| match source {
        Source::Ipv4(text) | Source::Ipv6(text) | Source::PrefixList(text) => text.clone(),
        Source::Group(group) => format!("{group:?}"),
    };
    ingress.iter().map(|door| text(&door.source)).collect()
}

#[test]
fn ranges_of_ipv6_count_where_there_are_such_addresses() {
    let ranges = ("inbound-cidrs", "10.0.0.0/8, 2001:db8::/32");
    assert_eq!(callers(&wishes(&[WEB, &web("one", &[ranges])])), ["10.0.0.0/8"]);
    for kind in ["dualstack", "dualstack-without-public-ipv4"] {
        let both = web("one", &[ranges, ("ip-address-type", kind)]);
        assert_eq!(callers(&wishes(&[WEB, &both])), ["10.0.0.0/8", "2001:db8::/32"]);
    }
    let closed = web("one", &[("inbound-cidrs", "2001:db8::/32")]);
    assert_eq!(callers(&wishes(&[WEB, &closed])), <[&str; 0]>::default(), "not everybody");
}

#[test]
fn ranges_and_prefix_lists_are_agreed_on_apart() {
    let ranges = web("one", &of_group(&[("inbound-cidrs", "10.0.0.0/8")]));
    let lists = web("two", &of_group(&[("security-group-prefix-lists", "pl-1")]));
    let desired = wishes(&[WEB, &ranges, &lists]);
    assert_eq!(desired.problems, []);
    assert_eq!(callers(&desired), ["10.0.0.0/8", "pl-1"]);
    assert_eq!(listener(&desired, 80).rules.len(), 2);
    let others = web("three", &of_group(&[("security-group-prefix-lists", "pl-2")]));
    let desired = wishes(&[WEB, &ranges, &lists, &others]);
    assert_eq!(problems(&desired), ["Ingress default/two group-conflict"]);
    assert_eq!(callers(&desired), ["10.0.0.0/8", "pl-2"]);
}

#[test]
fn of_a_port_that_is_listed_twice_the_last_protocol_counts() {
    let ports = |text| ("listen-ports", text);
    let cert = ("certificate-arn", "arn:1");
    let rows = [
        (r#"[{"HTTP": 443}, {"HTTPS": 443}]"#, Protocol::Https),
        (r#"[{"HTTPS": 443}, {"HTTP": 443}]"#, Protocol::Http),
    ];
    for (text, wanted) in rows {
        let desired = wishes(&[WEB, &web("one", &[ports(text), cert])]);
        assert_eq!(listener(&desired, 443).protocol, wanted, "{text}");
    }
}

#[test]
fn what_nothing_comes_of_may_be_wrong() {
    let rows = [
        (vec![("listener-attributes.HTTP-81", "nothing")], vec![]),
        (vec![("listener-attributes.HTTPS-80", "nothing")], vec![]),
        (vec![("manage-backend-security-group-rules", "perhaps")], vec!["annotation-invalid"]),
        (vec![("auth-type", "oidc")], vec!["annotation-invalid"]),
        (vec![("target-node-labels", "nothing"), ("target-type", "ip")], vec![]),
    ];
    for (annotations, codes) in rows {
        let desired = wishes(&[WEB, &web("one", &annotations)]);
        assert_eq!(listener(&desired, 80).rules.len(), 1, "{annotations:?}");
        let told: Vec<_> = desired.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(told, codes, "{annotations:?}");
    }
    let wrong = web("one", &[("listener-attributes.HTTP-80", "nothing")]);
    assert!(wishes(&[WEB, &wrong]).stacks.is_empty());
    assert!(wishes(&[WEB, &web("one", &[("auth-type", "ldap")])]).stacks.is_empty());
    let named = [("security-groups", "sg-1"), ("manage-backend-security-group-rules", "perhaps")];
    assert!(wishes(&[WEB, &web("one", &named)]).stacks.is_empty());
}

#[test]
fn empty_parameters_of_a_class_are_none_and_a_bad_name_is_told() {
    let of_class = |spec: &str| {
        let class = format!(
            "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{name: odd}}\n\
             spec:\n  controller: edgeway.dev/alb\n  parameters: {{apiGroup: elbv2.k8s.aws, kind: \
             IngressClassParams, name: odd}}\n---\napiVersion: elbv2.k8s.aws/v1beta1\n\
             kind: IngressClassParams\nmetadata: {{name: odd}}\nspec: {spec}\n"
        );
        let annotations = [
            ("load-balancer-name", "mine"),
            ("ssl-policy", "strict"),
            ("ssl-redirect", "443"),
            ("certificate-arn", "arn:1"),
            ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#),
        ];
        let one =
            web("one", &annotations).replace("ingressClassName: edgeway", "ingressClassName: odd");
        wishes(&[WEB, &class, &one])
    };
    let desired = of_class("{loadBalancerName: '', sslPolicy: '', sslRedirectPort: ''}");
    assert_eq!(desired.problems, []);
    assert_eq!(only(&desired).load_balancer.name, "mine");
    assert_eq!(listener(&desired, 443).ssl_policy.as_deref(), Some("strict"));
    assert!(listener(&desired, 80).rules.is_empty(), "all is redirected");
    let long = of_class("{loadBalancerName: a-name-that-is-longer-than-any-load-balancer-s}");
    assert_eq!(problems(&long), ["Ingress default/one class-parameter-invalid"]);
}

#[test]
fn security_groups_that_are_named_by_id_come_first() {
    let group = |id: &str, name: &str| GroupTags {
        id: id.to_owned(),
        tags: [("Name".to_owned(), name.to_owned())].into(),
    };
    let known = Some(vec![group("sg-1", "a"), group("sg-2", "b"), group("sg-3", "c")]);
    let lookups = Lookups { security_groups: known, ..lookups() };
    let rows = [
        ("c, sg-2, a, sg-1", vec!["sg-1", "sg-2", "sg-1", "sg-3"]),
        ("c, sg-2", vec!["sg-2", "sg-3"]),
        ("b, a", vec!["sg-1", "sg-2"]),
    ];
    for (text, wanted) in rows {
        let one = web("one", &[("security-groups", text)]);
        let desired = super::desired(&objects(&[WEB, &one]), &settings(), &lookups);
        let found = &only(&desired).load_balancer.security_groups;
        let wanted: Vec<_> =
            wanted.into_iter().map(|id| SecurityGroupRef::Id(id.to_owned())).collect();
        assert_eq!(*found, wanted, "{text}");
    }
}

#[test]
fn null_in_json_is_as_good_as_nothing() {
    let conditions = r#"[{"field": "host-header", "pathPatternConfig": null,
        "hostHeaderConfig": {"values": ["b.example.com"], "regexValues": null}}]"#;
    let desired = wishes(&[WEB, &web("one", &[("conditions.web", conditions)])]);
    assert_eq!(desired.problems, []);
    assert!(texts(&desired, 80)[0].contains("b.example.com"));
}

#[test]
fn an_empty_body_and_an_empty_key_are_none() {
    let answer = r#"{"type": "fixed-response", "fixedResponseConfig": {"statusCode": "200", "messageBody": ""}}"#;
    let query = r#"[{"field": "query-string", "queryStringConfig": {"values": [{"key": "", "value": "x"}]}}]"#;
    let one = web("one", &[("actions.web", answer), ("conditions.web", query)]);
    let desired = wishes(&[WEB, &one.replace("number: 80", "name: use-annotation")]);
    let rule = listener(&desired, 80).rules.values().next().unwrap();
    let Action::Fixed(fixed) = &rule.action else { panic!("{rule:?}") };
    assert_eq!(fixed.body, None, "AWS tells of none, and it would be written in each pass");
    let Condition::Query(pairs) = &rule.conditions[0] else { panic!("{rule:?}") };
    assert_eq!(pairs[0].key, None);
}

#[test]
fn nodes_that_nothing_is_heard_of_count_where_no_other_does() {
    let web_service = WEB.replace("targetPort: 8080}", "targetPort: 8080, nodePort: 30080}");
    let node = |name: &str, ready: &str| {
        format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\nspec: {{providerID: \
             aws:///eu-west-1a/i-{name}}}\nstatus: {{conditions: [{{type: Ready, status: '{ready}'}}]}}\n"
        )
    };
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: two}\nspec: {nodeName: b, containers: \
               [{name: c}]}\nstatus: {conditions: [{type: ContainersReady, status: 'True'}]}\n";
    let slice = WEB.split("---").nth(1).unwrap();
    let away = slice.replace("  - {addresses: [10.0.0.1], conditions: {ready: true}}\n", "");
    let away = away.replace("  - {addresses: [10.0.0.3]}\n", "");
    let away = away.replace("{ready: false}", "{ready: false}, targetRef: {kind: Pod, name: two}");
    let service = web_service.split("---").next().unwrap();
    let targets = |texts: &[&str]| -> Vec<String> {
        let desired = wishes(texts);
        let group = target_group(&desired, "default/one-web:80");
        group.targets.keys().map(ToString::to_string).collect()
    };
    let instances = web("one", &[("target-type", "instance")]);
    let pods = web("one", &[("target-type", "ip")]);
    let (heard, lost) = (node("a", "True"), node("b", "Unknown"));
    assert_eq!(targets(&[service, &heard, &lost, &instances]), ["i-a:30080"]);
    let ill = node("a", "False");
    assert_eq!(targets(&[service, &ill, &lost, &instances]), ["i-b:30080"]);
    assert_eq!(targets(&[service, &away, &lost, pod, &pods]), ["10.0.0.2:8080"]);
    assert_eq!(targets(&[service, slice, &lost, pod, &pods]), ["10.0.0.1:8080", "10.0.0.3:8080"]);
}

#[test]
fn what_aws_would_refuse_costs_nobody_else_a_rule() {
    let method =
        r#"[{"field": "http-request-method", "httpRequestMethodConfig": {"values": ["get"]}}]"#;
    let answer = r#"{"type": "fixed-response", "fixedResponseConfig": {"statusCode": "200", "contentType": "text/weird"}}"#;
    let used = web("one", &of_group(&[("actions.web", answer)]))
        .replace("number: 80", "name: use-annotation");
    for bad in [web("one", &of_group(&[("conditions.web", method)])), used] {
        let desired = wishes(&[WEB, &bad, &web("two", &of_group(&[]))]);
        assert_eq!(problems(&desired), ["Ingress default/one annotation-invalid"]);
        assert_eq!(listener(&desired, 80).rules.len(), 1);
    }
}

#[test]
fn where_all_is_redirected_rules_may_be_wrong() {
    let secure = [("certificate-arn", "arn:1"), ("ssl-redirect", "443")];
    let one = web("one", &of_group(&secure));
    let wrong = [("listen-ports", r#"[{"HTTP": 8080}]"#), ("healthcheck-port", "nope")];
    let two = web("two", &of_group(&wrong));
    let desired = wishes(&[WEB, &one, &two]);
    assert_eq!(problems(&desired), ["Ingress default/two annotation-invalid"]);
    assert!(listener(&desired, 8080).default_action.to_string().starts_with("redirect to HTTPS"));
    let alone = wishes(&[WEB, &web("one", &of_group(&secure[..1])), &two]);
    assert!(!only(&alone).load_balancer.listeners.contains_key(&8080));
}

#[test]
fn a_lone_target_group_keeps_its_weight_as_far_as_aws_takes_it() {
    let action = |text: &str| {
        format!(
            r#"{{"type": "forward", "forwardConfig": {{"targetGroups": [{{"serviceName": "web", "servicePort": 80{text}}}]}}}}"#
        )
    };
    let weight = |text: &str| {
        let one = web("one", &[("actions.web", &action(text))]);
        let desired = wishes(&[WEB, &one.replace("number: 80", "name: use-annotation")]);
        let stack = desired.stacks.values().next()?;
        let rule = stack.load_balancer.listeners[&80].rules.values().next().unwrap().clone();
        let Action::Forward(forward) = &rule.action else { panic!("{rule:?}") };
        Some(forward.shares[0].weight)
    };
    let rows = [
        ("", Some(1)),
        (r#", "weight": 0"#, Some(1)),
        (r#", "weight": 10"#, Some(10)),
        (r#", "weight": 1000"#, None),
    ];
    for (text, wanted) in rows {
        assert_eq!(weight(text), wanted, "{text}");
    }
}
