//! Whose an Ingress is.

use super::{WEB, host, ingress, only, problems, rules, wishes};
use crate::{id::StackId, stack::Scheme};

fn plain() -> String {
    ingress("ing", &[], &rules(&[host("a.example.com", &["Prefix / web:80"])]))
}

fn class(name: &str, more: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{name: {name}{more}}}\n\
         spec:\n  controller: edgeway.dev/alb\n  parameters: {{apiGroup: elbv2.k8s.aws, kind: \
         IngressClassParams, name: shared}}\n"
    )
}

const PARAMS: &str = "
apiVersion: elbv2.k8s.aws/v1beta1
kind: IngressClassParams
metadata: {name: shared}
spec:
  scheme: internet-facing
  group: {name: everyone}
  tags: [{key: team, value: platform}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}
";

#[test]
fn foreign_classes_are_passed_over_in_silence() {
    let foreign = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx}\n\
                   spec: {controller: k8s.io/nginx}\n";
    let desired = wishes(&[WEB, foreign, &plain().replace("edgeway", "nginx")]);
    assert!(desired.stacks.is_empty() && desired.problems.is_empty() && desired.held.is_empty());
}

#[test]
fn a_class_that_is_not_there_is_said_and_what_stands_is_held() {
    let desired = wishes(&[WEB, &plain().replace("edgeway", "nope")]);
    assert_eq!(problems(&desired), ["Ingress default/ing ingress-class-not-found"]);
    assert!(desired.held.contains_key(&StackId::ingress("default", "ing")));
    assert!(desired.adrift.contains("default/ing"), "the class may have named its group");
}

#[test]
fn parameters_of_a_class_go_before_annotations() {
    let annotated = ingress(
        "ing",
        &[("scheme", "internal"), ("group.name", "mine"), ("tags", "team=mine,own=yes")],
        &rules(&[host("a.example.com", &["Prefix / web:80"])]),
    );
    let desired =
        wishes(&[WEB, PARAMS, &class("shared", ""), &annotated.replace("edgeway", "shared")]);
    let stack = only(&desired);
    assert_eq!(stack.id, StackId::Group("everyone".into()));
    assert_eq!(stack.load_balancer.scheme, Scheme::InternetFacing);
    assert_eq!(stack.load_balancer.tags["team"], "platform");
    assert_eq!(stack.load_balancer.tags["own"], "yes");
}

#[test]
fn a_class_may_be_for_some_namespaces_only() {
    let params = PARAMS.replace("name: default", "name: other");
    let desired =
        wishes(&[WEB, &params, &class("shared", ""), &plain().replace("edgeway", "shared")]);
    assert_eq!(problems(&desired), ["Ingress default/ing ingress-class-not-usable"]);
}

#[test]
fn the_default_class_is_for_those_that_name_none() {
    let default = ", annotations: {ingressclass.kubernetes.io/is-default-class: \"true\"}";
    let nameless = plain().replace("  ingressClassName: edgeway\n", "");
    assert!(wishes(&[WEB, &nameless]).stacks.is_empty());
    let desired = wishes(&[WEB, PARAMS, &class("shared", default), &nameless]);
    assert_eq!(only(&desired).id, StackId::Group("everyone".into()));
}

#[test]
fn the_old_annotation_goes_before_the_field_and_knows_no_parameters() {
    let old = ingress("ing", &[], &rules(&[host("a.example.com", &["Prefix / web:80"])]));
    let old = old.replace(
        "  name: ing\n",
        "  name: ing\n  annotations: {kubernetes.io/ingress.class: edgeway}\n",
    );
    let desired =
        wishes(&[WEB, PARAMS, &class("shared", ""), &old.replace("Name: edgeway", "Name: shared")]);
    assert_eq!(only(&desired).id, StackId::ingress("default", "ing"));
    let other = old.replace("ingress.class: edgeway", "ingress.class: nginx");
    assert!(wishes(&[WEB, &other]).stacks.is_empty());
}

#[test]
fn bindings_of_a_users_own_are_named_where_their_controller_is_stood_in_for() {
    let binding = |labels: &str| {
        format!(
            "apiVersion: elbv2.k8s.aws/v1beta1\nkind: TargetGroupBinding\n\
             metadata: {{name: own{labels}}}\nspec:\n  serviceRef: {{name: web, port: 80}}\n  \
             targetGroupARN: arn:aws:elasticloadbalancing:x\n"
        )
    };
    let of = |text: &str, controllers: &[&str]| {
        let mut objects = edgeway_api::Objects::default();
        edgeway_api::manifest::read(text, "test.yaml", &mut objects);
        assert!(objects.defects.is_empty(), "{:?}", objects.defects);
        let controllers = controllers.iter().map(|name| (*name).to_owned()).collect();
        let settings = crate::Settings { controllers, ..crate::Settings::new("cluster", "vpc-1") };
        problems(&crate::desired(&objects, &settings, &crate::Lookups::default()))
    };
    let (ours, theirs) = (crate::settings::EDGEWAY, crate::settings::AWS);
    let said = ["TargetGroupBinding default/own service-not-found"];
    assert_eq!(of(&binding(""), &[ours, theirs]), said);
    assert!(of(&binding(""), &[ours]).is_empty(), "they are another controller's");
    let made = binding(", labels: {ingress.k8s.aws/stack-name: ing}");
    assert!(of(&made, &[theirs]).is_empty());
}
