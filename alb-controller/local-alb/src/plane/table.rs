//! The account as the data plane needs it: immutable, replaced whole.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::desync::Mitigation;
use crate::state::Region;
use crate::state::attributes::{LISTENER, LOAD_BALANCER, Set, TARGET_GROUP};
use crate::state::certificate::{Certificate, Material};
use crate::state::health::Ramp;
use crate::state::ids::Arn;
use crate::state::load_balancer::{Listener, LoadBalancer, Protocol};
use crate::state::rule::{Action, Rule};
use crate::state::target_group::{HealthCheck, TargetGroup, TargetKey, TargetType, Version};
use crate::state::trust::{Authorities, TrustStore};

/// Everything that requests and checks need to know.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The listeners on each port, the oldest load balancer's first.
    pub(crate) ports: BTreeMap<u16, Vec<Arc<Site>>>,
    /// The target groups that are in use.
    pub(crate) groups: HashMap<Arn, Arc<Group>>,
}

/// A listener with its rules, and the settings of its load balancer.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) load_balancer: Arn,
    pub(crate) name: String,
    /// `app/NAME/ID`.
    pub(crate) path: String,
    pub(crate) dns_name: String,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    pub(crate) rules: Vec<Rule>,
    pub(crate) default_actions: Vec<Action>,
    /// The default certificate first.
    pub(crate) certificates: Vec<SiteCertificate>,
    /// What is asked of a client's certificate.
    pub(crate) mutual: Option<Arc<Mutual>>,
    pub(crate) settings: Settings,
    serial: u64,
    made_of: Parts,
}

/// What a site is made of. Things of the account that were changed are others by their addresses.
#[derive(Debug)]
struct Parts {
    load_balancer: Arc<LoadBalancer>,
    listener: Arc<Listener>,
    certificates: Vec<Arc<Certificate>>,
    trust_store: Option<Arc<TrustStore>>,
}

/// A certificate of a listener.
#[derive(Debug)]
pub(crate) struct SiteCertificate {
    pub(crate) arn: Arn,
    pub(crate) domains: Vec<String>,
    pub(crate) material: Option<Material>,
}

/// Attributes of a load balancer and listener that requests are treated by.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are AWS's flags, one attribute each")]
pub(crate) struct Settings {
    pub(crate) idle: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) forwarded_for: ForwardedFor,
    pub(crate) client_port: bool,
    pub(crate) preserve_host: bool,
    pub(crate) drop_invalid: bool,
    pub(crate) mitigation: Mitigation,
    pub(crate) tls_headers: bool,
    pub(crate) http2: bool,
    pub(crate) server_header: bool,
    /// New names of headers that tell of TLS and client certificates, by their own.
    pub(crate) renamed: HashMap<HeaderName, HeaderName>,
    /// Headers that every response gets.
    pub(crate) response_headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a listener asks of a client's certificate.
#[derive(Debug)]
pub(crate) struct Mutual {
    /// Who vouches for clients; nothing where any certificate is passed on as it is.
    pub(crate) trust: Option<Trust>,
}

/// Who vouches for clients.
#[derive(Debug)]
pub(crate) struct Trust {
    pub(crate) authorities: Authorities,
    /// Lists of revoked certificates, in DER.
    pub(crate) revoked: Vec<Arc<[u8]>>,
    pub(crate) ignore_expiry: bool,
    /// Whether clients are told the names of the authorities.
    pub(crate) advertise: bool,
}

/// What becomes of `X-Forwarded-For`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardedFor {
    Append,
    Preserve,
    Remove,
}

/// A target group in use.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// What it is made of: another one, by its address, once that was changed.
    pub(super) made_of: Weak<TargetGroup>,
    pub(crate) arn: Arn,
    pub(crate) protocol: Protocol,
    pub(crate) version: Version,
    pub(crate) check: HealthCheck,
    /// Registered targets; those that are draining are not among them.
    pub(crate) targets: Vec<Endpoint>,
    pub(crate) algorithm: Algorithm,
    pub(crate) stickiness: Option<Stickiness>,
    /// With fewer healthy targets than this, all of them get traffic.
    pub(crate) least_healthy: usize,
    /// Whether an agent beside each target tells how much it takes.
    pub(crate) optimized: bool,
}

/// A target and where it is reached.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) key: TargetKey,
    pub(crate) address: SocketAddr,
    pub(crate) healthy: bool,
    /// Whether and how slowly it has started.
    pub(crate) ramp: Option<Ramp>,
}

/// How a target is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    RoundRobin,
    LeastOutstanding,
    Random,
}

/// How a client stays with a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stickiness {
    /// The application's cookie that the stay is bound to, if not our own.
    pub(crate) application_cookie: Option<String>,
    pub(crate) duration: Duration,
}

