//! Which class an Ingress asks for, and the gateway that a class puts between its load balancers and the
//! Services: what the controller and the gateway have to read in the same way.

use crate::Resource;
use k8s_openapi::{
    api::{
        core::v1::Service,
        networking::v1::{
            HTTPIngressPath, Ingress, IngressBackend, IngressClass, IngressServiceBackend,
            ServiceBackendPort,
        },
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use std::{cmp::Reverse, fmt};

/// The annotation that named a class before there were classes. It goes before the field.
pub const ANNOTATED_CLASS: &str = "kubernetes.io/ingress.class";
/// Annotation of an `IngressClass`: the Service of the gateway that serves its Ingresses,
/// `NAMESPACE/NAME[:PORT]`.
pub const GATEWAY: &str = "edgeway.dev/gateway";
/// Annotation of the class for Ingresses that name none.
const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";
/// What all annotations of the load balancer begin with.
const PREFIX: &str = "alb.ingress.kubernetes.io/";
/// The port that a Service's gateway is reached at where none is named.
const PORT: i32 = 80;

/// The class that an Ingress asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassWish<'a> {
    /// By annotation; such a class need not be there as an object.
    Annotated(&'a str),
    /// By `spec.ingressClassName`.
    Named(&'a str),
    /// Not at all: the default class is meant.
    Default,
}

impl<'a> ClassWish<'a> {
    /// What an Ingress asks for.
    pub fn of(ingress: &'a Ingress) -> Self {
        let annotations = ingress.metadata.annotations.as_ref();
        let named = || ingress.spec.as_ref()?.ingress_class_name.as_deref();
        match annotations.and_then(|annotations| annotations.get(ANNOTATED_CLASS)) {
            Some(annotated) => Self::Annotated(annotated),
            None => named().map_or(Self::Default, Self::Named),
        }
    }
}

/// The newest of the classes that say that they are the default, as Kubernetes chooses.
pub fn default_class<'a>(
    classes: impl Iterator<Item = &'a IngressClass>,
) -> Option<&'a IngressClass> {
    let is_default = |class: &&IngressClass| {
        let annotations = class.metadata.annotations.as_ref();
        annotations
            .and_then(|annotations| annotations.get(DEFAULT))
            .is_some_and(|value| value == "true")
    };
    classes.filter(is_default).min_by_key(|class| {
        let age = class.metadata.creation_timestamp.clone();
        (Reverse(age), class.name())
    })
}

/// The Service of a gateway, and its port that requests come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayService {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub name: String,
    /// Number or name of its port.
    pub port: IntOrString,
}

impl GatewayService {
    /// The gateway of a class, if it has one.
    ///
    /// # Errors
    ///
    /// The text of an annotation that does not name a Service.
    pub fn of(class: &IngressClass) -> Result<Option<Self>, String> {
        let annotations = class.metadata.annotations.as_ref();
        let Some(text) = annotations.and_then(|annotations| annotations.get(GATEWAY)) else {
            return Ok(None);
        };
        Self::parse(text.trim()).map(Some).ok_or_else(|| text.clone())
    }

    fn parse(text: &str) -> Option<Self> {
        let (namespace, rest) = text.split_once('/')?;
        let (name, port) = match rest.split_once(':') {
            None => (rest, IntOrString::Int(PORT)),
            Some((name, port)) => (name, spelled(port)?),
        };
        let good = |text: &str| !text.is_empty() && text.bytes().all(is_of_name);
        (good(namespace) && good(name)).then(|| Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            port,
        })
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
}

/// A port, by number or by name.
fn spelled(text: &str) -> Option<IntOrString> {
    if let Ok(number) = text.parse::<u16>() {
        return (number > 0).then(|| IntOrString::Int(number.into()));
    }
    (!text.is_empty() && text.bytes().all(is_of_name)).then(|| IntOrString::String(text.to_owned()))
}

impl fmt::Display for GatewayService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, name, port } = self;
        match port {
            IntOrString::Int(number) => write!(f, "{namespace}/{name}:{number}"),
            IntOrString::String(port) => write!(f, "{namespace}/{name}:{port}"),
        }
    }
}

/// The port of a Service that a backend means, by name or by number; 0 where it names none.
pub fn port(backend: &IngressServiceBackend) -> IntOrString {
    match &backend.port {
        Some(ServiceBackendPort { name: Some(name), .. }) => IntOrString::String(name.clone()),
        Some(ServiceBackendPort { number, .. }) => IntOrString::Int(number.unwrap_or(0)),
        None => IntOrString::Int(0),
    }
}

/// All paths of an Ingress, each with its host (empty: any) and where it stands in the object.
pub fn paths(ingress: &Ingress) -> impl Iterator<Item = (&str, String, &HTTPIngressPath)> {
    let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten()).enumerate();
    rules.flat_map(|(at, rule)| {
        let host = rule.host.as_deref().unwrap_or_default();
        let paths = rule.http.iter().flat_map(|http| http.paths.iter()).enumerate();
        paths
            .map(move |(place, path)| (host, format!("spec.rules[{at}].http.paths[{place}]"), path))
    })
}

