//! The command line and the environment; nobody else reads either.

mod crash;
mod edge;
mod lease;
mod source;

pub use crash::CrashArgs;
pub use edge::EdgeArgs;
pub use lease::{BadTerms, LeaseArgs, Office};
pub use source::{Opened, SourceArgs};

use crate::{
    access::AccessLog,
    publish::Keep,
    run::Config,
    source::{BadSource, GATEWAY, Lost, SourceArg},
    status::Statuses,
    store::Store,
};
use clap::{ArgAction, Parser};
use std::{
    collections::BTreeMap,
    io::Write,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

/// An ingress gateway that routes by Istio's Gateway, VirtualService and DestinationRule.
#[derive(Clone, Debug, Parser)]
#[command(name = "edgeway-gateway", version)]
pub struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: SourceArgs,

    /// Namespace of the gateway
    #[arg(long, env = "POD_NAMESPACE", default_value = "istio-system")]
    pub namespace: String,

    /// Labels that Gateways select the gateway by
    #[arg(long, value_name = "K=V,…", default_value = "istio=ingressgateway")]
    pub labels: Labels,

    /// Name of the gateway's pod, which tells where it is
    #[arg(long, env = "POD_NAME", default_value = "", hide_default_value = true)]
    pub pod_name: String,

    /// Name of the Node that the gateway runs on [default: its pod's]
    #[arg(long, env = "NODE_NAME", default_value = "", hide_default_value = true)]
    pub node_name: String,

    /// Where the gateway is [default: where its pod is]
    #[arg(long, env = "EDGEWAY_LOCALITY", value_name = "REGION/ZONE/SUBZONE", default_value = "")]
    #[arg(hide_default_value = true)]
    pub locality: String,

    /// Address of listeners that name none [default: all addresses]
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<IpAddr>,

    /// Added to the ports of listeners, so that 80 may be had without being root
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port_offset: u16,

    /// Threads that serve [default: one per processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub workers: usize,

    /// Port of /healthz/ready
    #[arg(long, value_name = "PORT", default_value_t = 15021)]
    pub status_port: u16,

    /// Port of /stats/prometheus
    #[arg(long, value_name = "PORT", default_value_t = 15020)]
    pub metrics_port: u16,

    /// Port of /config, /problems and /log-level, on this machine only
    #[arg(long, value_name = "PORT", default_value_t = 15000)]
    pub admin_port: u16,

    /// DNS server to ask for the names of ServiceEntries, instead of the system's; may be repeated
    #[arg(long = "dns-server", value_name = "ADDR[:PORT]")]
    pub dns_servers: Vec<DnsServer>,

    /// Use nothing but cryptography by FIPS 140-3; refuses to start where the build has none
    #[arg(long)]
    pub fips: bool,

    /// How often the keys of session tickets change; at most 6h
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = edge::rotation)]
    pub tls_ticket_rotation: Duration,

    /// How long connections are accepted after the signal to stop
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub drain_seconds: u64,

    /// How long requests may take after that
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub drain_deadline: u64,

    /// Access log on standard output: on, off, or the share of the requests that is written
    #[arg(long, value_name = "on|off|SHARE", default_value = "on")]
    pub access_log: Share,

    /// Folder in which last good versions of broken objects outlive a restart [default: they do not]
    #[arg(long, env = "EDGEWAY_LAST_GOOD_DIR", value_name = "DIR")]
    pub last_good_dir: Option<PathBuf>,

    /// How old the configuration may be that is kept in --last-good-dir for a start without the API
    /// server; 0: no matter how old
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = edge::time)]
    pub last_good_max_age: Duration,

    /// Keep Secrets there, too, readable for this user alone: without, a gateway that ends TLS is not
    /// ready before it has reached the API server
    #[arg(long, requires = "last_good_dir")]
    pub last_good_secrets: bool,

    /// What is logged on standard error: a level, or a filter such as `info,edgeway_gateway=debug`
    #[arg(long, env = "EDGEWAY_LOG", default_value = "info")]
    pub log_level: String,

    /// Name of the workload, for metrics
    #[arg(long, env = "ISTIO_META_WORKLOAD_NAME", default_value = "istio-ingressgateway")]
    pub workload_name: String,

    /// Name of the cluster, for metrics
    #[arg(long, env = "ISTIO_META_CLUSTER_ID", default_value = "Kubernetes")]
    pub cluster_name: String,

    /// What is said about crashes
    #[command(flatten)]
    pub crash: CrashArgs,

    /// Whether what became of objects is written to the API server, by the replica that leads
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub write_status: bool,

    /// Who writes it
    #[command(flatten)]
    pub lease: LeaseArgs,

    /// What is said about clients
    #[command(flatten)]
    pub edge: EdgeArgs,
}

/// `k=v,k=v`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(pub BTreeMap<String, String>);

/// A share between 0 and 1; `off` and `on` are its ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

/// Where a DNS server is; on port 53 unless another is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsServer(pub SocketAddr);

