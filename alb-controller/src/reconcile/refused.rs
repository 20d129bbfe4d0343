//! What AWS has refused because it does not know something that a user has named by ARN: the next wish does
//! without it, so that nothing else waits, and says so where it is named.

use super::Reconciler;
use crate::{
    apply::{Failure, certificate},
    aws::Cloud,
    damage::action,
};
use edgeway_alb_core::{Needs, rule::Action};
use std::collections::BTreeSet;

/// Codes of errors that a target group may be the reason of.
const OF_GROUP: &[&str] = &["TargetGroupNotFound", "ValidationError"];

impl<C: Cloud> Reconciler<C> {
    /// Notes certificates and target groups that AWS does not know.
    pub(super) async fn note_refused(&mut self, failures: &[Failure]) {
        let coded = |codes: &'static [&str]| {
            let is_one = move |failure: &&Failure| {
                failure.error.code().is_some_and(|code| codes.contains(&code))
            };
            failures.iter().filter(is_one)
        };
        let certificates = coded(&["CertificateNotFound"]);
        let mut refused: BTreeSet<String> =
            certificates.filter_map(|failure| certificate(&failure.step.op)).cloned().collect();
        let actions = coded(OF_GROUP).filter_map(|failure| action(&failure.step.op));
        let groups: BTreeSet<&str> = actions.flat_map(Action::foreign_groups).collect();
        refused.extend(self.unknown(groups).await);
        if let Some((_, lookups, _)) = &mut self.lookups {
            lookups.refused.extend(refused);
        }
    }

    /// Those of some target groups that AWS does not have. Where it cannot be asked, none.
    async fn unknown(&self, mut groups: BTreeSet<&str>) -> Vec<String> {
        if groups.is_empty() {
            return Vec::new();
        }
        let needs = Needs { bindings: true, ..Needs::default() };
        let found = self.cloud.look_up(&needs).await.ok().and_then(|found| found.bound_groups);
        let Some(known) = found else { return Vec::new() };
        groups.retain(|arn| !known.iter().any(|group| group.arn == **arn));
        groups.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Reconciler;
    use crate::{
        aws::{Call, CloudError},
        fake::{FakeCloud, objects},
        metrics::Metrics,
    };
    use edgeway_alb_core::Settings;
    use std::sync::Arc;

    fn unknown() -> CloudError {
        CloudError::Stale {
            call: Call::CreateRule,
            code: "TargetGroupNotFound".into(),
            cause: "not found".into(),
        }
    }

    #[tokio::test]
    async fn rules_behind_one_to_an_unknown_target_group_are_made_without_it() {
        let cloud = Arc::new(FakeCloud::default());
        let settings = Settings::new("test", "vpc");
        let mut reconciler = Reconciler::new(Arc::clone(&cloud), settings, Metrics::default());
        let mut objects = objects(&["a", "b"]);
        for (place, ingress) in objects.ingresses.iter_mut().enumerate() {
            let ingress = Arc::make_mut(ingress);
            let mut annotate = |key: &str, value: &str| {
                let key = format!("alb.ingress.kubernetes.io/{key}");
                let annotations = ingress.metadata.annotations.get_or_insert_default();
                annotations.insert(key, value.to_owned());
            };
            annotate("group.name", "shop");
            if place == 0 {
                annotate("actions.web", r#"{"type": "forward", "targetGroupARN": "arn:x"}"#);
                let rules = ingress.spec.as_mut().unwrap().rules.as_mut().unwrap();
                let path = &mut rules[0].http.as_mut().unwrap().paths[0];
                let port = path.backend.service.as_mut().unwrap().port.as_mut().unwrap();
                (port.number, port.name) = (None, Some("use-annotation".to_owned()));
            }
        }
        cloud.fail("create-rule", unknown);
        let pass = reconciler.pass(&objects, &|_| {}).await.unwrap();
        assert_eq!(pass.failures.len(), 1, "{:?}", pass.failures);
        let made =
            |cloud: &FakeCloud| cloud.tried().iter().filter(|kind| *kind == "create-rule").count();
        assert_eq!(made(&cloud), 1, "what is behind it waits");
        let pass = reconciler.pass(&objects, &|_| {}).await.unwrap();
        assert_eq!((pass.failures.len(), made(&cloud)), (0, 3), "both are made");
        let texts = pass.plan.to_string();
        assert!(texts.contains("answer 503"), "{texts}");
        let problems: Vec<String> =
            reconciler.status().problems.iter().map(ToString::to_string).collect();
        let is_told = |text: &String| {
            text.contains("Ingress default/a") && text.contains("there is no target group arn:x")
        };
        assert!(problems.iter().any(is_told), "{problems:?}");
    }
}
