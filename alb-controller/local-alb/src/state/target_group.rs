//! Target groups and the targets registered in them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use super::attributes::{self, Set};
use super::health::{Ramp, Report, Status};
use super::ids::Arn;
use super::load_balancer::Protocol;
use crate::running::TargetView;

/// A target group.
#[derive(Clone, Debug)]
pub(crate) struct TargetGroup {
    pub(crate) arn: Arn,
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) version: Version,
    pub(crate) port: u16,
    pub(crate) vpc: String,
    pub(crate) target_type: TargetType,
    pub(crate) ip_address_type: String,
    pub(crate) control_port: Option<u16>,
    pub(crate) check: HealthCheck,
    pub(crate) attributes: Set,
    pub(crate) targets: BTreeMap<TargetKey, Target>,
    /// Whether a listener or rule forwards to it.
    pub(crate) in_use: bool,
}

/// The version of HTTP spoken to targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
    Grpc,
}

impl Version {
    /// As AWS writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP1",
            Self::Http2 => "HTTP2",
            Self::Grpc => "GRPC",
        }
    }
}

/// What the id of a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetType {
    Instance,
    Ip,
}

impl TargetType {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Ip => "ip",
        }
    }
}

/// How targets are asked whether they are well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HealthCheck {
    /// Plain or over TLS.
    pub protocol: Protocol,
    /// A port of its own, or that of the traffic.
    pub port: Option<u16>,
    /// The path asked for.
    pub path: String,
    /// Seconds between checks.
    pub interval: u32,
    /// Seconds until a check counts as failed.
    pub timeout: u32,
    /// Passed checks in a row after which an unhealthy target is healthy again.
    pub healthy: u32,
    /// Failed checks in a row after which a target is unhealthy.
    pub unhealthy: u32,
    /// The statuses (for gRPC: status codes) of a passed check.
    pub codes: Codes,
}

/// A list of codes and ranges, `200,300-302`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Codes {
    text: String,
    ranges: Vec<(u16, u16)>,
}

impl Codes {
    /// Reads a list; nothing if it is malformed or leaves the bounds.
    pub(crate) fn read(text: &str, low: u16, high: u16) -> Option<Self> {
        let ranges = text
            .split(',')
            .map(|part| {
                let (from, to) = part.split_once('-').unwrap_or((part, part));
                let range = (from.trim().parse().ok()?, to.trim().parse().ok()?);
                (low <= range.0 && range.0 <= range.1 && range.1 <= high).then_some(range)
            })
            .collect::<Option<Vec<(u16, u16)>>>()?;
        Some(Self { text: text.to_owned(), ranges })
    }

    /// Whether a code is in the list.
    pub(crate) fn contain(&self, code: u16) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&code))
    }
}

impl fmt::Display for Codes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// What a target is known by: the same address on two ports is two targets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TargetKey {
    /// An address or the id of an instance.
    pub id: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for TargetKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.id.contains(':') {
            write!(out, "[{}]:{}", self.id, self.port)
        } else {
            write!(out, "{}:{}", self.id, self.port)
        }
    }
}

/// A registered target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) zone: Option<String>,
    pub(crate) status: Status,
}

impl TargetGroup {
    /// How long a deregistered target may finish what it has.
    pub(crate) fn deregistration_delay(&self) -> Duration {
        let seconds = attributes::TARGET_GROUP
            .number(&self.attributes, "deregistration_delay.timeout_seconds");
        Duration::from_secs(seconds.into())
    }

    /// The slow start of a target that becomes healthy now. Without a target that is warm there is none:
    /// somebody has to take the traffic.
    pub(crate) fn ramp(&self, now: SystemTime) -> Option<Ramp> {
        let key = "slow_start.duration_seconds";
        let takes = attributes::TARGET_GROUP.number(&self.attributes, key);
        let any_warm = self.targets.values().any(|target| target.status.is_warm(now));
        (takes > 0 && any_warm)
            .then(|| Ramp { begin: now, takes: Duration::from_secs(takes.into()) })
    }

    /// How its targets stand.
    pub(crate) fn views(&self) -> impl Iterator<Item = TargetView> {
        self.targets.iter().map(|(key, target)| {
            let report = if self.in_use { target.status.report() } else { Report::not_in_use() };
            TargetView {
                group: self.name.clone(),
                target: key.to_string(),
                state: report.state,
                reason: report.reason,
            }
        })
    }

    /// Targets that are registered, those that are draining not counted.
    pub(crate) fn registered(&self) -> usize {
        self.targets.values().filter(|target| !target.status.is_draining()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_lists_of_numbers_and_ranges() {
        let codes = Codes::read("200,300-302, 404", 200, 499).unwrap();
        for (code, expected) in [(200, true), (201, false), (301, true), (303, false), (404, true)]
        {
            assert_eq!(codes.contain(code), expected, "{code}");
        }
        for bad in ["", "200,", "302-300", "abc", "199", "500", "200-500", "-200"] {
            assert_eq!(Codes::read(bad, 200, 499), None, "{bad}");
        }
    }
}
