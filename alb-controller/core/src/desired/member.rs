//! What one Ingress asks for, read and checked on its own.

use super::class::{Class, Flavour};
use crate::{
    annotations::{
        Annotations, Fault, field, known,
        value::{self, Expected},
    },
    id::StackId,
    stack::{IpAddressType, Scheme, Source},
    tags::{self, Tags},
    target::{Protocol, TargetType},
};
use edgeway_api::{
    ObjectRef, Problem, Resource,
    aws::KeyValue,
    ingress_class_params::{self as params, IngressClassParamsSpec},
    k8s_openapi::api::networking::v1::Ingress,
};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};

/// Keys and values of attributes.
pub(super) type Attributes = BTreeMap<String, String>;

/// Which subnets are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SubnetWish {
    /// These, by id or by name.
    Named(BTreeSet<String>),
    /// Those with these tags.
    Tagged(BTreeMap<String, Vec<String>>),
}

/// An Ingress that is ours, with all that it says.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    pub(super) ingress: &'a Ingress,
    pub(super) reference: ObjectRef,
    pub(super) flavour: Flavour,
    pub(super) params: Option<&'a IngressClassParamsSpec>,
    pub(super) annotations: Annotations<'a>,
    pub(super) order: i32,
    pub(super) wish: Wish,
}

/// What it says about the load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) ports: BTreeMap<u16, Protocol>,
    pub(super) certificates: Vec<String>,
    pub(super) scheme: Option<Scheme>,
    pub(super) ip_address_type: Option<IpAddressType>,
    pub(super) name: Option<String>,
    pub(super) subnets: Option<SubnetWish>,
    pub(super) security_groups: Option<Vec<String>>,
    pub(super) open_targets: Option<bool>,
    pub(super) sources: Option<BTreeSet<Source>>,
    pub(super) ssl_policy: Option<String>,
    pub(super) ssl_redirect: Option<u16>,
    pub(super) tags: Tags,
    pub(super) attributes: Attributes,
    pub(super) listener_attributes: BTreeMap<(Protocol, u16), Attributes>,
    pub(super) target_type: Option<TargetType>,
    pub(super) approved: Option<String>,
}

/// The stack that an Ingress belongs to. Its class has the first word.
pub(super) fn stack_of(
    ingress: &Ingress,
    params: Option<&IngressClassParamsSpec>,
) -> Result<StackId, Fault> {
    let annotations = Annotations::of(ingress);
    let own = || annotations.text("group.name").map(|found| found.text.to_owned());
    let group = params.and_then(|params| params.group.as_ref()).map(|group| group.name.clone());
    let Some(name) = group.or_else(own) else {
        return Ok(StackId::ingress(ingress.namespace(), ingress.name()));
    };
    if is_group_name(&name) {
        return Ok(StackId::Group(name));
    }
    let key = format!("{}group.name", crate::annotations::PREFIX);
    let problem = Problem::error(ingress.reference(), field(&key), "group-name-invalid");
    Err(Box::new(
        problem
            .message(format!("{name:?} cannot be the name of a group"))
            .advice("use at most 63 small letters, digits, \"-\" and \".\", with a letter or digit at both ends"),
    ))
}

fn is_group_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let good = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = bytes.first().is_some_and(good) && bytes.last().is_some_and(good);
    ends && bytes.len() <= 63 && bytes.iter().all(|b| good(b) || matches!(b, b'-' | b'.'))
}

impl<'a> Member<'a> {
    /// Reads all that an Ingress says about load balancer and listeners.
    pub(super) fn read(
        ingress: &'a Ingress,
        class: Class<'a>,
        problems: &mut Vec<Problem>,
    ) -> Result<Self, Fault> {
        let Class { flavour, params } = class;
        known::check(ingress, problems)?;
        let annotations = Annotations::of(ingress);
        let order = annotations.number("group.order", -1000..=1000)?.unwrap_or(0);
        let wish = Wish::read(&annotations, params)?;
        let reference = ingress.reference();
        Ok(Self { ingress, reference, flavour, params, annotations, order, wish })
    }

    /// `namespace/name`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.ingress.namespace(), self.ingress.name())
    }

    /// Tags of what it alone owns.
    pub(super) fn own_tags(&self) -> Tags {
        let mut tags = self.wish.tags.clone();
        tags.insert(tags::OWNER.to_owned(), self.name());
        tags
    }
}

