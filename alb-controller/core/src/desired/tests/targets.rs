//! Target groups, their targets and their health checks.

use super::{WEB, host, ingress, objects, problems, rules, settings, target_group, wishes};
use crate::{
    desired,
    settings::{GroupTags, Interface, Lookups},
    target::{Matcher, TargetType},
};

const GATEWAY: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public}
spec:
  selector: {app: web}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
";

fn spec() -> String {
    rules(&[host("a.example.com", &["Prefix / web:80"])])
}

fn targets(desired: &crate::Desired, resource: &str) -> Vec<String> {
    target_group(desired, resource).targets.keys().map(ToString::to_string).collect()
}

#[test]
fn targets_are_ready_endpoints_at_the_port_behind_the_service() {
    let paths = ["Prefix / web:80", "Prefix /admin web:admin"];
    let desired = wishes(&[WEB, &ingress("ing", &[], &rules(&[host("a", &paths)]))]);
    assert_eq!(targets(&desired, "default/ing-web:80"), ["10.0.0.1:8080", "10.0.0.3:8080"]);
    assert_eq!(targets(&desired, "default/ing-web:admin"), ["10.0.0.1:9001", "10.0.0.3:9001"]);
    assert_eq!(target_group(&desired, "default/ing-web:80").kind.port, 8080);
    assert_eq!(
        target_group(&desired, "default/ing-web:admin").kind.port,
        1,
        "a named port has none"
    );
}

#[test]
fn the_aws_controller_s_classes_count_pods_only_and_instances_by_default() {
    let ip = ingress("ing", &[("target-type", "ip")], &spec()).replace("edgeway", "alb");
    assert_eq!(targets(&wishes(&[WEB, &ip]), "default/ing-web:80"), <[&str; 0]>::default());
    let instance = ingress("ing", &[], &spec()).replace("edgeway", "alb");
    assert_eq!(problems(&wishes(&[WEB, &instance])), ["Ingress default/ing port-not-reachable"]);
}

#[test]
fn instances_are_ready_nodes_at_the_node_port() {
    let web = WEB.replace("targetPort: 8080}", "targetPort: 8080, nodePort: 30080}");
    let node = |name: &str, ready: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}{more}}}\nspec: {{providerID: \
             aws:///eu-west-1a/i-{name}}}\nstatus: {{conditions: [{{type: Ready, status: '{ready}'}}]}}\n"
        )
    };
    let excluded = ", labels: {node.kubernetes.io/exclude-from-external-load-balancers: ''}";
    let nodes = [node("a", "True", ""), node("b", "False", ""), node("c", "True", excluded)];
    let instance = ingress("ing", &[("target-type", "instance")], &spec());
    let desired = wishes(&[&web, &nodes[0], &nodes[1], &nodes[2], &instance]);
    let group = target_group(&desired, "default/ing-web:80");
    assert_eq!((group.kind.target_type, group.kind.port), (TargetType::Instance, 30080));
    assert_eq!(targets(&desired, "default/ing-web:80"), ["i-a:30080"]);
}

#[test]
fn a_gateway_is_asked_for_its_own_health_unless_told_otherwise() {
    let path = |texts: &[&str]| {
        target_group(&wishes(texts), "default/ing-web:80").health_check.path.clone()
    };
    let plain = ingress("ing", &[], &spec());
    assert_eq!(path(&[WEB, &plain]), "/");
    assert_eq!(path(&[WEB, GATEWAY, &plain]), "/.well-known/edgeway/health");
    assert_eq!(
        path(&[WEB, GATEWAY, &ingress("ing", &[("healthcheck-path", "/up")], &spec())]),
        "/up"
    );
    let aws = ingress("ing", &[("target-type", "ip")], &spec()).replace("edgeway", "alb");
    assert_eq!(path(&[WEB, GATEWAY, &aws]), "/");

    // A chart's pods bear more labels than its Service asks for.
    let more = GATEWAY.replace("{app: web}", "{istio: ingressgateway}");
    let pod = |name: &str, labels: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n")
    };
    let (one, two) = (pod("one", "app: web, istio: ingressgateway"), pod("two", "app: web"));
    let other = pod("other", "app: other");
    assert_eq!(path(&[WEB, &more, &plain]), "/");
    assert_eq!(path(&[WEB, &more, &plain, &one, &other]), "/.well-known/edgeway/health");
    assert_eq!(path(&[WEB, &more, &plain, &one, &two]), "/", "one of them is no gateway");
}

