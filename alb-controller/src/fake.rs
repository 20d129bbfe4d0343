//! A cloud for tests: it stands as wished once all steps have been taken, and fails where it is told.

use crate::aws::{Call, Cloud, CloudError, Sight, Watched};
use edgeway_alb_core::{
    Desired, Health, Lookups, Needs, Observed, Standing, Step,
    goal::Bound,
    readiness::{Fitness, Fitnesses},
    settings::Subnet,
    target::{TargetGroup, Targets},
};
use edgeway_api::{Objects, manifest};
use std::{collections::VecDeque, sync::Mutex, time::Duration};

/// Makes an error.
pub(crate) type Failing = fn() -> CloudError;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct FakeCloud {
    state: Mutex<State>,
}

/// Something to do before a step of a kind.
type Before = (&'static str, Box<dyn Fn() + Send>);

#[derive(Default)]
struct State {
    /// Kinds of steps that fail, the next time or the next times.
    failing: VecDeque<(&'static str, Failing)>,
    /// Whether AWS can be looked at; an error for each time that it cannot.
    unseen: VecDeque<Failing>,
    /// Kinds of all steps that were taken or tried.
    tried: Vec<String>,
    broken: bool,
    built: bool,
    before: Vec<Before>,
    slow: Vec<(&'static str, Duration)>,
    /// Whether each stack has a target group that nothing is sent to.
    littered: bool,
    looks: usize,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("tried", &self.tried).finish_non_exhaustive()
    }
}

impl FakeCloud {
    /// Lets the next step of a kind fail.
    pub(crate) fn fail(&self, kind: &'static str, error: Failing) {
        self.state.lock().unwrap().failing.push_back((kind, error));
    }

    /// Does something before each step of a kind.
    pub(crate) fn before(&self, kind: &'static str, act: impl Fn() + Send + 'static) {
        self.state.lock().unwrap().before.push((kind, Box::new(act)));
    }

    /// Lets each step of a kind take so long.
    pub(crate) fn slow(&self, kind: &'static str, takes: Duration) {
        self.state.lock().unwrap().slow.push((kind, takes));
    }

    /// Lets AWS forget all that was built.
    pub(crate) fn lose(&self) {
        self.state.lock().unwrap().built = false;
    }

    /// Lets each stack stand, with a target group that nothing is sent to, or without it.
    pub(crate) fn litter(&self, littered: bool) {
        let mut state = self.state.lock().unwrap();
        (state.built, state.littered) = (true, littered);
    }

    /// How often it was looked at everything.
    pub(crate) fn looks(&self) -> usize {
        self.state.lock().unwrap().looks
    }

    /// Lets the next look fail.
    pub(crate) fn hide(&self, error: Failing) {
        self.state.lock().unwrap().unseen.push_back(error);
    }

    /// Kinds of all steps so far.
    pub(crate) fn tried(&self) -> Vec<String> {
        self.state.lock().unwrap().tried.clone()
    }
}

pub(crate) fn stale() -> CloudError {
    CloudError::Stale {
        call: Call::CreateRule,
        code: "PriorityInUse".into(),
        cause: "taken".into(),
    }
}

pub(crate) fn refused() -> CloudError {
    CloudError::Refused {
        call: Call::CreateListener,
        code: "ValidationError".into(),
        message: "no such thing".into(),
        cause: "no such thing".into(),
    }
}

/// One Ingress for each name, all to the Service `web`.
pub(crate) fn objects(names: &[&str]) -> Objects {
    let mut text = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edgeway}
spec: {controller: edgeway.dev/alb}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.0.0.1]}]
"
    .to_owned();
    for name in names {
        let ingress = format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}}}\nspec:\n  \
             ingressClassName: edgeway\n  rules:\n    - host: {name}.example.com\n      http: {{paths: \
             [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}\n"
        );
        text.push_str(&ingress);
    }
    let mut objects = Objects::default();
    manifest::read(&text, "", &mut objects);
    assert_eq!(objects.defects, []);
    objects
}

impl Cloud for std::sync::Arc<FakeCloud> {
    async fn look_up(&self, needs: &Needs) -> Result<Lookups, CloudError> {
        FakeCloud::look_up(self, needs).await
    }

    async fn observe(&self, desired: &Desired, sight: &Sight) -> Result<Observed, CloudError> {
        FakeCloud::observe(self, desired, sight).await
    }

    async fn check(
        &self,
        watched: &Watched,
        observed: &mut Observed,
    ) -> Result<Fitnesses, CloudError> {
        FakeCloud::check(self, watched, observed).await
    }