impl Wish {
    fn read(
        annotations: &Annotations<'_>,
        params: Option<&IngressClassParamsSpec>,
    ) -> Result<Self, Fault> {
        let none = IngressClassParamsSpec::default();
        let params = params.unwrap_or(&none);
        let certificates = if params.certificate_arn.is_empty() {
            annotations.list("certificate-arn").unwrap_or_default()
        } else {
            params.certificate_arn.clone()
        };
        Ok(Self {
            ports: ports(annotations, !certificates.is_empty())?,
            certificates,
            scheme: match params.scheme {
                Some(params::Scheme::Internal) => Some(Scheme::Internal),
                Some(params::Scheme::InternetFacing) => Some(Scheme::InternetFacing),
                None => annotations.read("scheme", choice(Scheme::parse, Scheme::choices))?,
            },
            ip_address_type: ip_address_type(annotations, params)?,
            name: name(annotations, params)?,
            subnets: subnets(annotations, params),
            security_groups: annotations.list("security-groups").filter(|list| !list.is_empty()),
            open_targets: annotations.bool("manage-backend-security-group-rules")?,
            sources: sources(annotations, params)?,
            ssl_policy: params.ssl_policy.clone().or_else(|| annotations.word("ssl-policy")),
            ssl_redirect: ssl_redirect(annotations, params)?,
            tags: own_tags(annotations, params)?,
            attributes: annotations.map("load-balancer-attributes")?,
            listener_attributes: listener_attributes(annotations)?,
            target_type: params.target_type.map(|kind| match kind {
                edgeway_api::aws::TargetType::Instance => TargetType::Instance,
                edgeway_api::aws::TargetType::Ip => TargetType::Ip,
            }),
            approved: approval(annotations),
        })
    }
}

/// Reads a word of a few.
pub(super) fn choice<T>(
    parse: impl Fn(&str) -> Option<T>,
    choices: impl Fn() -> String,
) -> impl Fn(&str) -> Result<T, Expected> {
    move |text| parse(text).ok_or_else(|| Expected::one_of(choices()))
}

fn pairs(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    pairs.iter().map(|KeyValue { key, value }| (key.clone(), value.clone())).collect()
}

/// Both, where of one key the first one's value counts.
fn over(mut first: Attributes, second: Attributes) -> Attributes {
    for (key, value) in second {
        first.entry(key).or_insert(value);
    }
    first
}

/// Tags that a user may set.
fn own_tags(annotations: &Annotations<'_>, params: &IngressClassParamsSpec) -> Result<Tags, Fault> {
    let mut tags = over(pairs(&params.tags), annotations.map("tags")?);
    tags.retain(|key, _| !tags::is_reserved(key));
    Ok(tags)
}

fn ports(annotations: &Annotations<'_>, secure: bool) -> Result<BTreeMap<u16, Protocol>, Fault> {
    let listed = annotations.read("listen-ports", |text| {
        let advice = r#"write [{"HTTP": 80}, {"HTTPS": 443}]"#;
        let listed: Vec<BTreeMap<String, i64>> = serde_json::from_str(text)
            .map_err(|error| Expected::new(format!("it cannot be read: {error}"), advice))?;
        let mut ports = BTreeMap::new();
        for (protocol, port) in listed.into_iter().flatten() {
            let protocol = Protocol::parse(&protocol).ok_or_else(|| {
                Expected::new(format!("there is no protocol {protocol:?}"), advice)
            })?;
            let port = u16::try_from(port).ok().filter(|port| *port > 0).ok_or_else(|| {
                Expected::new(format!("there is no port {port}"), "use a port from 1 to 65535")
            })?;
            if ports.insert(port, protocol).is_some_and(|other| other != protocol) {
                return Err(Expected::new(format!("port {port} has two protocols"), advice));
            }
        }
        if ports.is_empty() { Err(Expected::new("it lists no port", advice)) } else { Ok(ports) }
    })?;
    let usual = if secure { (443, Protocol::Https) } else { (80, Protocol::Http) };
    Ok(listed.unwrap_or_else(|| BTreeMap::from([usual])))
}

fn ip_address_type(
    annotations: &Annotations<'_>,
    params: &IngressClassParamsSpec,
) -> Result<Option<IpAddressType>, Fault> {
    match params.ip_address_type {
        Some(params::IpAddressType::Ipv4) => Ok(Some(IpAddressType::Ipv4)),
        Some(params::IpAddressType::Dualstack) => Ok(Some(IpAddressType::Dualstack)),
        Some(params::IpAddressType::DualstackWithoutPublicIpv4) => {
            Ok(Some(IpAddressType::DualstackWithoutPublicIpv4))
        }
        None => annotations
            .read("ip-address-type", choice(IpAddressType::parse, IpAddressType::choices)),
    }
}

