//! Gateway servers become listeners: which port, which servers share it, who has to stand back.

use super::{
    Scope,
    age::oldest_first,
    clusters::Clusters,
    endpoint::target_port,
    hosts::{Member, hosts},
    names::ServerHost,
    pods::selects,
    report::{Field, Report},
    routes::Through,
    streams, termination,
};
use crate::{
    id::{ListenerId, ObjectName},
    table::{App, Hosts, Listener, TlsMode, TlsServer},
};
use edgeway_api::{Gateway, ObjectRef, Resource, gateway::Server};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What a server's `protocol` comes down to (as Istio: `protocol.Parse` and the listener's class).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `HTTP`, `HTTP2`, `GRPC`, `GRPC-WEB`, `HTTP_PROXY`: one listener, any HTTP version.
    Http,
    /// HTTPS: TLS ends here, HTTP inside.
    Https,
    /// TLS: ends here or passes through, bytes inside.
    Tls,
    /// Everything else that is bytes.
    Tcp,
}

impl Family {
    /// Reads a protocol, in any case.
    pub(crate) fn parse(protocol: &str) -> Option<Self> {
        match protocol.to_ascii_uppercase().as_str() {
            "HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB" | "HTTP_PROXY" => Some(Self::Http),
            "HTTPS" => Some(Self::Https),
            "TLS" => Some(Self::Tls),
            "TCP" | "MONGO" | "REDIS" | "MYSQL" => Some(Self::Tcp),
            _ => None,
        }
    }
}

/// The servers of one socket, in order of precedence.
#[derive(Debug, Default)]
struct Plan<'o> {
    http: Vec<Member<'o>>,
    tcp: Option<Member<'o>>,
    tls: Vec<(Member<'o>, Family)>,
    /// Host strings that TLS servers have taken, and by which Gateway.
    claimed: BTreeMap<&'o str, ObjectName>,
}

/// All listeners of the gateway, sorted by id.
pub(super) fn listeners(
    scope: &Scope<'_>,
    clusters: &mut Clusters,
    report: &mut Report,
) -> Vec<Arc<Listener>> {
    let mut plans: BTreeMap<ListenerId, Plan<'_>> = BTreeMap::new();
    for gateway in oldest_first(&scope.objects.gateways) {
        let selector = &gateway.spec.selector;
        if !selects(selector, &scope.workload.labels) || report.is_rejected(&gateway.reference()) {
            continue;
        }
        let mut field = report.object(gateway.reference());
        field.of("spec.servers", |field| {
            for server in gateway.spec.servers.iter().enumerate() {
                field.at(server.0, |field| admit(scope, &mut plans, gateway, server, field));
            }
        });
    }
    plans
        .into_iter()
        .filter_map(|(id, servers)| listener(scope, clusters, report, id, &servers))
        .map(Arc::new)
        .collect()
}

/// Puts a server on its socket, or says why it cannot be served there.
fn admit<'o>(
    scope: &Scope<'o>,
    plans: &mut BTreeMap<ListenerId, Plan<'o>>,
    gateway: &'o Gateway,
    (position, server): (usize, &'o Server),
    field: &mut Field<'_>,
) {
    let Some(port) = server.port.as_ref() else { return };
    let bind = match server.bind.as_deref() {
        None | Some("" | "0.0.0.0" | "::") => None,
        Some(address) => {
            let Ok(address) = address.parse() else {
                field.of("bind", |field| {
                    field.error(
                        "bind-not-supported",
                        format!("`{address}` is no IP address; the server is left out"),
                        "leave `bind` out, or give an IP address",
                    );
                });
                return;
            };
            Some(address)
        }
    };
    let number = u16::try_from(port.number).ok().filter(|number| *number != 0);
    let (Some(number), Some(family)) = (number, Family::parse(&port.protocol)) else { return };
    let member = Member {
        server,
        position,
        hosts: server_hosts(server, gateway.namespace()),
        through: Through {
            gateway: ObjectName::new(gateway.namespace(), gateway.name()),
            server: &port.name,
            port: number,
            tls: server.tls.is_some(),
        },
        https_redirect: family == Family::Http
            && server.tls.as_ref().is_some_and(|tls| tls.https_redirect == Some(true)),
    };
    let id = ListenerId { port: listening_port(scope, number), bind };
    let plan = plans.entry(id).or_default();
    if let Err(conflict) = place(plan, member, family, server) {
        field.error(
            "server-conflict",
            format!("{conflict} on port {}; the server is left out", id.port),
            "use another port, or merge the two Gateways",
        );
    }
}

