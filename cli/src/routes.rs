//! The table as a list: what is served where, by which rule, and whether anybody is there to answer.

mod why;

use crate::{explain::conditions, offline::Reading};
use edgeway_core::{
    action::{Action, Destination},
    cluster::{Cluster, Identity, UpstreamTls},
    id::{ClusterIx, ObjectName},
    table::{App, Hosts, Listener, Route, Table, TcpRoute, TlsMode, TlsServer, VirtualHost},
};
use serde::Serialize;

/// One route, as people list it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The socket, such as `HTTP 80`.
    pub listener: String,
    /// The host, or the name in the TLS greeting.
    pub host: String,
    /// What a request must be like.
    #[serde(rename = "match")]
    pub conditions: String,
    /// What is done with it, in words.
    pub action: String,
    /// Where it goes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<Share>,
    /// `namespace/name` of the VirtualService; of the Gateway where it decides by itself.
    pub by: String,
    /// The route's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Whether it can be answered.
    pub state: State,
    /// Why destinations of it answer 503, a sentence for each that does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

/// A destination of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The cluster, by Istio's name.
    pub cluster: String,
    /// Its weight among the others.
    pub weight: u32,
    /// How many endpoints are known of it; none where they are looked up when they are needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<usize>,
}

/// Whether a route can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum State {
    /// It can.
    Ready,
    /// Some of its destinations have nobody.
    Partly,
    /// All of its destinations have nobody: 503.
    NoEndpoints,
    /// All of its destinations are of Services, ports or subsets that do not exist: 503.
    NoService,
    /// TLS to all of its destinations that have somebody cannot be made: 503.
    NoTlsTo,
    /// The server's TLS cannot be made; connections are closed.
    NoTls,
}

impl State {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Partly => "partly",
            Self::NoEndpoints => "no endpoints",
            Self::NoService => "no service",
            Self::NoTlsTo => "no TLS to it",
            Self::NoTls => "no TLS",
        }
    }
}

/// What is listed.
#[derive(Clone, Copy)]
struct Scene<'t> {
    reading: &'t Reading,
    table: &'t Table,
    /// Whether there are endpoints to count: manifests are often without.
    counts: bool,
}

/// All routes of what was read, by listener and host, in the order in which they are asked. Endpoints
/// are counted if `counts`; if not, all that exist are taken to have some.
pub fn routes(reading: &Reading, counts: bool) -> Vec<Row> {
    let table = &reading.compiled.table;
    let scene = Scene { reading, table, counts };
    table.listeners.iter().flat_map(|listener| of_listener(scene, listener)).collect()
}

fn of_listener(scene: Scene<'_>, listener: &Listener) -> Vec<Row> {
    let port = match listener.id.bind {
        Some(address) => format!("{address}:{}", listener.id.port),
        None => listener.id.port.to_string(),
    };
    let plain = listener.plain.iter().flat_map(|app| {
        let spoken = if matches!(app, App::Tcp(_)) { "TCP" } else { "HTTP" };
        of_app(scene, app, &format!("{spoken} {port}"), "*")
    });
    let secure = listener.tls.iter().flat_map(|server| of_server(scene, server, &port));
    plain.chain(secure).collect()
}

fn of_server(scene: Scene<'_>, server: &TlsServer, port: &str) -> Vec<Row> {
    let (listener, names) = (format!("TLS {port}"), server.sni.join(", "));
    if !can_be_made(scene, &server.mode) {
        let action = "connections are closed".to_owned();
        let by = server.gateway.to_string();
        return vec![row(&listener, &names, action, by, State::NoTls)];
    }
    of_app(scene, &server.app, &listener, &names)
}

/// Whether there is a certificate to show; what is wrong inside of it, `edgeway check` tells.
fn can_be_made(scene: Scene<'_>, mode: &TlsMode) -> bool {
    match mode {
        TlsMode::Refuse => false,
        TlsMode::Passthrough => true,
        TlsMode::Terminate(termination) => {
            termination.certificates.iter().any(|identity| match identity {
                Identity::Secret(name) => scene.table.credentials.contains_key(name),
                Identity::Files { .. } => true,
            })
        }
    }
}

fn of_app(scene: Scene<'_>, app: &App, listener: &str, names: &str) -> Vec<Row> {
    match app {
        App::Http(hosts) => of_hosts(scene, hosts, listener),
        App::Tcp(route) => vec![of_bytes(scene, route, listener, names)],
        // By the names that the mesh gives its services, of which there are as many as services.
        App::Services(_) => {
            let action = "to the service of the mesh that is named".to_owned();
            vec![row(listener, names, action, String::new(), State::Ready)]
        }
    }
}

