//! A user's own `TargetGroupBinding`s.

use super::{lookups, objects, problems, settings, wishes};
use crate::{
    Observed, desired,
    goal::{Bound, Desired},
    plan,
    settings::BoundGroup,
    target::{IpFamily, TargetId, TargetType},
};

const ARN: &str = "arn:aws:elasticloadbalancing:x:1:targetgroup/own/1";

fn binding(more: &str) -> String {
    format!(
        "apiVersion: elbv2.k8s.aws/v1beta1\nkind: TargetGroupBinding\nmetadata: {{name: own}}\n\
         spec: {{targetGroupName: own, targetType: ip, serviceRef: {{name: web, port: 80}}{more}}}"
    )
}

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: a}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
  - {addresses: [10.0.0.1], targetRef: {kind: Pod, name: a}}
";

fn wish(more: &str) -> Desired {
    let mut lookups = lookups();
    let (arn, name) = (ARN.to_owned(), "own".to_owned());
    let group = BoundGroup { arn, name, target_type: TargetType::Ip, family: IpFamily::V4 };
    lookups.bound_groups = Some(vec![group]);
    desired(&objects(&[PODS, &binding(more)]), &settings(), &lookups)
}

fn target(id: &str) -> TargetId {
    TargetId { id: id.into(), port: 8080 }
}

/// The group with a target of ours that is gone, as a plan sees it.
fn steps(wish: &Desired) -> Vec<String> {
    let mut observed = Observed::default();
    let bound = Bound { targets: [(target("10.0.0.9"), None)].into() };
    observed.bindings.insert(ARN.into(), bound);
    plan(wish, &observed)
        .steps
        .iter()
        .map(|step| format!("{} {}", step.op.kind(), step.op))
        .collect()
}

#[test]
fn endpoints_become_targets_before_others_go() {
    let wish = wish("");
    assert_eq!(problems(&wish), [""; 0]);
    assert_eq!(
        steps(&wish),
        ["register-targets 10.0.0.1:8080", "deregister-targets 10.0.0.9:8080"]
    );
    let again = plan(&wish, &{
        let mut after = Observed::default();
        after.bindings.insert(ARN.into(), Bound { targets: wish.bindings[ARN].targets.clone() });
        after
    });
    assert!(again.is_settled(), "{again}");
}

#[test]
fn targets_of_other_clusters_stay() {
    assert_eq!(steps(&wish(", multiClusterTargetGroup: true")), ["register-targets 10.0.0.1:8080"]);
}

#[test]
fn what_could_not_be_looked_at_stays_as_it_is() {
    assert!(plan(&wish(""), &Observed::default()).is_settled());
}

#[test]
fn what_is_missing_is_said_and_targets_stay() {
    let strange = wish(", iamRoleArnToAssume: arn:role");
    assert_eq!(problems(&strange), ["TargetGroupBinding default/own binding-not-supported"]);
    assert!(strange.bindings.is_empty());
    let alone = wishes(&[&binding("")]);
    assert_eq!(problems(&alone), ["TargetGroupBinding default/own service-not-found"]);
    let mut nobody = lookups();
    nobody.bound_groups = Some(Vec::new());
    let lost = desired(&objects(&[PODS, &binding("")]), &settings(), &nobody);
    assert_eq!(problems(&lost), ["TargetGroupBinding default/own target-group-not-found"]);
}
