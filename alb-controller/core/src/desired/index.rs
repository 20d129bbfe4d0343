//! Objects by what they are asked for by.

use edgeway_api::{
    IngressClassParams, Objects, Pod, Resource,
    k8s_openapi::{
        api::{
            core::v1::{Endpoints, Node, Secret, Service, ServicePort},
            discovery::v1::EndpointSlice,
            networking::v1::IngressClass,
        },
        apimachinery::pkg::{
            apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
            util::intstr::IntOrString,
        },
    },
};
use std::collections::BTreeMap;

/// Label of a slice that names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Namespace and name.
type Name<'a> = (&'a str, &'a str);

/// Labels of anything.
pub(crate) type Labels = BTreeMap<String, String>;

/// All objects that Ingresses lead to.
#[derive(Debug)]
pub(super) struct Index<'a> {
    pub(super) objects: &'a Objects,
    services: BTreeMap<Name<'a>, &'a Service>,
    slices: BTreeMap<Name<'a>, Vec<&'a EndpointSlice>>,
    endpoints: BTreeMap<Name<'a>, &'a Endpoints>,
    pods: BTreeMap<Name<'a>, &'a Pod>,
    secrets: BTreeMap<Name<'a>, &'a Secret>,
    nodes: BTreeMap<&'a str, &'a Node>,
    namespaces: BTreeMap<&'a str, &'a Labels>,
    classes: BTreeMap<&'a str, &'a IngressClass>,
    params: BTreeMap<&'a str, &'a IngressClassParams>,
}

fn by_name<R: Resource>(objects: &[std::sync::Arc<R>]) -> BTreeMap<Name<'_>, &R> {
    objects.iter().map(|object| ((object.namespace(), object.name()), &**object)).collect()
}

fn by_own_name<R: Resource>(objects: &[std::sync::Arc<R>]) -> BTreeMap<&str, &R> {
    objects.iter().map(|object| (object.name(), &**object)).collect()
}

impl<'a> Index<'a> {
    pub(super) fn of(objects: &'a Objects) -> Self {
        let mut slices: BTreeMap<Name<'a>, Vec<&EndpointSlice>> = BTreeMap::new();
        for slice in &objects.endpoint_slices {
            let labels = slice.metadata.labels.as_ref();
            if let Some(service) = labels.and_then(|labels| labels.get(SERVICE_NAME)) {
                slices.entry((slice.namespace(), service)).or_default().push(slice);
            }
        }
        for slices in slices.values_mut() {
            slices.sort_by_key(|slice| slice.name());
        }
        let namespaces = objects.namespaces.iter();
        Self {
            objects,
            services: by_name(&objects.services),
            slices,
            endpoints: by_name(&objects.endpoints),
            pods: by_name(&objects.pods),
            secrets: by_name(&objects.secrets),
            nodes: by_own_name(&objects.nodes),
            namespaces: namespaces
                .filter_map(|namespace| {
                    Some((namespace.name(), namespace.metadata.labels.as_ref()?))
                })
                .collect(),
            classes: by_own_name(&objects.ingress_classes),
            params: by_own_name(&objects.ingress_class_params),
        }
    }

    pub(super) fn service(&self, namespace: &str, name: &str) -> Option<&'a Service> {
        self.services.get(&(namespace, name)).copied()
    }

    pub(super) fn slices<'s>(
        &'s self,
        namespace: &'s str,
        service: &'s str,
    ) -> &'s [&'a EndpointSlice] {
        self.slices.get(&(namespace, service)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn endpoints(&self, namespace: &str, service: &str) -> Option<&'a Endpoints> {
        self.endpoints.get(&(namespace, service)).copied()
    }

    pub(super) fn pod(&self, namespace: &str, name: &str) -> Option<&'a Pod> {
        self.pods.get(&(namespace, name)).copied()
    }

    /// All pods of a namespace.
    pub(super) fn pods<'s>(&'s self, namespace: &'s str) -> impl Iterator<Item = &'a Pod> + 's {
        let all = self.pods.range((namespace, "")..);
        all.take_while(move |((own, _), _)| *own == namespace).map(|(_, pod)| *pod)
    }

    pub(super) fn secret(&self, namespace: &str, name: &str) -> Option<&'a Secret> {
        self.secrets.get(&(namespace, name)).copied()
    }

    pub(super) fn node(&self, name: &str) -> Option<&'a Node> {
        self.nodes.get(name).copied()
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &'a Node> {
        self.nodes.values().copied()
    }

    pub(super) fn class(&self, name: &str) -> Option<&'a IngressClass> {
        self.classes.get(name).copied()
    }

    pub(super) fn classes(&self) -> impl Iterator<Item = &'a IngressClass> {
        self.classes.values().copied()
    }

    pub(super) fn params(&self, name: &str) -> Option<&'a IngressClassParams> {
        self.params.get(name).copied()
    }

    /// Labels of a namespace, with the one that Kubernetes gives to each.
    pub(super) fn namespace(&self, name: &str) -> Labels {
        let mut labels = self.namespaces.get(name).copied().cloned().unwrap_or_default();
        labels.insert("kubernetes.io/metadata.name".to_owned(), name.to_owned());
        labels
    }
}

/// The port of a Service that is meant by a number or a name.
pub(super) fn port<'a>(service: &'a Service, wanted: &IntOrString) -> Option<&'a ServicePort> {
    let ports = service.spec.as_ref()?.ports.as_ref()?;
    ports.iter().find(|port| match wanted {
        IntOrString::Int(number) => port.port == *number,
        IntOrString::String(name) => port.name.as_deref() == Some(name),
    })
}

/// A number that is written as text is a number.
pub(super) fn numeric(port: IntOrString) -> IntOrString {
    match port {
        IntOrString::String(text) => match text.parse() {
            Ok(number) => IntOrString::Int(number),
            Err(_) => IntOrString::String(text),
        },
        number @ IntOrString::Int(_) => number,
    }
}

/// The ports of a Service, for people.
pub(super) fn known_ports(service: &Service) -> String {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
    let names = ports.into_iter().flatten().map(|port| match &port.name {
        Some(name) => format!("{} ({name})", port.port),
        None => port.port.to_string(),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Whether all of `selector` stands among `labels`.
pub(crate) fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether a selector with expressions takes `labels`.
pub(super) fn takes(selector: &LabelSelector, labels: &Labels) -> bool {
    let LabelSelector { match_labels, match_expressions } = selector;
    let plain = match_labels.as_ref().is_none_or(|wanted| selects(wanted, labels));
    plain && match_expressions.iter().flatten().all(|requirement| meets(requirement, labels))
}

fn meets(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let LabelSelectorRequirement { key, operator, values } = requirement;
    let value = labels.get(key);
    let among = |value: &String| values.iter().flatten().any(|wanted| wanted == value);
    match operator.as_str() {
        "In" => value.is_some_and(among),
        "NotIn" => !value.is_some_and(among),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}
