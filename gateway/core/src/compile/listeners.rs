//! Gateway servers become listeners: which port, which servers share it, who has to stand back.

use super::{
    Scope,
    age::shared_oldest_first,
    binding::Bound,
    lookup::Lookup,
    member::Member,
    pods::selects,
    proxy_header::{conflict, of_gateway},
    report::{Field, Report},
    route_tables::{RouteTables, Slot},
    routes::Through,
    server_hosts::ServerHosts,
    services, streams, termination,
};
use crate::{
    id::{ListenerId, ObjectName},
    table::{App, Hosts, Listener, ProxyHeader, ProxyPorts, TlsMode, TlsServer},
};
use edgeway_api::{
    Gateway, Resource,
    gateway::{Server, TlsMode as Mode},
};
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
struct Plan {
    http: Vec<Member>,
    tcp: Option<Member>,
    tls: Vec<(Member, Family)>,
    /// Names that TLS servers have taken, and by which Gateway.
    claimed: BTreeMap<String, ObjectName>,
    /// What the first Gateway that speaks of it says.
    proxy_header: Option<ProxyHeader>,
}

/// All listeners of the gateway, sorted by id, and the route tables that they serve, still empty.
/// `all` are the VirtualServices that bytes may be routed by, in the order in which they count.
pub(super) fn listeners(
    lookup: &mut Lookup<'_>,
    report: &mut Report,
    gateways: &[Arc<Gateway>],
    all: &[Bound],
) -> (Vec<Arc<Listener>>, RouteTables) {
    let scope = lookup.scope;
    let mut plans: BTreeMap<ListenerId, Plan> = BTreeMap::new();
    for gateway in shared_oldest_first(gateways) {
        let selector = &gateway.spec.selector;
        if !selects(selector, &scope.workload.labels) || scope.rejected.contains(&**gateway) {
            continue;
        }
        let mut field = report.object(gateway.reference());
        let said = of_gateway(gateway, &mut field);
        for server in gateway.spec.servers.iter().enumerate() {
            let admitted = field.of(&format!("spec.servers[{}]", server.0), |field| {
                admit(scope, &mut plans, gateway, server, field)
            });
            let Some((number, plan)) = admitted else { continue };
            plan.hear(said.as_ref(), number, &mut field);
        }
    }
    scope.front.topology.report(report);
    let mut building = Building { lookup, report, all, tables: RouteTables::default() };
    let mut listeners = Vec::new();
    for (id, plan) in plans {
        listeners.extend(building.listener(listeners.len(), id, plan).map(Arc::new));
    }
    (listeners, building.tables)
}

/// Puts a server on its socket, or says why it cannot be served there. The port that it names, and
/// what the socket serves.
fn admit<'p>(
    scope: &Scope,
    plans: &'p mut BTreeMap<ListenerId, Plan>,
    gateway: &Arc<Gateway>,
    (position, server): (usize, &Server),
    field: &mut Field<'_>,
) -> Option<(u16, &'p mut Plan)> {
    let port = server.port.as_ref()?;
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
                return None;
            };
            Some(address)
        }
    };
    let number = u16::try_from(port.number).ok().filter(|number| *number != 0);
    let (number, family) = (number?, Family::parse(&port.protocol)?);
    let member = Member {
        gateway: Arc::clone(gateway),
        position,
        hosts: server_hosts(server, gateway.namespace()),
        through: Through {
            gateway: ObjectName::new(gateway.namespace(), gateway.name()),
            server: port.name.as_str().into(),
            port: number,
            tls: server.tls.is_some(),
        },
        https_redirect: family == Family::Http
            && server.tls.as_ref().is_some_and(|tls| tls.https_redirect == Some(true)),
    };
    let id = ListenerId { port: scope.front.listening_port(number), bind };
    let plan = plans.entry(id).or_default();
    if let Err(conflict) = place(plan, member, family) {
        field.error(
            "server-conflict",
            format!("{conflict} on port {}; the server is left out", id.port),
            "use another port, or merge the two Gateways",
        );
        return None;
    }
    Some((number, plan))
}

impl Plan {
    /// Notes what a Gateway says of the PROXY header on one of its ports; the older one's word counts.
    fn hear(&mut self, said: Option<&ProxyPorts>, port: u16, field: &mut Field<'_>) {
        let Some(header) = said.and_then(|said| said.at(port)) else { return };
        if *self.proxy_header.get_or_insert(header) != header {
            conflict(port, field);
        }
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
/// (as Istio: `MergeGateways`), whichever namespaces may use it: a client's hello does not say.
fn place(plan: &mut Plan, member: Member, family: Family) -> Result<(), Conflict> {
    let other = |first: &Member| Err(Conflict::Protocol(first.through.gateway.clone()));
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
            let claimed =
                member.hosts.names().find_map(|host| Some((host, plan.claimed.get(host)?)));
            if let Some((host, owner)) = claimed {
                return Err(Conflict::Host(host.to_owned(), owner.clone()));
            }
            for host in member.hosts.names() {
                plan.claimed.insert(host.to_owned(), member.through.gateway.clone());
            }
            plan.tls.push((member, family));
        }
    }
    Ok(())
}

