//! What a table says of TLS, made ready before the table comes into force: certificates are read
//! and checked here, once for all workers, and never when a client connects.

mod client;
mod expiry;
mod files;
mod forwarded;
mod pem;
mod server;
mod tickets;
mod verify;
pub mod x509;

pub(crate) use client::ClientTls;
pub use forwarded::client_certificate;
pub(crate) use server::ServerTls;

use self::{client::ClientMaterial, expiry::Shown, files::Files, pem::Flaw, server::Material};
use edgeway_api::{ObjectRef, Problem};
use edgeway_core::{
    cluster::{Origination, UpstreamTls},
    id::{ClusterId, ListenerId, ObjectName},
    table::{App, Table, TlsMode, TlsServer},
    tls::Termination,
};
use rustls::crypto::aws_lc_rs;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// The TLS of a listener's servers, in their order; `None` for those that do not end it, or cannot.
pub(crate) type Servers = Arc<[Option<Arc<ServerTls>>]>;

/// The TLS of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    servers: Arc<BTreeMap<ListenerId, Servers>>,
    clients: Arc<HashMap<ClusterId, Arc<ClientTls>>>,
}

impl Prepared {
    /// That of a listener.
    pub(crate) fn servers(&self, id: ListenerId) -> Servers {
        self.servers.get(&id).cloned().unwrap_or_default()
    }

    /// That towards the endpoints of a cluster; `None` if there is none, or it cannot be made.
    pub(crate) fn client(&self, id: &ClusterId) -> Option<&Arc<ClientTls>> {
        self.clients.get(id)
    }
}

/// Whether this build has cryptography that NIST has validated.
pub(crate) fn has_fips() -> bool {
    aws_lc_rs::default_provider().fips()
}

/// What is said of TLS when the gateway starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Nothing is served or asked for but by FIPS 140-3.
    pub(crate) fips: bool,
    /// How often the keys of session tickets change.
    pub(crate) ticket_rotation: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { fips: false, ticket_rotation: TICKET_ROTATION }
    }
}

/// How often the keys of session tickets change, unless it is said otherwise; rustls changes its own
/// after that time, too.
pub const TICKET_ROTATION: Duration = Duration::from_secs(6 * 3600);

/// Makes TLS ready, and keeps what did not change from one table to the next.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    settings: Settings,
    files: Files,
    servers: BTreeMap<Key, Kept>,
    clients: HashMap<ClusterId, KeptClient>,
}

/// Which server: where, and the place in the Gateway that says so.
type Key = (ListenerId, ObjectName, Arc<str>);

/// What became of a server.
#[derive(Debug)]
struct Kept {
    termination: Arc<Termination>,
    material: Material,
    /// The server's port name.
    name: Arc<str>,
    /// The last that worked.
    ready: Option<Arc<ServerTls>>,
    problem: Option<Problem>,
}

/// What became of a cluster.
#[derive(Debug)]
struct KeptClient {
    origination: Arc<Origination>,
    material: ClientMaterial,
    /// The last that worked.
    ready: Option<Arc<ClientTls>>,
    problem: Option<Problem>,
}

impl Keeper {
    /// One that keeps to `settings`.
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Has session tickets sealed with other keys from now on. Those of the keys before are still
    /// taken, until this is called once more.
    pub(crate) fn rotate_tickets(&self) {
        self.servers.values().filter_map(|kept| kept.ready.as_ref()).for_each(|it| it.rotate());
    }

    /// The TLS of `table`. What is broken stays as it was when it last worked.
    pub(crate) fn prepare(&mut self, table: &Table) -> Prepared {
        let mut used = BTreeSet::new();
        let mut all = BTreeMap::new();
        for listener in table.listeners.iter().filter(|listener| !listener.tls.is_empty()) {
            let servers = listener.tls.iter().map(|server| match &server.mode {
                TlsMode::Terminate(termination) => {
                    let key = (listener.id, server.gateway.clone(), Arc::clone(&termination.field));
                    let ready = self.server(&key, server, termination, table);
                    used.insert(key);
                    ready
                }
                TlsMode::Passthrough | TlsMode::Refuse => None,
            });
            all.insert(listener.id, servers.collect());
        }
        self.servers.retain(|key, _| used.contains(key));
        let clients = self.clients(table);
        self.files.forget_unused();
        Prepared { servers: Arc::new(all), clients: Arc::new(clients) }
    }

    /// The TLS towards the clusters of `table`.
    fn clients(&mut self, table: &Table) -> HashMap<ClusterId, Arc<ClientTls>> {
        let mut before = std::mem::take(&mut self.clients);
        for cluster in table.clusters.iter() {
            if let UpstreamTls::Originate(origination) = &cluster.policy.tls {
                let last = before.remove(&cluster.id);
                let kept = self.client(last, origination, table);
                self.clients.insert(cluster.id.clone(), kept);
            }
        }
        let ready = |(id, kept): (&ClusterId, &KeptClient)| Some((id.clone(), kept.ready.clone()?));
        self.clients.iter().filter_map(ready).collect()
    }

    fn client(
        &mut self,
        last: Option<KeptClient>,
        origination: &Arc<Origination>,
        table: &Table,
    ) -> KeptClient {
        let material = ClientMaterial::gather(origination, &table.credentials, &mut self.files);
        let last = last.filter(|kept| kept.origination == *origination);
        if let Some(kept) = last.as_ref().filter(|kept| kept.material == material) {
            let (ready, problem) = (kept.ready.clone(), kept.problem.clone());
            return KeptClient { origination: Arc::clone(origination), material, ready, problem };
        }
        let last = last.and_then(|kept| kept.ready);
        let (ready, problem) = match material.build(origination, self.settings.fips) {
            Ok(ready) => (Some(Arc::new(ready)), None),
            Err((field, flaw)) => {
                let problem = client_problem(origination, &field, &flaw, last.is_some());
                (last, problem)
            }
        };
        KeptClient { origination: Arc::clone(origination), material, ready, problem }
    }

