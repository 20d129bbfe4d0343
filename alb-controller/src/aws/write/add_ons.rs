//! What hangs on load balancers from other services.

use crate::aws::{add_ons::PROTECTION, calls::Call, client::Aws, error::CloudError};
use aws_sdk_elasticloadbalancingv2::types::{IpamPools, MinimumLoadBalancerCapacity};
use edgeway_alb_core::{Key, add_ons::WebAcl};

pub(super) async fn set_web_acl(aws: &Aws, key: &Key, acl: &WebAcl) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    match acl {
        WebAcl::Arn(acl) => aws
            .call(Call::AssociateWebACL, || {
                aws.web_acls.associate_web_acl().web_acl_arn(acl).resource_arn(&arn).send()
            })
            .await
            .map(drop),
        WebAcl::Nothing => aws
            .call(Call::DisassociateWebACL, || {
                aws.web_acls.disassociate_web_acl().resource_arn(&arn).send()
            })
            .await
            .map(drop),
    }
}

pub(super) async fn set_shield(aws: &Aws, key: &Key, on: bool) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    if on {
        return aws
            .call(Call::CreateProtection, || {
                aws.shields.create_protection().name(PROTECTION).resource_arn(&arn).send()
            })
            .await
            .map(drop);
    }
    let found = aws.protection(&arn).await?;
    match found.as_ref().and_then(|found| found.id()) {
        Some(id) => aws
            .call(Call::DeleteProtection, || {
                aws.shields.delete_protection().protection_id(id).send()
            })
            .await
            .map(drop),
        None => Ok(()),
    }
}

pub(super) async fn reserve(aws: &Aws, key: &Key, units: u32) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    let capacity = MinimumLoadBalancerCapacity::builder()
        .capacity_units(i32::try_from(units).unwrap_or(i32::MAX))
        .build();
    aws.call(Call::ModifyCapacityReservation, || {
        let call = aws.balancing.modify_capacity_reservation().load_balancer_arn(&arn);
        if units == 0 {
            call.reset_capacity_reservation(true).send()
        } else {
            call.minimum_load_balancer_capacity(capacity.clone()).send()
        }
    })
    .await
    .map(drop)
}

pub(super) fn pools(pool: &str) -> IpamPools {
    IpamPools::builder().ipv4_ipam_pool_id(pool).build()
}

pub(super) async fn set_pool(aws: &Aws, key: &Key, pool: &str) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    aws.call(Call::ModifyIpPools, || {
        aws.balancing.modify_ip_pools().load_balancer_arn(&arn).ipam_pools(pools(pool)).send()
    })
    .await
    .map(drop)
}
