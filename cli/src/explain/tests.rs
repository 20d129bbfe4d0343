//! Explanations of the examples, word by word, and against what their requests answer.

use super::*;
use crate::offline::Reading;
use edgeway_api::manifest;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::PathBuf};

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

fn objects(name: &str) -> Objects {
    let mut objects = Objects::default();
    for entry in fs::read_dir(example(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            manifest::read(&text, &path.display().to_string(), &mut objects);
        }
    }
    assert_eq!(objects.defects, [], "{name}");
    objects
}

/// What is said of `ask` (JSON) in an example, by the ALB and the gateway or by the gateway alone.
fn explain(name: &str, ask: &Value, albs: bool) -> (Question, Explanation) {
    let reading = Reading::new(objects(name));
    let question = Question::new(serde_json::from_value(ask.clone()).unwrap()).unwrap();
    let explanation = explainer(&reading, albs).explain(&question);
    (question, explanation)
}

fn explainer(reading: &Reading, albs: bool) -> Explainer<'_> {
    Explainer {
        objects: &reading.objects,
        table: &reading.compiled.table,
        role: &reading.role,
        albs: albs.then_some(&reading.desired),
        client: [127, 0, 0, 1].into(),
    }
}

fn answer(name: &str, ask: &Value, albs: bool) -> Value {
    serde_json::to_value(explain(name, ask, albs).1.answer).unwrap()
}

#[test]
fn a_request_is_followed_through_alb_gateway_and_route() {
    let ask = json!({
        "url": "http://reviews.example.com/reviews/0",
        "headers": [["end-user", "jason"]],
    });
    let (question, explanation) = explain("bookinfo", &ask, true);
    let story = story(&question, &explanation, false);
    assert_eq!(story, include_str!("testdata/jason.txt").trim_end(), "\n{story}");
}

#[test]
fn a_weighted_route_names_all_its_clusters() {
    let ask = json!({"url": "http://reviews.example.com/reviews/0"});
    assert_eq!(
        answer("bookinfo", &ask, false),
        json!({
            "hop": "backend",
            "listener": "HTTP 8080",
            "gateway": "default/bookinfo",
            "server": "http",
            "host": "reviews.example.com",
            "virtualService": "default/reviews",
            "route": "split",
            "action": "forward",
            "cluster": "outbound|9080|v1|reviews.default.svc.cluster.local",
            "clusters": [
                {"cluster": "outbound|9080|v1|reviews.default.svc.cluster.local", "weight": 80},
                {"cluster": "outbound|9080|v3|reviews.default.svc.cluster.local", "weight": 20},
            ],
            "upstream": {"authority": "reviews.example.com", "path": "/reviews/0"},
        })
    );
}

#[test]
fn what_does_not_fit_is_told_with_the_reason() {
    let ask = json!({"url": "http://bookinfo.example.com/nothing"});
    let (question, explanation) = explain("bookinfo", &ask, false);
    let story = story(&question, &explanation, false);
    assert_eq!(story, include_str!("testdata/nothing.txt").trim_end(), "\n{story}");
}

#[test]
fn a_host_without_a_rule_ends_at_the_alb() {
    let answer = answer("bookinfo", &json!({"url": "http://other.example.com/"}), true);
    assert_eq!(
        answer,
        json!({
            "status": 404,
            "hop": "alb",
            "listener": "HTTP 80",
            "albRule": "default",
            "action": "direct",
        })
    );
}

#[test]
fn a_connection_that_nobody_takes_has_no_status() {
    let refused = |url: &str, albs| answer("bookinfo", &json!({"url": url}), albs);
    let by_gateway = refused("http://bookinfo.example.com:81/", false);
    assert_eq!((&by_gateway["hop"], &by_gateway["status"]), (&json!("gateway"), &Value::Null));
    assert_eq!(by_gateway["reason"], "the gateway does not listen on port 81");
    let by_tls = refused("https://bookinfo.example.com:80/", false);
    assert_eq!(by_tls["reason"], "port 8080 of the gateway speaks no TLS");
    let by_alb = refused("http://bookinfo.example.com:81/", true);
    assert_eq!((&by_alb["hop"], &by_alb["action"]), (&json!("alb"), &json!("none")));
}