impl Table {
    /// The table of an account; what has not changed since the table `before` is taken from there.
    pub(crate) fn of<'a>(regions: impl Iterator<Item = &'a Region>, before: &Self) -> Self {
        let sites = before.ports.values().flatten();
        let sites: HashMap<&Arn, &Arc<Site>> =
            sites.map(|site| (&site.made_of.listener.arn, site)).collect();
        let mut table = Self::default();
        for region in regions {
            for listener in region.listeners.all_shared() {
                let Some(parts) = Parts::of(region, listener) else { continue };
                let known = sites.get(&listener.arn).filter(|site| site.made_of.are(&parts));
                let site = known.map_or_else(|| Arc::new(Site::of(parts)), |site| Arc::clone(site));
                table.ports.entry(listener.port).or_default().push(site);
            }
            for group in region.groups.all_shared().filter(|group| group.in_use) {
                let known = before.groups.get(&group.arn);
                let known = known.filter(|known| known.made_of.as_ptr() == Arc::as_ptr(group));
                let made = known.map_or_else(|| Arc::new(view(region, group)), Arc::clone);
                table.groups.insert(group.arn.clone(), made);
            }
        }
        for sites in table.ports.values_mut() {
            sites.sort_by(|a, b| (a.serial, &a.load_balancer).cmp(&(b.serial, &b.load_balancer)));
        }
        table
    }
}

impl Table {
    /// The same with the health that targets have now; one that is not known any more keeps its own.
    pub(crate) fn with_health<'a>(
        &self,
        regions: &(impl Iterator<Item = &'a Region> + Clone),
    ) -> Self {
        let refreshed = self.groups.iter().map(|(arn, group)| {
            let now = regions.clone().find_map(|region| region.groups.get(arn));
            let mut group = Group::clone(group);
            for endpoint in &mut group.targets {
                if let Some(target) = now.and_then(|now| now.targets.get(&endpoint.key)) {
                    endpoint.healthy = target.status.is_healthy();
                    endpoint.ramp = target.status.ramp();
                }
            }
            (arn.clone(), Arc::new(group))
        });
        Self { ports: self.ports.clone(), groups: refreshed.collect() }
    }
}

impl Parts {
    fn of(region: &Region, listener: &Arc<Listener>) -> Option<Self> {
        let certificates = listener.certificate.iter().chain(&listener.extra_certificates);
        let trust_store = listener.mutual.as_ref().and_then(|mutual| mutual.trust_store.as_ref());
        Some(Self {
            load_balancer: Arc::clone(region.load_balancers.shared(&listener.load_balancer)?),
            listener: Arc::clone(listener),
            certificates: certificates
                .filter_map(|arn| region.certificates.shared(arn).map(Arc::clone))
                .collect(),
            trust_store: trust_store.and_then(|arn| region.trust_stores.shared(arn).cloned()),
        })
    }

    fn are(&self, other: &Self) -> bool {
        let Self { load_balancer, listener, certificates, trust_store } = self;
        let certificates = (certificates, &other.certificates);
        Arc::ptr_eq(load_balancer, &other.load_balancer)
            && Arc::ptr_eq(listener, &other.listener)
            && certificates.0.len() == certificates.1.len()
            && certificates.0.iter().zip(certificates.1).all(|(one, two)| Arc::ptr_eq(one, two))
            && trust_store.as_ref().map(Arc::as_ptr) == other.trust_store.as_ref().map(Arc::as_ptr)
    }
}

impl Site {
    fn of(parts: Parts) -> Self {
        let Parts { load_balancer: lb, listener, certificates, trust_store } = &parts;
        let certificates = certificates.iter().map(|certificate| SiteCertificate {
            arn: certificate.arn.clone(),
            domains: certificate.domains.clone(),
            material: certificate.material.clone(),
        });
        Self {
            load_balancer: lb.arn.clone(),
            name: lb.name.clone(),
            path: lb.path().to_owned(),
            dns_name: lb.dns_name.to_ascii_lowercase(),
            port: listener.port,
            protocol: listener.protocol,
            rules: listener.rules.clone(),
            default_actions: listener.default_actions.clone(),
            certificates: certificates.collect(),
            mutual: mutual(listener, trust_store.as_deref()).map(Arc::new),
            settings: settings(&lb.attributes, &listener.attributes),
            serial: lb.serial,
            made_of: parts,
        }
    }
}

fn mutual(listener: &Listener, store: Option<&TrustStore>) -> Option<Mutual> {
    let mutual = listener.mutual.as_ref().filter(|mutual| mutual.mode != "off")?;
    let trust = store.map(|store| Trust {
        authorities: Arc::clone(&store.authorities),
        revoked: store.revocations.values().map(|list| Arc::clone(&list.list)).collect(),
        ignore_expiry: mutual.ignore_expiry.unwrap_or(false),
        advertise: mutual.advertise.as_deref() == Some("on"),
    });
    Some(Mutual { trust })
}

