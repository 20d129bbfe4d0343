//! What a load balancer gets from other services, and what its listeners ask of clients.

use super::{
    Scene,
    agree::{settle, settle_strictly},
    group::Group,
    member::Member,
    wish::Wish,
};
use crate::{
    add_ons::{AddOns, MutualTls, MutualTlsMode, Shield, WebAcl},
    annotations::{
        Annotations, Fault, PREFIX, field,
        value::{self, Expected},
    },
    switches::Switch,
};
use edgeway_api::{Problem, ingress_class_params::IngressClassParamsSpec};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The access control list that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AclWish {
    Nothing,
    /// By name or by ARN, whichever the annotation is for.
    Some(String),
}

/// What is asked for about certificates of clients, before trust stores are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MutualTlsWish {
    Off,
    Passthrough,
    Verify {
        /// By name or by ARN.
        store: String,
        ignore_expiry: bool,
        advertise: bool,
    },
}

/// One port of the annotation. Names of fields are in small letters by now.
#[derive(Deserialize)]
struct PortSpec {
    port: i64,
    mode: String,
    #[serde(rename = "truststore")]
    store: Option<String>,
    #[serde(rename = "ignoreclientcertificateexpiry")]
    ignore_expiry: Option<bool>,
    #[serde(rename = "advertisetruststorecanames")]
    advertise: Option<String>,
}

const MUTUAL_TLS: &str = "mutual-authentication";

/// Reads the annotation about certificates of clients, by port.
pub(super) fn mutual_tls(
    annotations: &Annotations<'_>,
) -> Result<BTreeMap<u16, MutualTlsWish>, Fault> {
    let read = annotations.checked_json(MUTUAL_TLS, |specs: Vec<PortSpec>| {
        if specs.is_empty() {
            let advice = r#"write [{"port": 443, "mode": "verify", "trustStore": "NAME"}]"#;
            return Err(Expected::new("it lists no port", advice));
        }
        specs.into_iter().map(PortSpec::wish).collect()
    })?;
    Ok(read.unwrap_or_default())
}

impl PortSpec {
    fn wish(self) -> Result<(u16, MutualTlsWish), Expected> {
        let number = u16::try_from(self.port).ok().filter(|port| *port > 0);
        let port = number.ok_or_else(|| {
            Expected::new(format!("there is no port {}", self.port), "use a port from 1 to 65535")
        })?;
        Ok((port, self.mode()?))
    }

    fn mode(self) -> Result<MutualTlsWish, Expected> {
        let Self { port, mode, store, ignore_expiry, advertise } = self;
        let store = store.filter(|store| !store.is_empty());
        let mode = MutualTlsMode::parse(&mode).ok_or_else(|| {
            Expected::new(
                format!("port {port} has the mode {mode:?}"),
                format!("use one of {}", MutualTlsMode::choices()),
            )
        })?;
        let only = |what: &str, given: bool| {
            let wrong = || format!("port {port} has a {what}, and its mode is {mode}");
            let advice = "remove it, or use the mode verify";
            if given { Err(Expected::new(wrong(), advice)) } else { Ok(()) }
        };
        if mode != MutualTlsMode::Verify {
            only("trustStore", store.is_some())?;
            only("ignoreClientCertificateExpiry", ignore_expiry.is_some())?;
            only("advertiseTrustStoreCaNames", advertise.is_some())?;
        }
        match mode {
            MutualTlsMode::Off => Ok(MutualTlsWish::Off),
            MutualTlsMode::Passthrough => Ok(MutualTlsWish::Passthrough),
            MutualTlsMode::Verify => Ok(MutualTlsWish::Verify {
                store: store.ok_or_else(|| {
                    Expected::new(
                        format!("port {port} has the mode verify and no trustStore"),
                        "name the trust store, or give its ARN",
                    )
                })?,
                ignore_expiry: ignore_expiry.unwrap_or(false),
                advertise: match advertise.as_deref() {
                    None | Some("off") => false,
                    Some("on") => true,
                    Some(other) => {
                        let wrong = format!("advertiseTrustStoreCaNames is {other:?}");
                        return Err(Expected::new(wrong, "write \"on\" or \"off\""));
                    }
                },
            }),
        }
    }
}

impl MutualTlsWish {
    /// The name of its trust store, if it is no ARN.
    pub(super) fn store_name(&self) -> Option<&str> {
        match self {
            Self::Verify { store, .. } if !store.starts_with("arn:") => Some(store),
            Self::Verify { .. } | Self::Off | Self::Passthrough => None,
        }
    }

