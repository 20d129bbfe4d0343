//! What need not wait for the whole plan: targets that come and go where nothing else has changed.
//!
//! It is a part of what the whole plan would do, found from few objects. Whatever is more than
//! registering is left to the whole plan, which is made after it.

use crate::{
    desired::desired,
    goal::{Desired, Observed},
    id::StackId,
    plan::{Op, Plan, part},
    settings::{Lookups, Settings},
    stack::Stack,
};
use edgeway_api::{Held, ObjectRef, Objects};
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

/// With more stacks than this the whole plan is as quick.
const FEW: usize = 10;

/// The steps that register, and send away, the targets whose endpoints are others in `now` than in
/// `before`; `wished` is what was wished then, `observed` what stands.
pub fn haste(
    (before, now): (&Objects, &Objects),
    (settings, lookups): (&Settings, &Lookups),
    wished: &Desired,
    observed: &Observed,
) -> Plan {
    let mut namespaces = moved(before, now);
    let touched = touched(wished, &mut namespaces);
    if touched.is_empty() || touched.len() > FEW {
        return Plan::default();
    }
    let new = desired(&narrow(now, &namespaces), settings, lookups);
    // Of a stack whose members are others now, some may be elsewhere.
    let is_same = |id: &&StackId| {
        let broken = |wishes: &Desired| wishes.stacks.get(*id).map(|stack| stack.broken.clone());
        new.members.get(*id) == wished.members.get(*id) && broken(&new) == broken(wished)
    };
    let touched: BTreeSet<&StackId> = touched.iter().filter(is_same).collect();
    let is_register = |op: &Op| matches!(op, Op::Register(_) | Op::Deregister(_));
    let mut plan = part(&new, observed, &touched);
    let more = plan.steps.iter().filter(|step| !is_register(&step.op));
    let more: BTreeSet<Option<StackId>> = more.map(|step| step.stack.clone()).collect();
    plan.steps.retain(|step| !more.contains(&step.stack));
    plan
}

/// The namespaces in which something of which endpoints are made is another object now.
fn moved(before: &Objects, now: &Objects) -> BTreeSet<String> {
    let mut namespaces = differing(&before.endpoint_slices, &now.endpoint_slices);
    namespaces.extend(differing(&before.endpoints, &now.endpoints));
    namespaces.extend(differing(&before.pods, &now.pods));
    namespaces.into_iter().map(str::to_owned).collect()
}

fn differing<'o, K: Held>(before: &'o [Arc<K>], now: &'o [Arc<K>]) -> BTreeSet<&'o str> {
    let all = |objects: &[Arc<K>]| objects.iter().map(Arc::as_ptr).collect::<HashSet<_>>();
    let (old, new) = (all(before), all(now));
    let gone = before.iter().filter(|object| !new.contains(&Arc::as_ptr(object)));
    let come = now.iter().filter(|object| !old.contains(&Arc::as_ptr(object)));
    gone.chain(come).map(|object| object.namespace()).collect()
}

/// The stacks that have members or targets in these namespaces, which grow to all in which those have some.
fn touched(wished: &Desired, namespaces: &mut BTreeSet<String>) -> BTreeSet<StackId> {
    let stacks = wished.stacks.iter().map(|(id, stack)| {
        let members = wished.members.get(id).map_or(&[][..], Vec::as_slice);
        (id, homes(members, stack).collect::<BTreeSet<&str>>())
    });
    let is_touched = |(_, homes): &(&StackId, BTreeSet<&str>)| {
        homes.iter().any(|home| namespaces.contains(*home))
    };
    let touched: Vec<_> = stacks.filter(is_touched).collect();
    for (_, homes) in &touched {
        namespaces.extend(homes.iter().map(|home| (*home).to_owned()));
    }
    touched.into_iter().map(|(id, _)| id.clone()).collect()
}

/// The namespaces of a stack's members, understood or not, and of the Services behind it: that of a gateway
/// is elsewhere.
fn homes<'s>(members: &'s [ObjectRef], stack: &'s Stack) -> impl Iterator<Item = &'s str> {
    let broken = stack.broken.iter().filter_map(|name| name.split_once('/'));
    let behind = stack.backends.values().map(|backend| backend.namespace.as_str());
    let members = members.iter().map(|member| member.namespace.as_str());
    members.chain(broken.map(|(home, _)| home)).chain(behind)
}