/// `*/*` anywhere stands for the whole list.
fn server_hosts(server: &Server, namespace: &str) -> ServerHosts {
    match server.hosts.iter().find(|host| *host == "*/*") {
        Some(all) => ServerHosts::new(std::iter::once(all), namespace),
        None => ServerHosts::new(server.hosts.iter(), namespace),
    }
}

/// What building listeners needs.
struct Building<'b, 'l> {
    lookup: &'b mut Lookup<'l>,
    report: &'b mut Report,
    all: &'b [Bound],
    tables: RouteTables,
}

impl Building<'_, '_> {
    /// The listener at a position; `None` if nothing is left to listen for.
    fn listener(&mut self, at: usize, id: ListenerId, servers: Plan) -> Option<Listener> {
        let Plan { http, tcp, tls: over_tls, claimed: _, proxy_header } = servers;
        let proxy_header = proxy_header.or(self.lookup.scope.front.topology.header);
        let plain = match &tcp {
            Some(tcp) => streams::tcp(self.lookup, self.report, self.all, tcp).map(App::Tcp),
            None if http.is_empty() => None,
            None => Some(self.http(
                Slot { listener: at, server: None },
                format!("http.{}", id.port),
                http,
            )),
        };
        let mut tls = Vec::new();
        let mut taken = BTreeSet::new();
        for (member, family) in over_tls {
            let slot = Slot { listener: at, server: Some(tls.len()) };
            tls.extend(
                self.tls_servers(slot, member, family, &mut taken).into_iter().map(Arc::new),
            );
        }
        (plain.is_some() || !tls.is_empty()).then(|| Listener {
            id,
            plain,
            tls: tls.into(),
            proxy_header,
        })
    }

    /// An empty route table, which is filled later.
    fn http(&mut self, slot: Slot, name: String, members: Vec<Member>) -> App {
        let hosts = Hosts::new(name.clone(), []);
        self.tables.add(slot, name, members);
        App::Http(Arc::new(hosts))
    }

    /// A server that ends TLS is one; a server that passes it through is one per route.
    fn tls_servers(
        &mut self,
        slot: Slot,
        member: Member,
        family: Family,
        taken: &mut BTreeSet<String>,
    ) -> Vec<TlsServer> {
        let Some(tls) = member.server().and_then(|server| server.tls.as_ref()) else {
            return Vec::new();
        };
        let Through { gateway, server, port, .. } = member.through.clone();
        let server = |sni: Vec<String>, mode, app| TlsServer {
            sni,
            gateway: gateway.clone(),
            server: Arc::clone(&server),
            mode,
            app,
        };
        let mode = {
            let mut field = self.report.object(member.gateway.reference());
            let path = format!("spec.servers[{}].tls", member.position);
            field.of(&path, |field| termination::mode(tls, &self.lookup.scope.secrets, field))
        };
        if tls.mode == Some(Mode::AutoPassthrough) {
            let services = services::services(self.lookup, &member.hosts);
            return vec![server(sni(&member.hosts), mode, App::Services(Arc::new(services)))];
        }
        if mode == TlsMode::Passthrough {
            let routes = streams::passthrough(self.lookup, self.report, self.all, &member, taken)
                .into_iter();
            return routes.map(|(sni, route)| server(sni, mode.clone(), App::Tcp(route))).collect();
        }
        let sni = sni(&member.hosts);
        let app = if mode == TlsMode::Refuse {
            Some(App::Http(Arc::new(Hosts::default())))
        } else if family == Family::Https {
            let name = &member.through.server;
            let name = format!("https.{port}.{name}.{}.{}", gateway.name, gateway.namespace);
            Some(self.http(slot, name, vec![member]))
        } else {
            streams::tcp(self.lookup, self.report, self.all, &member).map(App::Tcp)
        };
        app.map(|app| server(sni, mode, app)).into_iter().collect()
    }
}

/// SNI patterns of a server; `*` among them makes it take everything, no SNI included.
fn sni(hosts: &ServerHosts) -> Vec<String> {
    if hosts.names().any(|name| name == "*") {
        return vec!["*".to_owned()];
    }
    hosts.names().map(str::to_ascii_lowercase).collect()
}

/// Puts route tables in place of what is served at their slots.
pub(super) fn install(listeners: &mut [Arc<Listener>], changed: Vec<(Slot, Arc<Hosts>)>) {
    for (slot, hosts) in changed {
        let Some(listener) = listeners.get_mut(slot.listener).map(Arc::make_mut) else { continue };
        let app = App::Http(hosts);
        match slot.server {
            None => listener.plain = Some(app),
            Some(at) => listener.tls.serve(at, app),
        }
    }
}
