//! Security groups.

use super::gone_is_fine;
use crate::aws::{calls::Call, client::Aws, error::CloudError, network::permission};
use aws_sdk_ec2::types::{IpPermission, ResourceType, Tag, TagSpecification};
use edgeway_alb_core::{Key, stack::Ingress, tags::Tags};
use std::collections::BTreeSet;

fn ec2_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

pub(super) async fn create(
    aws: &Aws,
    key: &Key,
    description: &str,
    tags: &Tags,
) -> Result<(), CloudError> {
    let name = key.to_string();
    let tags = TagSpecification::builder()
        .resource_type(ResourceType::SecurityGroup)
        .set_tags(Some(ec2_tags(tags)))
        .build();
    let answer = aws
        .call(Call::CreateSecurityGroup, || {
            let call =
                aws.network.create_security_group().group_name(&name).vpc_id(&aws.settings.vpc);
            call.description(description).tag_specifications(tags.clone()).send()
        })
        .await?;
    aws.made(key, answer.group_id()).await;
    Ok(())
}

pub(super) async fn delete(aws: &Aws, key: &Key) -> Result<(), CloudError> {
    let id = aws.arn(key).await?;
    let deleted = aws
        .call(Call::DeleteSecurityGroup, || {
            aws.network.delete_security_group().group_id(&id).send()
        })
        .await;
    gone_is_fine(deleted.map(drop))?;
    aws.gone(key).await;
    Ok(())
}

async fn permissions(
    aws: &Aws,
    ingress: &BTreeSet<Ingress>,
) -> Result<Vec<IpPermission>, CloudError> {
    let arns = aws.arns.lock().await;
    ingress.iter().map(|ingress| permission(ingress, &arns)).collect()
}

pub(super) async fn authorize(
    aws: &Aws,
    key: &Key,
    ingress: &BTreeSet<Ingress>,
) -> Result<(), CloudError> {
    let (id, permissions) = (aws.arn(key).await?, permissions(aws, ingress).await?);
    aws.call(Call::AuthorizeSecurityGroupIngress, || {
        let call = aws.network.authorize_security_group_ingress().group_id(&id);
        call.set_ip_permissions(Some(permissions.clone())).send()
    })
    .await
    .map(drop)
}

pub(super) async fn revoke(
    aws: &Aws,
    key: &Key,
    ingress: &BTreeSet<Ingress>,
) -> Result<(), CloudError> {
    let (id, permissions) = (aws.arn(key).await?, permissions(aws, ingress).await?);
    let revoked = aws
        .call(Call::RevokeSecurityGroupIngress, || {
            let call = aws.network.revoke_security_group_ingress().group_id(&id);
            call.set_ip_permissions(Some(permissions.clone())).send()
        })
        .await;
    gone_is_fine(revoked.map(drop))
}

pub(super) async fn add_tags(aws: &Aws, key: &Key, tags: &Tags) -> Result<(), CloudError> {
    let (id, tags) = (aws.arn(key).await?, ec2_tags(tags));
    aws.call(Call::CreateTags, || {
        aws.network.create_tags().resources(&id).set_tags(Some(tags.clone())).send()
    })
    .await
    .map(drop)
}

pub(super) async fn remove_tags(
    aws: &Aws,
    key: &Key,
    keys: &BTreeSet<String>,
) -> Result<(), CloudError> {
    let id = aws.arn(key).await?;
    let tags: Vec<Tag> = keys.iter().map(|key| Tag::builder().key(key).build()).collect();
    aws.call(Call::DeleteTags, || {
        aws.network.delete_tags().resources(&id).set_tags(Some(tags.clone())).send()
    })
    .await
    .map(drop)
}
