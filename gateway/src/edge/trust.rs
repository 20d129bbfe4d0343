//! Who the client is: the peer of the connection, or whom proxies that are believed vouch for.

use super::BadSetting;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who is believed about the client, and what endpoints are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// How many proxies before us are believed. With none, but networks: as many as are in them.
    pub hops: usize,
    /// Networks of proxies; if there are any, nobody else is believed.
    pub proxies: Vec<IpNet>,
    /// What becomes of `X-Forwarded-For`.
    pub forwarded_for: ForwardedFor,
}

/// What becomes of `X-Forwarded-For`, in the words that a load balancer has for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedFor {
    /// The peer is added to it.
    #[default]
    Append,
    /// It stays as it came.
    Preserve,
    /// Endpoints get none.
    Remove,
}

impl FromStr for ForwardedFor {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        match text {
            "append" => Ok(Self::Append),
            "preserve" => Ok(Self::Preserve),
            "remove" => Ok(Self::Remove),
            other => Err(BadSetting::ForwardedFor(other.into())),
        }
    }
}

/// Reads a network, or one address as the network of itself.
pub(crate) fn network(text: &str) -> Result<IpNet, BadSetting> {
    let alone = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| alone()).map_err(|_| BadSetting::Network(text.into()))
}

impl Trust {
    /// So many proxies before us.
    pub fn hops(hops: usize) -> Self {
        Self { hops, ..Self::default() }
    }

    /// Whether what `peer` says of who is behind it is believed.
    pub(crate) fn believes(&self, peer: IpAddr) -> bool {
        if self.proxies.is_empty() { self.hops > 0 } else { self.knows(peer) }
    }

    /// Whether `peer` is none of the proxies, although there is a list of them: then not even a
    /// trace of what it claims is passed on.
    pub(crate) fn is_stranger(&self, peer: IpAddr) -> bool {
        !self.proxies.is_empty() && !self.knows(peer)
    }

    /// Whether `address` is that of a proxy.
    pub(crate) fn knows(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(&address))
    }

    /// The client of a request that came from `peer`.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        if !self.believes(peer) {
            return peer;
        }
        let lines = headers.get_all(&X_FORWARDED_FOR).into_iter();
        let lines = lines.filter_map(|line| line.to_str().ok());
        let entries: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
        let mut from_the_right = entries.iter().rev().map(|entry| address(entry.trim()));
        match self.hops.checked_sub(1) {
            Some(at) => from_the_right.nth(at).flatten().unwrap_or(peer),
            None => self.first_stranger(from_the_right, peer),
        }
    }

    /// The first address that is no proxy's; where nobody can tell, the last proxy.
    fn first_stranger(
        &self,
        from_the_right: impl Iterator<Item = Option<IpAddr>>,
        peer: IpAddr,
    ) -> IpAddr {
        let mut last = peer;
        for address in from_the_right {
            let Some(address) = address else { break };
            last = address;
            if !self.knows(address) {
                break;
            }
        }
        last
    }

    /// What endpoints get as `X-Forwarded-For` of a request that came from `peer`: lines become
    /// one, without such that no one can read.
    pub(crate) fn forwarded_for(&self, headers: &HeaderMap, peer: IpAddr) -> Option<String> {
        let lines = headers.get_all(&X_FORWARDED_FOR).into_iter();
        let lines = lines.filter_map(|line| line.to_str().ok()).filter(|line| !line.is_empty());
        let claimed = if self.is_stranger(peer) { Vec::new() } else { lines.collect::<Vec<_>>() };
        let mut all = claimed.join(",");
        match self.forwarded_for {
            ForwardedFor::Append => {
                if !all.is_empty() {
                    all.push(',');
                }
                all.push_str(&peer.to_string());
                Some(all)
            }
            ForwardedFor::Preserve => Some(all).filter(|all| !all.is_empty()),
            ForwardedFor::Remove => None,
        }
    }
}

