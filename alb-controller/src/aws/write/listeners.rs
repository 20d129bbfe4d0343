//! Listeners.

use super::{gone_is_fine, listener as place, shapes};
use crate::aws::{add_ons::write_mutual_tls, calls::Call, client::Aws, error::CloudError};
use aws_sdk_elasticloadbalancingv2::types::{
    Action as AwsAction, Certificate, ListenerAttribute, ProtocolEnum, RulePriorityPair,
};
use edgeway_alb_core::{
    Key,
    pairs::Pairs,
    plan::ListenerChange,
    rule::{Action, Authentication},
    stack::Listener,
};
use std::collections::BTreeMap;

async fn actions(
    aws: &Aws,
    login: Option<&Authentication>,
    action: &Action,
) -> Result<Vec<AwsAction>, CloudError> {
    shapes::actions(login, action, &*aws.arns.lock().await)
}

fn certificates(certificate: Option<&String>) -> Option<Vec<Certificate>> {
    certificate.map(|arn| vec![shapes::certificate(arn)])
}

pub(super) async fn create(aws: &Aws, key: &Key, listener: &Listener) -> Result<(), CloudError> {
    let place = place(key)?;
    let balancer = aws.arn(&Key::LoadBalancer(place.load_balancer.clone())).await?;
    let actions = actions(aws, listener.authentication.as_ref(), &listener.default_action).await?;
    let tags = shapes::tags(&listener.tags);
    let answer = aws
        .call(Call::CreateListener, || {
            aws.balancing
                .create_listener()
                .load_balancer_arn(&balancer)
                .port(i32::from(place.port))
                .protocol(ProtocolEnum::from(listener.protocol.as_str()))
                .set_ssl_policy(listener.ssl_policy.clone())
                .set_certificates(certificates(listener.certificate.as_ref()))
                .set_mutual_authentication(listener.mutual_tls.as_ref().map(write_mutual_tls))
                .set_default_actions(Some(actions.clone()))
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await?;
    let arn = answer.listeners().first().and_then(|listener| listener.listener_arn());
    aws.made(key, arn).await;
    Ok(())
}

pub(super) async fn modify(
    aws: &Aws,
    key: &Key,
    change: &ListenerChange,
) -> Result<(), CloudError> {
    let ListenerChange {
        protocol,
        ssl_policy,
        certificate,
        mutual_tls,
        default_action,
        authentication,
    } = change;
    let arn = aws.arn(key).await?;
    let default = match default_action {
        Some(action) => Some(actions(aws, authentication.as_ref(), action).await?),
        None => None,
    };
    aws.call(Call::ModifyListener, || {
        aws.balancing
            .modify_listener()
            .listener_arn(&arn)
            .set_protocol(protocol.map(|protocol| ProtocolEnum::from(protocol.as_str())))
            .set_ssl_policy(ssl_policy.clone())
            .set_certificates(certificates(certificate.as_ref()))
            .set_mutual_authentication(mutual_tls.as_ref().map(write_mutual_tls))
            .set_default_actions(default.clone())
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
            .map(|(key, value)| ListenerAttribute::builder().key(key).value(value).build())
            .collect();
        aws.call(Call::ModifyListenerAttributes, || {
            let call = aws.balancing.modify_listener_attributes().listener_arn(&arn);
            call.set_attributes(Some(lot.clone())).send()
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn add(aws: &Aws, key: &Key, certificate: &str) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    aws.call(Call::AddListenerCertificates, || {
        let call = aws.balancing.add_listener_certificates().listener_arn(&arn);
        call.certificates(shapes::certificate(certificate)).send()
    })
    .await
    .map(drop)
}

pub(super) async fn remove(aws: &Aws, key: &Key, certificate: &str) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    aws.call(Call::RemoveListenerCertificates, || {
        let call = aws.balancing.remove_listener_certificates().listener_arn(&arn);
        call.certificates(shapes::certificate(certificate)).send()
    })
    .await
    .map(drop)
}

pub(super) async fn reorder(
    aws: &Aws,
    key: &Key,
    moves: &BTreeMap<u32, u32>,
) -> Result<(), CloudError> {
    let place = place(key)?;
    let mut pairs = Vec::new();
    for (old, new) in moves {
        let key = Key::Rule { listener: place.clone(), priority: *old };
        let priority = i32::try_from(*new).unwrap_or(i32::MAX);
        let pair = RulePriorityPair::builder().rule_arn(aws.arn(&key).await?).priority(priority);
        pairs.push(pair.build());
    }
    aws.call(Call::SetRulePriorities, || {
        aws.balancing.set_rule_priorities().set_rule_priorities(Some(pairs.clone())).send()
    })
    .await?;
    aws.arns.lock().await.reorder(place, moves);
    Ok(())
}

pub(super) async fn delete(aws: &Aws, key: &Key) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    let deleted = aws
        .call(Call::DeleteListener, || aws.balancing.delete_listener().listener_arn(&arn).send())
        .await;
    gone_is_fine(deleted.map(drop))?;
    aws.gone(key).await;
    Ok(())
}
