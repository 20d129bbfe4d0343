//! A gateway in this process, with tables made by hand.

use edgeway_core::{
    action::{
        Action, Destination, DirectResponse, Forward, HashPolicy, HeaderOps, Redirect, Retry,
        Rewrite,
    },
    cluster::{Balance, Cluster, ClusterPolicy, Endpoint, Endpoints, ServiceName},
    id::{ClusterId, ClusterIx, ListenerId, ObjectName},
    matcher::{Matcher, Text},
    table::{App, Hosts, Listener, Route, Table, TlsServers, VirtualHost},
};
use edgeway_gateway::{
    Config, Running,
    access::AccessLog,
    edge::{Edge, Limits},
    serve,
    snapshot::Snapshot,
};
use serde_json::Value;
use std::{
    io::Write,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The listener that most tests use: any free port of this machine.
pub(crate) const PORT: ListenerId = port([127, 0, 0, 1]);

/// A listener of an address; different addresses make different listeners.
pub(crate) const fn port(ip: [u8; 4]) -> ListenerId {
    let [a, b, c, d] = ip;
    let ip = std::net::Ipv4Addr::new(a, b, c, d);
    ListenerId { port: 0, bind: Some(IpAddr::V4(ip)) }
}

/// A gateway that runs.
pub(crate) struct Rig {
    pub(crate) running: Running,
    pub(crate) snapshot: Snapshot,
    pub(crate) shutdown: CancellationToken,
    log: Log,
}

#[derive(Clone)]
struct Log(watch::Sender<Vec<u8>>);

impl Write for Log {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.send_modify(|all| all.extend_from_slice(data));
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the tests change of the configuration.
pub(crate) fn config() -> Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        workers: 1,
        status: any,
        metrics: any,
        admin: any,
        drain: Duration::ZERO,
        ..Config::default()
    }
}

/// The same, with limits for clients.
pub(crate) fn limited(limits: Limits) -> Config {
    Config { edge: Edge { limits, ..Edge::default() }, ..config() }
}

impl Rig {
    /// A gateway that serves `table`, all of whose ports are open.
    pub(crate) async fn new(table: Table) -> Self {
        Self::with(table, config()).await
    }

    pub(crate) async fn with(table: Table, config: Config) -> Self {
        let log = Log(watch::Sender::new(Vec::new()));
        let access_log = Some(AccessLog { sample: 1.0, sink: Box::new(log.clone()) });
        let snapshot = Snapshot::default();
        let shutdown = CancellationToken::new();
        let config = Config { access_log, ..config };
        let problems = Arc::new(Vec::new);
        let running = serve(config, snapshot.clone(), problems, shutdown.clone()).await.unwrap();
        let mut rig = Self { running, snapshot, shutdown, log };
        rig.put(table).await;
        rig
    }

    /// Puts a table in force and waits until its ports are open.
    pub(crate) async fn put(&mut self, table: Table) {
        let ids: Vec<_> = table.listeners.iter().map(|listener| listener.id).collect();
        self.snapshot.swap(Arc::new(table));
        let open = &mut self.running.listeners;
        open.wait_for(|open| open.keys().copied().eq(ids.iter().copied())).await.unwrap();
    }

    /// Where the first listener is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address_of(PORT)
    }

    pub(crate) fn address_of(&self, id: ListenerId) -> SocketAddr {
        self.running.listeners.borrow()[&id]
    }

    /// The lines of the access log, once there are so many.
    pub(crate) async fn log(&self, count: usize) -> Vec<Value> {
        let mut log = self.log.0.subscribe();
        let lines = |all: &[u8]| all.split(|byte| *byte == b'\n').count() - 1;
        let all = log.wait_for(|all| lines(all) >= count).await.unwrap();
        let text = std::str::from_utf8(&all).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What a port for machines answers.
    pub(crate) async fn ask(address: SocketAddr, path: &str) -> crate::client::Response {
        let mut client = crate::client::Client::connect(address).await;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        client.response().await
    }

    /// What a metric stands at; its name with all labels, as it is written.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let metrics = Self::ask(self.running.metrics, "/stats/prometheus").await;
        let mut lines = metrics.text().lines().filter_map(|line| line.rsplit_once(' '));
        let found = lines.find(|(key, _)| *key == name);
        found.unwrap_or_else(|| panic!("no {name}")).1.parse().unwrap()
    }

    /// Stops the gateway and waits for its end.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.running.stopped().await;
    }
}

/// Routes by path prefix for one host, and clusters.
#[derive(Default)]
pub(crate) struct Made {
    clusters: Vec<Arc<Cluster>>,
    routes: Vec<Route>,
    https_redirect: bool,
    grpc_web: bool,
}

