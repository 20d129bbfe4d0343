//! What may be said about clients.

use crate::edge::{Edge, ForwardedFor, ProxyPorts, Trust, network};
use clap::Args;
use ipnet::IpNet;

/// The part of the command line that is about clients.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Clients")]
pub struct EdgeArgs {
    /// Proxies before the gateway that are believed about client and scheme
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub trusted_hops: usize,

    /// Networks of proxies before the gateway; if given, nobody else is believed
    #[arg(long, value_name = "CIDR,…", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,

    /// What becomes of X-Forwarded-For
    #[arg(long, value_name = "append|preserve|remove", default_value = "append")]
    pub forwarded_for: ForwardedFor,

    /// Ports of Gateways on which connections must begin with a PROXY header
    #[arg(long, value_name = "off|all|PORT,…", default_value = "off")]
    pub proxy_protocol: ProxyPorts,
}

impl EdgeArgs {
    /// The settings that they stand for.
    pub fn edge(&self) -> Edge {
        Edge {
            trust: Trust {
                hops: self.trusted_hops,
                proxies: self.trusted_proxies.clone(),
                forwarded_for: self.forwarded_for,
            },
            proxy_protocol: self.proxy_protocol.clone(),
        }
    }
}
