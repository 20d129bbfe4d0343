//! Who may connect to a listener: ranges of addresses and prefix lists, each of which members of a group
//! must agree on for itself.

use crate::{
    annotations::{
        Annotations, Fault,
        value::{self, Expected},
    },
    stack::{IpAddressType, Source},
};
use edgeway_api::ingress_class_params::IngressClassParamsSpec;
use ipnet::IpNet;
use std::collections::BTreeSet;

/// What an Ingress, or all of a listener, says about it; nothing where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Callers {
    ranges: Option<BTreeSet<Source>>,
    lists: Option<BTreeSet<Source>>,
}

impl Callers {
    /// What one Ingress says.
    pub(super) fn read(
        annotations: &Annotations<'_>,
        params: &IngressClassParamsSpec,
    ) -> Result<Self, Fault> {
        Ok(Self { ranges: ranges(annotations, params)?, lists: lists(annotations, params) })
    }

    /// The annotation by which another member says something else, if it does.
    pub(super) fn conflict(&self, theirs: &Self) -> Option<&'static str> {
        let differs = |right: &Option<_>, theirs: &Option<_>| {
            right.is_some() && theirs.is_some() && right != theirs
        };
        if differs(&self.ranges, &theirs.ranges) {
            Some("inbound-cidrs")
        } else if differs(&self.lists, &theirs.lists) {
            Some("security-group-prefix-lists")
        } else {
            None
        }
    }

    /// Adds what another member says where nobody has said anything yet.
    pub(super) fn add(&mut self, theirs: &Self) {
        let Self { ranges, lists } = theirs;
        self.ranges = self.ranges.take().or_else(|| ranges.clone());
        self.lists = self.lists.take().or_else(|| lists.clone());
    }

    /// Those who may connect; everybody where neither ranges nor lists are named. IPv6 ranges mean
    /// nothing to a load balancer without such addresses.
    pub(super) fn sources(&self, addresses: IpAddressType) -> impl Iterator<Item = Source> {
        let all = [Source::Ipv4("0.0.0.0/0".to_owned()), Source::Ipv6("::/0".to_owned())];
        let is_open = self.ranges.is_none() && self.lists.is_none();
        let named = self.ranges.iter().chain(&self.lists).flatten().cloned();
        named.chain(all.into_iter().filter(move |_| is_open)).filter(move |source| {
            addresses != IpAddressType::Ipv4 || !matches!(source, Source::Ipv6(_))
        })
    }
}

/// Ranges that may connect; nothing if none are said.
fn ranges(
    annotations: &Annotations<'_>,
    params: &IngressClassParamsSpec,
) -> Result<Option<BTreeSet<Source>>, Fault> {
    let ranges = if params.inbound_cidrs.is_empty() {
        annotations.read("inbound-cidrs", |text| {
            value::list(text).iter().map(|range| source(range)).collect::<Result<BTreeSet<_>, _>>()
        })?
    } else {
        // To leave one out could mean to let everybody in.
        let read = params.inbound_cidrs.iter().map(|range| source(range));
        let read: Result<BTreeSet<_>, Expected> = read.collect();
        Some(read.map_err(|expected| annotations.class_fault("inboundCIDRs", &expected))?)
    };
    Ok(ranges.filter(|ranges| !ranges.is_empty()))
}

/// Prefix lists that may connect; nothing if none are said.
fn lists(
    annotations: &Annotations<'_>,
    params: &IngressClassParamsSpec,
) -> Option<BTreeSet<Source>> {
    let lists = if params.prefix_lists_ids.is_empty() {
        annotations.list("security-group-prefix-lists").unwrap_or_default()
    } else {
        params.prefix_lists_ids.clone()
    };
    let lists: BTreeSet<Source> = lists.into_iter().map(Source::PrefixList).collect();
    Some(lists).filter(|lists| !lists.is_empty())
}

/// A range as AWS writes it.
fn source(range: &str) -> Result<Source, Expected> {
    match range.parse::<IpNet>() {
        Ok(IpNet::V4(range)) => Ok(Source::Ipv4(range.trunc().to_string())),
        Ok(IpNet::V6(range)) => Ok(Source::Ipv6(range.trunc().to_string())),
        Err(_) => Err(Expected::new(
            format!("{range:?} is no range of addresses"),
            "write an address and the length of its prefix, such as 10.0.0.0/8",
        )),
    }
}