impl Made {
    /// One cluster with these endpoints, to which everything goes.
    pub(crate) fn forwarding(endpoints: &[SocketAddr]) -> Self {
        let mut made = Self::default();
        let cluster = made.cluster("a", endpoints);
        made.route("/", Action::Forward(Box::new(forward(&[(1, Some(cluster))]))));
        made
    }

    pub(crate) fn cluster(&mut self, name: &str, endpoints: &[SocketAddr]) -> ClusterIx {
        self.cluster_with(name, endpoints, |_| {})
    }

    pub(crate) fn cluster_with(
        &mut self,
        name: &str,
        endpoints: &[SocketAddr],
        change: impl FnOnce(&mut ClusterPolicy),
    ) -> ClusterIx {
        let host = format!("{name}.default.svc.cluster.local");
        let mut policy = ClusterPolicy { balance: Balance::RoundRobin, ..ClusterPolicy::default() };
        change(&mut policy);
        let endpoint = |address: &SocketAddr| Endpoint {
            address: *address,
            workload: format!("{name}-v1").into(),
            ..Endpoint::default()
        };
        self.clusters.push(Arc::new(Cluster {
            id: ClusterId::outbound(80, "", &host),
            service: ServiceName {
                host: host.into(),
                name: name.into(),
                namespace: "default".into(),
            },
            policy,
            names: None,
            endpoints: Arc::new(Endpoints::new(endpoints.iter().map(endpoint).collect())),
        }));
        ClusterIx(u32::try_from(self.clusters.len() - 1).unwrap())
    }

    pub(crate) fn route(&mut self, prefix: &str, action: Action) -> &mut Self {
        self.routes.push(Route {
            name: format!("route{prefix}").into(),
            virtual_service: ObjectName::new("default", "vs"),
            gateway: ObjectName::new("istio-system", "gw"),
            server: "http".into(),
            stat_prefix: None,
            matcher: Matcher { path: Some(Text::Prefix(prefix.into())), ..Matcher::default() },
            action,
        });
        self
    }

    /// Gives the last route a name for statistics.
    pub(crate) fn stat_prefix(&mut self, prefix: &str) {
        self.routes.last_mut().unwrap().stat_prefix = Some(prefix.into());
    }

    pub(crate) fn https_redirect(mut self) -> Self {
        self.https_redirect = true;
        self
    }

    /// The server's protocol is `GRPC-WEB`.
    pub(crate) fn grpc_web(mut self) -> Self {
        self.grpc_web = true;
        self
    }

    /// All of it on [`PORT`].
    pub(crate) fn table(self) -> Table {
        self.table_on(&[PORT])
    }

    pub(crate) fn table_on(self, ids: &[ListenerId]) -> Table {
        let routes = self.routes.into_iter().map(Arc::new).collect();
        let host = VirtualHost::of("a.example.com".into(), self.https_redirect, routes);
        let mut hosts = Hosts::new("http.80".into(), [host]);
        hosts.grpc_web = self.grpc_web;
        let hosts = Arc::new(hosts);
        let listener = |id: &ListenerId| {
            let plain = Some(App::Http(Arc::clone(&hosts)));
            Arc::new(Listener { id: *id, plain, tls: TlsServers::default(), proxy_header: None })
        };
        let listeners = ids.iter().map(listener).collect();
        Table { listeners, clusters: self.clusters.into_iter().collect(), ..Table::default() }
    }
}

/// Forwarding by weight; `None` is a destination that does not exist.
pub(crate) fn forward(destinations: &[(u32, Option<ClusterIx>)]) -> Forward {
    let destination = |(weight, cluster): &(u32, Option<ClusterIx>)| Destination {
        weight: *weight,
        cluster_name: "outbound|80||a.default.svc.cluster.local".into(),
        cluster: *cluster,
        headers: HeaderOps::default(),
    };
    Forward {
        destinations: destinations.iter().map(destination).collect(),
        hash: HashPolicy::default(),
        weighted: destinations.len() > 1,
        total_weight: destinations.iter().map(|(weight, _)| u64::from(*weight)).sum(),
        rewrite: Rewrite::default(),
        timeout: None,
        retry: Retry::default(),
        fault: None,
        cors: None,
        mirrors: Vec::new(),
        headers: HeaderOps::default(),
    }
}

pub(crate) fn direct(status: u16, body: &str) -> Action {
    let body = body.as_bytes().into();
    Action::Direct(Box::new(DirectResponse { status, body, headers: HeaderOps::default() }))
}

pub(crate) fn redirect(status: u16, authority: &str) -> Action {
    Action::Redirect(Box::new(Redirect {
        status,
        scheme: None,
        authority: Some(authority.into()),
        port: None,
        path: None,
        headers: HeaderOps::default(),
    }))
}

/// An address where nobody listens.
pub(crate) async fn dead() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}