#[test]
fn a_request_that_is_not_in_order_is_refused_by_the_gateway() {
    let ask = json!({"url": "http://bookinfo.example.com/%00"});
    let answer = answer("bookinfo", &ask, false);
    assert_eq!((&answer["hop"], &answer["status"]), (&json!("gateway"), &json!(400)));
}

#[test]
fn a_health_check_is_no_matter_of_routes() {
    let ask = json!({"url": "http://bookinfo.example.com/.well-known/edgeway/health"});
    let answer = answer("bookinfo", &ask, true);
    assert_eq!((&answer["hop"], &answer["status"]), (&json!("gateway"), &json!(200)));
    assert_eq!(answer["virtualService"], Value::Null);
}

#[test]
fn deadlines_and_tries_are_told() {
    let ask = json!({"url": "http://api.example.com/flaky"});
    let (question, explanation) = explain("retries-and-timeouts", &ask, false);
    let story = story(&question, &explanation, false);
    assert!(story.contains("within 2s, all tries together"), "{story}");
    assert!(story.contains("2 more tries, each within 500ms on connect-failure"), "{story}");
}

#[test]
fn what_the_gateway_answers_in_the_backends_place_is_its_own() {
    let text = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: a}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: ['*']
  gateways: [a]
  http:
  - match: [{uri: {prefix: /abort}}]
    fault: {abort: {httpStatus: 418, percentage: {value: 100}}}
    route: [{destination: {host: a}}]
  - match: [{uri: {prefix: /half}}]
    fault: {abort: {httpStatus: 418, percentage: {value: 50}}, delay: {fixedDelay: 1s, percentage: {value: 10}}}
    route: [{destination: {host: a}}]
  - corsPolicy: {allowOrigins: [{exact: 'http://a.com'}], allowMethods: [GET]}
    route: [{destination: {host: a}}]
---
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {selector: {app: a}, ports: [{name: http, port: 80}]}
";
    let mut objects = Objects::default();
    manifest::read(text, "a.yaml", &mut objects);
    let reading = Reading::new(objects);
    let ask = |ask: Value| {
        let question = Question::new(serde_json::from_value(ask).unwrap()).unwrap();
        let explanation = explainer(&reading, false).explain(&question);
        let story = story(&question, &explanation, false);
        (explanation.answer, story)
    };
    let (abort, _) = ask(json!({"url": "http://x/abort"}));
    assert_eq!((abort.status, abort.hop), (Some(418), Hop::Gateway));
    let (half, story) = ask(json!({"url": "http://x/half"}));
    assert_eq!((half.status, half.hop), (None, Hop::Backend));
    assert!(story.contains("fault: 10 % of the requests wait 1s"), "{story}");
    assert!(story.contains("fault: 50 % of the requests get 418"), "{story}");
    let headers = json!([["origin", "http://a.com"], ["access-control-request-method", "GET"]]);
    let (preflight, _) = ask(json!({"url": "http://x/", "method": "OPTIONS", "headers": headers}));
    assert_eq!((preflight.status, preflight.action), (Some(200), Action::Direct));
}

const SERVERS: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: tls}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: any, protocol: HTTPS}
    hosts: ['*.example.com']
    tls: {mode: SIMPLE, credentialName: any}
  - port: {number: 443, name: shop, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop}
";

/// The decision of a gateway with TLS servers on 443 alone.
fn at_tls_server(ask: Value) -> Answer {
    let mut objects = Objects::default();
    manifest::read(SERVERS, "a.yaml", &mut objects);
    let reading = Reading::new(objects);
    let question = Question::new(serde_json::from_value(ask).unwrap()).unwrap();
    explainer(&reading, false).explain(&question).answer
}