/// Why a server has to stand back; the other is older, or comes first in the same Gateway.
#[derive(Debug)]
enum Conflict {
    /// It speaks another protocol.
    Protocol(ObjectName),
    /// It has the same host.
    Host(String, ObjectName),
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Protocol(owner) => write!(f, "Gateway {owner} has a server of another protocol"),
            Self::Host(host, owner) => write!(f, "Gateway {owner} has a server for host `{host}`"),
        }
    }
}

/// The first family on a socket keeps it; TLS servers must not claim a host twice
/// (as Istio: `MergeGateways`).
fn place<'o>(
    plan: &mut Plan<'o>,
    member: Member<'o>,
    family: Family,
    server: &'o Server,
) -> Result<(), Conflict> {
    let other = |first: &Member<'_>| Err(Conflict::Protocol(first.through.gateway.clone()));
    match family {
        Family::Http => match &plan.tcp {
            Some(tcp) => return other(tcp),
            None => plan.http.push(member),
        },
        Family::Tcp => match plan.tcp.as_ref().or(plan.http.first()) {
            Some(first) => return other(first),
            None => plan.tcp = Some(member),
        },
        Family::Https | Family::Tls => {
            if let Some(first) = plan.http.first().or(plan.tcp.as_ref()) {
                return other(first);
            }
            let hosts = || server.hosts.iter().map(String::as_str);
            let claimed = hosts().find_map(|host| Some((host, plan.claimed.get(host)?)));
            if let Some((host, owner)) = claimed {
                return Err(Conflict::Host(host.to_owned(), owner.clone()));
            }
            for host in hosts() {
                plan.claimed.insert(host, member.through.gateway.clone());
            }
            plan.tls.push((member, family));
        }
    }
    Ok(())
}

/// `*/*` and `*` anywhere stand for the whole list.
fn server_hosts<'o>(server: &'o Server, namespace: &'o str) -> Vec<ServerHost<'o>> {
    let hosts = server.hosts.iter();
    if server.hosts.iter().any(|host| host == "*/*") {
        return vec![ServerHost { namespace: None, name: "*" }];
    }
    hosts.map(|host| ServerHost::parse(host, namespace)).collect()
}

/// A server's port is a port of the Service in front of the gateway: the socket is its target. It
/// is the socket's own where no such Service has it (as Istio: `resolvePorts`).
fn listening_port(scope: &Scope<'_>, number: u16) -> u16 {
    let workload = scope.workload;
    let mine = oldest_first(&scope.objects.services).into_iter().filter(|service| {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        let untranslated = service.meta().labels.as_ref().is_some_and(|labels| {
            labels.contains_key("experimental.istio.io/disable-gateway-port-translation")
        });
        service.namespace() == workload.namespace
            && selector
                .is_some_and(|selector| !selector.is_empty() && selects(selector, &workload.labels))
            && !untranslated
    });
    let target = mine.into_iter().find_map(|service| {
        let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref())?;
        let port = ports.iter().find(|port| port.port == i32::from(number))?;
        target_port(port, gateway_pods(scope))
    });
    target.unwrap_or(number)
}