fn settings(lb: &Set, listener: &Set) -> Settings {
    let flag = |key| LOAD_BALANCER.flag(lb, key);
    let seconds = |key| Duration::from_secs(LOAD_BALANCER.number(lb, key).into());
    Settings {
        idle: seconds("idle_timeout.timeout_seconds"),
        keep_alive: seconds("client_keep_alive.seconds"),
        forwarded_for: match LOAD_BALANCER.value(lb, "routing.http.xff_header_processing.mode") {
            "preserve" => ForwardedFor::Preserve,
            "remove" => ForwardedFor::Remove,
            _ => ForwardedFor::Append,
        },
        client_port: flag("routing.http.xff_client_port.enabled"),
        preserve_host: flag("routing.http.preserve_host_header.enabled"),
        mitigation: Mitigation::named(
            LOAD_BALANCER.value(lb, "routing.http.desync_mitigation_mode"),
        ),
        drop_invalid: flag("routing.http.drop_invalid_header_fields.enabled"),
        tls_headers: flag("routing.http.x_amzn_tls_version_and_cipher_suite.enabled"),
        http2: flag("routing.http2.enabled"),
        server_header: LISTENER.flag(listener, "routing.http.response.server.enabled"),
        renamed: renamed(listener),
        response_headers: response_headers(listener),
    }
}

/// The headers that a listener's attributes call otherwise: `routing.http.request.NAME.header_name`.
fn renamed(listener: &Set) -> HashMap<HeaderName, HeaderName> {
    let pair = |(key, value): (&String, &String)| {
        let name = key.strip_prefix("routing.http.request.")?.strip_suffix(".header_name")?;
        let name = HeaderName::try_from(name.replace('_', "-")).ok()?;
        Some((name, HeaderName::try_from(value.as_str()).ok()?))
    };
    listener.iter().filter_map(pair).collect()
}

/// The headers that a listener's attributes add: `routing.http.response.NAME.header_value`.
fn response_headers(listener: &Set) -> Vec<(HeaderName, HeaderValue)> {
    listener
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(key, value)| {
            let name = key.strip_prefix("routing.http.response.")?.strip_suffix(".header_value")?;
            let name = HeaderName::try_from(name.replace('_', "-")).ok()?;
            Some((name, HeaderValue::try_from(value.as_str()).ok()?))
        })
        .collect()
}

fn view(region: &Region, group: &Arc<TargetGroup>) -> Group {
    let value = |key| TARGET_GROUP.value(&group.attributes, key);
    let targets: Vec<Endpoint> = group
        .targets
        .iter()
        .filter(|(_, target)| !target.status.is_draining())
        .filter_map(|(key, target)| {
            let address = address(region, group, key)?;
            let (healthy, ramp) = (target.status.is_healthy(), target.status.ramp());
            Some(Endpoint { key: key.clone(), address, healthy, ramp })
        })
        .collect();
    Group {
        made_of: Arc::downgrade(group),
        arn: group.arn.clone(),
        protocol: group.protocol,
        version: group.version,
        check: group.check.clone(),
        algorithm: match value("load_balancing.algorithm.type") {
            "least_outstanding_requests" => Algorithm::LeastOutstanding,
            "weighted_random" => Algorithm::Random,
            _ => Algorithm::RoundRobin,
        },
        stickiness: stickiness(&group.attributes),
        optimized: group.control_port.is_some(),
        least_healthy: least_healthy(&group.attributes, targets.len()),
        targets,
    }
}

fn address(region: &Region, group: &TargetGroup, key: &TargetKey) -> Option<SocketAddr> {
    let ip: IpAddr = match group.target_type {
        TargetType::Ip => key.id.parse().ok()?,
        TargetType::Instance => region.instance_address(&key.id),
    };
    Some(SocketAddr::new(ip, key.port))
}

fn stickiness(set: &Set) -> Option<Stickiness> {
    if !TARGET_GROUP.flag(set, "stickiness.enabled") {
        return None;
    }
    let seconds = |key| Duration::from_secs(TARGET_GROUP.number(set, key).into());
    Some(if TARGET_GROUP.value(set, "stickiness.type") == "app_cookie" {
        let name = TARGET_GROUP.value(set, "stickiness.app_cookie.cookie_name");
        Stickiness {
            application_cookie: Some(name.to_owned()),
            duration: seconds("stickiness.app_cookie.duration_seconds"),
        }
    } else {
        Stickiness {
            application_cookie: None,
            duration: seconds("stickiness.lb_cookie.duration_seconds"),
        }
    })
}

fn least_healthy(set: &Set, targets: usize) -> usize {
    let number = |what: &str| {
        let key =
            format!("target_group_health.unhealthy_state_routing.minimum_healthy_targets.{what}");
        TARGET_GROUP.number(set, &key) as usize
    };
    let share = (targets * number("percentage")).div_ceil(100);
    number("count").max(share).max(1)
}
