//! The gateway's part: the same table that serves is asked, and its answer put into words.

use super::{
    answer::{Action, Answer, Explanation, Hop, Share, Step, Upstream},
    conduct::conduct,
    words,
};
use edgeway_core::{
    action::{
        Action as Do, Destination, DirectResponse, Forward, Redirect, redirect::https_location,
    },
    cluster::{Cluster, UpstreamTls},
    id::ObjectName,
    request::Request,
    table::{App, Decision, Hosts, Listener, Route, Table, TcpRoute, TlsServer, VirtualHost},
};
use std::sync::Arc;

/// What stands before the name of a class.
const CLASS: &str = "IngressClass ";

/// How many of the routes that were passed over are told.
const MOST_PASSED: usize = 5;

/// A request at a listener of the gateway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit<'t> {
    pub table: &'t Table,
    pub listener: &'t Listener,
    /// The TLS server that took the connection, if it is TLS.
    pub tls: Option<&'t TlsServer>,
}

impl<'t> Visit<'t> {
    /// The decision of `hosts` for `request`.
    pub(super) fn http(&self, hosts: &'t Hosts, request: &Request<'_>) -> Explanation {
        let (mut answer, mut steps) = match hosts.route(request) {
            Decision::NoHost => no_host(hosts, request),
            Decision::NoRoute(host) => no_route(host, request),
            Decision::HttpsRedirect(host) => https_redirect(host, request),
            Decision::Route(host, route) => self.route(host, route, request),
        };
        answer.listener = Some(self.name());
        if let Some(server) = self.tls {
            answer.gateway.get_or_insert_with(|| shown_gateway(&server.gateway));
            answer.server.get_or_insert_with(|| server.server.to_string());
        }
        steps.insert(0, self.arrival(&answer));
        Explanation { answer, steps }
    }

    /// The gateway tells how it is.
    pub(super) fn health(&self) -> Explanation {
        let mut answer = Answer::of(Hop::Gateway, Action::Direct);
        answer.status = Some(200);
        answer.listener = Some(self.name());
        answer.reason = Some("the health check of the gateway".to_owned());
        let what = "200 while it takes traffic, 503 while it drains".to_owned();
        let why = vec!["health checks are answered before any route is looked for".to_owned()];
        let step = Step { place: "Answer", what, why };
        let steps = vec![self.arrival(&answer), step];
        Explanation { answer, steps }
    }

    /// The way of a connection whose bytes are passed on.
    pub(super) fn tcp(&self, route: &TcpRoute) -> Explanation {
        let shares = route.clusters.iter().map(|(cluster, weight)| {
            let cluster = cluster.and_then(|ix| self.table.cluster(ix));
            (cluster.map(|cluster| cluster.id.to_string()), *weight)
        });
        let clusters: Vec<Share> = shares
            .filter_map(|(cluster, weight)| Some(Share { cluster: cluster?, weight }))
            .collect();
        let mut answer = Answer::of(Hop::Backend, Action::Forward);
        answer.listener = Some(self.name());
        answer.virtual_service = Some(route.virtual_service.to_string());
        if let Some(server) = self.tls {
            answer.gateway = Some(server.gateway.to_string());
            answer.server = Some(server.server.to_string());
        }
        answer.cluster = heaviest(&clusters).map(|share| share.cluster.clone());
        let what = format!("VirtualService {} passes the bytes on", route.virtual_service);
        let why = clusters.iter().map(|share| format!("{} {}", share.weight, share.cluster));
        let step = Step { place: "Route", what, why: why.collect() };
        if clusters.len() > 1 {
            answer.clusters = clusters;
        }
        let steps = vec![self.arrival(&answer), step];
        Explanation { answer, steps }
    }

    /// The socket, such as `HTTP 8080`.
    pub(super) fn name(&self) -> String {
        let spoken = match (self.tls, &self.listener.plain) {
            (Some(_), _) => "TLS",
            (None, Some(App::Tcp(_))) => "TCP",
            (None, _) => "HTTP",
        };
        match self.listener.id.bind {
            Some(address) => format!("{spoken} {address}:{}", self.listener.id.port),
            None => format!("{spoken} {}", self.listener.id.port),
        }
    }

    fn arrival(&self, answer: &Answer) -> Step {
        let mut what = format!("listener {}", self.name());
        if let (Some(gateway), Some(server)) = (&answer.gateway, &answer.server) {
            let kind = if gateway.starts_with(CLASS) { "" } else { "Gateway " };
            what = format!("{what}, server {server} of {kind}{gateway}");
        }
        Step { place: "Gateway", what, why: Vec::new() }
    }

