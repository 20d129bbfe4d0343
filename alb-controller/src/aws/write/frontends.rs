//! Network load balancers.

use super::{balancers, listener, shapes};
use crate::aws::{calls::Call, client::Aws, error::CloudError};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, IpAddressType, LoadBalancerSchemeEnum, LoadBalancerTypeEnum,
    ProtocolEnum, SubnetMapping, TargetDescription, TargetTypeEnum,
};
use edgeway_alb_core::{
    Key,
    frontend::{FrontGroup, FrontListener, FrontTarget, Frontend},
};

pub(super) async fn create(
    aws: &Aws,
    key: &Key,
    wish: &Frontend,
) -> Result<Option<String>, CloudError> {
    let Frontend { name, scheme, ip_address_type, subnets, allocations, tags, .. } = wish;
    let groups = balancers::ids(aws, &wish.security_groups).await?;
    let mapping = |subnet: &String| {
        let mapping = SubnetMapping::builder().subnet_id(subnet);
        mapping.set_allocation_id(allocations.get(subnet).cloned()).build()
    };
    let mappings: Vec<SubnetMapping> = subnets.iter().map(mapping).collect();
    let tags = shapes::tags(tags);
    let answer = aws
        .call(Call::CreateLoadBalancer, || {
            aws.balancing
                .create_load_balancer()
                .name(name)
                .r#type(LoadBalancerTypeEnum::Network)
                .scheme(LoadBalancerSchemeEnum::from(scheme.as_str()))
                .ip_address_type(IpAddressType::from(ip_address_type.as_str()))
                .set_subnet_mappings(Some(mappings.clone()))
                .set_security_groups(Some(groups.clone()))
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await?;
    let made = answer.load_balancers().first();
    aws.made(key, made.and_then(|balancer| balancer.load_balancer_arn())).await;
    Ok(made.and_then(|balancer| balancer.dns_name()).map(str::to_lowercase))
}

pub(super) async fn create_group(
    aws: &Aws,
    key: &Key,
    wish: &FrontGroup,
) -> Result<(), CloudError> {
    let FrontGroup { name, port, check, tags, .. } = wish;
    let (matcher, tags) = (shapes::matcher(&check.matcher), shapes::tags(tags));
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let answer = aws
        .call(Call::CreateTargetGroup, || {
            aws.balancing
                .create_target_group()
                .name(name)
                .vpc_id(&aws.settings.vpc)
                .target_type(TargetTypeEnum::Alb)
                .protocol(ProtocolEnum::Tcp)
                .port(i32::from(*port))
                .health_check_enabled(true)
                .health_check_protocol(ProtocolEnum::from(check.protocol.as_str()))
                .health_check_port(&check.port)
                .health_check_path(&check.path)
                .health_check_interval_seconds(number(check.interval))
                .health_check_timeout_seconds(number(check.timeout))
                .healthy_threshold_count(number(check.healthy))
                .unhealthy_threshold_count(number(check.unhealthy))
                .matcher(matcher.clone())
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await?;
    let arn = answer.target_groups().first().and_then(|group| group.target_group_arn());
    aws.made(key, arn).await;
    Ok(())
}

async fn target(aws: &Aws, target: &FrontTarget) -> Result<TargetDescription, CloudError> {
    // One that is not ours is known by its ARN.
    let id = if target.balancer.starts_with("arn:") {
        target.balancer.clone()
    } else {
        aws.arn(&Key::LoadBalancer(target.balancer.clone())).await?
    };
    Ok(TargetDescription::builder().id(id).port(i32::from(target.port)).build())
}

pub(super) async fn register(aws: &Aws, key: &Key, wish: &FrontTarget) -> Result<(), CloudError> {
    let (arn, target) = (aws.arn(key).await?, target(aws, wish).await?);
    aws.call(Call::RegisterTargets, || {
        aws.balancing.register_targets().target_group_arn(&arn).targets(target.clone()).send()
    })
    .await
    .map(drop)
}

pub(super) async fn deregister(aws: &Aws, key: &Key, gone: &FrontTarget) -> Result<(), CloudError> {
    let (arn, target) = (aws.arn(key).await?, target(aws, gone).await?);
    aws.call(Call::DeregisterTargets, || {
        aws.balancing.deregister_targets().target_group_arn(&arn).targets(target.clone()).send()
    })
    .await
    .map(drop)
}

async fn forward(aws: &Aws, group: &str) -> Result<Action, CloudError> {
    let arn = aws.arn(&Key::TargetGroup(group.to_owned())).await?;
    Ok(Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(arn).order(1).build())
}

pub(super) async fn listen(aws: &Aws, key: &Key, wish: &FrontListener) -> Result<(), CloudError> {
    let place = listener(key)?;
    let balancer = aws.arn(&Key::LoadBalancer(place.load_balancer.clone())).await?;
    let (action, tags) = (forward(aws, &wish.group).await?, shapes::tags(&wish.tags));
    let answer = aws
        .call(Call::CreateListener, || {
            aws.balancing
                .create_listener()
                .load_balancer_arn(&balancer)
                .protocol(ProtocolEnum::Tcp)
                .port(i32::from(place.port))
                .default_actions(action.clone())
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await?;
    let arn = answer.listeners().first().and_then(|listener| listener.listener_arn());
    aws.made(key, arn).await;
    Ok(())
}

pub(super) async fn point(aws: &Aws, key: &Key, group: &str) -> Result<(), CloudError> {
    let (arn, action) = (aws.arn(key).await?, forward(aws, group).await?);
    aws.call(Call::ModifyListener, || {
        aws.balancing.modify_listener().listener_arn(&arn).default_actions(action.clone()).send()
    })
    .await
    .map(drop)
}
