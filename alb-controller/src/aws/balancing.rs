//! Looking at load balancing, page by page.

use super::{calls::Call, client::Aws, error::CloudError};
use aws_sdk_elasticloadbalancingv2::types::{
    Listener, LoadBalancer, Rule, TargetGroup, TargetHealthDescription,
};
use edgeway_alb_core::tags::Tags;
use std::collections::BTreeMap;

/// How many things may be asked about their tags at once.
const TAGGED: usize = 20;

/// The marker of the next page, if there is one.
fn marker(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

impl Aws {
    pub(super) async fn load_balancers(&self) -> Result<Vec<LoadBalancer>, CloudError> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .call(Call::DescribeLoadBalancers, || {
                    self.balancing.describe_load_balancers().set_marker(next.clone()).send()
                })
                .await?;
            found.extend_from_slice(page.load_balancers());
            next = marker(page.next_marker());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    pub(super) async fn target_groups(&self) -> Result<Vec<TargetGroup>, CloudError> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .call(Call::DescribeTargetGroups, || {
                    self.balancing.describe_target_groups().set_marker(next.clone()).send()
                })
                .await?;
            found.extend_from_slice(page.target_groups());
            next = marker(page.next_marker());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    pub(super) async fn listeners(&self, balancer: &str) -> Result<Vec<Listener>, CloudError> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .call(Call::DescribeListeners, || {
                    let call = self.balancing.describe_listeners().load_balancer_arn(balancer);
                    call.set_marker(next.clone()).send()
                })
                .await?;
            found.extend_from_slice(page.listeners());
            next = marker(page.next_marker());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    pub(super) async fn rules(&self, listener: &str) -> Result<Vec<Rule>, CloudError> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .call(Call::DescribeRules, || {
                    let call = self.balancing.describe_rules().listener_arn(listener);
                    call.set_marker(next.clone()).send()
                })
                .await?;
            found.extend_from_slice(page.rules());
            next = marker(page.next_marker());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// Certificates beside the default one.
    pub(super) async fn more_certificates(
        &self,
        listener: &str,
    ) -> Result<Vec<String>, CloudError> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .call(Call::DescribeListenerCertificates, || {
                    let call = self.balancing.describe_listener_certificates();
                    call.listener_arn(listener).set_marker(next.clone()).send()
                })
                .await?;
            let more = page.certificates().iter().filter(|c| c.is_default() != Some(true));
            found.extend(more.filter_map(|c| c.certificate_arn()).map(str::to_owned));
            next = marker(page.next_marker());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    pub(super) async fn health(
        &self,
        group: &str,
    ) -> Result<Vec<TargetHealthDescription>, CloudError> {
        let answer = self
            .call(Call::DescribeTargetHealth, || {
                self.balancing.describe_target_health().target_group_arn(group).send()
            })
            .await?;
        Ok(answer.target_health_descriptions().to_vec())
    }

    /// Tags by ARN.
    pub(super) async fn tags(&self, arns: &[String]) -> Result<BTreeMap<String, Tags>, CloudError> {
        let mut found = BTreeMap::new();
        for some in arns.chunks(TAGGED) {
            let answer = self
                .call(Call::DescribeTags, || {
                    self.balancing.describe_tags().set_resource_arns(Some(some.to_vec())).send()
                })
                .await?;
            for description in answer.tag_descriptions() {
                let Some(arn) = description.resource_arn() else { continue };
                let tags = description.tags().iter().filter_map(|tag| {
                    Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))
                });
                found.insert(arn.to_owned(), tags.collect());
            }
        }
        Ok(found)
    }
}