#[test]
fn the_name_that_a_client_asks_for_chooses_the_server() {
    for (sni, server) in [
        (json!("shop.example.com"), Some("shop")),
        (json!("SHOP.example.com"), Some("shop")),
        (json!("a.b.example.com"), Some("any")),
        (json!("example.com"), None),
        (json!("other.org"), None),
        // The host of the request takes its place.
        (Value::Null, Some("any")),
    ] {
        let answer = at_tls_server(json!({"url": "https://x.example.com/", "sni": sni}));
        assert_eq!(answer.server.as_deref(), server, "{sni}: {answer:?}");
        assert_eq!(answer.status.is_some(), server.is_some(), "{sni}: {answer:?}");
    }
    let by_url = at_tls_server(json!({"url": "https://shop.example.com/"}));
    assert_eq!(by_url.server.as_deref(), Some("shop"));
}

#[test]
fn a_port_that_nobody_names_is_the_only_one_there_is() {
    let plain = at_tls_server(json!({"url": "http://shop.example.com/"}));
    assert_eq!(plain.reason.as_deref(), Some("port 443 of the gateway speaks TLS only"));
    let named = at_tls_server(json!({"url": "http://shop.example.com:80/"}));
    assert_eq!(named.reason.as_deref(), Some("the gateway does not listen on port 80"));
}

#[derive(Deserialize)]
struct Expectations {
    requests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    via: Vec<String>,
    request: Asked,
    expect: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    method: Option<String>,
    host: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// Every request of the examples whose answer does not depend on a backend's mood.
#[test]
fn what_is_explained_is_what_the_examples_expect() {
    let folders = fs::read_dir(example("")).unwrap().map(|entry| entry.unwrap().path());
    let mut asked = 0;
    for folder in folders.filter(|path| path.is_dir()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(folder.join("expect.yaml")).unwrap();
        let expectations: Expectations = serde_saphyr::from_str(&text).unwrap();
        let has_alb = !objects(name).ingresses.is_empty();
        for case in expectations.requests {
            if case.request.headers.contains_key("x-echo") {
                continue;
            }
            let gateway_only = case.via == ["gateway"];
            let albs = has_alb && !gateway_only;
            let headers: Vec<_> = case.request.headers.iter().collect();
            let ask = json!({
                "url": format!("http://{}{}", case.request.host, case.request.path),
                "method": case.request.method.unwrap_or("GET".into()),
                "headers": headers,
            });
            let found = answer(name, &ask, albs);
            let place = format!("{name}: {}: {found}", case.name);
            assert_eq!(found["hop"], case.expect["hop"], "{place}");
            if case.expect["hop"] != "backend" {
                assert_eq!(found["status"], case.expect["status"], "{place}");
            }
            if let Some(location) = case.expect.get("location") {
                assert_eq!(found["location"], *location, "{place}");
            }
            asked += 1;
        }
    }
    assert!(asked > 30, "{asked}");
}

#[test]
fn an_ingress_that_is_left_out_is_not_forgotten() {
    let ingress = |name: &str, host: &str, scheme: &str| {
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}, \
             annotations: {{alb.ingress.kubernetes.io/scheme: {scheme}}}}}\nspec: \
             {{ingressClassName: e, rules: [{{host: '{host}', http: {{paths: [{{path: /, pathType: \
             Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]}}\n"
        )
    };
    let class = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: e}\n\
                 spec: {controller: edgeway.dev/alb}\n";
    let text = [
        class.to_owned(),
        ingress("good", "b.com", "internal"),
        ingress("bad", "*.a.com", "public"),
    ];
    let mut objects = Objects::default();
    manifest::read(&text.concat(), "test.yaml", &mut objects);
    let reading = Reading::new(objects);
    let reason = |url: &str| {
        let question = Question::new(serde_json::from_value(json!({"url": url})).unwrap()).unwrap();
        explainer(&reading, true).explain(&question).answer.reason
    };
    let left_out = "Ingress default/bad is for this host, and is left out because of what is wrong \
                    with it: see `edgeway check`";
    assert_eq!(reason("http://X.a.com/").as_deref(), Some(left_out));
    assert_eq!(reason("http://c.com/"), None, "nobody is for this host");
}