fn of_hosts(scene: Scene<'_>, hosts: &Hosts, listener: &str) -> Vec<Row> {
    let of_host = |host: &VirtualHost| {
        let domain = host.domain.to_string();
        let by = |route: &std::sync::Arc<Route>| route.gateway.to_string();
        let to_https = host.https_redirect.then(|| {
            let action = "https redirect of plain text".to_owned();
            let by = host.routes.first().map(by).unwrap_or_default();
            row(listener, &domain, action, by, State::Ready)
        });
        let routes = host.routes.iter().map(|route| of_route(scene, route, listener, &domain));
        to_https.into_iter().chain(routes).collect::<Vec<_>>()
    };
    hosts.all().into_iter().flat_map(|host| of_host(host)).collect()
}

fn of_route(scene: Scene<'_>, route: &Route, listener: &str, host: &str) -> Row {
    let mut why = Vec::new();
    let (action, destinations, state) = match &route.action {
        Action::Forward(forward) => {
            let ends: Vec<_> =
                forward.destinations.iter().map(|it| of_destination(scene, it)).collect();
            let shares = forward.destinations.iter().zip(&ends);
            let known = shares.map(|(it, end)| share(scene, it, *end)).collect::<Vec<_>>();
            let names = forward.destinations.iter().map(|it| Some(it.cluster_name.to_string()));
            why = reasons(scene, &route.virtual_service, names.zip(ends.iter().copied()));
            ("forward".to_owned(), known, state(scene, &ends))
        }
        Action::Redirect(redirect) => {
            (format!("redirect {}", redirect.status), Vec::new(), State::Ready)
        }
        Action::Direct(direct) => (format!("answer {}", direct.status), Vec::new(), State::Ready),
    };
    Row {
        conditions: conditions(&route.matcher),
        destinations,
        route: Some(route.name.to_string()),
        why,
        ..row(listener, host, action, by(route), state)
    }
}

/// Whose a route is: a VirtualService's, by name, or an Ingress'.
fn by(route: &Route) -> String {
    if route.virtual_service.ingress_class().is_some() {
        let ingress = route.name.split_once(" spec.").map(|(ingress, _)| ingress);
        return ingress.unwrap_or(&route.name).to_owned();
    }
    route.virtual_service.to_string()
}

fn of_bytes(scene: Scene<'_>, route: &TcpRoute, listener: &str, names: &str) -> Row {
    let of = |ix: &Option<ClusterIx>| ix.and_then(|ix| scene.table.cluster(ix)).map(AsRef::as_ref);
    let ends: Vec<Option<&Cluster>> = route.clusters.iter().map(|(ix, _)| of(ix)).collect();
    let shares = ends.iter().zip(&route.clusters).filter_map(|(cluster, (_, weight))| {
        let cluster = (*cluster)?;
        let endpoints = endpoints(scene, cluster);
        Some(Share { cluster: cluster.id.to_string(), weight: *weight, endpoints })
    });
    let ids = ends.iter().map(|end| end.map(|cluster| cluster.id.to_string()));
    Row {
        why: reasons(scene, &route.virtual_service, ids.zip(ends.iter().copied())),
        destinations: shares.collect(),
        ..row(
            listener,
            names,
            "pass bytes on".into(),
            route.virtual_service.to_string(),
            state(scene, &ends),
        )
    }
}

fn row(listener: &str, host: &str, action: String, by: String, state: State) -> Row {
    Row {
        listener: listener.to_owned(),
        host: host.to_owned(),
        conditions: "everything".to_owned(),
        action,
        destinations: Vec::new(),
        by,
        route: None,
        state,
        why: Vec::new(),
    }
}

/// Why destinations answer 503; those without a name are told by `edgeway check` alone.
fn reasons<'t>(
    scene: Scene<'_>,
    by: &ObjectName,
    ends: impl Iterator<Item = (Option<String>, Option<&'t Cluster>)>,
) -> Vec<String> {
    ends.filter_map(|(name, end)| why::why(scene, by, &name?, end)).collect()
}

fn of_destination<'t>(scene: Scene<'t>, destination: &Destination) -> Option<&'t Cluster> {
    destination.cluster.and_then(|ix| scene.table.cluster(ix)).map(AsRef::as_ref)
}

fn share(scene: Scene<'_>, destination: &Destination, cluster: Option<&Cluster>) -> Share {
    Share {
        cluster: destination.cluster_name.to_string(),
        weight: destination.weight,
        endpoints: cluster.map_or(Some(0), |cluster| endpoints(scene, cluster)),
    }
}

