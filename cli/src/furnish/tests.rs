//! Folders, and what is added to them.

use super::*;
use edgeway_api::{Resource, manifest};
use std::net::Ipv4Addr;

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews-v1}
spec:
  replicas: 2
  selector: {matchLabels: {app: reviews, version: v1}}
  template:
    metadata: {labels: {app: reviews, version: v1}}
    spec: {containers: [{name: reviews, image: reviews}]}
";

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080}, {name: grpc, port: 9090, targetPort: 7070}]
";

const GATEWAY_SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: door, namespace: edge}
spec:
  selector: {istio: ingressgateway}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: status, port: 15021}]
";

fn gateway(name: &str, selector: &str, port: u16) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  selector: {{{selector}}}
  servers: [{{port: {{number: {port}, name: http, protocol: HTTP}}, hosts: ['*']}}]
"
    )
}

fn objects(documents: &[&str]) -> Objects {
    let mut objects = Objects::default();
    for (at, text) in documents.iter().enumerate() {
        manifest::read(text, &format!("{at}.yaml"), &mut objects);
    }
    assert_eq!(objects.defects, []);
    objects
}

fn scene(documents: &[&str]) -> Scene {
    let objects = objects(documents);
    let role = Role::of(&objects);
    Scene::of(&objects, role)
}

/// Echoes on 127.0.0.1 from port 4001 on; the gateway adds 18000.
fn furnished(scene: &Scene) -> Objects {
    let ports = (4001_u16..).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let echoes = scene.echoes.iter().map(|echo| echo.id.clone()).zip(ports).collect();
    scene.furnish(&Places { echoes, gateway: Ipv4Addr::LOCALHOST.into(), gateway_offset: 18000 })
}

/// `service address:port=name,…` of every slice, sorted.
fn endpoints(objects: &Objects) -> Vec<String> {
    let mut lines: Vec<String> = objects
        .endpoint_slices
        .iter()
        .map(|slice| {
            let service = &slice.metadata.labels.as_ref().unwrap()[crew::SERVICE_NAME];
            let ports = slice.ports.iter().flatten().map(|port| {
                format!("{}={}", port.name.as_deref().unwrap_or("-"), port.port.unwrap())
            });
            let ports: Vec<String> = ports.collect();
            format!("{service} {} {}", slice.endpoints[0].addresses[0], ports.join(","))
        })
        .collect();
    lines.sort();
    lines
}

fn pods(scene: &Scene) -> Vec<&str> {
    scene.echoes.iter().map(|echo| echo.id.pod.as_str()).collect()
}

#[test]
fn every_replica_of_a_deployment_stands_behind_the_services_that_select_it() {
    let other = SERVICE.replace("name: reviews}", "name: all}").replace("9080", "80");
    let scene = scene(&[DEPLOYMENT, SERVICE, &other]);
    let objects = furnished(&scene);
    assert_eq!(
        endpoints(&objects),
        [
            "all 127.0.0.1 http=4001,grpc=4001",
            "all 127.0.0.1 http=4002,grpc=4002",
            "reviews 127.0.0.1 http=4003,grpc=4003",
            "reviews 127.0.0.1 http=4004,grpc=4004",
        ]
    );
    let labels = scene.echoes.iter().map(|echo| echo.labels["version"].as_str());
    assert_eq!(labels.collect::<Vec<_>>(), ["v1"; 4]);
    let pod = objects.pods.iter().find(|pod| pod.name() == "reviews-v1-0").unwrap();
    assert_eq!(pod.metadata.labels.as_ref().unwrap()["app"], "reviews");
    assert_eq!(pod.metadata.owner_references.as_ref().unwrap()[0].name, "reviews-v1");
    assert_eq!(objects.pods.iter().filter(|pod| pod.name() == "reviews-v1-0").count(), 1);
}

#[test]
fn no_replicas_mean_no_endpoints() {
    let none = DEPLOYMENT.replace("replicas: 2", "replicas: 0");
    let scene = scene(&[&none, SERVICE]);
    assert_eq!(pods(&scene), [] as [&str; 0]);
    assert!(!scene.notes.iter().any(|note| note.contains("echo")), "{:?}", scene.notes);
}

#[test]
fn many_replicas_get_twenty_echoes_and_the_note_says_so() {
    let many = DEPLOYMENT.replace("replicas: 2", "replicas: 300");
    let scene = scene(&[&many, SERVICE]);
    assert_eq!(scene.echoes.len(), 20);
    let told = |note: &String| note.contains("asks for 300 replicas");
    assert!(scene.notes.iter().any(told), "{:?}", scene.notes);
}