/// What there is in some namespaces and in none, as far as stacks depend on it.
fn narrow(objects: &Objects, namespaces: &BTreeSet<String>) -> Objects {
    fn some<K: Held>(objects: &Objects, namespaces: &BTreeSet<String>) -> Vec<Arc<K>> {
        let all = K::of(objects).iter();
        let wanted =
            |object: &&Arc<K>| K::CLUSTER_SCOPED || namespaces.contains(object.namespace());
        all.filter(wanted).cloned().collect()
    }
    Objects {
        ingress_class_params: some(objects, namespaces),
        services: some(objects, namespaces),
        endpoint_slices: some(objects, namespaces),
        endpoints: some(objects, namespaces),
        pods: some(objects, namespaces),
        secrets: some(objects, namespaces),
        namespaces: some(objects, namespaces),
        nodes: some(objects, namespaces),
        ingresses: some(objects, namespaces),
        ingress_classes: some(objects, namespaces),
        // They may select pods of any namespace.
        gateways: objects.gateways.clone(),
        defects: objects.defects.clone(),
        ..Objects::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Held as _, haste, narrow};
    use crate::{
        desired::desired,
        goal::{Desired, Observed},
        plan::{Op, Plan, plan},
        settings::{Lookups, Settings},
    };
    use edgeway_api::{
        Objects, Resource as _, k8s_openapi::api::discovery::v1::EndpointSlice, manifest,
    };
    use std::sync::Arc;

    const CLASS: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edgeway}
