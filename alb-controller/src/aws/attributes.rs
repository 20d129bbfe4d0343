//! Attributes, each of which costs a call.

use super::{calls::Call, client::Aws, error::CloudError};
use edgeway_alb_core::pairs::Pairs;

impl Aws {
    pub(super) async fn group_attributes(&self, arn: &str) -> Result<Pairs, CloudError> {
        let answer = self
            .call(Call::DescribeTargetGroupAttributes, || {
                let call = self.balancing.describe_target_group_attributes();
                call.target_group_arn(arn).send()
            })
            .await?;
        let pairs = answer.attributes().iter();
        Ok(pairs.filter_map(|a| Some((a.key()?.to_owned(), a.value()?.to_owned()))).collect())
    }

    pub(super) async fn balancer_attributes(&self, arn: &str) -> Result<Pairs, CloudError> {
        let answer = self
            .call(Call::DescribeLoadBalancerAttributes, || {
                let call = self.balancing.describe_load_balancer_attributes();
                call.load_balancer_arn(arn).send()
            })
            .await?;
        let pairs = answer.attributes().iter();
        Ok(pairs.filter_map(|a| Some((a.key()?.to_owned(), a.value()?.to_owned()))).collect())
    }

    pub(super) async fn listener_attributes(&self, arn: &str) -> Result<Pairs, CloudError> {
        let answer = self
            .call(Call::DescribeListenerAttributes, || {
                self.balancing.describe_listener_attributes().listener_arn(arn).send()
            })
            .await?;
        let pairs = answer.attributes().iter();
        Ok(pairs.filter_map(|a| Some((a.key()?.to_owned(), a.value()?.to_owned()))).collect())
    }
}
