//! Finding the tags of very many things with few calls.

use super::{calls::Call, client::Aws, error::CloudError, observe::Tagged};
use aws_sdk_resourcegroupstagging::types::TagFilter;
use edgeway_alb_core::tags::CLUSTER;
use std::{collections::BTreeMap, time::Duration};

/// How many things are on a page.
const PAGE: i32 = 100;

/// With fewer things it costs no less to ask for the tags of each.
const MANY: usize = 60;

/// What was changed not longer ago than this may be told as it was before.
const SETTLED: Duration = Duration::from_secs(300);

/// Types of all things of load balancing, and of those that are not parts of a load balancer.
const ALL: &[&str] = &["elasticloadbalancing"];
const WHOLES: &[&str] = &["elasticloadbalancing:loadbalancer", "elasticloadbalancing:targetgroup"];

impl Aws {
    /// Tags of all that bears the tag of any cluster, if that is cheaper than asking one by one, and
    /// if it can be counted on. What is missing in it has to be asked for all the same; of listeners
    /// and rules these are known.
    pub(super) async fn tagged(&self, things: usize, parts: Tagged) -> Tagged {
        let is_settled = self.unchanged_for().is_none_or(|since| since >= SETTLED);
        if things < MANY || !is_settled {
            return parts;
        }
        let types = if parts.is_empty() { ALL } else { WHOLES };
        let mut tagged = parts;
        match self.resources(types).await {
            Ok(found) => tagged.extend(found),
            // It only saves calls.
            Err(error) => tracing::warn!("tags are asked for one by one: {}", error.line()),
        }
        tagged
    }

    async fn resources(&self, types: &[&str]) -> Result<Tagged, CloudError> {
        let filter = TagFilter::builder().key(CLUSTER).build();
        let types: Vec<String> = types.iter().map(|kind| (*kind).to_owned()).collect();
        let mut found = Tagged::new();
        let mut next: Option<String> = None;
        loop {
            let page = self
                .call(Call::GetResources, || {
                    self.tagging
                        .get_resources()
                        .tag_filters(filter.clone())
                        .set_resource_type_filters(Some(types.clone()))
                        .resources_per_page(PAGE)
                        .set_pagination_token(next.clone())
                        .send()
                })
                .await?;
            for thing in page.resource_tag_mapping_list() {
                let Some(arn) = thing.resource_arn() else { continue };
                let tags = thing.tags().iter();
                let tags = tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
                found.insert(arn.to_owned(), tags.collect());
            }
            next = page.pagination_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// Tags by ARN: from `known`, and by asking for those that it lacks.
    pub(super) async fn tags_of(
        &self,
        arns: &[String],
        known: &Tagged,
    ) -> Result<Tagged, CloudError> {
        let (there, missing): (Vec<_>, Vec<_>) =
            arns.iter().cloned().partition(|arn| known.contains_key(arn));
        let mut found: BTreeMap<_, _> = there
            .into_iter()
            .filter_map(|arn| known.get(&arn).cloned().map(|tags| (arn, tags)))
            .collect();
        found.extend(self.tags(&missing).await?);
        Ok(found)
    }
}
