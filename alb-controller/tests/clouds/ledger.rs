//! What is known of targets over a restart.

use crate::{
    cloud::{Cloud, local},
    manifests::read,
};
use edgeway_alb_controller::{Handle, once};
use edgeway_api::Objects;
use std::fmt::Write as _;

/// An Ingress with so many Services, of one endpoint each.
fn many(count: usize) -> Objects {
    let (mut text, mut paths) = (String::new(), String::new());
    for number in 0..count {
        let name = format!("s{number}");
        write!(
            text,
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: app}}\n\
             spec: {{selector: {{app: {name}}}, ports: [{{port: 80}}]}}\n---\n\
             apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}, \
             namespace: app, labels: {{kubernetes.io/service-name: {name}}}}}\naddressType: IPv4\n\
             ports: [{{port: 80}}]\nendpoints: [{{addresses: [10.0.16.{number}]}}]\n---\n"
        )
        .unwrap();
        write!(
            paths,
            "{{path: /{name}, pathType: Prefix, backend: {{service: {{name: {name}, port: {{number: \
             80}}}}}}}}, "
        )
        .unwrap();
    }
    let ingress = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: all, namespace: app}}\n\
         spec: {{ingressClassName: edgeway, rules: [{{http: {{paths: [{paths}]}}}}]}}\n"
    );
    read(&[&text, &ingress])
}

/// How many target groups are asked about, and how many calls ask for tags.
async fn asked(cloud: &Cloud, objects: &Objects) -> (u64, u64) {
    let handle = Handle::default();
    let outcome = once(&cloud.config, objects, &handle).await;
    assert_eq!(outcome.failure, None);
    let calls = handle.metrics.calls();
    let count = |name| calls.iter().filter(|(call, _)| call.name() == name).map(|(_, n)| n).sum();
    (count("DescribeTargetHealth"), count("DescribeTags"))
}

#[tokio::test]
async fn of_many_groups_those_that_are_known_are_not_asked_about_again() {
    // Tags of the load balancer and its groups are asked for in any case, twenty at once.
    for (count, again) in [(20, (20, 4)), (21, (0, 2))] {
        let folder = tempfile::tempdir().unwrap();
        let mut cloud = local().await;
        cloud.config.connection.memory = Some(folder.path().to_owned());
        let objects = many(count);
        asked(&cloud, &objects).await;
        assert_eq!(asked(&cloud, &objects).await, again, "{count} groups");
    }
}
