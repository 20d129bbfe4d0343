//! What an Ingress says about the load balancer. The parameters of its class have the first word.

use super::{
    add_ons::{self, AclWish, MutualTlsWish},
    callers::Callers,
    frontend::FrontAsk,
    network,
};
use crate::{
    annotations::{
        Annotations, Fault,
        value::{self, Expected},
    },
    pairs::Pairs,
    stack::{IpAddressType, Scheme},
    tags::{self, Tags},
    target::{Protocol, TargetType},
};
use edgeway_api::{
    aws::KeyValue,
    ingress_class_params::{self as params, IngressClassParamsSpec},
};
use std::{collections::BTreeMap, fmt};

/// Asks for a stack to be taken over from the AWS Load Balancer Controller.
const ADOPT: &str = "edgeway.dev/adopt";

/// Names a load balancer of somebody else that rules are put on.
pub(super) const HOST: &str = "edgeway.dev/load-balancer";

/// Keys and values of attributes.
pub(super) type Attributes = Pairs;

/// Which subnets are meant.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum SubnetWish {
    /// These, by id or by name, sorted; a name that is there twice means two of this name.
    Named(Vec<String>),
    /// Those with these tags.
    Tagged(BTreeMap<String, Vec<String>>),
}

/// Only what is meant: members that disagree are told.
impl fmt::Debug for SubnetWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(names) => names.fmt(f),
            Self::Tagged(tags) => tags.fmt(f),
        }
    }
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
    pub(super) callers: Callers,
    pub(super) ssl_policy: Option<String>,
    pub(super) ssl_redirect: Option<u16>,
    pub(super) tags: Tags,
    pub(super) attributes: Attributes,
    pub(super) listener_attributes: BTreeMap<(Protocol, u16), Attributes>,
    pub(super) target_type: Option<TargetType>,
    pub(super) mutual_tls: BTreeMap<u16, MutualTlsWish>,
    pub(super) web_acl_name: Option<AclWish>,
    pub(super) web_acl: Option<AclWish>,
    pub(super) shield: Option<bool>,
    pub(super) capacity: Option<u32>,
    pub(super) address_pool: Option<String>,
    pub(super) customer_pool: Option<String>,
    pub(super) approved: Option<String>,
    pub(super) adopts: bool,
    pub(super) host: Option<String>,
    pub(super) front: FrontAsk,
}

impl Wish {
    pub(super) fn read(
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
        let ports = ports(annotations, !certificates.is_empty())?;
        Ok(Self {
            certificates,
            scheme: match params.scheme {
                Some(params::Scheme::Internal) => Some(Scheme::Internal),
                Some(params::Scheme::InternetFacing) => Some(Scheme::InternetFacing),
                None => annotations.read("scheme", choice(Scheme::parse, Scheme::choices))?,
            },
            ip_address_type: ip_address_type(annotations, params)?,
            name: name(annotations, params)?,
            subnets: subnets(annotations, params),
            security_groups: network::named_guards(annotations),
            open_targets: network::open_targets(annotations)?,
            callers: Callers::read(annotations, params)?,
            ssl_policy: given(params.ssl_policy.as_ref())
                .or_else(|| annotations.word("ssl-policy")),
            ssl_redirect: ssl_redirect(annotations, params)?,
            tags: own_tags(annotations, params)?,
            attributes: annotations.map("load-balancer-attributes")?,
            listener_attributes: listener_attributes(annotations, &ports)?,
            target_type: params.target_type.map(|kind| match kind {
                edgeway_api::aws::TargetType::Instance => TargetType::Instance,
                edgeway_api::aws::TargetType::Ip => TargetType::Ip,
            }),
            mutual_tls: add_ons::mutual_tls(annotations)?,
            web_acl_name: add_ons::web_acl(
                params.wafv2_acl_name.as_deref(),
                annotations,
                "wafv2-acl-name",
            ),
            web_acl: add_ons::web_acl(
                params.wafv2_acl_arn.as_deref(),
                annotations,
                "wafv2-acl-arn",
            ),
            shield: annotations.bool("shield-advanced-protection")?,
            capacity: add_ons::capacity(annotations)?,
            address_pool: annotations.word("ipam-ipv4-pool-id"),
            customer_pool: add_ons::customer_pool(annotations)?,
            approved: approval(annotations),
            adopts: adoption(annotations)?,
            host: host(annotations),
            front: FrontAsk::read(annotations)?,
            ports,
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

/// A text of a class; an empty one is none.
fn given(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

fn pairs(pairs: &[KeyValue]) -> Pairs {
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
            // Of a port that is listed twice, what stands last counts.
            ports.insert(port, protocol);
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
    let fault = |expected: Expected| annotations.class_fault("loadBalancerName", &expected);
    match given(params.load_balancer_name.as_ref()) {
        Some(name) => check(&name).map(Some).map_err(fault),
        None => annotations.read("load-balancer-name", check),
    }
}

fn subnets(annotations: &Annotations<'_>, params: &IngressClassParamsSpec) -> Option<SubnetWish> {
    if let Some(selector) = &params.subnets {
        return Some(if selector.ids.is_empty() {
            SubnetWish::Tagged(selector.tags.clone())
        } else {
            SubnetWish::Named(sorted(selector.ids.clone()))
        });
    }
    let named = annotations.list("subnets").filter(|list| !list.is_empty())?;
    Some(SubnetWish::Named(sorted(named)))
}

/// Their order means nothing.
fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}

/// What is wrong with the port that a class redirects to.
pub(super) fn redirect_fault(
    annotations: &Annotations<'_>,
    params: Option<&IngressClassParamsSpec>,
) -> Option<Fault> {
    let port = given(params?.ssl_redirect_port.as_ref())?;
    let expected = value::number(&port, 1..=u16::MAX).err()?;
    Some(annotations.class_fault("sslRedirectPort", &expected))
}

fn ssl_redirect(
    annotations: &Annotations<'_>,
    params: &IngressClassParamsSpec,
) -> Result<Option<u16>, Fault> {
    match given(params.ssl_redirect_port.as_ref()) {
        // What is wrong with it is said by `redirect_fault`: without, all is served in plain text.
        Some(port) => Ok(value::number(&port, 1..=u16::MAX).ok()),
        None => annotations.number("ssl-redirect", 1..=u16::MAX),
    }
}

/// Those of listeners that it has: what stands about others is not looked at.
fn listener_attributes(
    annotations: &Annotations<'_>,
    ports: &BTreeMap<u16, Protocol>,
) -> Result<BTreeMap<(Protocol, u16), Attributes>, Fault> {
    let mut all = BTreeMap::new();
    for name in annotations.family("listener-attributes.") {
        let place = name.split_once('-').and_then(|(protocol, port)| {
            Some((Protocol::parse(protocol)?, port.parse::<u16>().ok()?))
        });
        if let Some(place) = place.filter(|(protocol, port)| ports.get(port) == Some(protocol)) {
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

/// Whether what the AWS Load Balancer Controller has made for it may be taken over.
fn adoption(annotations: &Annotations<'_>) -> Result<bool, Fault> {
    Ok(annotations.read_raw(ADOPT, value::bool)?.unwrap_or(false))
}

/// The load balancer of somebody else that the rules are for, by name or ARN.
fn host(annotations: &Annotations<'_>) -> Option<String> {
    let host = annotations.raw(HOST)?.trim();
    Some(host.to_owned()).filter(|host| !host.is_empty())
}
