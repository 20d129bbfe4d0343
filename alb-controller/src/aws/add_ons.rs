//! What hangs on load balancers from other services: looked at where it is wished, found by name.

use super::{calls::Call, client::Aws, error::CloudError};
use aws_sdk_elasticloadbalancingv2::types::{self as elb, MinimumLoadBalancerCapacity};
use aws_sdk_shield::types::{Protection, SubscriptionState};
use aws_sdk_wafv2::types::Scope;
use edgeway_alb_core::{
    Desired, Question, StackId,
    add_ons::{AddOns, MutualTls, Shield, WebAcl},
};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the protections that the AWS Load Balancer Controller makes, and we as well.
pub(super) const PROTECTION: &str = "managed by aws-load-balancer-controller";
/// The name that its first version gave them.
const OLD_PROTECTION: &str = "managed by aws-alb-ingress-controller";

impl Aws {
    /// What there is of what is wished.
    pub(super) async fn add_ons(
        &self,
        (desired, stack): (&Desired, &StackId),
        balancer: &elb::LoadBalancer,
        arn: &str,
    ) -> Result<AddOns, CloudError> {
        let asks = |question: fn(StackId) -> Question| desired.asks(&question(stack.clone()));
        let pool = balancer.ipam_pools().and_then(|pools| pools.ipv4_ipam_pool_id());
        let web_acl = if asks(Question::WebAcl) { known(self.web_acl(arn).await)? } else { None };
        let shield = if asks(Question::Shield) { known(self.shield(arn).await)? } else { None };
        let capacity =
            if asks(Question::Capacity) { known(self.capacity(arn).await)? } else { None };
        Ok(AddOns {
            web_acl,
            shield,
            capacity,
            address_pool: pool.map(str::to_owned),
            customer_pool: balancer.customer_owned_ipv4_pool().map(str::to_owned),
        })
    }

    async fn web_acl(&self, arn: &str) -> Result<WebAcl, CloudError> {
        let answer = self
            .call(Call::GetWebACLForResource, || {
                self.web_acls.get_web_acl_for_resource().resource_arn(arn).send()
            })
            .await?;
        let found = answer.web_acl().map(|acl| acl.arn().to_owned());
        Ok(found.map_or(WebAcl::Nothing, WebAcl::Arn))
    }

    async fn shield(&self, arn: &str) -> Result<Shield, CloudError> {
        let answer = self
            .call(Call::GetSubscriptionState, || self.shields.get_subscription_state().send())
            .await?;
        if *answer.subscription_state() != SubscriptionState::Active {
            return Ok(Shield::Unavailable);
        }
        Ok(match self.protection(arn).await? {
            None => Shield::Off,
            Some(found) if matches!(found.name(), Some(PROTECTION | OLD_PROTECTION)) => {
                Shield::Ours
            }
            Some(_) => Shield::Foreign,
        })
    }

    /// The protection of a load balancer, if it has one.
    pub(super) async fn protection(&self, arn: &str) -> Result<Option<Protection>, CloudError> {
        let answer = self
            .call(Call::DescribeProtection, || {
                self.shields.describe_protection().resource_arn(arn).send()
            })
            .await;
        match answer {
            Ok(answer) => Ok(answer.protection().cloned()),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn capacity(&self, arn: &str) -> Result<u32, CloudError> {
        let answer = self
            .call(Call::DescribeCapacityReservation, || {
                self.balancing.describe_capacity_reservation().load_balancer_arn(arn).send()
            })
            .await?;
        let units = answer
            .minimum_load_balancer_capacity()
            .and_then(MinimumLoadBalancerCapacity::capacity_units);
        Ok(units.and_then(|units| u32::try_from(units).ok()).unwrap_or(0))
    }

    /// ARNs of trust stores by name. One that is not there is not missed.
    pub(super) async fn trust_stores(
        &self,
        wanted: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, CloudError> {
        let mut found = BTreeMap::new();
        let mut next: Option<String> = None;
        while !wanted.is_empty() {
            let page = self
                .call(Call::DescribeTrustStores, || {
                    self.balancing.describe_trust_stores().set_marker(next.clone()).send()
                })
                .await?;
            for store in page.trust_stores() {
                if let (Some(name), Some(arn)) = (store.name(), store.trust_store_arn()) {
                    found.insert(name.to_owned(), arn.to_owned());
                }
            }
            next = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// ARNs of the region's access control lists by name.
    pub(super) async fn web_acls_by_name(&self) -> Result<BTreeMap<String, String>, CloudError> {
        let mut found = BTreeMap::new();
        let mut next: Option<String> = None;
        loop {
            let page = self
                .call(Call::ListWebACLs, || {
                    let call = self.web_acls.list_web_acls().scope(Scope::Regional);
                    call.set_next_marker(next.clone()).send()
                })
                .await?;
            for acl in page.web_acls() {
                if let (Some(name), Some(arn)) = (acl.name(), acl.arn()) {
                    found.insert(name.to_owned(), arn.to_owned());
                }
            }
            next = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
            if next.is_none() || page.web_acls().is_empty() {
                return Ok(found);
            }
        }
    }
}

/// An answer, if there is one. That we may not ask, or that there is no such service here, is no
/// reason to see nothing of all the rest: the step that sets it will tell.
fn known<T>(answer: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error @ (CloudError::Denied { .. } | CloudError::Refused { .. })) => {
            tracing::warn!("{}", error.line());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What a listener does about certificates of clients.
pub(super) fn read_mutual_tls(listener: &elb::Listener) -> Option<MutualTls> {
    let found = listener.mutual_authentication()?;
    Some(match found.mode()? {
        "verify" => MutualTls::Verify {
            trust_store: found.trust_store_arn().unwrap_or_default().to_owned(),
            ignore_expiry: found.ignore_client_certificate_expiry().unwrap_or(false),
            advertise: found
                .advertise_trust_store_ca_names()
                .is_some_and(|word| *word == elb::AdvertiseTrustStoreCaNamesEnum::On),
        },
        "passthrough" => MutualTls::Passthrough,
        _ => MutualTls::Off,
    })
}

/// The same for AWS. Where there is no trust store, an empty one takes an earlier one away.
pub(super) fn write_mutual_tls(wish: &MutualTls) -> elb::MutualAuthenticationAttributes {
    let build = elb::MutualAuthenticationAttributes::builder().mode(wish.mode().as_str());
    match wish {
        MutualTls::Off | MutualTls::Passthrough => build.trust_store_arn(""),
        MutualTls::Verify { trust_store, ignore_expiry, advertise } => {
            let word = if *advertise {
                elb::AdvertiseTrustStoreCaNamesEnum::On
            } else {
                elb::AdvertiseTrustStoreCaNamesEnum::Off
            };
            build
                .trust_store_arn(trust_store)
                .ignore_client_certificate_expiry(*ignore_expiry)
                .advertise_trust_store_ca_names(word)
        }
    }
    .build()
}
