//! Load balancers.

use super::{add_ons, shapes};
use crate::aws::{calls::Call, client::Aws, error::CloudError, network};
use aws_sdk_elasticloadbalancingv2::types::{
    IpAddressType as AwsAddressType, LoadBalancerAttribute, LoadBalancerSchemeEnum,
    LoadBalancerTypeEnum,
};
use edgeway_alb_core::{
    Key,
    pairs::Pairs,
    stack::{IpAddressType, LoadBalancer, SecurityGroupRef},
};
use std::collections::BTreeSet;

pub(super) async fn ids(aws: &Aws, groups: &[SecurityGroupRef]) -> Result<Vec<String>, CloudError> {
    let arns = aws.arns.lock().await;
    groups.iter().map(|group| network::id(group, &arns)).collect()
}

pub(super) async fn create(
    aws: &Aws,
    key: &Key,
    balancer: &LoadBalancer,
) -> Result<Option<String>, CloudError> {
    let LoadBalancer { name, scheme, ip_address_type, subnets, tags, .. } = balancer;
    let groups = ids(aws, &balancer.security_groups).await?;
    let (subnets, tags): (Vec<String>, _) = (subnets.iter().cloned().collect(), shapes::tags(tags));
    let pools = balancer.add_ons.address_pool.as_deref().map(add_ons::pools);
    let answer = aws
        .call(Call::CreateLoadBalancer, || {
            aws.balancing
                .create_load_balancer()
                .name(name)
                .r#type(LoadBalancerTypeEnum::Application)
                .scheme(LoadBalancerSchemeEnum::from(scheme.as_str()))
                .ip_address_type(AwsAddressType::from(ip_address_type.as_str()))
                .set_subnets(Some(subnets.clone()))
                .set_security_groups(Some(groups.clone()))
                .set_ipam_pools(pools.clone())
                .set_customer_owned_ipv4_pool(balancer.add_ons.customer_pool.clone())
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await?;
    let made = answer.load_balancers().first();
    aws.made(key, made.and_then(|balancer| balancer.load_balancer_arn())).await;
    Ok(made.and_then(|balancer| balancer.dns_name()).map(str::to_lowercase))
}

pub(super) async fn set_subnets(
    aws: &Aws,
    key: &Key,
    subnets: &BTreeSet<String>,
) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    let subnets: Vec<String> = subnets.iter().cloned().collect();
    aws.call(Call::SetSubnets, || {
        let call = aws.balancing.set_subnets().load_balancer_arn(&arn);
        call.set_subnets(Some(subnets.clone())).send()
    })
    .await
    .map(drop)
}

pub(super) async fn set_groups(
    aws: &Aws,
    key: &Key,
    groups: &[SecurityGroupRef],
) -> Result<(), CloudError> {
    let (arn, groups) = (aws.arn(key).await?, ids(aws, groups).await?);
    aws.call(Call::SetSecurityGroups, || {
        let call = aws.balancing.set_security_groups().load_balancer_arn(&arn);
        call.set_security_groups(Some(groups.clone())).send()
    })
    .await
    .map(drop)
}

pub(super) async fn set_addresses(
    aws: &Aws,
    key: &Key,
    kind: IpAddressType,
) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    aws.call(Call::SetIpAddressType, || {
        let call = aws.balancing.set_ip_address_type().load_balancer_arn(&arn);
        call.ip_address_type(AwsAddressType::from(kind.as_str())).send()
    })
    .await
    .map(drop)
}

pub(super) async fn set(aws: &Aws, key: &Key, attributes: &Pairs) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    for lot in shapes::lots(attributes) {
        let lot: Vec<_> = lot
            .into_iter()
            .map(|(key, value)| LoadBalancerAttribute::builder().key(key).value(value).build())
            .collect();
        aws.call(Call::ModifyLoadBalancerAttributes, || {
            let call = aws.balancing.modify_load_balancer_attributes().load_balancer_arn(&arn);
            call.set_attributes(Some(lot.clone())).send()
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn delete(aws: &Aws, key: &Key) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    aws.call(Call::DeleteLoadBalancer, || {
        aws.balancing.delete_load_balancer().load_balancer_arn(&arn).send()
    })
    .await?;
    aws.gone(key).await;
    Ok(())
}