    fn route(
        &self,
        host: &VirtualHost,
        route: &Route,
        request: &Request<'_>,
    ) -> (Answer, Vec<Step>) {
        let (mut answer, done) = match &route.action {
            Do::Forward(forward) => self.forward(forward, request),
            Do::Redirect(redirect) => redirected(redirect, request),
            Do::Direct(direct) => answered(direct),
        };
        answer.gateway = Some(shown_gateway(&route.gateway));
        answer.server = Some(route.server.to_string());
        answer.host = Some(host.domain.to_string());
        let class = route.virtual_service.ingress_class();
        if class.is_none() {
            answer.virtual_service = Some(route.virtual_service.to_string());
        }
        answer.route = Some(route.name.to_string());
        let routes = host.routes.iter().map(Arc::as_ref);
        let before = routes.take_while(|other| !std::ptr::eq(*other, route));
        let mut why = vec![format!("fits {}", words::conditions(&route.matcher))];
        why.extend(passed(before, request));
        let what = match class {
            Some(_) => route.name.to_string(),
            None => format!("{} of VirtualService {}", route.name, route.virtual_service),
        };
        let host = Step { place: "Host", what: host.domain.to_string(), why: Vec::new() };
        (answer, vec![host, Step { place: "Route", what, why }, done])
    }

    fn forward(&self, forward: &Forward, request: &Request<'_>) -> (Answer, Step) {
        let shares: Vec<Share> = forward
            .destinations
            .iter()
            .map(|d| Share { cluster: d.cluster_name.to_string(), weight: d.weight })
            .collect();
        let mut answer = Answer::of(Hop::Backend, Action::Forward);
        answer.cluster = heaviest(&shares).map(|share| share.cluster.clone());
        let chosen = forward.destinations.iter().rev().max_by_key(|d| d.weight);
        if let Some(destination) = chosen {
            let upstream = forward.upstream(request, destination);
            let (authority, path) = (upstream.authority.into_owned(), upstream.path.into_owned());
            answer.upstream = Some(Upstream { authority, path });
        }
        let mut why: Vec<String> =
            forward.destinations.iter().map(|d| self.share(forward, d)).collect();
        why.extend(conduct(forward, request, &mut answer));
        let dead = forward.destinations.iter().all(|d| self.defect(d).is_some());
        if dead && answer.status.is_none() {
            answer.hop = Hop::Gateway;
            answer.status = Some(503);
            answer.cluster = answer.cluster.filter(|_| chosen.is_some_and(|d| d.cluster.is_some()));
            answer.reason =
                chosen.and_then(|d| Some(format!("{}: {}", d.cluster_name, self.defect(d)?)));
        }
        if forward.weighted {
            answer.clusters = shares;
        }
        let upstream = answer.upstream.as_ref();
        let seen =
            upstream.map(|seen| format!("{} {}{}", request.method, seen.authority, seen.path));
        let what = format!("sees {}", seen.unwrap_or_default());
        (answer, Step { place: if dead { "Nobody" } else { "Backend" }, what, why })
    }

    /// One destination in words.
    fn share(&self, forward: &Forward, destination: &Destination) -> String {
        let share = match forward.destinations.len() {
            1 => String::new(),
            _ => format!("{} of {}: ", destination.weight, forward.total_weight),
        };
        let state = match (self.defect(destination), self.cluster(destination)) {
            (Some(defect), _) => format!("503, {defect}"),
            (None, Some(cluster)) => endpoints(cluster),
            (None, None) => String::new(),
        };
        format!("{share}{} ({state})", destination.cluster_name)
    }

    fn cluster(&self, destination: &Destination) -> Option<&'t Cluster> {
        destination.cluster.and_then(|ix| self.table.cluster(ix)).map(|cluster| &**cluster)
    }

    /// Why a destination cannot answer, whoever runs behind it.
    fn defect(&self, destination: &Destination) -> Option<&'static str> {
        match self.cluster(destination) {
            None => Some("no such service, port or subset"),
            Some(cluster) if cluster.policy.tls == UpstreamTls::Unsupported => {
                Some("it wants TLS that the gateway cannot make yet")
            }
            Some(_) => None,
        }
    }
}

