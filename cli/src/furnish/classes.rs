//! Classes of Ingresses: whose an Ingress is, and the classes that an installation would have brought.

use edgeway_api::{
    Objects, Resource,
    ingress::{ClassWish, GatewayService, default_class},
    joined,
    k8s_openapi::{
        api::networking::v1::{Ingress, IngressClass, IngressClassSpec},
        apimachinery::pkg::apis::meta::v1::ObjectMeta,
    },
};
use std::{collections::BTreeSet, sync::Arc};

/// The controller of our own class.
pub(super) const OURS: &str = "edgeway.dev/alb";

/// The controller of the AWS Load Balancer Controller's class, for which we stand in.
const DROP_IN: &str = "ingress.k8s.aws/alb";

/// The controllers whose Ingresses are served on one machine.
pub const CONTROLLERS: [&str; 2] = [OURS, DROP_IN];

/// Classes that come with an installation rather than with an application's manifests.
const INSTALLED: [(&str, &str); 2] = [("edgeway", OURS), ("alb", DROP_IN)];

/// Adds the well-known classes that Ingresses name and the folder lacks, and says which Ingresses
/// nobody serves here.
pub(super) fn complete(objects: &mut Objects, notes: &mut Vec<String>) {
    let known: BTreeSet<String> =
        objects.ingress_classes.iter().map(|class| class.name().to_owned()).collect();
    let wanted: BTreeSet<String> =
        objects.ingresses.iter().filter_map(|i| named(i)).map(str::to_owned).collect();
    for name in wanted.difference(&known) {
        if let Some((name, controller)) = INSTALLED.iter().find(|(installed, _)| installed == name)
        {
            notes.push(format!(
                "IngressClass {name} is not in the folder: it is taken to be {controller}"
            ));
            objects.ingress_classes.push(Arc::new(class(name, controller)));
        }
    }
    for ingress in &objects.ingresses {
        if !is_served(objects, ingress) {
            let class = named(ingress).unwrap_or("no class");
            notes.push(format!(
                "{} has {class}, which no ALB controller serves",
                ingress.reference()
            ));
        }
    }
}

/// Whether the controller that runs here serves `ingress`.
pub(super) fn is_served(objects: &Objects, ingress: &Ingress) -> bool {
    let mut classes = objects.ingress_classes.iter().map(AsRef::as_ref);
    let class = match named(ingress) {
        Some(name) => classes.find(|class: &&IngressClass| class.name() == name),
        None => default_class(classes),
    };
    class.is_some_and(is_ours)
}

/// Whether it serves any Ingress, or any Gateway that asks for a load balancer.
pub(super) fn is_any_served(objects: &Objects) -> bool {
    let asking = objects.gateways.iter().filter_map(|gateway| joined::class(gateway));
    let mut classes = asking.filter_map(|name| {
        objects.ingress_classes.iter().find(|class| class.name() == name).map(AsRef::as_ref)
    });
    classes.any(is_ours) || objects.ingresses.iter().any(|ingress| is_served(objects, ingress))
}

fn is_ours(class: &IngressClass) -> bool {
    let controller = class.spec.as_ref().and_then(|spec| spec.controller.as_deref());
    controller.is_some_and(|controller| CONTROLLERS.contains(&controller))
}

/// The gateways that classes name, by name of the class.
pub(super) fn gateways(objects: &Objects) -> impl Iterator<Item = GatewayService> {
    let mut classes: Vec<&IngressClass> =
        objects.ingress_classes.iter().map(AsRef::as_ref).collect();
    classes.sort_by_key(|class| class.name());
    classes.into_iter().filter_map(|class| GatewayService::of(class).ok().flatten())
}

/// A class of `controller`.
pub(super) fn class(name: &str, controller: &str) -> IngressClass {
    IngressClass {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        spec: Some(IngressClassSpec {
            controller: Some(controller.to_owned()),
            ..IngressClassSpec::default()
        }),
    }
}

/// The class that an Ingress asks for; the annotation wins, as in the AWS Load Balancer Controller.
fn named(ingress: &Ingress) -> Option<&str> {
    match ClassWish::of(ingress) {
        ClassWish::Annotated(name) | ClassWish::Named(name) => Some(name),
        ClassWish::Default => None,
    }
}
