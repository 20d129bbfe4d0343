//! `GetCallerIdentity`: everybody is the root of the one account.

use super::Outcome;
use crate::state::Region;
use crate::wire::{Call, Fields};

pub(crate) fn caller_identity(region: &Region, _call: &Call<'_>) -> Outcome {
    let account = &region.config.account;
    Ok(Fields::new()
        .text("Arn", format!("arn:aws:iam::{account}:root"))
        .text("UserId", account)
        .text("Account", account)
        .into())
}
