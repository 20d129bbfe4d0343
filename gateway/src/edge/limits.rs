//! What clients may cost.

use super::BadSetting;
use std::{str::FromStr, time::Duration};

/// The limits of clients and their connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; `None`: as many as there is room for.
    pub connections: Option<usize>,
    /// Connections at once from one address that is no proxy's.
    pub connections_per_client: Option<usize>,
    /// Requests on one connection.
    pub requests_per_connection: Option<u32>,
    /// Of the head of a request.
    pub head: HeadLimits,
    /// Deadline of a request's head, from its first byte: one that comes drop by drop must not hold
    /// a connection for ever.
    pub head_timeout: Duration,
    /// How long a proxy may take for its PROXY header, which it sends with the connection.
    pub proxy_header_timeout: Duration,
    /// How long a client may take for its TLS greeting, and again for the rest of the handshake.
    pub handshake_timeout: Duration,
    /// How long a connection may be unused. It must be longer than a load balancer keeps its own (60
    /// seconds for an ALB that nobody changed), or requests get lost that come at the last moment.
    pub idle_timeout: Duration,
    /// How long nothing of a request or its response may move.
    pub stream_idle_timeout: Option<Duration>,
    /// How long a client may take nothing of what waits for it.
    pub write_timeout: Option<Duration>,
    /// Of HTTP/2.
    pub http2: Http2Limits,
    /// The largest body of a request that is kept until there is a response, so that it can be sent
    /// again.
    pub retry_body: usize,
    /// When the gateway has more memory than it should.
    pub memory: MemoryLimit,
}

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// In all, request line included.
    pub bytes: usize,
    /// Header fields.
    pub fields: usize,
    /// The target of the request line.
    pub target: usize,
}

/// What a client may do on one connection of HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Limits {
    /// Requests at once.
    pub streams: u32,
    /// Requests that it calls off soon after they began, if they are most of all.
    pub resets: u64,
    /// Bytes that it may send ahead on one stream.
    pub stream_window: u32,
    /// The same on all streams of the connection.
    pub connection_window: u32,
}

/// How much memory there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryLimit {
    /// Nobody knows.
    #[default]
    None,
    /// As much as the control group that the process is in may have, if that is limited.
    OfGroup,
    /// So many bytes.
    Bytes(u64),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: None,
            connections_per_client: None,
            requests_per_connection: None,
            head: HeadLimits::default(),
            head_timeout: Duration::from_secs(60),
            proxy_header_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(3600),
            stream_idle_timeout: None,
            write_timeout: Some(Duration::from_secs(300)),
            http2: Http2Limits::default(),
            retry_body: 1024 * 1024,
            memory: MemoryLimit::default(),
        }
    }
}

impl Default for HeadLimits {
    /// Envoy's; no target can be longer than its head.
    fn default() -> Self {
        Self { bytes: 60 * 1024, fields: 100, target: 60 * 1024 }
    }
}

impl HeadLimits {
    /// Whether a request line of this length must have a target that is too long, where that is not
    /// left to the limit of the head: method and version are known words.
    pub(crate) fn is_request_line_too_long(self, length: usize) -> bool {
        let most = self.target.saturating_add(64);
        most < self.bytes && length > most
    }
}

impl Default for Http2Limits {
    /// As many streams as in Istio. Its windows of 16 and 24 MiB would let a few clients fill the
    /// gateway's memory; this fills 100 ms of a path of 80 Mbit/s.
    fn default() -> Self {
        Self {
            streams: 1024,
            resets: 500,
            stream_window: 1024 * 1024,
            connection_window: 8 * 1024 * 1024,
        }
    }
}

impl FromStr for MemoryLimit {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        let bad = || BadSetting::Memory(text.into());
        match text {
            "off" => return Ok(Self::None),
            "auto" => return Ok(Self::OfGroup),
            _ => {}
        }
        let end = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(end);
        let unit: u64 = match unit {
            "" => 1,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "k" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            _ => return Err(bad()),
        };
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        bytes.filter(|bytes| *bytes > 0).map(Self::Bytes).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_written_as_kubernetes_writes_it() {
        for (text, limit) in [
            ("off", MemoryLimit::None),
            ("auto", MemoryLimit::OfGroup),
            ("1000", MemoryLimit::Bytes(1000)),
            ("2k", MemoryLimit::Bytes(2000)),
            ("512Mi", MemoryLimit::Bytes(512 << 20)),
            ("3Gi", MemoryLimit::Bytes(3 << 30)),
        ] {
            assert_eq!(text.parse(), Ok(limit), "{text}");
        }
        for text in ["", "0", "Mi", "1.5Gi", "-1", "1MB", "99999999999Gi"] {
            assert!(text.parse::<MemoryLimit>().is_err(), "{text}");
        }
    }
}
