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

impl Aws {
    /// Tags of all that bears the tag of any cluster, if that is cheaper than asking one by one, and
    /// if it can be counted on. What is missing in it has to be asked for all the same.
    pub(super) async fn tagged(&self, things: usize) -> Tagged {
        let is_settled = self.unchanged_for().is_none_or(|since| since >= SETTLED);
        if things < MANY || !is_settled {
            return Tagged::new();
        }
        match self.resources().await {
            Ok(found) => found,
            Err(error) => {
                // It only saves calls.
                tracing::warn!("tags are asked for one by one: {}", error.line());
                Tagged::new()
            }
        }
    }

    async fn resources(&self) -> Result<Tagged, CloudError> {
        let filter = TagFilter::builder().key(CLUSTER).build();
        let mut found = Tagged::new();
        let mut next: Option<String> = None;
        loop {
            let page = self
                .call(Call::GetResources, || {
                    self.tagging
                        .get_resources()
                        .tag_filters(filter.clone())
                        .resource_type_filters("elasticloadbalancing")
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
