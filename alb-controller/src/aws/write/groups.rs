//! Target groups.

use super::{gone_is_fine, shapes};
use crate::aws::{calls::Call, client::Aws, error::CloudError};
use aws_sdk_elasticloadbalancingv2::types::{
    ProtocolEnum, TargetDescription, TargetGroupAttribute, TargetGroupIpAddressTypeEnum,
    TargetTypeEnum,
};
use edgeway_alb_core::{
    Key,
    pairs::Pairs,
    target::{HealthCheck, TargetGroup, TargetGroupKind, TargetId, Targets},
};
use std::collections::BTreeSet;

/// How many targets one call takes.
const LOT: usize = 200;

fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(super) async fn create(aws: &Aws, key: &Key, group: &TargetGroup) -> Result<(), CloudError> {
    let TargetGroup { name, kind, health_check: check, tags, .. } = group;
    let TargetGroupKind { target_type, protocol, version, port, family, control_port } = kind;
    let (matcher, tags) = (shapes::matcher(&check.matcher), shapes::tags(tags));
    let answer = aws
        .call(Call::CreateTargetGroup, || {
            aws.balancing
                .create_target_group()
                .name(name)
                .vpc_id(&aws.settings.vpc)
                .target_type(TargetTypeEnum::from(target_type.as_str()))
                .protocol(ProtocolEnum::from(protocol.as_str()))
                .protocol_version(version.as_str())
                .port(i32::from(*port))
                .ip_address_type(TargetGroupIpAddressTypeEnum::from(family.as_str()))
                .set_target_control_port(control_port.map(i32::from))
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

pub(super) async fn modify(aws: &Aws, key: &Key, check: &HealthCheck) -> Result<(), CloudError> {
    let (arn, matcher) = (aws.arn(key).await?, shapes::matcher(&check.matcher));
    aws.call(Call::ModifyTargetGroup, || {
        aws.balancing
            .modify_target_group()
            .target_group_arn(&arn)
            .health_check_protocol(ProtocolEnum::from(check.protocol.as_str()))
            .health_check_port(&check.port)
            .health_check_path(&check.path)
            .health_check_interval_seconds(number(check.interval))
            .health_check_timeout_seconds(number(check.timeout))
            .healthy_threshold_count(number(check.healthy))
            .unhealthy_threshold_count(number(check.unhealthy))
            .matcher(matcher.clone())
            .send()
    })
    .await
    .map(drop)
}

pub(super) async fn set(aws: &Aws, key: &Key, attributes: &Pairs) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    for lot in shapes::lots(attributes) {
        let lot: Vec<_> = lot
            .into_iter()
            .map(|(key, value)| TargetGroupAttribute::builder().key(key).value(value).build())
            .collect();
        aws.call(Call::ModifyTargetGroupAttributes, || {
            let call = aws.balancing.modify_target_group_attributes().target_group_arn(&arn);
            call.set_attributes(Some(lot.clone())).send()
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn register(aws: &Aws, key: &Key, targets: &Targets) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    let targets: Vec<TargetDescription> =
        targets.iter().map(|(target, zone)| shapes::target(target, zone.as_deref())).collect();
    for lot in targets.chunks(LOT) {
        aws.call(Call::RegisterTargets, || {
            let call = aws.balancing.register_targets().target_group_arn(&arn);
            call.set_targets(Some(lot.to_vec())).send()
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn deregister(
    aws: &Aws,
    key: &Key,
    targets: &BTreeSet<TargetId>,
) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    let targets: Vec<TargetDescription> =
        targets.iter().map(|target| shapes::target(target, None)).collect();
    for lot in targets.chunks(LOT) {
        aws.call(Call::DeregisterTargets, || {
            let call = aws.balancing.deregister_targets().target_group_arn(&arn);
            call.set_targets(Some(lot.to_vec())).send()
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn delete(aws: &Aws, key: &Key) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    let deleted = aws
        .call(Call::DeleteTargetGroup, || {
            aws.balancing.delete_target_group().target_group_arn(&arn).send()
        })
        .await;
    gone_is_fine(deleted.map(drop))?;
    aws.gone(key).await;
    Ok(())
}