#[test]
fn a_service_that_selects_nothing_of_the_folder_gets_one_echo() {
    let elsewhere = DEPLOYMENT.replace("name: reviews-v1", "name: reviews-v1, namespace: shop");
    let scene = scene(&[SERVICE, &elsewhere]);
    assert_eq!(pods(&scene), ["reviews"]);
    assert_eq!(scene.echoes[0].labels["app"], "reviews");
    let told = |note: &String| note.starts_with("Service default/reviews selects no Deployment");
    assert!(scene.notes.iter().any(told), "{:?}", scene.notes);
}

#[test]
fn endpoints_that_the_folder_gives_are_kept() {
    let slice = "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: reviews-x, labels: {kubernetes.io/service-name: reviews}}
addressType: IPv4
endpoints: [{addresses: [10.1.2.3]}]
ports: [{name: http, port: 9080}]
";
    let scene = scene(&[DEPLOYMENT, SERVICE, slice]);
    assert_eq!(pods(&scene), [] as [&str; 0]);
    assert_eq!(endpoints(&furnished(&scene)), ["reviews 10.1.2.3 http=9080"]);
}

#[test]
fn services_without_a_selector_are_left_alone() {
    let manual = SERVICE.replace("  selector: {app: reviews}\n", "");
    let external = "
apiVersion: v1
kind: Service
metadata: {name: far}
spec: {type: ExternalName, externalName: far.example.com, selector: {app: x}}
";
    let scene = scene(&[&manual, external]);
    assert_eq!(pods(&scene), [] as [&str; 0]);
    assert!(!scene.notes.iter().any(|note| note.contains("echo")), "{:?}", scene.notes);
}

#[test]
fn pods_count_unless_their_deployment_does() {
    let bare = "
apiVersion: v1
kind: Pod
metadata: {name: reviews-bare, labels: {app: reviews, version: v9}}
";
    let owned = "
apiVersion: v1
kind: Pod
metadata:
  name: reviews-v1-abc
  labels: {app: reviews}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: reviews-v1, uid: u, controller: true}]
";
    assert_eq!(pods(&scene(&[SERVICE, bare, owned])), ["reviews-bare", "reviews-v1-abc"]);
    let with_deployment = scene(&[SERVICE, bare, owned, DEPLOYMENT]);
    assert_eq!(pods(&with_deployment), ["reviews-bare", "reviews-v1-0", "reviews-v1-1"]);
}

#[test]
fn the_services_of_the_gateway_lead_to_the_local_one() {
    let scene = scene(&[&gateway("a", "istio: ingressgateway", 80), GATEWAY_SERVICE]);
    assert_eq!(scene.role.namespace, "edge");
    assert_eq!(endpoints(&furnished(&scene)), ["door 127.0.0.1 http=26080,status=33021"]);
    assert_eq!(pods(&scene), [] as [&str; 0]);
}

#[test]
fn the_gateway_has_the_labels_that_gateways_and_services_select_by() {
    let service = GATEWAY_SERVICE.replace("{istio: ingress", "{app: front, istio: ingress");
    let scene = scene(&[
        &gateway("a", "istio: ingressgateway", 80),
        &gateway("b", "tier: public", 81),
        &service,
    ]);
    let expected = [("app", "front"), ("istio", "ingressgateway"), ("tier", "public")];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(scene.role.labels, BTreeMap::from(expected));
}

#[test]
fn a_deployment_that_gateways_select_is_the_gateway() {
    let deployment = DEPLOYMENT
        .replace("name: reviews-v1", "name: front, namespace: edge")
        .replace("app: reviews, version: v1", "istio: ingressgateway, app: front");
    let scene = scene(&[&deployment, &gateway("a", "app: front", 80)]);
    assert_eq!(scene.role.namespace, "edge");
    assert_eq!(labels::written(&scene.role.labels), "app=front,istio=ingressgateway");
}

#[test]
fn gateways_that_do_not_agree_are_served_all_the_same() {
    let scene = scene(&[
        &gateway("a", "istio: ingressgateway", 80),
        &gateway("b", "istio: ingress", 81),
        GATEWAY_SERVICE,
    ]);
    assert!(
        scene.notes[0].contains("Gateway default/b selects istio=ingress"),
        "{:?}",
        scene.notes
    );
    let selectors = furnished(&scene).gateways;
    assert!(selectors.iter().all(|g| labels::selects(&g.spec.selector, &scene.role.labels)));
}