/// An address, with or without a port, which some load balancers add.
fn address(entry: &str) -> Option<IpAddr> {
    let with_port = || entry.parse::<SocketAddr>().map(|address| address.ip());
    entry.parse().or_else(|_| with_port()).ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn headers(lines: &[&str]) -> HeaderMap {
        let value = |line: &&str| HeaderValue::try_from(*line).unwrap();
        lines.iter().map(|line| (X_FORWARDED_FOR.clone(), value(line))).collect()
    }

    fn of(networks: &[&str]) -> Trust {
        let proxies = networks.iter().map(|text| network(text).unwrap()).collect();
        Trust { proxies, ..Trust::default() }
    }

    #[test]
    fn hops_are_counted_from_the_right() {
        let map = headers(&["1.1.1.1, bad,3.3.3.3"]);
        for (hops, expected) in
            [(0, "10.0.0.1"), (1, "3.3.3.3"), (2, "10.0.0.1"), (3, "1.1.1.1"), (4, "10.0.0.1")]
        {
            assert_eq!(Trust::hops(hops).client(&map, PEER).to_string(), expected, "{hops}");
        }
    }

    #[test]
    fn proxies_are_known_by_their_networks() {
        let trust = of(&["10.0.0.0/8", "2.2.2.2", "fd00::/8"]);
        for (lines, expected) in [
            (&[][..], "10.0.0.1"),
            (&["1.1.1.1"], "1.1.1.1"),
            (&["9.9.9.9, 1.1.1.1, 10.9.9.9"], "1.1.1.1"),
            (&["9.9.9.9, 1.1.1.1", "2.2.2.2,fd00::7"], "1.1.1.1"),
            (&["1.1.1.1:4711"], "1.1.1.1"),
            (&["[2001:db8::1]:4711, [fd00::1]:80"], "2001:db8::1"),
            (&["::ffff:1.1.1.1"], "1.1.1.1"),
            (&["1.1.1.1, who, 10.9.9.9"], "10.9.9.9"),
            (&["who"], "10.0.0.1"),
            (&["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ] {
            assert_eq!(trust.client(&headers(lines), PEER).to_string(), expected, "{lines:?}");
        }
    }

    #[test]
    fn who_is_not_on_the_list_is_not_believed_whatever_the_hops() {
        let map = headers(&["1.1.1.1"]);
        let stranger = IpAddr::from([8, 8, 8, 8]);
        for hops in [0, 1] {
            let trust = Trust { hops, ..of(&["10.0.0.0/8"]) };
            assert_eq!(trust.client(&map, stranger), stranger);
            assert_eq!(trust.client(&map, PEER).to_string(), "1.1.1.1");
            assert_eq!(trust.forwarded_for(&map, stranger).as_deref(), Some("8.8.8.8"));
            assert_eq!(trust.forwarded_for(&map, PEER).as_deref(), Some("1.1.1.1,10.0.0.1"));
        }
    }

    #[test]
    fn the_peer_is_appended_unless_told_otherwise() {
        use ForwardedFor::{Append, Preserve, Remove};
        for (mode, lines, expected) in [
            (Append, &[][..], Some("10.0.0.1")),
            (Append, &[""], Some("10.0.0.1")),
            (Append, &["1.1.1.1, 2.2.2.2", "x"], Some("1.1.1.1, 2.2.2.2,x,10.0.0.1")),
            (Preserve, &[], None),
            (Preserve, &["1.1.1.1", "x"], Some("1.1.1.1,x")),
            (Remove, &["1.1.1.1"], None),
        ] {
            let trust = Trust { forwarded_for: mode, ..Trust::default() };
            let value = trust.forwarded_for(&headers(lines), PEER);
            assert_eq!(value.as_deref(), expected, "{mode:?} {lines:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["10.0.0.0/33", "ten", "", "10.0.0"] {
            assert!(network(text).is_err(), "{text}");
        }
    }
}