    /// The same with the trust store's ARN; an error is the name of one that is not there.
    pub(super) fn resolve(&self, scene: &Scene<'_>) -> Result<MutualTls, String> {
        Ok(match self {
            Self::Off => MutualTls::Off,
            Self::Passthrough => MutualTls::Passthrough,
            Self::Verify { store, ignore_expiry, advertise } => MutualTls::Verify {
                trust_store: match (self.store_name(), &scene.lookups.trust_stores) {
                    (Some(name), Some(known)) => {
                        known.get(name).cloned().ok_or_else(|| name.to_owned())?
                    }
                    (_, None) | (None, Some(_)) => store.clone(),
                },
                ignore_expiry: *ignore_expiry,
                advertise: *advertise,
            },
        })
    }
}

/// The access control list that a class or an annotation asks for; an empty one is none.
pub(super) fn web_acl(
    fixed: Option<&str>,
    annotations: &Annotations<'_>,
    name: &str,
) -> Option<AclWish> {
    let own = || annotations.text(name).map(|found| found.text.trim().to_owned());
    let wish = fixed.filter(|text| !text.is_empty()).map(str::to_owned).or_else(own)?;
    Some(if matches!(wish.as_str(), "" | "none") { AclWish::Nothing } else { AclWish::Some(wish) })
}

/// Capacity units that are to be kept ready.
pub(super) fn capacity(annotations: &Annotations<'_>) -> Result<Option<u32>, Fault> {
    annotations.read("minimum-load-balancer-capacity", |text| {
        let advice = "write CapacityUnits=NUMBER";
        let map = value::map(text)?;
        if let Some(key) = map.keys().find(|key| *key != "CapacityUnits") {
            return Err(Expected::new(format!("there is no {key:?}"), advice));
        }
        let units = map.get("CapacityUnits").map(String::as_str).unwrap_or_default();
        value::number(units, 0..=u32::MAX >> 1)
    })
}

/// The pool of a customer's own addresses.
pub(super) fn customer_pool(annotations: &Annotations<'_>) -> Result<Option<String>, Fault> {
    annotations.read("customer-owned-ipv4-pool", |text| match text.trim() {
        "" => Err(Expected::new("it is empty", "name the pool, or remove it")),
        pool => Ok(pool.to_owned()),
    })
}

/// What the members agree on. Whoever asks for an access control list that is not there is not
/// served: its requests would come through unchecked.
pub(super) fn add_ons(
    scene: &Scene<'_>,
    group: &mut Group<'_>,
    problems: &mut Vec<Problem>,
) -> AddOns {
    let off = |switch| scene.settings.has(switch);
    let web_acl = if off(Switch::NoWebAcl) {
        let asks = |wish: &Wish| wish.web_acl.is_some() || wish.web_acl_name.is_some();
        switched_off(group, ("wafv2-acl-arn", Switch::NoWebAcl), asks, problems);
        None
    } else {
        web_acl_of(scene, group, problems)
    };
    let shield = settle(group, "shield-advanced-protection", |member| member.wish.shield, problems);
    let first = group.members.first().and_then(|member| member.params);
    let capacity =
        settle(group, "minimum-load-balancer-capacity", |member| member.wish.capacity, problems);
    let pool = |member: &Member<'_>| member.wish.address_pool.clone();
    let address_pool = settle(group, "ipam-ipv4-pool-id", pool, problems);
    let customer = |member: &Member<'_>| member.wish.customer_pool.clone();
    let capacity = first.and_then(fixed_capacity).or(capacity);
    let capacity = capacity.or(off(Switch::Reset).then_some(0));
    if off(Switch::NoShield) {
        let about = ("shield-advanced-protection", Switch::NoShield);
        switched_off(group, about, |wish| wish.shield.is_some(), problems);
    }
    if off(Switch::NoCapacity) {
        let about = ("minimum-load-balancer-capacity", Switch::NoCapacity);
        switched_off(group, about, |wish| wish.capacity.is_some(), problems);
    }
    let shield = shield.filter(|_| !off(Switch::NoShield));
    AddOns {
        web_acl,
        shield: shield.map(|on| if on { Shield::Ours } else { Shield::Off }),
        capacity: capacity.filter(|_| !off(Switch::NoCapacity)),
        address_pool: first.and_then(fixed_pool).or(address_pool),
        customer_pool: settle(group, "customer-owned-ipv4-pool", customer, problems),
    }
}