#[test]
fn a_gateway_of_another_deployment_is_left_to_it() {
    let front = |name: &str| {
        DEPLOYMENT
            .replace("reviews-v1", name)
            .replace("app: reviews, version: v1", &format!("istio: {name}"))
    };
    let scene = scene(&[
        &front("one"),
        &front("two"),
        &gateway("a", "istio: one", 80),
        &gateway("b", "istio: two", 80),
        &GATEWAY_SERVICE.replace("ingressgateway", "one").replace("edge", "default"),
    ]);
    assert_eq!(scene.role.labels["istio"], "one");
    assert!(scene.notes[0].starts_with("Gateway default/b selects istio=two, another gateway"));
    let b = furnished(&scene).gateways.into_iter().find(|gateway| gateway.name() == "b").unwrap();
    assert_eq!(b.spec.selector["istio"], "two");
}

#[test]
fn a_folder_without_an_ingress_gets_an_alb_in_front_of_the_gateway() {
    let scene = scene(&[&gateway("a", "istio: ingressgateway", 8080)]);
    let objects = furnished(&scene);
    // As Istio's own Service has it: 80 leads to 8080.
    assert_eq!(endpoints(&objects), ["istio-ingressgateway 127.0.0.1 http-80=26080"]);
    let ingress = &objects.ingresses[0];
    let annotations = ingress.metadata.annotations.as_ref().unwrap();
    assert_eq!(annotations["alb.ingress.kubernetes.io/listen-ports"], r#"[{"HTTP": 80}]"#);
    assert_eq!(annotations["alb.ingress.kubernetes.io/scheme"], "internet-facing");
    assert_eq!(ingress.namespace(), "istio-system");
    assert_eq!(objects.ingress_classes[0].name(), "edgeway");
    assert!(scene.notes.iter().any(|note| note.starts_with("no Ingress for an ALB")));
}

#[test]
fn several_servers_make_several_listeners_of_one_alb() {
    let scene = scene(&[
        &gateway("a", "istio: ingressgateway", 80),
        &gateway("b", "istio: ingressgateway", 8081),
    ]);
    let objects = furnished(&scene);
    let names: Vec<&str> = objects.ingresses.iter().map(|ingress| ingress.name()).collect();
    assert_eq!(names, ["edgeway-80", "edgeway-8081"]);
    for ingress in &objects.ingresses {
        let annotations = ingress.metadata.annotations.as_ref().unwrap();
        assert_eq!(annotations["alb.ingress.kubernetes.io/group.name"], "edgeway");
    }
}

#[test]
fn an_ingress_of_the_folder_is_enough() {
    let ingress = |class: &str| {
        format!(
            "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: own, namespace: edge}}
spec:
  ingressClassName: {class}
  defaultBackend: {{service: {{name: door, port: {{number: 80}}}}}}
"
        )
    };
    let gateway = gateway("a", "istio: ingressgateway", 80);
    let own = scene(&[&gateway, GATEWAY_SERVICE, &ingress("alb")]);
    let objects = furnished(&own);
    assert_eq!(objects.ingresses.len(), 1);
    assert_eq!(objects.ingress_classes[0].name(), "alb");

    let foreign = scene(&[&gateway, GATEWAY_SERVICE, &ingress("nginx")]);
    assert!(foreign.notes[0].contains("nginx, which no ALB controller serves"));
    assert_eq!(furnished(&foreign).ingresses.len(), 2);
}

#[test]
fn a_gateway_that_needs_a_certificate_gets_no_alb_by_itself() {
    let secure = gateway("a", "istio: ingressgateway", 443).replace("HTTP", "HTTPS");
    let scene = scene(&[&secure]);
    assert_eq!(furnished(&scene).ingresses, []);
    assert!(scene.notes.iter().any(|note| note.ends_with("there is no ALB")), "{:?}", scene.notes);
}

#[test]
fn an_empty_folder_stays_empty() {
    let scene = scene(&[]);
    assert_eq!(scene.notes, ["there is no Gateway and no Ingress: nothing is served"]);
    let objects = furnished(&scene);
    assert_eq!((objects.services.len(), objects.ingresses.len()), (0, 0));
}