fn no_host(hosts: &Hosts, request: &Request<'_>) -> (Answer, Vec<Step>) {
    let reason =
        format!("no Gateway and VirtualService serve host {} here", shown(request.authority));
    let known: Vec<String> = hosts.all().iter().map(|host| host.domain.to_string()).collect();
    let why = if known.is_empty() {
        vec!["no host at all is served on this port".to_owned()]
    } else {
        vec![format!("served are {}", listed(&known))]
    };
    let answer = Answer { status: Some(404), ..Answer::nothing(Hop::Gateway, reason.clone()) };
    (answer, vec![Step { place: "Host", what: format!("404: {reason}"), why }])
}

fn no_route(host: &VirtualHost, request: &Request<'_>) -> (Answer, Vec<Step>) {
    let reason = format!("no route of host {} fits the request", host.domain);
    let mut answer = Answer { status: Some(404), ..Answer::nothing(Hop::Gateway, reason.clone()) };
    answer.host = Some(host.domain.to_string());
    if let Some(route) = host.routes.first() {
        answer.gateway = Some(shown_gateway(&route.gateway));
        answer.server = Some(route.server.to_string());
    }
    let why = passed(host.routes.iter().map(Arc::as_ref), request);
    (answer, vec![Step { place: "Route", what: format!("404: {reason}"), why }])
}

fn https_redirect(host: &VirtualHost, request: &Request<'_>) -> (Answer, Vec<Step>) {
    let location = https_location(request);
    let mut answer = Answer::of(Hop::Gateway, Action::Redirect);
    answer.status = Some(301);
    answer.host = Some(host.domain.to_string());
    answer.location = Some(location.clone());
    let why = vec![format!("the Gateway has httpsRedirect for host {}", host.domain)];
    (answer, vec![Step { place: "Host", what: format!("301 to {location}"), why }])
}

fn redirected(redirect: &Redirect, request: &Request<'_>) -> (Answer, Step) {
    let location = redirect.location(request);
    let mut answer = Answer::of(Hop::Gateway, Action::Redirect);
    answer.status = Some(redirect.status);
    answer.location = Some(location.clone());
    let what = format!("{} to {location}", redirect.status);
    (answer, Step { place: "Answer", what, why: Vec::new() })
}

fn answered(direct: &DirectResponse) -> (Answer, Step) {
    let mut answer = Answer::of(Hop::Gateway, Action::Direct);
    answer.status = Some(direct.status);
    let what = format!("{} with a body of {} bytes", direct.status, direct.body.len());
    (answer, Step { place: "Answer", what, why: Vec::new() })
}

/// A Gateway by name, or the class of the Ingresses that are served in its place.
fn shown_gateway(gateway: &ObjectName) -> String {
    gateway.ingress_class().map_or_else(|| gateway.to_string(), |class| format!("{CLASS}{class}"))
}

/// Why each of `routes` does not fit.
fn passed<'r>(routes: impl Iterator<Item = &'r Route>, request: &Request<'_>) -> Vec<String> {
    let mut lines: Vec<String> = routes
        .filter_map(|route| {
            let unmet = words::unmet(&route.matcher, request)?;
            let of = match route.virtual_service.ingress_class() {
                Some(_) => String::new(),
                None => format!(" of {}", route.virtual_service),
            };
            Some(format!("not {}{of}: {unmet}", route.name))
        })
        .collect();
    if lines.len() > MOST_PASSED {
        let more = lines.len() - MOST_PASSED;
        lines.truncate(MOST_PASSED);
        lines.push(format!("nor {more} more"));
    }
    lines
}

fn endpoints(cluster: &Cluster) -> String {
    let count = cluster.endpoints.len();
    if let Some(names) = &cluster.names {
        let hosts: Vec<String> = names.list.iter().map(|name| name.host.to_string()).collect();
        return format!("{count} endpoints, and what DNS knows of {}", listed(&hosts));
    }
    match count {
        0 => "no endpoints in these manifests".to_owned(),
        1 => "1 endpoint".to_owned(),
        many => format!("{many} endpoints"),
    }
}

/// The first of those with the greatest weight.
fn heaviest(shares: &[Share]) -> Option<&Share> {
    shares.iter().rev().max_by_key(|share| share.weight)
}

fn listed(names: &[String]) -> String {
    let first = names.iter().take(MOST_PASSED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST_PASSED) {
        Some(more) if more > 0 => format!("{first} and {more} more"),
        _ => first,
    }
}

fn shown(authority: &str) -> &str {
    if authority.is_empty() { "(none)" } else { authority }
}
