//! `CreateListener`, `DescribeListeners`, `ModifyListener`, `DeleteListener`.

use super::page::page;
use super::rule_checks::{Place, check};
use super::{Outcome, actions, quotas};
use crate::error::{AwsError, Code};
use crate::event::{Change, Event};
use crate::state::Region;
use crate::state::attributes::Set;
use crate::state::ids::Arn;
use crate::state::load_balancer::{Listener, Mutual, Protocol, rule_arn};
use crate::state::rule::Action;
use crate::state::tags;
use crate::wire::{Call, Fields, Params};

const DEFAULT_POLICY: &str = "ELBSecurityPolicy-2016-08";

pub(crate) fn create(region: &mut Region, call: &Call<'_>) -> Outcome {
    let params = &call.params;
    let lb = region.load_balancer(params.required("LoadBalancerArn")?)?.arn.clone();
    let protocol = protocol(params)?.ok_or_else(|| params.missing("Protocol"))?;
    let port = port(params)?.ok_or_else(|| params.missing("Port"))?;
    let tls = tls(region, params, protocol, None)?;
    let default_actions = actions::read(params, "DefaultActions")?;
    let tags = tags::read(params, "Tags")?;
    tags::limit(&tags, region.config.limits.tags)?;
    let listeners = region.listeners_of(&lb);
    if let Some(there) = listeners.iter().find(|listener| listener.port == port) {
        let same = there.protocol == protocol
            && Tls::of(there) == tls
            && there.default_actions == default_actions;
        return if same { Ok(reply([*there]).into()) } else { Err(duplicate(&lb)) };
    }
    let most = region.config.limits.listeners;
    if listeners.len() >= most {
        let text = format!(
            "The maximum number of listeners on load balancer '{lb}' has been reached: '{most}'"
        );
        return Err(AwsError::new(Code::TooManyListeners, text));
    }
    check(region, Place { load_balancer: &lb, protocol, port }, &default_actions)?;
    let listener = make(region, &lb, (protocol, port), tls, default_actions);
    let result = reply([&listener]);
    region.tags.insert(listener.arn.to_string(), tags);
    region.listeners.insert(listener.arn.clone(), listener);
    Ok(result.into())
}

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let arns = call.params.list("ListenerArns");
    let found: Vec<&Listener> = match call.params.text("LoadBalancerArn") {
        Some(lb) => region.listeners_of(&region.load_balancer(lb)?.arn),
        None if arns.is_empty() => {
            let text = "You must specify either listener ARNs or a load balancer ARN";
            return Err(AwsError::validation(text));
        }
        None => arns.iter().map(|arn| region.listener(arn)).collect::<Result<_, _>>()?,
    };
    let keyed = found.into_iter().map(|listener| (listener.arn.to_string(), listener)).collect();
    let page = page(keyed, &call.params)?;
    Ok(reply(page.items).maybe("NextMarker", page.next).into())
}

pub(crate) fn modify(region: &mut Region, call: &Call<'_>) -> Outcome {
    let params = &call.params;
    let listener = region.listener(params.required("ListenerArn")?)?;
    let mut next = listener.clone();
    next.protocol = protocol(params)?.unwrap_or(next.protocol);
    next.port = port(params)?.unwrap_or(next.port);
    let tls = tls(region, params, next.protocol, Some(listener))?;
    let siblings = region.listeners_of(&next.load_balancer);
    if siblings.iter().any(|other| other.port == next.port && other.arn != next.arn) {
        return Err(duplicate(&next.load_balancer));
    }
    if next.protocol == Protocol::Http {
        next.extra_certificates.clear();
    }
    (next.ssl_policy, next.certificate, next.mutual) = (tls.policy, tls.certificate, tls.mutual);
    if params.has("DefaultActions") {
        let actions = actions::read(params, "DefaultActions")?;
        let before = std::mem::replace(&mut next.default_actions, actions);
        actions::keep_secret(&mut next.default_actions, &before);
    }
    let place =
        Place { load_balancer: &next.load_balancer, protocol: next.protocol, port: next.port };
    check(region, place, &next.default_actions)?;
    for rule in &next.rules {
        check(region, place, &rule.actions)?;
    }
    let result = reply([&next]);
    let name = region.load_balancer(next.load_balancer.as_str())?.name.clone();
    region.events.push(Event::Rule {
        load_balancer: name,
        port: next.port,
        priority: None,
        change: Change::Changed,
    });
    region.listeners.insert(next.arn.clone(), next);
    Ok(result.into())
}

pub(crate) fn delete(region: &mut Region, call: &Call<'_>) -> Outcome {
    let listener = region.listener(call.params.required("ListenerArn")?)?.clone();
    region.listeners.remove(&listener.arn);
    region.forget_tags([&listener.arn, &listener.default_rule]);
    region.forget_tags(listener.rules.iter().map(|rule| &rule.arn));
    Ok(Fields::new().into())
}

fn make(
    region: &mut Region,
    lb: &Arn,
    (protocol, port): (Protocol, u16),
    tls: Tls,
    default_actions: Vec<Action>,
) -> Listener {
    let base = lb.as_str().replacen(":loadbalancer/", ":listener/", 1);
    let arn = Arn::from(format!("{base}/{}", region.ids.hex(16)));
    let default_rule = rule_arn(&arn, &region.ids.hex(16));
    Listener {
        arn,
        load_balancer: lb.clone(),
        port,
        protocol,
        ssl_policy: tls.policy,
        certificate: tls.certificate,
        extra_certificates: Vec::new(),
        mutual: tls.mutual,
        default_rule,
        default_actions,
        rules: Vec::new(),
        attributes: Set::new(),
    }
}