spec: {controller: edgeway.dev/alb}
";

    /// A member of a group, with its Service and an endpoint.
    fn member(group: &str, namespace: &str, path: &str) -> String {
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: i\n  \
             namespace: {namespace}\n  annotations: {{alb.ingress.kubernetes.io/group.name: {group}}}\n\
             spec:\n  ingressClassName: edgeway\n  rules:\n  - http:\n      paths:\n      - {{path: {path}, \
             pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}\n\
             ---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: {namespace}}}\n\
             spec: {{ports: [{{port: 80}}]}}\n{}",
            slice(namespace, &["10.0.0.1"])
        )
    }

    fn slice(namespace: &str, addresses: &[&str]) -> String {
        let endpoints: Vec<String> =
            addresses.iter().map(|address| format!("{{addresses: [{address}]}}")).collect();
        format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: web-1, \
             namespace: {namespace}, labels: {{kubernetes.io/service-name: web}}}}\n\
             addressType: IPv4\nports: [{{port: 8080}}]\nendpoints: [{}]\n",
            endpoints.join(", ")
        )
    }

    fn read(texts: &[String]) -> Objects {
        let mut objects = Objects::default();
        for text in texts {
            manifest::read(text, "test.yaml", &mut objects);
        }
        assert_eq!(objects.defects, []);
        objects
    }

    fn wishes(objects: &Objects) -> Desired {
        let lookups = Lookups { subnets: None, ..Lookups::default() };
        let mut wishes = desired(objects, &Settings::new("test", "vpc"), &lookups);
        for stack in wishes.stacks.values_mut() {
            stack.load_balancer.subnets = ["subnet-a".to_owned(), "subnet-b".to_owned()].into();
        }
        wishes
    }

    /// Two groups that have a namespace each and one in common, and a third group.
    fn scene() -> Objects {
        read(&[
            CLASS.to_owned(),
            member("one", "a", "/a"),
            member("one", "b", "/b"),
            member("two", "c", "/c"),
            member("three", "d", "/d"),
        ])
    }

    fn built(objects: &Objects) -> (Desired, Observed) {
        let (wishes, mut observed) = (wishes(objects), Observed::default());
        plan(&wishes, &observed).steps.iter().for_each(|step| observed.take(step));
        observed.attach();
        (wishes, observed)
    }

    fn with_slice(objects: &Objects, namespace: &str, addresses: &[&str]) -> Objects {
        let mut new = read(&[slice(namespace, addresses)]);
        let mut changed = objects.clone();
        let slices = EndpointSlice::of_mut(&mut changed);
        let place = slices.iter_mut().find(|slice| slice.namespace() == namespace).unwrap();
        *place = new.endpoint_slices.remove(0);
        changed
    }

    fn hasten(before: &Objects, now: &Objects, built: &(Desired, Observed)) -> Plan {
        let lookups = Lookups { subnets: None, ..Lookups::default() };
        let settings = Settings::new("test", "vpc");
        haste((before, now), (&settings, &lookups), &built.0, &built.1)
    }

    #[test]
    fn targets_are_planned_as_in_the_whole_plan() {
        let before = scene();
        let built = built(&before);
        let rows: &[(&str, &[&str])] = &[
            ("a", &["10.0.0.1", "10.0.0.2"]),
            ("b", &["10.0.0.2"]),
            ("c", &["10.0.0.3", "10.0.0.4"]),
            ("d", &["10.0.0.5"]),
        ];
        for (namespace, addresses) in rows {
            let now = with_slice(&before, namespace, addresses);
            let early = hasten(&before, &now, &built);
            let whole = plan(&wishes(&now), &built.1);
            assert!(!early.is_empty(), "{namespace}");
            assert_eq!(early.steps, whole.steps, "{namespace}");
        }
    }

    #[test]
    fn a_gateway_has_its_targets_in_another_namespace_than_the_members() {
        let class = CLASS.replace(
            "{name: edgeway}",
            "{name: edgeway, annotations: {edgeway.dev/gateway: edge/web}}",
        );
        let edge =
            member("none", "edge", "/").split_once("---\napiVersion: v1").unwrap().1.to_owned();
        let edge = format!("apiVersion: v1{edge}");
        let stacks = |count: usize| -> Vec<String> {
            (0..count).map(|it| member(&format!("g{it}"), &format!("n{it}"), "/")).collect()
        };
        for (count, is_quick) in [(1, true), (3, true), (11, false)] {
            let before = read(&[vec![class.clone(), edge.clone()], stacks(count)].concat());
            let built = built(&before);
            let now = with_slice(&before, "edge", &["10.0.0.1", "10.0.0.2"]);
            let early = hasten(&before, &now, &built);
            let whole = plan(&wishes(&now), &built.1);
            assert_eq!(whole.steps.len(), count);
            assert_eq!(early.steps, if is_quick { whole.steps } else { vec![] }, "{count}");
            let now = with_slice(&before, "n0", &["10.0.0.7"]);
            assert!(hasten(&before, &now, &built).is_empty(), "these are the gateway's to know");
        }
    }

    #[test]
    fn what_is_no_change_of_endpoints_is_left_to_the_whole_plan() {
        let before = scene();
        let built = built(&before);
        assert!(hasten(&before, &before, &built).is_empty(), "nothing has changed");
        let mut now = with_slice(&before, "d", &["10.0.0.5"]);
        let place = now.ingresses.iter_mut().find(|it| it.namespace() == "d").unwrap();
        let mut ingress = (**place).clone();
        let paths = &mut ingress.spec.as_mut().unwrap().rules.as_mut().unwrap()[0];
        paths.http.as_mut().unwrap().paths[0].path = Some("/other".to_owned());
        *place = Arc::new(ingress);
        assert!(hasten(&before, &now, &built).is_empty(), "a rule changes as well");
        now.ingresses.retain(|ingress| ingress.namespace() != "d");
        assert!(hasten(&before, &now, &built).is_empty(), "the member has gone");
        let mut other = built.clone();
        other.1.stacks.clear();
        let now = with_slice(&before, "d", &["10.0.0.5"]);
        assert!(hasten(&before, &now, &other).is_empty(), "nothing stands yet");
    }

    #[test]
    fn registering_comes_before_sending_away() {
        let before = scene();
        let built = built(&before);
        let now = with_slice(&before, "a", &["10.0.0.2"]);
        let steps = hasten(&before, &now, &built).steps;
        let [first, second] = steps.as_slice() else { panic!("{steps:?}") };
        assert!(matches!(first.op, Op::Register(_)) && matches!(second.op, Op::Deregister(_)));
    }

    #[test]
    fn what_is_narrowed_keeps_what_has_no_namespace() {
        let narrowed = narrow(&scene(), &["a".to_owned()].into());
        let counts = (narrowed.ingress_classes.len(), narrowed.ingresses.len());
        assert_eq!((counts, narrowed.endpoint_slices.len()), ((1, 1), 1));
    }
}
