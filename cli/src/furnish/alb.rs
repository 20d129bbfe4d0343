//! An ALB in front of the gateway, for a folder that describes none.

use super::{classes, door, role::Role};
use edgeway_api::{
    Objects, Resource,
    k8s_openapi::{
        api::{
            core::v1::Service,
            networking::v1::{
                HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
                IngressServiceBackend, IngressSpec, ServiceBackendPort,
            },
        },
        apimachinery::pkg::apis::meta::v1::ObjectMeta,
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// Name of the IngressClass, of the ALB and of its Ingresses.
const NAME: &str = "edgeway";

/// Answered by the gateway on every port that it serves.
const HEALTH: &str = "/.well-known/edgeway/health";

const PREFIX: &str = "alb.ingress.kubernetes.io";

/// Adds a Service for the gateway where Gateways have none, and an ALB where no Ingress asks for one.
pub(super) fn complete(objects: &mut Objects, role: &Role, notes: &mut Vec<String>) {
    classes::complete(objects, notes);
    if objects.gateways.is_empty() && objects.ingresses.is_empty() {
        notes.push("there is no Gateway and no Ingress: nothing is served".to_owned());
    }
    let own = objects.services.iter().find(|service| role.is_selected_by(service)).cloned();
    let service = match own {
        Some(service) => service,
        None => match door::service(objects, role) {
            Some(service) => add_service(objects, service, notes),
            None => return,
        },
    };
    if !classes::is_any_served(objects) {
        add_alb(objects, &service, notes);
    }
}

fn add_service(objects: &mut Objects, service: Service, notes: &mut Vec<String>) -> Arc<Service> {
    let doors: Vec<String> = door::doors(objects, &service)
        .map(|(_, door)| format!("{} to {}", door.service_port, door.listening))
        .collect();
    notes.push(format!(
        "no Service selects the gateway: {} leads to it (port {})",
        service.reference(),
        doors.join(", ")
    ));
    let service = Arc::new(service);
    objects.services.push(Arc::clone(&service));
    service
}

fn add_alb(objects: &mut Objects, service: &Service, notes: &mut Vec<String>) {
    let doors = door::plain_doors(objects, service);
    if doors.is_empty() {
        notes.push(
            "no Ingress for an ALB, and no Gateway server that speaks plain HTTP: there is no ALB"
                .to_owned(),
        );
        return;
    }
    let shared = doors.len() > 1;
    let ports: Vec<String> = doors.iter().map(|door| door.service_port.to_string()).collect();
    for door in doors {
        objects.ingresses.push(Arc::new(ingress(service, door.service_port, shared)));
    }
    if !objects.ingress_classes.iter().any(|class| class.name() == NAME) {
        objects.ingress_classes.push(Arc::new(classes::class(NAME, classes::OURS)));
    }
    notes.push(format!(
        "no Ingress for an ALB: an internet-facing ALB sends every request on port {} to {}",
        ports.join(" and "),
        service.reference()
    ));
}

/// An Ingress for one listener; several share one ALB by their group.
fn ingress(service: &Service, port: u16, shared: bool) -> Ingress {
    let mut annotations = BTreeMap::from([
        (format!("{PREFIX}/scheme"), "internet-facing".to_owned()),
        (format!("{PREFIX}/target-type"), "ip".to_owned()),
        (format!("{PREFIX}/listen-ports"), format!(r#"[{{"HTTP": {port}}}]"#)),
        (format!("{PREFIX}/healthcheck-path"), HEALTH.to_owned()),
    ]);
    if shared {
        annotations.insert(format!("{PREFIX}/group.name"), NAME.to_owned());
    }
    let backend = IngressBackend {
        service: Some(IngressServiceBackend {
            name: service.name().to_owned(),
            port: Some(ServiceBackendPort { number: Some(port.into()), name: None }),
        }),
        resource: None,
    };
    let everything = HTTPIngressPath {
        path: Some("/*".to_owned()),
        path_type: "ImplementationSpecific".to_owned(),
        backend,
    };
    let rule =
        IngressRule { host: None, http: Some(HTTPIngressRuleValue { paths: vec![everything] }) };
    Ingress {
        metadata: ObjectMeta {
            name: Some(format!("{NAME}-{port}")),
            namespace: Some(service.namespace().to_owned()),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec: Some(IngressSpec {
            ingress_class_name: Some(NAME.to_owned()),
            rules: Some(vec![rule]),
            ..IngressSpec::default()
        }),
        status: None,
    }
}
