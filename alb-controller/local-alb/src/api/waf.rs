//! What WAF and Shield answer where nobody uses them.

use serde_json::json;

use super::Outcome;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::wire::{Call, Reply};

/// Nothing is associated, and taking it away changes nothing.
pub(crate) fn nothing(_region: &Region) -> Reply {
    json!({}).into()
}

pub(crate) fn associate(_region: &Region, _call: &Call<'_>) -> Outcome {
    let text = "There are no web ACLs in a local account";
    Err(AwsError::new(Code::WafNonexistentItem, text))
}

pub(crate) fn web_acls(_region: &Region) -> Reply {
    json!({"WebACLs": []}).into()
}

pub(crate) fn resources(_region: &Region) -> Reply {
    json!({"ResourceArns": []}).into()
}

pub(crate) fn no_protection(_region: &Region, _call: &Call<'_>) -> Outcome {
    Err(AwsError::new(Code::ResourceNotFound, "The referenced protection does not exist."))
}

pub(crate) fn no_subscription(_region: &Region) -> Reply {
    json!({"SubscriptionState": "INACTIVE"}).into()
}
