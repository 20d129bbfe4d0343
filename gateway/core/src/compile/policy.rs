//! What a DestinationRule says becomes the policy of a cluster.

use crate::cluster::{Balance, ClusterPolicy, UpstreamProtocol, UpstreamTls};
use edgeway_api::destination_rule::{
    ConnectionPoolSettings, LoadBalancerSettings, SimpleLb, TlsMode, TrafficPolicy,
};
use std::time::Duration;

/// The policy of a cluster whose port is declared to speak `protocol`.
pub(super) fn policy(traffic: &TrafficPolicy, protocol: UpstreamProtocol) -> ClusterPolicy {
    let none = ConnectionPoolSettings::default();
    let pool = traffic.connection_pool.as_ref().unwrap_or(&none);
    let tcp = pool.tcp.clone().unwrap_or_default();
    let http = pool.http.clone().unwrap_or_default();
    let positive = |duration: Option<Duration>| duration.filter(|duration| !duration.is_zero());
    let default = ClusterPolicy::default();
    ClusterPolicy {
        balance: balance(traffic.load_balancer.as_ref()),
        connect_timeout: positive(tcp.connect_timeout.and_then(|text| text.get()))
            .unwrap_or(default.connect_timeout),
        protocol,
        tls: match traffic.tls.as_ref().and_then(|tls| tls.mode) {
            None | Some(TlsMode::Disable) => UpstreamTls::Disabled,
            Some(TlsMode::Simple | TlsMode::Mutual | TlsMode::IstioMutual) => {
                UpstreamTls::Unsupported
            }
        },
        idle_timeout: positive(http.idle_timeout.and_then(|text| text.get()))
            .unwrap_or(default.idle_timeout),
        max_requests_per_connection: http
            .max_requests_per_connection
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0),
        ..default
    }
}

fn balance(settings: Option<&LoadBalancerSettings>) -> Balance {
    match settings.and_then(|settings| settings.simple) {
        Some(SimpleLb::RoundRobin) => Balance::RoundRobin,
        Some(SimpleLb::Random) => Balance::Random,
        Some(SimpleLb::Passthrough) => Balance::Passthrough,
        Some(SimpleLb::Unspecified | SimpleLb::LeastConn | SimpleLb::LeastRequest) | None => {
            Balance::LeastRequest
        }
    }
}