/// Pod specs of the gateway itself, for ports that a Service names.
fn gateway_pods<'s>(
    scope: &'s Scope<'_>,
) -> impl Iterator<Item = &'s edgeway_api::k8s_openapi::api::core::v1::PodSpec> {
    let namespace = scope.workload.namespace.as_str();
    let labels = &scope.workload.labels;
    let pods = scope.objects.pods.iter().filter(move |pod| {
        let own = pod.meta().labels.as_ref();
        pod.namespace() == namespace && own.is_some_and(|own| selects(labels, own))
    });
    let deployments = scope.objects.deployments.iter().filter_map(move |deployment| {
        let template = &deployment.spec.as_ref()?.template;
        let own = template.metadata.as_ref()?.labels.as_ref()?;
        (deployment.namespace() == namespace && selects(labels, own)).then_some(template)
    });
    let of_deployments = deployments.filter_map(|template| template.spec.as_ref());
    pods.filter_map(|pod| pod.spec.as_ref()).chain(of_deployments)
}

fn listener(
    scope: &Scope<'_>,
    clusters: &mut Clusters,
    report: &mut Report,
    id: ListenerId,
    servers: &Plan<'_>,
) -> Option<Listener> {
    let plain = match &servers.tcp {
        Some(tcp) => streams::tcp(scope, clusters, report, tcp).map(App::Tcp),
        None if servers.http.is_empty() => None,
        None => {
            let name = format!("http.{}", id.port);
            Some(App::Http(Arc::new(hosts(scope, clusters, report, name, &servers.http))))
        }
    };
    let mut tls = Vec::new();
    let mut taken = BTreeSet::new();
    for (member, family) in &servers.tls {
        tls.extend(tls_servers(scope, clusters, report, (member, *family), &mut taken));
    }
    (plain.is_some() || !tls.is_empty()).then_some(Listener { id, plain, tls })
}

/// A server that ends TLS is one; a server that passes it through is one per route.
fn tls_servers(
    scope: &Scope<'_>,
    clusters: &mut Clusters,
    report: &mut Report,
    (member, family): (&Member<'_>, Family),
    taken: &mut BTreeSet<String>,
) -> Vec<TlsServer> {
    let Some(tls) = &member.server.tls else { return Vec::new() };
    let server = |sni: Vec<String>, mode, app| TlsServer {
        sni,
        gateway: member.through.gateway.clone(),
        server: member.through.server.into(),
        mode,
        app,
    };
    let mode = {
        let gateway = &member.through.gateway;
        let mut field =
            report.object(ObjectRef::new("Gateway", &*gateway.namespace, &*gateway.name));
        let path = format!("spec.servers[{}].tls", member.position);
        field.of(&path, |field| termination::mode(tls, &scope.secrets, field))
    };
    if mode == TlsMode::Passthrough {
        let routes = streams::passthrough(scope, clusters, report, member, taken);
        let servers = routes.into_iter();
        return servers.map(|(sni, route)| server(sni, mode.clone(), App::Tcp(route))).collect();
    }
    let sni = sni(&member.hosts);
    let app = if mode == TlsMode::Refuse {
        Some(App::Http(Arc::new(Hosts::default())))
    } else if family == Family::Https {
        let Through { gateway, server, port, .. } = &member.through;
        let name = format!("https.{port}.{server}.{}.{}", gateway.name, gateway.namespace);
        let hosts = hosts(scope, clusters, report, name, std::slice::from_ref(member));
        Some(App::Http(Arc::new(hosts)))
    } else {
        streams::tcp(scope, clusters, report, member).map(App::Tcp)
    };
    app.map(|app| server(sni, mode, app)).into_iter().collect()
}

/// SNI patterns of a server; `*` among them makes it take everything, no SNI included.
fn sni(hosts: &[ServerHost<'_>]) -> Vec<String> {
    if hosts.iter().any(|host| host.name == "*") {
        return vec!["*".to_owned()];
    }
    hosts.iter().map(|host| host.name.to_ascii_lowercase()).collect()
}