fn protocol(params: &Params<'_>) -> Result<Option<Protocol>, AwsError> {
    let Some(text) = params.text("Protocol") else { return Ok(None) };
    let wrong = || format!("Listener protocol '{text}' must be one of 'HTTP, HTTPS'");
    Protocol::named(text).map(Some).ok_or_else(|| AwsError::validation(wrong()))
}

fn port(params: &Params<'_>) -> Result<Option<u16>, AwsError> {
    params.number("Port", 1, u16::MAX)
}

fn duplicate(lb: &Arn) -> AwsError {
    let text = format!("A listener already exists on this port for this load balancer '{lb}'");
    AwsError::new(Code::DuplicateListener, text)
}

/// The settings that only HTTPS listeners have.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tls {
    policy: Option<String>,
    certificate: Option<Arn>,
    mutual: Option<Mutual>,
}

impl Tls {
    fn of(listener: &Listener) -> Self {
        Self {
            policy: listener.ssl_policy.clone(),
            certificate: listener.certificate.clone(),
            mutual: listener.mutual.clone(),
        }
    }
}

/// The TLS settings that a call asks for; what it does not name stays as it was.
fn tls(
    region: &Region,
    params: &Params<'_>,
    protocol: Protocol,
    before: Option<&Listener>,
) -> Result<Tls, AwsError> {
    let policy = params.text("SslPolicy");
    let certificates = params.structures("Certificates");
    if certificates.len() > 1 {
        let text = format!(
            "Up to '1' certificate ARNs can be specified, but '{}' were specified",
            certificates.len()
        );
        return Err(AwsError::new(Code::TooManyCertificates, text));
    }
    let certificate = match certificates.first() {
        Some(given) => Some(given.required("CertificateArn")?),
        None => None,
    };
    if protocol == Protocol::Http {
        if policy.is_some() {
            let text = "An SSL policy cannot be specifed for HTTP listeners";
            return Err(AwsError::validation(text));
        }
        if certificate.is_some() {
            let text = "A certificate cannot be specified for HTTP listeners";
            return Err(AwsError::validation(text));
        }
        return Ok(Tls::default());
    }
    if let Some(policy) = policy {
        quotas::known_policy(policy)?;
    }
    if let Some(arn) = certificate {
        region.certificate(arn)?;
    }
    let secure_before = before.filter(|listener| listener.protocol == Protocol::Https);
    let mut tls = secure_before.map(Tls::of).unwrap_or_default();
    if before.is_some() && secure_before.is_none() && policy.is_none() {
        let text = "An SSL policy must be specified to change a listener to HTTPS";
        return Err(AwsError::validation(text));
    }
    tls.policy = policy.map(str::to_owned).or(tls.policy).or(Some(DEFAULT_POLICY.to_owned()));
    tls.certificate = certificate.map(Arn::from).or(tls.certificate);
    if tls.certificate.is_none() {
        let text = "A certificate must be specified for HTTPS listeners";
        return Err(AwsError::validation(text));
    }
    if params.has("MutualAuthentication") {
        tls.mutual = Some(mutual(region, &params.structure("MutualAuthentication"))?);
    }
    Ok(tls)
}

fn mutual(region: &Region, params: &Params<'_>) -> Result<Mutual, AwsError> {
    const MODES: [&str; 3] = ["off", "passthrough", "verify"];
    let mode = params.word("Mode", &MODES)?.unwrap_or("off");
    let store = params.text("TrustStoreArn").filter(|arn| !arn.is_empty());
    let trust_store = match (mode, store) {
        ("verify", None) => {
            let text = "Mutual Authentication mode verify requires a trust store arn";
            return Err(AwsError::validation(text));
        }
        ("verify", Some(arn)) => Some(region.trust_store(arn)?.arn.clone()),
        _ => None,
    };
    Ok(Mutual {
        mode: mode.to_owned(),
        trust_store,
        ignore_expiry: params.boolean("IgnoreClientCertificateExpiry")?,
        advertise: params.word("AdvertiseTrustStoreCaNames", &["on", "off"])?.map(str::to_owned),
    })
}

fn reply<'a>(listeners: impl IntoIterator<Item = &'a Listener>) -> Fields {
    Fields::new().list("Listeners", listeners.into_iter().map(shape))
}

fn shape(listener: &Listener) -> Fields {
    let certificate =
        listener.certificate.iter().map(|arn| Fields::new().text("CertificateArn", arn));
    let mutual = |mutual: &Mutual| {
        Fields::new()
            .text("Mode", &mutual.mode)
            .maybe("TrustStoreArn", mutual.trust_store.as_ref())
            .maybe("TrustStoreAssociationStatus", mutual.trust_store.as_ref().map(|_| "active"))
            .maybe("IgnoreClientCertificateExpiry", mutual.ignore_expiry)
            .maybe("AdvertiseTrustStoreCaNames", mutual.advertise.as_ref())
    };
    let fields = Fields::new()
        .text("ListenerArn", &listener.arn)
        .text("LoadBalancerArn", &listener.load_balancer)
        .text("Port", listener.port)
        .text("Protocol", listener.protocol.name());
    let fields = match listener.protocol {
        Protocol::Http => fields,
        Protocol::Https => fields
            .list("Certificates", certificate)
            .maybe("SslPolicy", listener.ssl_policy.as_ref())
            .with(
                "MutualAuthentication",
                listener.mutual.as_ref().map_or_else(|| Fields::new().text("Mode", "off"), mutual),
            ),
    };
    fields.list("DefaultActions", actions::shapes(&listener.default_actions))
}
