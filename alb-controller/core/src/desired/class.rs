//! Whose an Ingress is.

use super::index::{Index, takes};
use crate::{
    annotations::{Fault, field},
    settings::{ANNOTATED, AWS, EDGEWAY, Settings},
    switches::Switch,
    tags,
};
use edgeway_api::{
    Problem, Resource,
    ingress::{ANNOTATED_CLASS, ClassWish, default_class},
    ingress_class_params::IngressClassParamsSpec,
    k8s_openapi::api::networking::v1::{Ingress, IngressClass},
};

/// Which habits a class has where it is free to have some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Those of Edgeway: targets are pods, and gateways are asked for their own health.
    Edgeway,
    /// Those of the AWS Load Balancer Controller.
    Aws,
}

impl Flavour {
    /// The tag by which things that we look after are told from others', and those of this flavour
    /// from those of the other.
    pub(super) fn tag(self) -> (String, String) {
        let controller = match self {
            Self::Edgeway => EDGEWAY,
            Self::Aws => AWS,
        };
        (tags::CONTROLLER.to_owned(), controller.to_owned())
    }
}

/// The class of an Ingress.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class<'a> {
    pub(super) flavour: Flavour,
    pub(super) params: Option<&'a IngressClassParamsSpec>,
    /// The class, if it is there as an object.
    pub(super) object: Option<&'a IngressClass>,
}

/// Whether an Ingress is ours. A fault is one that might be.
pub(super) fn of<'a>(
    ingress: &Ingress,
    index: &Index<'a>,
    settings: &Settings,
) -> Result<Option<Class<'a>>, Fault> {
    let class = match ClassWish::of(ingress) {
        ClassWish::Annotated(name) => return annotated(ingress, name, settings),
        ClassWish::Named(name) => Some(index.class(name).ok_or_else(|| not_found(ingress, name))?),
        ClassWish::Default => default_class(index.classes()),
    };
    let Some(class) = class else {
        let unnamed = settings.annotated_class.is_empty() && settings.controllers.contains(AWS);
        return Ok(unnamed.then_some(Class { flavour: Flavour::Aws, params: None, object: None }));
    };
    let controller = class.spec.as_ref().and_then(|spec| spec.controller.as_deref());
    match controller.filter(|controller| settings.controllers.contains(*controller)) {
        Some(controller) => {
            let params = params(ingress, class, index)?;
            Ok(Some(Class { flavour: flavour(controller), params, object: Some(class) }))
        }
        None => Ok(None),
    }
}

/// The class that an annotation names.
fn annotated<'a>(
    ingress: &Ingress,
    name: &str,
    settings: &Settings,
) -> Result<Option<Class<'a>>, Fault> {
    let own =
        if settings.annotated_class.is_empty() { ANNOTATED } else { &settings.annotated_class };
    let controller = match name {
        name if name == own => AWS,
        "edgeway" => EDGEWAY,
        _ => return Ok(None),
    };
    if !settings.controllers.contains(controller) {
        return Ok(None);
    }
    if settings.has(Switch::NoClassAnnotation) {
        let key = field(ANNOTATED_CLASS);
        let problem = Problem::error(ingress.reference(), key, "ingress-class-not-usable");
        return Err(Box::new(
            problem
                .message("classes are not chosen by annotation here: what stands of it stays")
                .advice("set spec.ingressClassName instead"),
        ));
    }
    Ok(Some(Class { flavour: flavour(controller), params: None, object: None }))
}

fn flavour(controller: &str) -> Flavour {
    if controller == AWS { Flavour::Aws } else { Flavour::Edgeway }
}

fn not_found(ingress: &Ingress, class: &str) -> Fault {
    let problem =
        Problem::error(ingress.reference(), "spec.ingressClassName", "ingress-class-not-found");
    Box::new(
        problem
            .message(format!("there is no IngressClass {class}"))
            .advice("create it, or name another"),
    )
}

/// The parameters of a class, if the Ingress may use them.
fn params<'a>(
    ingress: &Ingress,
    class: &IngressClass,
    index: &Index<'a>,
) -> Result<Option<&'a IngressClassParamsSpec>, Fault> {
    let Some(wanted) = class.spec.as_ref().and_then(|spec| spec.parameters.as_ref()) else {
        return Ok(None);
    };
    let fault = |message: String, advice: &str| {
        let problem = Problem::error(
            ingress.reference(),
            "spec.ingressClassName",
            "ingress-class-not-usable",
        );
        Err(Box::new(problem.message(message).advice(advice)))
    };
    let known = wanted.api_group.as_deref() == Some("elbv2.k8s.aws");
    if wanted.kind != "IngressClassParams" || !known {
        let message = format!("IngressClass {} has parameters of a strange kind", class.name());
        return fault(message, "use IngressClassParams of elbv2.k8s.aws");
    }
    let Some(params) = index.params(&wanted.name) else {
        let message = format!(
            "IngressClass {} has the parameters {}, which are not there or cannot be read",
            class.name(),
            wanted.name
        );
        return fault(message, "create these IngressClassParams, or correct them");
    };
    let labels = index.namespace(ingress.namespace());
    if params.spec.namespace_selector.as_ref().is_some_and(|selector| !takes(selector, &labels)) {
        let message = format!(
            "IngressClass {} is not for namespace {}, says the namespaceSelector of its parameters",
            class.name(),
            ingress.namespace()
        );
        return fault(message, "label the namespace, or use another class");
    }
    Ok(Some(&params.spec))
}
