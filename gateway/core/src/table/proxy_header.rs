//! On which ports connections begin with a PROXY header, as people write it.

use serde::Serialize;
use std::{collections::BTreeMap, str::FromStr};

/// Whether connections begin with a PROXY header, which tells who is at the other end of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyHeader {
    /// They do not.
    Off,
    /// Those may that come from a proxy. Whoever can connect can then say who he is.
    Optional,
    /// All do; others are refused.
    Required,
}

/// The ports of Gateways on which connections begin with a PROXY header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyPorts {
    of: BTreeMap<u16, ProxyHeader>,
    others: Option<ProxyHeader>,
}

/// What says nothing of ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no ports; write off, all, optional, or numbers with commas between, each perhaps \
     with =required, =optional or =off behind it"
)]
pub struct BadProxyPorts(String);

impl Default for ProxyPorts {
    fn default() -> Self {
        Self::all(ProxyHeader::Off)
    }
}

impl ProxyPorts {
    /// The same on every port.
    pub fn all(header: ProxyHeader) -> Self {
        Self { of: BTreeMap::new(), others: Some(header) }
    }

    /// What is said of a port, if anything is.
    pub fn at(&self, port: u16) -> Option<ProxyHeader> {
        self.of.get(&port).copied().or(self.others)
    }
}

impl FromStr for ProxyPorts {
    type Err = BadProxyPorts;

    fn from_str(text: &str) -> Result<Self, BadProxyPorts> {
        let bad = || BadProxyPorts(text.into());
        let mut ports = Self { of: BTreeMap::new(), others: None };
        for word in text.split(',').map(str::trim) {
            let (port, header) = match word.split_once('=') {
                Some((port, header)) => (port.trim(), self::header(header.trim())),
                None => (word, Some(ProxyHeader::Required)),
            };
            if let Ok(port) = port.parse() {
                ports.of.insert(port, header.ok_or_else(bad)?);
            } else {
                let all = self::header(word).ok_or_else(bad)?;
                ports.others = Some(all);
            }
        }
        Ok(ports)
    }
}

fn header(word: &str) -> Option<ProxyHeader> {
    match word {
        "off" => Some(ProxyHeader::Off),
        "optional" => Some(ProxyHeader::Optional),
        "required" | "all" => Some(ProxyHeader::Required),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{ProxyHeader::*, *};

    #[test]
    fn ports_are_named_one_by_one_or_all_at_once() {
        for (text, at_80, at_443) in [
            ("off", Some(Off), Some(Off)),
            ("all", Some(Required), Some(Required)),
            ("required", Some(Required), Some(Required)),
            ("optional", Some(Optional), Some(Optional)),
            ("443", None, Some(Required)),
            ("80, 443", Some(Required), Some(Required)),
            ("80=optional,443=required", Some(Optional), Some(Required)),
            ("all, 80=off", Some(Off), Some(Required)),
            ("80=off,optional", Some(Off), Some(Optional)),
        ] {
            let ports: ProxyPorts = text.parse().unwrap();
            assert_eq!((ports.at(80), ports.at(443)), (at_80, at_443), "{text}");
        }
        for text in ["", "http", "80=", "80=maybe", "70000", "optional=80", "80,,443", "-1"] {
            assert!(text.parse::<ProxyPorts>().is_err(), "{text}");
        }
    }
}
