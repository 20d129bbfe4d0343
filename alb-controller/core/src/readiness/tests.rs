//! What becomes of gates, row by row.

use super::{Fitness, Fitnesses, Gates, OF_GROUP, Sight, TARGETS_HEALTHY, gates};
use crate::{
    desired::desired,
    goal::{Desired, Observed, Standing},
    settings::{AWS, BoundGroup, Lookups, Settings},
    target::{IpFamily, TargetId, TargetType},
};
use edgeway_api::{Objects, manifest};

const ARN: &str = "arn:aws:elasticloadbalancing:x:1:targetgroup/own/1";

const WEB: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edgeway}
spec: {controller: edgeway.dev/alb}
---
apiVersion: v1
kind: Node
metadata: {name: node-a}
status: {conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints:
- addresses: [10.0.0.1]
  conditions: {ready: false}
  targetRef: {kind: Pod, name: a}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: edgeway
  defaultBackend: {service: {name: web, port: {number: 80}}}
";

const BINDING: &str = "
---
apiVersion: elbv2.k8s.aws/v1beta1
kind: TargetGroupBinding
metadata: {name: mine, namespace: shop}
spec: {targetGroupName: own, targetType: ip, serviceRef: {name: web, port: 80}}
";

/// A pod of the Service, with these gates, conditions and, say, labels.
struct Pod {
    labels: &'static str,
    gates: Vec<String>,
    conditions: &'static str,
    more: &'static str,
}

impl Default for Pod {
    fn default() -> Self {
        let gates = vec![TARGETS_HEALTHY.to_owned()];
        Self { labels: "app: web", gates, conditions: "ContainersReady: True", more: "" }
    }
}

impl Pod {
    fn text(&self) -> String {
        let Self { labels, gates, conditions, more } = self;
        let gates = gates.iter().map(|gate| format!("{{conditionType: {gate}}}"));
        let gates = gates.collect::<Vec<_>>().join(", ");
        let conditions = conditions.split(", ").filter_map(|it| it.rsplit_once(": "));
        let conditions =
            conditions.map(|(kind, status)| format!("{{type: {kind}, status: '{status}'}}"));
        let conditions = conditions.collect::<Vec<_>>().join(", ");
        format!(
            "\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: shop, uid: u1, \
             labels: {{{labels}}}{more}}}\nspec: {{nodeName: node-a, readinessGates: [{gates}]}}\n\
             status: {{podIP: 10.0.0.1, conditions: [{conditions}]}}\n"
        )
    }
}

fn objects(text: &str) -> Objects {
    let mut objects = Objects::default();
    manifest::read(text, "", &mut objects);
    assert_eq!(objects.defects, []);
    objects
}

fn settings(controllers: &[&str]) -> Settings {
    let mut settings = Settings::new("test", "vpc");
    settings.controllers.extend(controllers.iter().map(|it| (*it).to_owned()));
    settings
}

fn wish(objects: &Objects, settings: &Settings) -> Desired {
    let group = BoundGroup {
        arn: ARN.to_owned(),
        name: "own".to_owned(),
        target_type: TargetType::Ip,
        family: IpFamily::V4,
    };
    let lookups = Lookups { subnets: None, bound_groups: Some(vec![group]), ..Lookups::default() };
    desired(objects, settings, &lookups)
}

/// The only group of our own.
fn group(desired: &Desired) -> String {
    let mut all = desired.stacks.values().flat_map(|stack| stack.target_groups.keys());
    all.next().unwrap().clone()
}

fn seen(group: &str, fitness: Fitness) -> Fitnesses {
    let target = TargetId { id: "10.0.0.1".to_owned(), port: 8080 };
    [(group.to_owned(), [(target, fitness)].into())].into()
}

fn ill(reason: &str) -> Fitness {
    Fitness::Ill(reason.to_owned(), "because".to_owned())
}

/// Each gate as a line, with the group's name as `GROUP`.
fn lines(gates: &Gates, group: &str) -> Vec<String> {
    let line = |(gate, verdict): (&super::Gate, &super::Verdict)| {
        let state = if verdict.is_open { "open" } else { "wait" };
        let awaits = verdict.awaits.iter().cloned().collect::<Vec<_>>().join(" ");
        let line = format!("{} {state} {} [{awaits}]", gate.condition, verdict.reason);
        line.replace(group, "GROUP").replace(ARN, "ARN")
    };
    gates.iter().map(line).collect()
}

/// What it is about, the pod, what was seen, and the gates.
type Row = (&'static str, Pod, Fitnesses, &'static [&'static str]);

/// The group's name.
fn only_group() -> String {
    group(&wish(&objects(WEB), &settings(&[])))
}

fn check(rows: &[Row]) {
    let settings = settings(&[]);
    for (what, pod, seen, expected) in rows {
        let objects = objects(&(WEB.to_owned() + &pod.text()));
        let (desired, observed) = (wish(&objects, &settings), Observed::default());
        let sight = Sight { objects: &objects, desired: &desired, observed: &observed, seen };
        let gates = gates(sight, &settings, &Gates::new());
        assert_eq!(lines(&gates, &group(&desired)), *expected, "{what}");
    }
}

#[test]
fn pods_that_wait_for_nothing_of_ours_are_left_alone() {
    let name = only_group();
    check(&[
        ("without a gate", Pod { gates: vec![], ..Pod::default() }, Fitnesses::new(), &[]),
        (
            "somebody else's gate",
            Pod { gates: vec!["example.com/own".into()], ..Pod::default() },
            Fitnesses::new(),
            &[],
        ),
        (
            "containers are not ready",
            Pod { conditions: "ContainersReady: False", ..Pod::default() },
            seen(&name, Fitness::Well),
            &[],
        ),
        (
            "it ends",
            Pod { more: ", deletionTimestamp: '2026-01-01T00:00:00Z'", ..Pod::default() },
            seen(&name, Fitness::Well),
            &[],
        ),
        (
            "it is open",
            Pod {
                conditions: "ContainersReady: True, edgeway.dev/targets-healthy: True",
                ..Pod::default()
            },
            seen(&name, ill("Target.Timeout")),
            &[],
        ),
        (
            "its name for a group that we do not know",
            Pod { gates: vec![format!("{OF_GROUP}k8s-shop-other")], ..Pod::default() },
            seen(&name, Fitness::Well),
            &[],
        ),
    ]);
}

#[test]
fn gates_open_when_targets_are_well() {
    let name = only_group();
    let of_group = vec![format!("{OF_GROUP}{name}")];
    check(&[
        (
            "nobody has looked",
            Pod::default(),
            Fitnesses::new(),
            &["edgeway.dev/targets-healthy wait Elb.RegistrationInProgress [GROUP]"],
        ),
        (
            "not registered yet",
            Pod::default(),
            [(name.clone(), [].into())].into(),
            &["edgeway.dev/targets-healthy wait Target.NotRegistered [GROUP]"],
        ),
        (
            "ill",
            Pod::default(),
            seen(&name, ill("Target.ResponseCodeMismatch")),
            &["edgeway.dev/targets-healthy wait Target.ResponseCodeMismatch [GROUP]"],
        ),
        (
            "well",
            Pod::default(),
            seen(&name, Fitness::Well),
            &["edgeway.dev/targets-healthy open Healthy []"],
        ),
        (
            "no rule sends there: nobody would ever look",
            Pod::default(),
            seen(&name, Fitness::Unasked),
            &["edgeway.dev/targets-healthy open Healthy []"],
        ),
        (
            "no target of anything",
            Pod { labels: "app: other", ..Pod::default() },
            Fitnesses::new(),
            &["edgeway.dev/targets-healthy open NoTargetGroup []"],
        ),
        (
            "the other controller's name for our group",
            Pod { gates: of_group, ..Pod::default() },
            seen(&name, Fitness::Well),
            &["target-health.elbv2.k8s.aws/GROUP open Healthy []"],
        ),
    ]);
}

#[test]
fn gates_of_bindings_and_of_groups_that_are_gone_are_ours_where_we_stand_in_for_the_other() {
    let gates_of = |names: &[&str]| names.iter().map(|it| format!("{OF_GROUP}{it}")).collect();
    let pod = Pod { gates: gates_of(&["mine", "k8s-gone"]), ..Pod::default() };
    let objects = objects(&(WEB.to_owned() + BINDING + &pod.text()));
    let settings = settings(&[AWS]);
    let desired = wish(&objects, &settings);
    let seen = seen(ARN, Fitness::Well);
    let observed = Observed::default();
    let sight = Sight { objects: &objects, desired: &desired, observed: &observed, seen: &seen };
    let gates = gates(sight, &settings, &Gates::new());
    assert_eq!(
        lines(&gates, "GROUP"),
        [
            "target-health.elbv2.k8s.aws/k8s-gone open NoTargetGroup []",
            "target-health.elbv2.k8s.aws/mine open Healthy []",
        ]
    );
}

/// The verdicts one after the other, each on top of the last.
fn story(rounds: &[(&Objects, &Observed, &Fitnesses)]) -> Vec<Vec<String>> {
    let settings = settings(&[]);
    let (mut before, mut told) = (Gates::new(), Vec::new());
    let mut name = String::new();
    for (objects, observed, seen) in rounds {
        let desired = wish(objects, &settings);
        if !desired.stacks.is_empty() {
            name = group(&desired);
        }
        let sight = Sight { objects, desired: &desired, observed, seen };
        before = gates(sight, &settings, &before);
        told.push(lines(&before, &name));
    }
    told
}

#[test]
fn what_was_opened_stays_open_and_what_was_seen_is_remembered() {
    let objects = objects(&(WEB.to_owned() + &Pod::default().text()));
    let name = group(&wish(&objects, &settings(&[])));
    let (nothing, none) = (Fitnesses::new(), Observed::default());
    let (bad, good) = (seen(&name, ill("Target.Timeout")), seen(&name, Fitness::Well));
    let told = story(&[
        (&objects, &none, &bad),
        (&objects, &none, &nothing),
        (&objects, &none, &good),
        (&objects, &none, &bad),
    ]);
    let wait = "edgeway.dev/targets-healthy wait Target.Timeout [GROUP]";
    let open = "edgeway.dev/targets-healthy open Healthy []";
    assert_eq!(told, [[wait], [wait], [open], [open]]);
}

#[test]
fn a_gate_opens_when_its_group_goes() {
    let pod = |gate: &str| Pod { gates: vec![gate.to_owned()], ..Pod::default() }.text();
    let name = group(&wish(&objects(WEB), &settings(&[])));
    let (before, _) = WEB.rsplit_once("---").unwrap();
    let gate = format!("{OF_GROUP}{name}");
    let with = objects(&(WEB.to_owned() + &pod(&gate)));
    let without = objects(&(before.to_owned() + &pod(&gate)));
    let (nothing, none) = (Fitnesses::new(), Observed::default());
    let told = story(&[(&with, &none, &nothing), (&without, &none, &nothing)]);
    assert_eq!(
        told,
        [
            ["target-health.elbv2.k8s.aws/GROUP wait Elb.RegistrationInProgress [GROUP]"],
            ["target-health.elbv2.k8s.aws/GROUP open NoTargetGroup []"],
        ]
    );
}

#[test]
fn pods_wait_while_their_ingress_cannot_be_understood_and_gets_no_targets() {
    let good = objects(WEB);
    let desired = wish(&good, &settings(&[]));
    let mut observed = Observed::default();
    for (id, stack) in &desired.stacks {
        let mut standing = Standing::from(stack);
        standing.target_groups.values_mut().for_each(|group| group.targets.clear());
        observed.stacks.insert(id.clone(), standing);
    }
    let broken = WEB.replace(
        "{name: web, namespace: shop}\nspec:\n  ingressClassName",
        "{name: web, namespace: shop, annotations: {alb.ingress.kubernetes.io/scheme: nowhere}}\n\
         spec:\n  ingressClassName",
    );
    assert_ne!(broken, WEB);
    let broken = objects(&(broken + &Pod::default().text()));
    let told =
        story(&[(&good, &observed, &Fitnesses::new()), (&broken, &observed, &Fitnesses::new())]);
    let group = group(&desired);
    let wait = format!("edgeway.dev/targets-healthy wait Target.NotRegistered [{group}]");
    let told: Vec<String> =
        told.concat().iter().map(|line| line.replace("GROUP", &group)).collect();
    assert_eq!(told, [wait]);
}
