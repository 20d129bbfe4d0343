//! A gateway before a crowd of backends.

use edgeway_tests::{Answer, Ask, Crowd, Gateway, http::client, wait_for};
use std::{fmt::Write, thread};
use ureq::Agent;

/// A gateway, and the backends of the service `a.default`, which host `a.test` leads to.
pub(crate) struct Scene {
    pub(crate) gateway: Gateway,
    pub(crate) crowd: Crowd,
}

/// What a scene is made of, in YAML flow style.
#[derive(Clone, Copy)]
pub(crate) struct Script<'a> {
    /// How many backends.
    pub(crate) backends: usize,
    /// `trafficPolicy` of the DestinationRule; empty for no rule.
    pub(crate) policy: &'a str,
    /// Further fields of the route, such as `retries: {attempts: 0}`.
    pub(crate) route: &'a str,
    /// Further `http` entries, before the catch-all.
    pub(crate) rules: &'a str,
    /// How each backend's Endpoint differs, by place: fields of a ServiceEntry endpoint. Empty: a
    /// Kubernetes Service with an EndpointSlice.
    pub(crate) endpoints: &'a [&'a str],
    /// Options of the gateway.
    pub(crate) options: &'a [&'a str],
}

impl Default for Script<'_> {
    fn default() -> Self {
        Self {
            backends: 1,
            policy: "",
            route: "",
            rules: "",
            endpoints: &[],
            options: &["--workers", "2"],
        }
    }
}

impl Scene {
    /// Sets it up.
    pub(crate) fn new(script: Script<'_>) -> Self {
        let crowd = Crowd::start(script.backends);
        let gateway = Gateway::start_with(&manifests(&script, &crowd), script.options);
        Self { gateway, crowd }
    }

    /// One GET over a connection of its own.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(path).send().expect("the gateway answers")
    }

    /// One GET over a connection that `agent` keeps.
    pub(crate) fn get_with(&self, agent: &Agent, path: &str) -> Answer {
        self.ask(path).send_with(agent).expect("the gateway answers")
    }

    /// A GET to come.
    pub(crate) fn ask(&self, path: &str) -> Ask {
        Ask::get(self.gateway.url(path)).host("a.test")
    }

    /// So many GETs one after the other over one connection; how many each backend got.
    pub(crate) fn shares(&self, count: usize) -> Vec<usize> {
        self.crowd.take();
        let agent = client();
        for _ in 0..count {
            self.get_with(&agent, "/");
        }
        self.crowd.take_counts()
    }

    /// Begins GETs on connections of their own, each after the one before has arrived somewhere:
    /// at a backend, in a queue, or back.
    pub(crate) fn begin(&self, count: usize, path: &str) -> Vec<thread::JoinHandle<Answer>> {
        let begin = |_| {
            let ask = self.ask(path);
            let asking = thread::spawn(move || ask.send().expect("the gateway answers"));
            // Order is all that matters: a queue has no other sign that somebody stands in it.
            thread::sleep(std::time::Duration::from_millis(30));
            asking
        };
        (0..count).map(begin).collect()
    }

    /// Waits until so many requests are with the backends.
    pub(crate) fn wait_active(&self, count: usize) {
        wait_for(&format!("{count} requests at the backends"), || {
            (self.crowd.active().0 == count).then_some(())
        });
    }
}

/// Statuses of GETs that were begun, in order.
pub(crate) fn statuses(asking: Vec<thread::JoinHandle<Answer>>) -> Vec<u16> {
    let join = |asking: thread::JoinHandle<Answer>| asking.join().expect("it has not panicked");
    asking.into_iter().map(|asking| join(asking).status).collect()
}

fn manifests(script: &Script<'_>, crowd: &Crowd) -> String {
    let host =
        if script.endpoints.is_empty() { "a.default.svc.cluster.local" } else { "a.ext.test" };
    let mut text = format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: gw, namespace: istio-system}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*']}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: a, namespace: default}}
spec:
  hosts: [a.test]
  gateways: [istio-system/gw]
  http:
{}
  - route: [{{destination: {{host: {host}}}}}]
    {}
---
",
        script.rules, script.route
    );
    if !script.policy.is_empty() {
        let _ = write!(
            text,
            "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: a, namespace: default}}
spec: {{host: {host}, {}}}
---
",
            script.policy
        );
    }
    text + &if script.endpoints.is_empty() {
        service(crowd)
    } else {
        entry(crowd, script.endpoints)
    }
}

fn service(crowd: &Crowd) -> String {
    let port = crowd.port();
    let endpoint = |address| format!("{{addresses: [{address}]}}");
    let endpoints: Vec<_> = crowd.addresses().iter().map(endpoint).collect();
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: a, namespace: default}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: a-1, namespace: default, labels: {{kubernetes.io/service-name: a}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{}]
",
        endpoints.join(", ")
    )
}

fn entry(crowd: &Crowd, fields: &[&str]) -> String {
    let endpoints: Vec<_> = crowd
        .addresses()
        .iter()
        .zip(fields)
        .map(|(address, fields)| format!("{{address: {address}, {fields}}}"))
        .collect();
    format!(
        "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: a, namespace: default}}
spec:
  hosts: [a.ext.test]
  ports: [{{number: {}, name: http, protocol: HTTP}}]
  resolution: STATIC
  location: MESH_INTERNAL
  endpoints: [{}]
",
        crowd.port(),
        endpoints.join(", ")
    )
}