/// The first annotation of an Ingress, or of a Service that it sends to, which asks for what a load
/// balancer alone does: then its rules stand there, and lead to Services without the gateway. `service`
/// finds one of the Ingress' namespace by name.
pub fn kept_at_load_balancer<'s>(
    ingress: &Ingress,
    service: impl Fn(&str) -> Option<&'s Service>,
) -> Option<String> {
    let own = ingress.metadata.annotations.iter().flatten();
    let backends = paths(ingress).map(|(_, _, path)| &path.backend);
    let default = ingress.spec.iter().filter_map(|spec| spec.default_backend.as_ref());
    let named = |backend: &IngressBackend| service(&backend.service.as_ref()?.name);
    let services = backends.chain(default).filter_map(named);
    let theirs = services.flat_map(|service| service.metadata.annotations.iter().flatten());
    let mut all = own.chain(theirs);
    all.find(|(key, value)| key.strip_prefix(PREFIX).is_some_and(|name| is_kept(name, value)))
        .map(|(key, _)| key.clone())
}

/// The version of HTTP (`HTTP1`, `HTTP2`, `GRPC`) that an Ingress says its pods speak, or, before it, the
/// Service that it sends to.
pub fn version<'a>(ingress: &'a Ingress, service: Option<&'a Service>) -> Option<&'a str> {
    let of_service = service.and_then(|service| service.metadata.annotations.as_ref());
    let all = of_service.into_iter().chain(ingress.metadata.annotations.as_ref());
    let key = format!("{PREFIX}backend-protocol-version");
    all.filter_map(|annotations| annotations.get(&key)).map(|text| text.trim()).next()
}

fn is_kept(name: &str, value: &str) -> bool {
    let value = value.trim();
    let has = |plain: &str| !value.is_empty() && !value.eq_ignore_ascii_case(plain);
    match name {
        "auth-type" => has("none"),
        "jwt-validation" => !value.is_empty(),
        "use-regex-path-match" => !matches!(value, "0" | "f" | "F" | "false" | "FALSE" | "False"),
        "backend-protocol" => has("HTTP"),
        _ => ["actions.", "conditions.", "transforms."].iter().any(|of| name.starts_with(of)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Objects, manifest};

    fn read(text: &str) -> Objects {
        let mut objects = Objects::default();
        manifest::read(text, "f.yaml", &mut objects);
        assert!(objects.defects.is_empty(), "{:?}", objects.defects);
        objects
    }

    fn class(gateway: &str) -> IngressClass {
        let text = format!(
            "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{name: c, annotations: \
             {{edgeway.dev/gateway: '{gateway}'}}}}\nspec: {{controller: edgeway.dev/alb}}\n"
        );
        IngressClass::clone(&read(&text).ingress_classes[0])
    }

    #[test]
    fn a_class_names_a_service_and_perhaps_a_port() {
        for (text, expected) in [
            ("edge/gateway", Some("edge/gateway:80")),
            (" edge/gateway:8080 ", Some("edge/gateway:8080")),
            ("edge/gateway:http2", Some("edge/gateway:http2")),
            ("gateway", None),
            ("edge/", None),
            ("/gateway", None),
            ("edge/gateway:", None),
            ("edge/gateway:0", None),
            ("edge/gate way", None),
        ] {
            let found = GatewayService::of(&class(text)).map(|found| found.unwrap().to_string());
            assert_eq!(found.ok().as_deref(), expected, "{text}");
        }
        assert_eq!(GatewayService::of(&IngressClass::default()), Ok(None));
    }

    #[test]
    fn what_a_load_balancer_alone_does_stays_there() {
        for (annotation, value, is_kept) in [
            ("auth-type", "oidc", true),
            ("auth-type", "none", false),
            ("jwt-validation", "{}", true),
            ("use-regex-path-match", "true", true),
            ("use-regex-path-match", "false", false),
            ("backend-protocol", "HTTP", false),
            ("backend-protocol", "HTTPS", true),
            ("backend-protocol-version", "GRPC", false),
            ("actions.x", "{}", true),
            ("conditions.web", "[]", true),
            ("healthcheck-path", "/", false),
        ] {
            let annotations =
                format!("annotations: {{alb.ingress.kubernetes.io/{annotation}: '{value}'}}");
            for (of_ingress, of_service) in [(&*annotations, ""), ("", &*annotations)] {
                let objects = read(&format!(
                    "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: a\n  \
                     {of_ingress}\nspec: {{rules: [{{http: {{paths: [{{path: /, pathType: Prefix, \
                     backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]}}\n---\n\
                     apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  {of_service}\n"
                ));
                let service = |name: &str| {
                    let service = &objects.services[0];
                    (service.name() == name).then_some(&**service)
                };
                let kept = kept_at_load_balancer(&objects.ingresses[0], service);
                assert_eq!(kept.is_some(), is_kept, "{annotation}={value}: {kept:?}");
            }
        }
    }
}