/// How many there are, unless names are asked for them when they are needed.
fn endpoints(scene: Scene<'_>, cluster: &Cluster) -> Option<usize> {
    (scene.counts && cluster.names.is_none()).then(|| cluster.endpoints.len())
}

fn state(scene: Scene<'_>, ends: &[Option<&Cluster>]) -> State {
    let has_some = |cluster: &&&Cluster| endpoints(scene, cluster) != Some(0);
    let speaks = |cluster: &&&Cluster| cluster.policy.tls != UpstreamTls::Unsupported;
    let able = ends.iter().flatten().filter(has_some).filter(speaks).count();
    match able {
        0 if ends.iter().all(Option::is_none) => State::NoService,
        0 if ends.iter().flatten().any(|cluster| has_some(&cluster)) => State::NoTlsTo,
        0 => State::NoEndpoints,
        able if able < ends.len() => State::Partly,
        _ => State::Ready,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_api::{Objects, manifest};

    const SHOP: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*'], tls: {httpsRedirect: true}}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [shop.test], tls: {mode: SIMPLE, credentialName: lost}}
  - {port: {number: 5432, name: tcp, protocol: TCP}, hosts: ['*']}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.test]
  gateways: [istio-system/gw]
  http:
  - {name: old, match: [{uri: {prefix: /old}}], redirect: {uri: /new, redirectCode: 308}}
  - name: split
    match: [{uri: {prefix: /api}, headers: {x-user: {exact: beta}}}]
    route: [{destination: {host: web}, weight: 90}, {destination: {host: empty}, weight: 10}]
  - {match: [{uri: {exact: /lost}}], route: [{destination: {host: lost}}]}
  - name: moved
    match: [{uri: {exact: /moved}}]
    route: [{destination: {host: web}, weight: 0}, {destination: {host: empty}, weight: 100}]
  - {route: [{destination: {host: web}}]}
  tcp:
  - {match: [{port: 5432}], route: [{destination: {host: empty, port: {number: 80}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}]
";

    #[test]
    fn everything_that_is_served_is_listed_with_its_state() {
        let mut objects = Objects::default();
        manifest::read(SHOP, "shop.yaml", &mut objects);
        let rows = routes(&Reading::new(objects), true);
        let short: Vec<String> = rows
            .iter()
            .map(|row| {
                let to: Vec<_> = row
                    .destinations
                    .iter()
                    .map(|share| {
                        format!("{}%{}:{:?}", share.cluster, share.weight, share.endpoints)
                    })
                    .collect();
                let Row { listener, host, conditions, action, by, state, .. } = row;
                let words = [listener, host, conditions, action, &to.join(" "), by, state.word()];
                words.join(" | ")
            })
            .collect();
        let web = "outbound|80||web.shop.svc.cluster.local";
        let empty = "outbound|80||empty.shop.svc.cluster.local";
        let lost = "outbound|80||lost.shop.svc.cluster.local";
        let http = "HTTP 80 | shop.test";
        assert_eq!(
            short,
            [
                "HTTP 80 | * | everything | https redirect of plain text |  |  | ready".to_owned(),
                format!("{http} | everything | https redirect of plain text |  | istio-system/gw | ready"),
                format!("{http} | path prefix /old | redirect 308 |  | shop/shop | ready"),
                format!(
                    "{http} | path prefix /api, header x-user = beta | forward | {web}%90:Some(2) \
                     {empty}%10:Some(0) | shop/shop | partly"
                ),
                format!("{http} | path = /lost | forward | {lost}%1:Some(0) | shop/shop | no service"),
                format!("{http} | path = /moved | forward | {empty}%100:Some(0) | shop/shop | no endpoints"),
                format!("{http} | everything | forward | {web}%1:Some(2) | shop/shop | ready"),
                "TLS 443 | shop.test | everything | connections are closed |  | istio-system/gw | no TLS"
                    .to_owned(),
                format!("TCP 5432 | * | everything | pass bytes on | {empty}%1:Some(0) | shop/shop | no endpoints"),
            ]
        );
    }

    #[test]
    fn manifests_without_endpoints_are_no_failure() {
        let mut objects = Objects::default();
        manifest::read(
            SHOP.split("apiVersion: discovery").next().unwrap(),
            "shop.yaml",
            &mut objects,
        );
        let rows = routes(&Reading::new(objects), false);
        let of = |route: &str| rows.iter().find(|row| row.route.as_deref() == Some(route)).unwrap();
        assert_eq!(
            (of("split").state, of("split").destinations[0].endpoints),
            (State::Ready, None)
        );
        assert_eq!(of("http[2]").state, State::NoService);
    }
}
