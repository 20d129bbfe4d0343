//! What one Ingress, or a Gateway that became one, asks for, read and checked on its own.

use super::{
    authentication,
    class::{Class, Flavour},
    frontend,
    joined::Joined,
    network,
    thin::Door,
    wish::{Wish, redirect_fault},
};
use crate::{
    annotations::{Annotations, Fault, field, known},
    id::StackId,
    tags::{self, Tags},
    target::Protocol,
};
use edgeway_api::{
    ObjectRef, Problem, Resource, ingress_class_params::IngressClassParamsSpec,
    k8s_openapi::api::networking::v1::Ingress,
};

/// An Ingress that is ours, with all that it says.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    pub(super) ingress: &'a Ingress,
    pub(super) reference: ObjectRef,
    pub(super) flavour: Flavour,
    pub(super) params: Option<&'a IngressClassParamsSpec>,
    pub(super) annotations: Annotations<'a>,
    pub(super) order: i32,
    pub(super) wish: Wish,
    /// The gateway that all its requests go through.
    pub(super) door: Option<Door>,
    /// The Gateway that it is in truth, and not an Ingress.
    pub(super) joined: Option<&'a Joined<'a>>,
}

/// The stack that an Ingress belongs to. Its class has the first word.
pub(super) fn stack_of(
    ingress: &Ingress,
    params: Option<&IngressClassParamsSpec>,
) -> Result<StackId, Fault> {
    let annotations = Annotations::of(ingress);
    let own = || annotations.text("group.name").map(|found| found.text.to_owned());
    let group = params.and_then(|params| params.group.as_ref()).map(|group| group.name.clone());
    let Some(name) = group.or_else(own) else {
        return Ok(StackId::ingress(ingress.namespace(), ingress.name()));
    };
    if is_group_name(&name) {
        return Ok(StackId::Group(name));
    }
    let key = format!("{}group.name", crate::annotations::PREFIX);
    let problem = Problem::error(ingress.reference(), field(&key), "group-name-invalid");
    Err(Box::new(
        problem
            .message(format!("{name:?} cannot be the name of a group"))
            .advice("use at most 63 small letters, digits, \"-\" and \".\", with a letter or digit at both ends"),
    ))
}

fn is_group_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let good = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = bytes.first().is_some_and(good) && bytes.last().is_some_and(good);
    ends && bytes.len() <= 63 && bytes.iter().all(|b| good(b) || matches!(b, b'-' | b'.'))
}

impl<'a> Member<'a> {
    /// Reads all that an Ingress says about load balancer and listeners.
    pub(super) fn read(
        ingress: &'a Ingress,
        class: Class<'a>,
        problems: &mut Vec<Problem>,
    ) -> Result<Self, Fault> {
        let Class { flavour, params, object: _ } = class;
        known::check(ingress, problems);
        let annotations = Annotations::of(ingress);
        problems.extend(authentication::unused(&annotations));
        problems.extend(frontend::unused(&annotations));
        problems.extend(network::unused(&annotations));
        let order = annotations.number("group.order", -1000..=1000)?.unwrap_or(0);
        let wish = Wish::read(&annotations, params)?;
        problems.extend(redirect_fault(&annotations, params).map(|fault| *fault));
        let reference = ingress.reference();
        Ok(Self {
            ingress,
            reference,
            flavour,
            params,
            annotations,
            order,
            wish,
            door: None,
            joined: None,
        })
    }

    /// `namespace/name`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.ingress.namespace(), self.ingress.name())
    }

    /// Whether it listens on plain HTTP alone.
    pub(super) fn is_plain(&self) -> bool {
        self.wish.ports.values().all(|protocol| *protocol == Protocol::Http)
    }

    /// Tags of what it alone owns.
    pub(super) fn own_tags(&self) -> Tags {
        let mut tags = self.wish.tags.clone();
        tags.insert(tags::OWNER.to_owned(), self.name());
        tags
    }
}