    /// What keeps servers from being served as they are wanted, or soon will.
    pub(crate) fn problems(&self, now: SystemTime) -> Vec<Problem> {
        let servers = self.servers.values().filter_map(|kept| kept.problem.clone());
        let clients = self.clients.values().filter_map(|kept| kept.problem.clone());
        let mut problems: Vec<_> = servers.chain(clients).chain(self.ending(now)).collect();
        // Several clusters of one rule have one problem.
        problems.sort();
        problems.dedup();
        problems
    }

    /// Certificates that will soon be of no use.
    fn ending(&self, now: SystemTime) -> impl Iterator<Item = Problem> {
        let servers = self.servers.iter().filter_map(move |((_, gateway, _), kept)| {
            let place = (object("Gateway", gateway), &*kept.termination.field);
            expiry::problem(place, Shown::Clients, kept.ready.as_ref()?.ends()?, now)
        });
        let clients = self.clients.values().filter_map(move |kept| {
            let rule = object("DestinationRule", kept.origination.rule.as_ref()?);
            let place = (rule, "spec.trafficPolicy.tls");
            expiry::problem(place, Shown::Endpoints, kept.ready.as_ref()?.ends()?, now)
        });
        servers.chain(clients)
    }

    /// When the first certificate of each server ends, by Gateway and port name, in seconds since
    /// 1970.
    pub(crate) fn ends(&self) -> BTreeMap<(String, String), i64> {
        let mut all = BTreeMap::new();
        for ((_, gateway, _), kept) in &self.servers {
            let Some(end) = kept.ready.as_ref().and_then(|ready| ready.ends()) else { continue };
            let owner = (gateway.to_string(), kept.name.to_string());
            all.entry(owner).and_modify(|first: &mut i64| *first = end.min(*first)).or_insert(end);
        }
        all
    }

    /// Whether anything is in files, which may change.
    pub(crate) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Reads files again; whether any changed, after which TLS is to be prepared anew.
    pub(crate) fn refresh(&mut self) -> bool {
        self.files.refresh()
    }

    fn server(
        &mut self,
        key: &Key,
        server: &TlsServer,
        termination: &Arc<Termination>,
        table: &Table,
    ) -> Option<Arc<ServerTls>> {
        let http = matches!(server.app, App::Http(_));
        let material = Material::gather(termination, http, &table.credentials, &mut self.files);
        let before = self.servers.remove(key).filter(|kept| kept.termination == *termination);
        let kept = match before {
            Some(kept) if kept.material == material => kept,
            before => {
                let last = before.and_then(|kept| kept.ready);
                let (ready, problem) = match material.build(termination, self.settings) {
                    Ok(ready) => (Some(Arc::new(ready)), None),
                    Err((field, flaw)) => {
                        let problem = problem(server, termination, (field, flaw), last.is_some());
                        (last, problem)
                    }
                };
                let name = Arc::clone(&server.server);
                Kept { termination: Arc::clone(termination), material, name, ready, problem }
            }
        };
        let ready = kept.ready.clone();
        self.servers.insert(key.clone(), kept);
        ready
    }
}

/// What is broken in what `table` refers to, or will be soon, for those who only want to know.
pub fn problems(table: &Table, now: SystemTime) -> Vec<Problem> {
    let mut keeper = Keeper::default();
    keeper.prepare(table);
    keeper.problems(now)
}

fn object(kind: &str, ObjectName { namespace, name }: &ObjectName) -> ObjectRef {
    ObjectRef::new(kind, &**namespace, &**name)
}

fn problem(
    server: &TlsServer,
    termination: &Termination,
    (field, flaw): (Cow<'static, str>, Flaw),
    works: bool,
) -> Option<Problem> {
    if matches!(flaw, Flaw::Missing) {
        // Compile has said so.
        return None;
    }
    let gateway = object("Gateway", &server.gateway);
    let effect = if works { "the last that worked stays in use" } else { "connections are closed" };
    let problem =
        Problem::error(gateway, format!("{}.{field}", termination.field), "credential-broken")
            .message(format!("{}; {effect}", chain(&flaw)))
            .advice("put a chain and its key there in PEM, and for clients their authorities");
    Some(problem)
}

fn client_problem(
    origination: &Origination,
    field: &str,
    flaw: &Flaw,
    works: bool,
) -> Option<Problem> {
    let rule = object("DestinationRule", origination.rule.as_ref()?);
    if matches!(flaw, Flaw::Missing) {
        // Compile has said so.
        return None;
    }
    let effect = if works { "the last that worked stays in use" } else { "requests answer 503" };
    let problem =
        Problem::error(rule, format!("spec.trafficPolicy.tls.{field}"), "credential-broken")
            .message(format!("{}; {effect}", chain(flaw)))
            .advice(
                "put authorities there in PEM, and a chain with its key where the mode is MUTUAL",
            );
    Some(problem)
}

/// An error with what caused it.
fn chain(flaw: &Flaw) -> String {
    let cause = std::error::Error::source(flaw);
    cause.map_or_else(|| flaw.to_string(), |cause| format!("{flaw}: {cause}"))
}
