//! Rules.

use super::{gone_is_fine, listener, shapes};
use crate::aws::{calls::Call, client::Aws, error::CloudError};
use edgeway_alb_core::{Key, rule::Rule};

pub(super) async fn create(aws: &Aws, key: &Key, rule: &Rule) -> Result<(), CloudError> {
    let Key::Rule { priority, .. } = key else {
        return Err(CloudError::Unknown(format!("a rule by the name of {key}")));
    };
    let arn = aws.arn(&Key::Listener(listener(key)?.clone())).await?;
    let actions =
        shapes::actions(rule.authentication.as_ref(), &rule.action, &*aws.arns.lock().await)?;
    let conditions: Vec<_> = rule.conditions.iter().map(shapes::condition).collect();
    let transforms: Vec<_> = rule.transforms.iter().map(shapes::transform).collect();
    let transforms = Some(transforms).filter(|transforms| !transforms.is_empty());
    let tags = shapes::tags(&rule.tags);
    let answer = aws
        .call(Call::CreateRule, || {
            aws.balancing
                .create_rule()
                .listener_arn(&arn)
                .priority(i32::try_from(*priority).unwrap_or(i32::MAX))
                .set_conditions(Some(conditions.clone()))
                .set_actions(Some(actions.clone()))
                .set_transforms(transforms.clone())
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await?;
    let arn = answer.rules().first().and_then(|rule| rule.rule_arn());
    aws.made(key, arn).await;
    Ok(())
}

/// Action and transforms; the conditions are the same.
pub(super) async fn modify(aws: &Aws, key: &Key, rule: &Rule) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    let actions =
        shapes::actions(rule.authentication.as_ref(), &rule.action, &*aws.arns.lock().await)?;
    let transforms: Vec<_> = rule.transforms.iter().map(shapes::transform).collect();
    let reset = transforms.is_empty().then_some(true);
    let transforms = Some(transforms).filter(|transforms| !transforms.is_empty());
    aws.call(Call::ModifyRule, || {
        let call = aws.balancing.modify_rule().rule_arn(&arn).set_actions(Some(actions.clone()));
        call.set_transforms(transforms.clone()).set_reset_transforms(reset).send()
    })
    .await
    .map(drop)
}

pub(super) async fn delete(aws: &Aws, key: &Key) -> Result<(), CloudError> {
    let arn = aws.arn(key).await?;
    let deleted =
        aws.call(Call::DeleteRule, || aws.balancing.delete_rule().rule_arn(&arn).send()).await;
    gone_is_fine(deleted.map(drop))?;
    aws.gone(key).await;
    Ok(())
}
