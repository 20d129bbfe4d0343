//! What may be said about clients.

use crate::edge::{
    BadSetting, Edge, ForwardedFor, HeadLimits, Http2Limits, Limits, MemoryLimit, Trust,
    Underscores, network,
};
use crate::run::TICKET_ROTATION;
use clap::Args;
use edgeway_core::{path::Normalisation, table::ProxyPorts};
use ipnet::IpNet;
use std::time::Duration;

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

    /// Ports on which connections begin with a PROXY header, where no Gateway says otherwise
    #[arg(long, value_name = "off|all|optional|PORT[=required|optional|off],…")]
    #[arg(default_value = "off")]
    pub proxy_protocol: ProxyPorts,

    /// How far paths are normalised, by the names that Istio has for it
    #[arg(long, value_name = "NONE|BASE|MERGE_SLASHES|DECODE_AND_MERGE_SLASHES")]
    #[arg(default_value = "BASE")]
    pub path_normalization: Normalisation,

    /// What becomes of header fields with underscores in their names
    #[arg(long, value_name = "allow|drop|reject", default_value = "allow")]
    pub headers_with_underscores: Underscores,

    /// Serve clients of HTTP/1.0, too, each connection for one request
    #[arg(long)]
    pub http10: bool,

    /// What clients may cost
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// The part of it that is about limits. 0 is none where nothing else is said.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits of clients")]
pub struct LimitArgs {
    /// Connections at once [default: half as many as the process may open files]
    #[arg(long, value_name = "N")]
    pub max_connections: Option<usize>,

    /// Connections at once from one address that is no trusted proxy's
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_connections_per_client: usize,

    /// Requests on one connection
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_requests_per_connection: u32,

    /// Bytes of a request's head
    #[arg(long, value_name = "BYTES", default_value_t = HeadLimits::default().bytes)]
    #[arg(value_parser = at_least_one)]
    pub max_header_bytes: usize,

    /// Header fields of a request
    #[arg(long, value_name = "N", default_value_t = HeadLimits::default().fields)]
    #[arg(value_parser = at_least_one)]
    pub max_header_fields: usize,

    /// Bytes of a request's path and query, or URL
    #[arg(long, value_name = "BYTES", default_value_t = HeadLimits::default().target)]
    #[arg(value_parser = at_least_one)]
    pub max_uri_bytes: usize,

    /// How long a request's head may take, from its first byte
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub header_timeout: Duration,

    /// How long a PROXY header may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub proxy_header_timeout: Duration,

    /// How long a TLS greeting may take, and again the rest of the handshake
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time)]
    pub handshake_timeout: Duration,

    /// How long a connection may be unused; longer than a load balancer before us keeps it
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time)]
    pub idle_timeout: Duration,

    /// How long nothing of a request or its response may move
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = time)]
    pub stream_idle_timeout: Duration,

    /// How long a client may take nothing of what waits for it
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time)]
    pub write_timeout: Duration,

    /// Requests at once on one connection of HTTP/2
    #[arg(long, value_name = "N", default_value_t = Http2Limits::default().streams)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub max_streams: u32,

    /// Requests that a client of HTTP/2 may call off at once, if they are most of all
    #[arg(long, value_name = "N", default_value_t = Http2Limits::default().resets)]
    pub max_stream_resets: u64,

    /// Bytes that a client of HTTP/2 may send ahead on one stream
    #[arg(long, value_name = "BYTES", default_value_t = Http2Limits::default().stream_window)]
    #[arg(value_parser = clap::value_parser!(u32).range(65_535..=i64::from(i32::MAX)))]
    pub stream_window: u32,

    /// Bytes that a client of HTTP/2 may send ahead on one connection
    #[arg(long, value_name = "BYTES", default_value_t = Http2Limits::default().connection_window)]
    #[arg(value_parser = clap::value_parser!(u32).range(65_535..=i64::from(i32::MAX)))]
    pub connection_window: u32,

    /// Bytes of a request's body that are kept until there is a response, for another try
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().retry_body)]
    pub retry_body_limit: usize,

    /// Memory, of which nine tenths may be used: auto (that of the control group), off, or so much
    #[arg(long, value_name = "auto|off|BYTES", default_value = "auto")]
    pub memory_limit: MemoryLimit,
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
            paths: self.path_normalization,
            underscores: self.headers_with_underscores,
            http10: self.http10,
            limits: self.limits.limits(),
        }
    }
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        let some = |time: Duration| Some(time).filter(|time| !time.is_zero());
        let at_most = |most: usize| Some(most).filter(|most| *most > 0);
        Limits {
            connections: self.max_connections.and_then(at_most),
            connections_per_client: at_most(self.max_connections_per_client),
            requests_per_connection: Some(self.max_requests_per_connection)
                .filter(|most| *most > 0),
            head: HeadLimits {
                bytes: self.max_header_bytes,
                fields: self.max_header_fields,
                target: self.max_uri_bytes,
            },
            head_timeout: some(self.header_timeout).unwrap_or(FOREVER),
            proxy_header_timeout: some(self.proxy_header_timeout).unwrap_or(FOREVER),
            handshake_timeout: some(self.handshake_timeout).unwrap_or(FOREVER),
            idle_timeout: some(self.idle_timeout).unwrap_or(FOREVER),
            stream_idle_timeout: some(self.stream_idle_timeout),
            write_timeout: some(self.write_timeout),
            http2: Http2Limits {
                streams: self.max_streams,
                resets: self.max_stream_resets,
                stream_window: self.stream_window,
                connection_window: self.connection_window,
            },
            retry_body: self.retry_body_limit,
            memory: self.memory_limit,
        }
    }
}

/// Longer than any process runs.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Nothing comes without a byte, or a field, or a slash.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

/// Reads a time; without a unit, in seconds.
pub(super) fn time(text: &str) -> Result<Duration, BadSetting> {
    let bad = || BadSetting::Time(text.into());
    let (number, unit) = match text.find(|letter: char| letter.is_ascii_alphabetic()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(bad()),
    };
    let seconds = number.parse::<f64>().map_err(|_| bad())? * unit;
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| bad())?;
    if time > FOREVER { Err(bad()) } else { Ok(time) }
}

/// Reads how often keys change. They do so after six hours in any case.
pub(super) fn rotation(text: &str) -> Result<Duration, String> {
    let time = time(text).map_err(|error| error.to_string())?;
    let sensible = Duration::from_secs(1)..=TICKET_ROTATION;
    if sensible.contains(&time) { Ok(time) } else { Err("write 1s to 6h".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, milliseconds) in [
            ("0", 0),
            ("5", 5000),
            ("1.5s", 1500),
            ("20ms", 20),
            ("5m", 300_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "-1", "5 m", "1d", "inf", "1e30h"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