/// Tells those who ask for what the controller was started without.
fn switched_off(
    group: &Group<'_>,
    (name, switch): (&str, Switch),
    asks: impl Fn(&Wish) -> bool,
    problems: &mut Vec<Problem>,
) {
    for member in group.members.iter().filter(|member| asks(&member.wish)) {
        let key = field(&format!("{PREFIX}{name}"));
        let problem = Problem::warning(member.reference.clone(), key, "add-on-switched-off");
        problems.push(
            problem
                .message(format!("it has no effect: the controller runs with {switch}=false"))
                .advice("remove it, or start the controller with this"),
        );
    }
}

fn fixed_capacity(params: &IngressClassParamsSpec) -> Option<u32> {
    u32::try_from(params.minimum_load_balancer_capacity.as_ref()?.capacity_units).ok()
}

fn fixed_pool(params: &IngressClassParamsSpec) -> Option<String> {
    params.ipam_configuration.as_ref()?.ipv4_ipam_pool_id.clone()
}

/// A name goes before all ARNs. Whoever asks for another list is not served: its requests would be
/// checked in another way than it asks for, or not at all.
fn web_acl_of(
    scene: &Scene<'_>,
    group: &mut Group<'_>,
    problems: &mut Vec<Problem>,
) -> Option<WebAcl> {
    const NAME: &str = "wafv2-acl-name";
    let by_name = settle_strictly(group, NAME, |member| member.wish.web_acl_name.clone(), problems);
    let Some(named) = by_name else {
        let by_arn = settle_strictly(
            group,
            "wafv2-acl-arn",
            |member| member.wish.web_acl.clone(),
            problems,
        )?;
        return Some(match by_arn {
            AclWish::Nothing => WebAcl::Nothing,
            AclWish::Some(arn) => WebAcl::Arn(arn),
        });
    };
    let AclWish::Some(name) = &named else { return Some(WebAcl::Nothing) };
    let Some(known) = &scene.lookups.web_acls else { return Some(WebAcl::Arn(name.clone())) };
    if let Some(arn) = known.get(name) {
        return Some(WebAcl::Arn(arn.clone()));
    }
    let asks = |member: &Member<'_>| member.wish.web_acl_name.as_ref() == Some(&named);
    for member in group.members.iter().filter(|member| asks(member)) {
        let key = field(&format!("{PREFIX}{NAME}"));
        let problem = Problem::error(member.reference.clone(), key, "web-acl-not-found");
        problems.push(
            problem
                .message(format!("there is no regional web ACL {name}: it is not served without"))
                .advice("create it, or name another"),
        );
    }
    group.set_aside(|member| !asks(member));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_api::k8s_openapi::api::networking::v1::Ingress;

    fn read(text: &str) -> Result<BTreeMap<u16, MutualTlsWish>, Fault> {
        let mut ingress = Ingress::default();
        ingress.metadata.annotations =
            Some([(format!("{PREFIX}{MUTUAL_TLS}"), text.to_owned())].into());
        mutual_tls(&Annotations::of(&ingress))
    }

    #[test]
    fn modes_come_with_what_they_need_and_nothing_else() {
        let good = read(
            r#"[{"port": 443, "mode": "verify", "trustStore": "ts"}, {"Port": 8443, "Mode": "off"}]"#,
        );
        let verify =
            MutualTlsWish::Verify { store: "ts".into(), ignore_expiry: false, advertise: false };
        assert_eq!(good.unwrap(), BTreeMap::from([(443, verify), (8443, MutualTlsWish::Off)]));
        let bad = [
            ("[]", "no port"),
            (r#"[{"port": 443, "mode": "strict"}]"#, "strict"),
            (r#"[{"port": 443, "mode": "verify"}]"#, "no trustStore"),
            (r#"[{"port": 443, "mode": "passthrough", "trustStore": "ts"}]"#, "a trustStore"),
            (r#"[{"port": 0, "mode": "off"}]"#, "no port 0"),
            (
                r#"[{"port": 443, "mode": "verify", "trustStore": "t", "advertiseTrustStoreCaNames": "yes"}]"#,
                "yes",
            ),
        ];
        for (text, wrong) in bad {
            let fault = read(text).unwrap_err();
            assert!(fault.message.contains(wrong), "{text}: {fault}");
        }
    }
}
