//! Who stands in for the pods that a folder describes but nobody runs.

use super::labels::{Labels, selects};
use edgeway_api::{
    Objects, Resource,
    k8s_openapi::api::{apps::v1::Deployment, core::v1::Service},
};
use std::{collections::BTreeSet, fmt};

/// Replicas of one Deployment that get a stand-in; more would only cost ports.
const MOST_REPLICAS: usize = 20;

/// Label of an EndpointSlice that names its Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A pod behind a Service. A pod behind two Services has two stand-ins, so that each answers by the
/// name of the Service that was asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EchoId {
    /// Of Service and pod.
    pub namespace: String,
    /// The Service.
    pub service: String,
    /// The pod.
    pub pod: String,
}

impl fmt::Display for EchoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ({})", self.namespace, self.service, self.pod)
    }
}

/// One stand-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Which pod of which Service.
    pub id: EchoId,
    /// The pod's labels.
    pub labels: Labels,
    /// The Deployment that the pod belongs to.
    pub deployment: Option<String>,
}

/// The stand-ins of all Services that select pods and have no endpoints, but for those that
/// `skip` says. Sorted by id. Remarks go to `notes`.
pub(super) fn crew(
    objects: &Objects,
    skip: impl Fn(&Service) -> bool,
    notes: &mut Vec<String>,
) -> Vec<Echo> {
    let staffed = staffed(objects);
    let mut crew = Vec::new();
    for service in &objects.services {
        let Some(selector) = selector(service) else { continue };
        if skip(service) || staffed.contains(&(service.namespace(), service.name())) {
            continue;
        }
        let mut echoes = of_deployments(objects, service, selector, notes);
        echoes.extend(of_pods(objects, service, selector, !echoes.is_empty()));
        if echoes.is_empty() && !has_workload(objects, service, selector) {
            notes.push(format!(
                "{} selects no Deployment or Pod: one echo with the labels of its selector",
                service.reference()
            ));
            echoes.push(echo(service, service.name(), selector, None));
        }
        crew.extend(echoes);
    }
    crew.sort_by(|a, b| a.id.cmp(&b.id));
    crew.dedup_by(|later, first| later.id == first.id);
    crew
}

/// The pods that a Service selects; nothing if it leads elsewhere or is maintained by hand.
pub(super) fn selector(service: &Service) -> Option<&Labels> {
    let spec = service.spec.as_ref()?;
    let elsewhere = spec.type_.as_deref() == Some("ExternalName");
    spec.selector.as_ref().filter(|selector| !elsewhere && !selector.is_empty())
}

/// Labels of the pods that a Deployment makes.
pub(super) fn template_labels(deployment: &Deployment) -> Option<&Labels> {
    deployment.spec.as_ref()?.template.metadata.as_ref()?.labels.as_ref()
}

/// Namespace and name of the Services whose endpoints the folder gives.
fn staffed(objects: &Objects) -> BTreeSet<(&str, &str)> {
    let slices = objects.endpoint_slices.iter().filter_map(|slice| {
        let service = slice.meta().labels.as_ref()?.get(SERVICE_NAME)?;
        Some((slice.namespace(), service.as_str()))
    });
    let endpoints = objects.endpoints.iter().map(|old| (old.namespace(), old.name()));
    slices.chain(endpoints).collect()
}

fn deployments<'o>(
    objects: &'o Objects,
    service: &'o Service,
    selector: &'o Labels,
) -> impl Iterator<Item = (&'o Deployment, &'o Labels)> {
    let local = objects.deployments.iter().filter(|d| d.namespace() == service.namespace());
    local.filter_map(move |deployment| {
        let labels = template_labels(deployment).filter(|labels| selects(selector, labels))?;
        Some((&**deployment, labels))
    })
}

fn has_workload(objects: &Objects, service: &Service, selector: &Labels) -> bool {
    deployments(objects, service, selector).next().is_some()
}

fn of_deployments(
    objects: &Objects,
    service: &Service,
    selector: &Labels,
    notes: &mut Vec<String>,
) -> Vec<Echo> {
    let mut echoes = Vec::new();
    for (deployment, labels) in deployments(objects, service, selector) {
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let asked = usize::try_from(replicas).unwrap_or(0);
        if asked > MOST_REPLICAS {
            notes.push(format!(
                "{} asks for {asked} replicas: {MOST_REPLICAS} echoes stand in for them",
                deployment.reference()
            ));
        }
        let name = deployment.name();
        echoes.extend((0..asked.min(MOST_REPLICAS)).map(|replica| {
            echo(service, &format!("{name}-{replica}"), labels, Some(name.to_owned()))
        }));
    }
    echoes
}

/// Pods of the folder; those that a controller made only if their Deployment is not there to be `counted`.
fn of_pods(objects: &Objects, service: &Service, selector: &Labels, counted: bool) -> Vec<Echo> {
    let local = objects.pods.iter().filter(|pod| {
        let mut owners = pod.meta().owner_references.iter().flatten();
        let owned = owners.any(|owner| owner.controller == Some(true));
        pod.namespace() == service.namespace() && !(owned && counted)
    });
    local
        .filter_map(|pod| {
            let labels = pod.meta().labels.as_ref().filter(|labels| selects(selector, labels))?;
            Some(echo(service, pod.name(), labels, None))
        })
        .collect()
}

fn echo(service: &Service, pod: &str, labels: &Labels, deployment: Option<String>) -> Echo {
    let id = EchoId {
        namespace: service.namespace().to_owned(),
        service: service.name().to_owned(),
        pod: pod.to_owned(),
    };
    Echo { id, labels: labels.clone(), deployment }
}
