//! Ingress classes of the AWS Load Balancer Controller, which are left to it unless they are asked for: who has
//! come from there is told, since nothing else is said of an Ingress that is nobody's here.

use edgeway_alb_core::{Settings, settings::AWS};
use edgeway_api::{Objects, Resource, k8s_openapi::api::networking::v1::IngressClass};

/// What is said of such classes, where there are any and they are not served.
pub(super) fn remark(settings: &Settings, objects: &Objects) -> Option<String> {
    if settings.controllers.contains(AWS) {
        return None;
    }
    let is_theirs = |class: &IngressClass| {
        class.spec.as_ref().and_then(|spec| spec.controller.as_deref()) == Some(AWS)
    };
    let classes = objects.ingress_classes.iter();
    let mut names: Vec<&str> =
        classes.filter(|class| is_theirs(class)).map(|class| class.name()).collect();
    names.sort_unstable();
    (!names.is_empty()).then(|| {
        format!(
            "Ingresses of the class {} are left to another controller: --controller {AWS} serves them",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_api::manifest;

    fn said(controllers: &[&str], theirs: &str) -> Option<String> {
        let class = |name: &str, controller: &str| {
            format!(
                "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{name: {name}}}\n\
                 spec: {{controller: {controller}}}\n"
            )
        };
        let mut objects = Objects::default();
        let text = class("alb", theirs) + &class("own", "edgeway.dev/alb");
        manifest::read(&text, "classes.yaml", &mut objects);
        let mut settings = Settings::new("test", "vpc");
        settings.controllers = controllers.iter().map(|&name| name.to_owned()).collect();
        remark(&settings, &objects)
    }

    #[test]
    fn classes_that_are_left_to_the_other_controller_are_named() {
        let remark = "Ingresses of the class alb are left to another controller: --controller \
                      ingress.k8s.aws/alb serves them";
        let own = "edgeway.dev/alb";
        assert_eq!(said(&[own], AWS).as_deref(), Some(remark));
        assert_eq!(said(&[own, AWS], AWS), None);
        assert_eq!(said(&[own], "k8s.io/ingress-nginx"), None);
    }
}