/// A value that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadArg {
    /// No label.
    #[error("`{0}` is no label; write key=value, several with commas between")]
    Label(String),
    /// No share.
    #[error("`{0}` is no share; write on, off, or a number between 0 and 1")]
    Share(String),
    /// No address.
    #[error("`{0}` is no address; write 10.0.0.10, 10.0.0.10:5353 or [fd00::10]:5353")]
    DnsServer(String),
    /// No source.
    #[error(transparent)]
    Source(#[from] BadSource),
}

/// Why nobody can stand for writing statuses.
#[derive(Debug, thiserror::Error)]
pub enum BadOffice {
    /// Correct the flags.
    #[error(transparent)]
    Terms(#[from] BadTerms),
    /// Say where the API server is.
    #[error(transparent)]
    Lost(#[from] Lost),
}

impl FromStr for Labels {
    type Err = BadArg;

    fn from_str(text: &str) -> Result<Self, BadArg> {
        let label = |pair: &str| {
            let parts = pair.split_once('=').filter(|(key, _)| !key.trim().is_empty());
            let (key, value) = parts.ok_or_else(|| BadArg::Label(pair.into()))?;
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        };
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        pairs.map(label).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for DnsServer {
    type Err = BadArg;

    fn from_str(text: &str) -> Result<Self, BadArg> {
        let alone = || text.parse().map(|address: IpAddr| SocketAddr::new(address, 53));
        let address = text.parse().or_else(|_| alone());
        address.map(Self).map_err(|_| BadArg::DnsServer(text.into()))
    }
}

impl FromStr for Share {
    type Err = BadArg;

    fn from_str(text: &str) -> Result<Self, BadArg> {
        match text {
            "off" => Ok(Self(0.0)),
            "on" => Ok(Self(1.0)),
            _ => match text.parse() {
                Ok(share) if (0.0..=1.0).contains(&share) => Ok(Self(share)),
                Ok(_) | Err(_) => Err(BadArg::Share(text.into())),
            },
        }
    }
}

impl Args {
    /// Where the configuration comes from.
    pub fn open(&self) -> Opened {
        let workload = self.workload();
        let secrets = move |objects: &edgeway_api::Objects| {
            let names = edgeway_core::wanted_secrets(objects, &workload);
            names.into_iter().map(|name| (workload.namespace.clone(), name)).collect()
        };
        self.source.open(GATEWAY, std::sync::Arc::new(secrets))
    }

    /// What is kept on disk. Files are there when we start, and an API server may be away.
    fn keep(&self) -> Keep {
        let is_away = matches!(self.source.source, SourceArg::Kube(_));
        let whole = self.last_good_dir.clone().filter(|_| is_away).map(|folder| Store {
            folder,
            longest: Some(self.last_good_max_age).filter(|age| !age.is_zero()),
            with_secrets: self.last_good_secrets,
        });
        Keep { stand_ins: self.last_good_dir.clone(), whole }
    }

    /// Stands for writing statuses, if they are to be written.
    pub async fn stand(&self, source: &Opened) -> Result<Option<Office>, BadOffice> {
        if !self.write_status {
            return Ok(None);
        }
        let id = format!("edgeway-gateway-{}", self.workload_name);
        let terms = self.lease.terms(&id, &self.namespace, &self.pod_name)?;
        Ok(self.lease.stand(source, terms).await?)
    }

    /// How statuses are written from there.
    pub fn statuses(&self, office: &Office) -> Statuses {
        let Office { api, tenure, problems, .. } = office;
        let writer = if self.pod_name.is_empty() { &self.workload_name } else { &self.pod_name };
        Statuses {
            api: api.clone(),
            tenure: tenure.clone(),
            problems: problems.clone(),
            writer: writer.clone(),
        }
    }

    fn workload(&self) -> edgeway_core::Workload {
        edgeway_core::Workload {
            namespace: self.namespace.clone(),
            labels: self.labels.0.clone(),
            pod: self.pod_name.clone(),
            node: self.node_name.clone(),
            locality: edgeway_core::cluster::Locality::parse(&self.locality),
            ..edgeway_core::Workload::default()
        }
    }

    /// The configuration that they stand for; log lines go to `sink`.
    pub fn config(&self, sink: impl Write + Send + 'static) -> Config {
        let any = self.bind.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let Share(sample) = self.access_log;
        Config {
            workload: self.workload(),
            workload_name: self.workload_name.clone(),
            cluster_name: self.cluster_name.clone(),
            bind: self.bind,
            port_offset: self.port_offset,
            workers: self.workers,
            status: SocketAddr::new(any, self.status_port),
            metrics: SocketAddr::new(any, self.metrics_port),
            admin: SocketAddr::from(([127, 0, 0, 1], self.admin_port)),
            dns_servers: self.dns_servers.iter().map(|DnsServer(address)| *address).collect(),
            edge: self.edge.edge(),
            fips: self.fips,
            ticket_rotation: self.tls_ticket_rotation,
            drain: Duration::from_secs(self.drain_seconds),
            drain_deadline: Duration::from_secs(self.drain_deadline),
            access_log: (sample > 0.0).then(|| AccessLog { sample, sink: Box::new(sink) }),
            keep: self.keep(),
            ..Config::default()
        }
    }
}

#[cfg(test)]
mod tests;