#[test]
fn health_checks_have_the_defaults_of_the_aws_controller() {
    let desired = wishes(&[WEB, &ingress("ing", &[("backend-protocol-version", "GRPC")], &spec())]);
    let check = &target_group(&desired, "default/ing-web:80").health_check;
    assert_eq!((check.interval, check.timeout, check.healthy, check.unhealthy), (15, 5, 2, 2));
    assert_eq!(
        (check.path.as_str(), check.port.as_str()),
        ("/AWS.ALB/healthcheck", "traffic-port")
    );
    assert_eq!(check.matcher, Matcher::Grpc("12".into()));
}

#[test]
fn what_aws_would_refuse_is_refused_before() {
    let grpc = ("backend-protocol-version", "GRPC");
    let quick = [("healthcheck-interval-seconds", "5"), ("healthcheck-timeout-seconds", "5")];
    let table: [(&[(&str, &str)], &str); 11] = [
        (&quick, "healthcheck-timeout-seconds"),
        (&[("healthcheck-interval-seconds", "5")], "healthcheck-interval-seconds"),
        (&[("backend-protocol", "https")], "backend-protocol"),
        (&[("healthcheck-port", "nope")], "healthcheck-port"),
        (&[("healthcheck-path", "health")], "healthcheck-path"),
        (&[("healthcheck-path", "/a b")], "healthcheck-path"),
        (&[("success-codes", "abc")], "success-codes"),
        (&[("success-codes", "200-")], "success-codes"),
        (&[("success-codes", "299-200")], "success-codes"),
        (&[("success-codes", "200,500")], "success-codes"),
        (&[grpc, ("success-codes", "200")], "success-codes"),
    ];
    for (annotations, name) in table {
        let desired = wishes(&[WEB, &ingress("ing", annotations, &spec())]);
        let told: Vec<_> = desired.problems.iter().map(|it| (it.code, it.field.clone())).collect();
        let field = format!("metadata.annotations[alb.ingress.kubernetes.io/{name}]");
        assert_eq!(told, [("annotation-invalid", field)], "{annotations:?}");
    }
    let good: [&[(&str, &str)]; 4] = [
        &[("success-codes", "200-299, 404"), ("healthcheck-path", " /a?b=c ")],
        &[("success-codes", ""), ("healthcheck-path", "")],
        &[grpc, ("success-codes", "0-99")],
        &[("success-codes", "499")],
    ];
    for annotations in good {
        let desired = wishes(&[WEB, &ingress("ing", annotations, &spec())]);
        assert_eq!(problems(&desired), <[&str; 0]>::default(), "{annotations:?}");
    }
}

#[test]
fn what_guards_targets_is_opened_for_the_common_security_group() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web-0}\nspec: {nodeName: a, containers: [{name: c}]}\n";
    let node = "apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {providerID: aws:///eu-west-1a/i-a}\n";
    let web = WEB.replace(
        "addresses: [10.0.0.1],",
        "addresses: [10.0.0.1], targetRef: {kind: Pod, name: web-0},",
    );
    let objects = objects(&[&web, pod, node, &ingress("ing", &[], &spec())]);
    let interface = |groups: &[&str]| Interface {
        addresses: [[10, 0, 0, 1].into()].into(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..Interface::default()
    };
    let doors = |groups: &[&str]| {
        let tags = [("kubernetes.io/cluster/cluster".to_owned(), "owned".to_owned())].into();
        let lookups = Lookups {
            instances: [("i-a".to_owned(), vec![interface(groups)])].into(),
            security_groups: Some(vec![GroupTags { id: "sg-two".into(), tags }]),
            ..super::lookups()
        };
        let desired = desired(&objects, &settings(), &lookups);
        let texts = |doors: &std::collections::BTreeSet<crate::stack::Ingress>| {
            doors.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        };
        desired
            .doors
            .iter()
            .map(|(group, open)| format!("{group}: {}", texts(open)))
            .collect::<Vec<_>>()
    };
    let shared = settings().shared_name();
    assert_eq!(doors(&["sg-one"]), [format!("sg-one: 8080 from {shared}")]);
    assert_eq!(doors(&["sg-one", "sg-two"]), [format!("sg-two: 8080 from {shared}")]);
    assert_eq!(doors(&["sg-one", "sg-three"]), <[&str; 0]>::default(), "nobody knows which");
}

#[test]
fn an_address_outside_the_vpc_is_in_all_zones() {
    let objects = objects(&[WEB, &ingress("ing", &[], &spec())]);
    let zones = |range: &str| {
        let lookups = Lookups { vpc_ranges: vec![range.parse().unwrap()], ..super::lookups() };
        let desired = desired(&objects, &settings(), &lookups);
        target_group(&desired, "default/ing-web:80").targets.values().flatten().count()
    };
    assert_eq!((zones("10.0.0.0/16"), zones("172.16.0.0/12")), (0, 2));
}
