//! `GetCallerIdentity`: everybody is the root of the one account.

use crate::state::Region;
use crate::wire::{Fields, Reply};

pub(crate) fn caller_identity(region: &Region) -> Reply {
    let account = &region.config.account;
    Fields::new()
        .text("Arn", format!("arn:aws:iam::{account}:root"))
        .text("UserId", account)
        .text("Account", account)
        .into()
}