    async fn remember(&self, _: &Observed) {}

    fn gently(&self) -> Self {
        Self::clone(self)
    }

    async fn apply(&self, step: &Step) -> Result<Option<String>, CloudError> {
        FakeCloud::apply(self, step).await
    }
}

impl Cloud for FakeCloud {
    async fn look_up(&self, needs: &Needs) -> Result<Lookups, CloudError> {
        let subnet = |zone: &str| Subnet {
            id: format!("subnet-{zone}"),
            zone: zone.into(),
            tags: [("kubernetes.io/role/internal-elb".into(), "1".into())].into(),
            free: 99,
            ..Subnet::default()
        };
        let bound_groups = needs.bindings.then(Vec::new);
        let subnets = Some(vec![subnet("a"), subnet("b")]);
        Ok(Lookups { subnets, bound_groups, ..Lookups::default() })
    }

    async fn observe(&self, desired: &Desired, _: &Sight) -> Result<Observed, CloudError> {
        let mut state = self.state.lock().unwrap();
        state.looks += 1;
        if let Some(error) = state.unseen.pop_front() {
            return Err(error());
        }
        let complete = state.built && !std::mem::take(&mut state.broken);
        if !complete {
            return Ok(Observed::default());
        }
        let stacks = desired.stacks.iter().map(|(id, stack)| {
            let balancer = stack.load_balancer.clone();
            let mut standing = Standing {
                load_balancers: [(balancer.name.clone(), balancer)].into(),
                target_groups: stack.target_groups.clone(),
                security_groups: stack
                    .security_group
                    .iter()
                    .map(|g| (g.name.clone(), g.clone()))
                    .collect(),
                ..Standing::default()
            };
            if let Some(group) = stack.target_groups.values().next().filter(|_| state.littered) {
                let (name, resource) = ("old".to_owned(), "default/old:80".to_owned());
                let old = TargetGroup { name, resource, targets: Targets::new(), ..group.clone() };
                standing.target_groups.insert(old.name.clone(), old);
            }
            (id.clone(), standing)
        });
        let addresses = desired.stacks.values().map(|stack| {
            let name = stack.load_balancer.name.clone();
            (name.clone(), format!("{name}.example.amazonaws.com"))
        });
        let groups = desired.stacks.values().flat_map(|stack| stack.target_groups.keys());
        let well = Health { healthy: 1, registered: 1 };
        Ok(Observed {
            provisioning: std::collections::BTreeSet::new(),
            taken: std::collections::BTreeSet::new(),
            health: groups.map(|name| (name.clone(), well)).collect(),
            stacks: stacks.collect(),
            bindings: desired
                .bindings
                .iter()
                .map(|(arn, wish)| (arn.clone(), Bound { targets: wish.targets.clone() }))
                .collect(),
            shared: desired.shared.clone(),
            doors: desired.doors.clone(),
            addresses: addresses.collect(),
        })
    }

    async fn check(
        &self,
        watched: &Watched,
        observed: &mut Observed,
    ) -> Result<Fitnesses, CloudError> {
        let mut seen = Fitnesses::new();
        for name in &watched.groups {
            observed.health.insert(name.clone(), Health { healthy: 1, registered: 1 });
            let all = observed.stacks.values().filter_map(|it| it.target_groups.get(name));
            let targets = all.flat_map(|group| group.targets.keys());
            seen.insert(name.clone(), targets.map(|it| (it.clone(), Fitness::Well)).collect());
        }
        for name in &watched.balancers {
            observed.provisioning.remove(name);
        }
        Ok(seen)
    }

    async fn remember(&self, _: &Observed) {}

    fn gently(&self) -> Self {
        Self::default()
    }

    async fn apply(&self, step: &Step) -> Result<Option<String>, CloudError> {
        let kind = step.op.kind();
        let slow = self.state.lock().unwrap().slow.clone();
        if let Some((_, takes)) = slow.iter().find(|(slow, _)| *slow == kind) {
            tokio::time::sleep(*takes).await;
        }
        let mut state = self.state.lock().unwrap();
        state.tried.push(kind.to_owned());
        state.built = true;
        state.littered &= kind != "delete-target-group";
        for (_, act) in state.before.iter().filter(|(before, _)| *before == kind) {
            act();
        }
        let place = state.failing.iter().position(|(failing, _)| *failing == kind);
        match place.and_then(|place| state.failing.remove(place)) {
            Some((_, error)) => {
                state.broken = true;
                Err(error())
            }
            None => Ok((kind == "create-load-balancer")
                .then(|| format!("{}.example.amazonaws.com", step.key))),
        }
    }
}
