//! Who is to be registered for Ingresses that cannot be understood: their target groups stay as they are, and
//! endpoints come and go meanwhile.

use super::{
    Scene, class,
    endpoints::{self, Staff},
    index,
    target_group::{node_port, spell},
};
use crate::{
    annotations::{
        Annotations,
        action::{ActionSpec, ActionWish, TargetWish},
    },
    goal::{Desired, Followed},
    target::IpFamily,
};
use edgeway_api::{
    Resource, ingress,
    k8s_openapi::{
        api::{
            core::v1::{Service, ServicePort},
            networking::v1::{Ingress, IngressBackend},
        },
        apimachinery::pkg::util::intstr::IntOrString,
    },
};
use std::collections::BTreeSet;

/// Adds the endpoints of all Services that such Ingresses name, as far as these are known to be ours.
pub(super) fn add(scene: &Scene<'_>, desired: &mut Desired) {
    let broken = desired.stacks.values().flat_map(|stack| &stack.broken);
    let broken: BTreeSet<&String> = broken.chain(desired.held.values().flatten()).collect();
    if broken.is_empty() {
        return;
    }
    let name = |ingress: &Ingress| format!("{}/{}", ingress.namespace(), ingress.name());
    let all = scene.index.objects.ingresses.iter().map(|ingress| &**ingress);
    let theirs: Vec<_> = all.filter(|ingress| broken.contains(&name(ingress))).collect();
    for ingress in theirs {
        let Ok(Some(class)) = class::of(ingress, &scene.index, scene.settings) else { continue };
        let follow = Follow { scene, ingress, flavour: class.flavour };
        for (service, port) in follow.backends() {
            let resource = format!("{}-{service}:{}", name(ingress), spell(&port));
            if let Some(followed) = follow.endpoints(&service, &port) {
                desired.followed.insert(resource, followed);
            }
        }
    }
}

struct Follow<'f, 'a> {
    scene: &'f Scene<'a>,
    ingress: &'f Ingress,
    flavour: class::Flavour,
}

impl Follow<'_, '_> {
    /// Services and ports that are sent to, as far as that can be read.
    fn backends(&self) -> Vec<(String, IntOrString)> {
        let Some(spec) = &self.ingress.spec else { return Vec::new() };
        let rules = spec.rules.iter().flatten().filter_map(|rule| rule.http.as_ref());
        let paths = rules.flat_map(|http| http.paths.iter().map(|path| &path.backend));
        let of = |backend: &IngressBackend| {
            let service = backend.service.as_ref()?;
            Some((service.name.clone(), ingress::port(service)))
        };
        let direct = paths.chain(&spec.default_backend).filter_map(of);
        direct.chain(self.shares()).collect()
    }

    /// Those of actions.
    fn shares(&self) -> Vec<(String, IntOrString)> {
        let annotations = Annotations::of(self.ingress);
        let actions = annotations.family("actions.").into_iter().filter_map(|name| {
            let spec = annotations.json::<ActionSpec>(&format!("actions.{name}")).ok()??;
            spec.wish().ok()
        });
        let shares = actions.flat_map(|action| match action {
            ActionWish::Forward(shares, _) => shares,
            ActionWish::Redirect(_) | ActionWish::Fixed(_) => Vec::new(),
        });
        let services = shares.filter_map(|share| match share.target {
            TargetWish::Service(service, port) => Some((service, index::numeric(port))),
            TargetWish::Arn(_) | TargetWish::Name(_) => None,
        });
        services.collect()
    }

    fn endpoints(&self, service: &str, port: &IntOrString) -> Option<Followed> {
        let service = self.scene.index.service(self.ingress.namespace(), service)?;
        let port = index::port(service, port)?;
        let own = Annotations::of(self.ingress);
        let annotations = own.under(service);
        let pods = |family| endpoints::pods(self.scene, service, port, (family, self.flavour));
        let (v4, v6) = (pods(IpFamily::V4), pods(IpFamily::V6));
        let nodes = self.nodes(&annotations, port);
        // What cannot be read may say that other clusters have targets there, too.
        let lent = |it: &Annotations<'_>| {
            !matches!(it.bool("multi-cluster-target-group"), Ok(None | Some(false)))
        };
        let is_lent = lent(&own) || lent(&Annotations::of::<Service>(service));
        let known = nodes.iter().chain([&v4, &v6]).flat_map(|staff| staff.known.iter().cloned());
        Some(Followed {
            known: is_lent.then(|| known.collect()),
            nodes: nodes.as_ref().map(|staff| staff.targets.clone()),
            v4: v4.targets,
            v6: v6.targets,
        })
    }

    fn nodes(&self, annotations: &Annotations<'_>, port: &ServicePort) -> Option<Staff> {
        let number = node_port(port)?;
        let labels = annotations.map("target-node-labels").ok()?.into_iter().collect();
        Some(endpoints::nodes(self.scene, number, |own| index::selects(&labels, own)))
    }
}
