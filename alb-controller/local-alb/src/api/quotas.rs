//! `DescribeAccountLimits`, `DescribeSSLPolicies`.

use super::Outcome;
use super::page::page;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::wire::{Call, Fields};

/// A security policy: name and the protocol versions it allows.
struct Policy(&'static str, &'static [&'static str]);

const TLS13: &[&str] = &["TLSv1.3"];
const TLS12: &[&str] = &["TLSv1.2"];
const TLS12_13: &[&str] = &["TLSv1.2", "TLSv1.3"];
const TLS10_12: &[&str] = &["TLSv1", "TLSv1.1", "TLSv1.2"];
const TLS11_12: &[&str] = &["TLSv1.1", "TLSv1.2"];
const TLS10_13: &[&str] = &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
const TLS11_13: &[&str] = &["TLSv1.1", "TLSv1.2", "TLSv1.3"];

static POLICIES: [Policy; 22] = [
    Policy("ELBSecurityPolicy-2016-08", TLS10_12),
    Policy("ELBSecurityPolicy-FS-1-1-2019-08", TLS11_12),
    Policy("ELBSecurityPolicy-FS-1-2-2019-08", TLS12),
    Policy("ELBSecurityPolicy-FS-1-2-Res-2019-08", TLS12),
    Policy("ELBSecurityPolicy-FS-1-2-Res-2020-10", TLS12),
    Policy("ELBSecurityPolicy-FS-2018-06", TLS10_12),
    Policy("ELBSecurityPolicy-TLS-1-1-2017-01", TLS11_12),
    Policy("ELBSecurityPolicy-TLS-1-2-2017-01", TLS12),
    Policy("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", TLS12),
    Policy("ELBSecurityPolicy-TLS13-1-0-2021-06", TLS10_13),
    Policy("ELBSecurityPolicy-TLS13-1-0-PQ-2025-09", TLS10_13),
    Policy("ELBSecurityPolicy-TLS13-1-1-2021-06", TLS11_13),
    Policy("ELBSecurityPolicy-TLS13-1-2-2021-06", TLS12_13),
    Policy("ELBSecurityPolicy-TLS13-1-2-Ext0-PQ-2025-09", TLS12_13),
    Policy("ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06", TLS12_13),
    Policy("ELBSecurityPolicy-TLS13-1-2-Ext1-PQ-2025-09", TLS12_13),
    Policy("ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06", TLS12_13),
    Policy("ELBSecurityPolicy-TLS13-1-2-Ext2-PQ-2025-09", TLS12_13),
    Policy("ELBSecurityPolicy-TLS13-1-2-PQ-2025-09", TLS12_13),
    Policy("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", TLS12_13),
    Policy("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", TLS12_13),
    Policy("ELBSecurityPolicy-TLS13-1-3-2021-06", TLS13),
];

/// The cipher suites that the local data plane speaks, whatever the policy.
const CIPHERS: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

/// Refuses a security policy that AWS does not have.
pub(super) fn known_policy(name: &str) -> Result<(), AwsError> {
    if POLICIES.iter().any(|Policy(known, _)| *known == name) {
        return Ok(());
    }
    Err(AwsError::new(Code::SslPolicyNotFound, format!("SSL policy '{name}' not found")))
}

pub(crate) fn ssl_policies(_region: &Region, call: &Call<'_>) -> Outcome {
    let names = call.params.list("Names");
    for name in &names {
        known_policy(name)?;
    }
    let wanted = POLICIES.iter().filter(|Policy(name, _)| names.is_empty() || names.contains(name));
    let keyed = wanted.map(|policy| (policy.0.to_owned(), policy)).collect();
    let page = page(keyed, &call.params)?;
    let shapes = page.items.into_iter().map(|Policy(name, protocols)| {
        let ciphers = (1..).zip(CIPHERS).map(|(priority, cipher): (u32, _)| {
            Fields::new().text("Name", cipher).text("Priority", priority)
        });
        Fields::new()
            .texts("SslProtocols", *protocols)
            .list("Ciphers", ciphers)
            .text("Name", name)
            .texts("SupportedLoadBalancerTypes", ["application", "network"])
    });
    Ok(Fields::new().list("SslPolicies", shapes).maybe("NextMarker", page.next).into())
}

pub(crate) fn account_limits(region: &Region, call: &Call<'_>) -> Outcome {
    let keyed = region.config.limits.named().into_iter();
    let keyed = keyed.map(|(name, most)| (name.to_owned(), (name, most))).collect();
    let page = page(keyed, &call.params)?;
    let shapes = page
        .items
        .into_iter()
        .map(|(name, most)| Fields::new().text("Name", name).text("Max", most));
    Ok(Fields::new().list("Limits", shapes).maybe("NextMarker", page.next).into())
}