fn name(
    annotations: &Annotations<'_>,
    params: &IngressClassParamsSpec,
) -> Result<Option<String>, Fault> {
    let check = |text: &str| {
        let good = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !text.starts_with(['-'])
            && !text.ends_with('-')
            && !text.starts_with("internal-");
        let fits = (1..=crate::names::LONGEST).contains(&text.len());
        if good && fits {
            return Ok(text.to_owned());
        }
        let advice = "use at most 32 letters, digits and \"-\", with a letter or digit at both ends, \
                      and not \"internal-\" at the start";
        Err(Expected::new("no load balancer can have this name", advice))
    };
    match &params.load_balancer_name {
        Some(name) => Ok(Some(name.clone())),
        None => annotations.read("load-balancer-name", check),
    }
}

fn subnets(annotations: &Annotations<'_>, params: &IngressClassParamsSpec) -> Option<SubnetWish> {
    if let Some(selector) = &params.subnets {
        return Some(if selector.ids.is_empty() {
            SubnetWish::Tagged(selector.tags.clone())
        } else {
            SubnetWish::Named(selector.ids.iter().cloned().collect())
        });
    }
    let named = annotations.list("subnets").filter(|list| !list.is_empty())?;
    Some(SubnetWish::Named(named.into_iter().collect()))
}

/// Who may connect; nothing if that is not said.
fn sources(
    annotations: &Annotations<'_>,
    params: &IngressClassParamsSpec,
) -> Result<Option<BTreeSet<Source>>, Fault> {
    let ranges = if params.inbound_cidrs.is_empty() {
        annotations.read("inbound-cidrs", |text| {
            value::list(text).iter().map(|range| source(range)).collect::<Result<Vec<_>, _>>()
        })?
    } else {
        Some(params.inbound_cidrs.iter().filter_map(|range| source(range).ok()).collect())
    };
    let lists = if params.prefix_lists_ids.is_empty() {
        annotations.list("security-group-prefix-lists")
    } else {
        Some(params.prefix_lists_ids.clone())
    };
    let lists = lists.into_iter().flatten().map(Source::PrefixList);
    let sources: BTreeSet<Source> = ranges.into_iter().flatten().chain(lists).collect();
    Ok(Some(sources).filter(|sources| !sources.is_empty()))
}

fn source(range: &str) -> Result<Source, Expected> {
    match range.parse::<IpNet>() {
        Ok(IpNet::V4(_)) => Ok(Source::Ipv4(range.to_owned())),
        Ok(IpNet::V6(_)) => Ok(Source::Ipv6(range.to_owned())),
        Err(_) => Err(Expected::new(
            format!("{range:?} is no range of addresses"),
            "write an address and the length of its prefix, such as 10.0.0.0/8",
        )),
    }
}

fn ssl_redirect(
    annotations: &Annotations<'_>,
    params: &IngressClassParamsSpec,
) -> Result<Option<u16>, Fault> {
    match &params.ssl_redirect_port {
        Some(port) => Ok(port.parse().ok()),
        None => annotations.number("ssl-redirect", 1..=u16::MAX),
    }
}

fn listener_attributes(
    annotations: &Annotations<'_>,
) -> Result<BTreeMap<(Protocol, u16), Attributes>, Fault> {
    let mut all = BTreeMap::new();
    for name in annotations.family("listener-attributes.") {
        let place = name.split_once('-').and_then(|(protocol, port)| {
            Some((Protocol::parse(protocol)?, port.parse::<u16>().ok()?))
        });
        if let Some(place) = place {
            all.insert(place, annotations.map(&format!("listener-attributes.{name}"))?);
        }
    }
    Ok(all)
}

/// Attributes of the load balancer that a class fixes.
pub(super) fn class_attributes(params: Option<&IngressClassParamsSpec>) -> Attributes {
    params.map(|params| pairs(&params.load_balancer_attributes)).unwrap_or_default()
}

/// Attributes of a listener that a class fixes.
pub(super) fn class_listener_attributes(
    params: Option<&IngressClassParamsSpec>,
    protocol: Protocol,
    port: u16,
) -> Attributes {
    let listeners = params.into_iter().flat_map(|params| &params.listeners);
    let same = |listener: &&params::Listener| {
        let theirs = match listener.protocol {
            Some(params::ListenerProtocol::Http) => Some(Protocol::Http),
            Some(params::ListenerProtocol::Https) => Some(Protocol::Https),
            Some(
                params::ListenerProtocol::Tcp
                | params::ListenerProtocol::Tls
                | params::ListenerProtocol::Udp
                | params::ListenerProtocol::TcpUdp,
            )
            | None => None,
        };
        theirs == Some(protocol) && listener.port == Some(i32::from(port))
    };
    listeners.filter(same).flat_map(|listener| pairs(&listener.listener_attributes)).collect()
}

/// The load balancer that may take the place of another.
fn approval(annotations: &Annotations<'_>) -> Option<String> {
    annotations.raw("edgeway.dev/approve-replacement").map(|name| name.trim().to_owned())
}
