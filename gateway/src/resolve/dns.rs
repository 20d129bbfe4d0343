//! Asks DNS for the addresses of one name.

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    lookup::Lookup,
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::RecordType,
    system_conf::read_system_conf,
};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::sync::Semaphore;

/// How many names are asked for at the same time.
const MOST_ASKED: usize = 64;

/// How long an address that needs no DNS is believed.
const FIXED: Duration = Duration::from_secs(300);

/// Where names are asked for.
pub(super) struct Dns {
    resolver: TokioResolver,
    free: Semaphore,
}

/// What DNS says about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// IPv4 first, in the order of the answer; empty if the name has no address.
    pub(super) addresses: Vec<IpAddr>,
    /// For how long.
    pub(super) ttl: Duration,
}

/// Nobody says anything about a name.
#[derive(Debug, thiserror::Error)]
#[error("no DNS server answers")]
pub(super) struct Unanswered(#[source] NetError);

impl Dns {
    /// Asks `servers`; without any, those of the system, or this machine (as libc does).
    pub(super) fn new(servers: &[SocketAddr]) -> Result<Self, NetError> {
        let (config, mut options) = if servers.is_empty() {
            read_system_conf().unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot read the DNS configuration; this machine is asked");
                let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
                (config(&[local]), ResolverOpts::default())
            })
        } else {
            (config(servers), ResolverOpts::default())
        };
        // Each name is asked for again when its own time is over, so a cache would only be late.
        options.cache_size = 0;
        options.ndots = 1;
        options.use_hosts_file = ResolveHosts::Always;
        let provider = TokioRuntimeProvider::default();
        let builder = TokioResolver::builder_with_config(config, provider).with_options(options);
        Ok(Self { resolver: builder.build()?, free: Semaphore::new(MOST_ASKED) })
    }

    /// The addresses of `host` now.
    pub(super) async fn ask(&self, host: &str) -> Result<Answer, Unanswered> {
        if let Ok(address) = host.parse() {
            return Ok(Answer { addresses: vec![address], ttl: FIXED });
        }
        // Never closed.
        let _turn = self.free.acquire().await;
        let (v4, v6) = tokio::join!(
            self.resolver.lookup(host, RecordType::A),
            self.resolver.lookup(host, RecordType::AAAA),
        );
        joined(v4, v6)
    }
}

fn config(servers: &[SocketAddr]) -> ResolverConfig {
    let server = |address: &SocketAddr| {
        let on_port = |mut connection: ConnectionConfig| {
            connection.port = address.port();
            connection
        };
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(on_port);
        NameServerConfig::new(address.ip(), true, connections.into())
    };
    ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect())
}

/// One family that cannot be had does not spoil the other; without any address, only what both
/// say counts: a name must not lose its addresses because a server was silent.
fn joined(
    v4: Result<Lookup, NetError>,
    v6: Result<Lookup, NetError>,
) -> Result<Answer, Unanswered> {
    let mut answer = Answer { addresses: Vec::new(), ttl: FIXED };
    let mut failure = None;
    for lookup in [v4, v6] {
        match lookup {
            Ok(lookup) => {
                for record in lookup.answers() {
                    answer.ttl = answer.ttl.min(Duration::from_secs(record.ttl.into()));
                    answer.addresses.extend(record.data.ip_addr());
                }
            }
            Err(error) if error.is_no_records_found() => {}
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) if answer.addresses.is_empty() => Err(Unanswered(error)),
        Some(_) | None => Ok(answer),
    }
}
