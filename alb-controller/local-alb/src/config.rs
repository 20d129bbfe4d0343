//! What a local load balancer is started with.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::Ipv4Net;

pub use crate::chaos::Chaos;
pub use crate::state::Limits;

/// The account that everything belongs to, unless another is named.
pub const DEFAULT_ACCOUNT: &str = "000000000000";
/// The region of calls that do not name one.
pub const DEFAULT_REGION: &str = "us-east-1";
/// The VPC that is there from the start.
pub const DEFAULT_VPC: &str = "vpc-10ca1a1b";
/// The port of the API.
pub const DEFAULT_API_PORT: u16 = 4599;

/// Settings of a local load balancer.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the AWS API answers; port 0 takes any free one.
    pub api: SocketAddr,
    /// The address that listeners are opened on.
    pub bind: IpAddr,
    /// Which ports listeners are opened on.
    pub ports: PortMapping,
    /// The account that everything belongs to.
    pub account: String,
    /// The region of calls that do not name one.
    pub region: String,
    /// The id of the VPC that every region has from the start, with a subnet in each of three
    /// zones (tagged for public and internal load balancers) and a default security group.
    pub vpc: String,
    /// The addresses of that VPC; `/24` or larger.
    pub vpc_range: Ipv4Net,
    /// Addresses of instances; one that is not listed is taken to be this machine.
    pub instances: BTreeMap<String, IpAddr>,
    /// The folder that stands in for S3: it has a folder for each bucket, with files for objects.
    /// Trust stores are read from there.
    pub buckets: Option<PathBuf>,
    /// The URL that answers in place of every user pool of Cognito, under Cognito's paths
    /// (`/oauth2/authorize`, `/oauth2/token`, `/oauth2/userInfo`). Without it, a pool is where it is
    /// at AWS.
    pub cognito: Option<String>,
    /// Lets subnets, security groups and certificates that a call names by id, but nobody made,
    /// come into being: manifests written for a real account then work as they are. An adopted
    /// certificate is a self-signed one.
    pub adopt: bool,
    /// Checks the health of targets at least this often, whatever their group says. A deliberate
    /// difference to AWS, so that a laptop need not wait for a check every 30 s.
    pub health_interval_cap: Option<Duration>,
    /// How long a new load balancer stays `provisioning`; it works meanwhile.
    pub provisioning: Duration,
    /// The quotas.
    pub limits: Limits,
    /// Makes the random parts of names repeatable.
    pub seed: Option<u64>,
    /// Faults of the API.
    pub chaos: Chaos,
}

/// Which port of this machine a listener is opened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortMapping {
    /// The listener's own port plus a number: 80 becomes 8080 with an offset of 8000.
    Offset(u16),
    /// Any free port; ask [`Running::address_of`](crate::Running::address_of) which.
    Free,
}

impl Default for Config {
    fn default() -> Self {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            api: SocketAddr::new(here, DEFAULT_API_PORT),
            bind: here,
            ports: PortMapping::Offset(0),
            account: DEFAULT_ACCOUNT.to_owned(),
            region: DEFAULT_REGION.to_owned(),
            vpc: DEFAULT_VPC.to_owned(),
            vpc_range: Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 16),
            instances: BTreeMap::new(),
            buckets: None,
            cognito: None,
            adopt: false,
            health_interval_cap: Some(Duration::from_secs(1)),
            provisioning: Duration::ZERO,
            limits: Limits::default(),
            seed: None,
            chaos: Chaos::default(),
        }
    }
}
