//! Calls that come before AWS knows everywhere what the call before them did.

use crate::error::{AwsError, Code};
use crate::wire::Request;

/// What a call may be refused with though it is right by now: a listener that was just made is not
/// found, and what nothing uses any more still counts as used.
static EARLY: &[(&str, Code)] = &[
    ("AddListenerCertificates", Code::ListenerNotFound),
    ("CreateRule", Code::ListenerNotFound),
    ("DeleteSecurityGroup", Code::DependencyViolation),
    ("DeleteTargetGroup", Code::ResourceInUse),
];

/// Refuses a call for what `then` finds against it in the state of some time ago.
pub(crate) fn not_too_early<T>(
    request: &Request,
    then: impl FnOnce() -> Result<T, AwsError>,
) -> Result<(), AwsError> {
    let Some((_, code)) = EARLY.iter().find(|(action, _)| *action == request.action) else {
        return Ok(());
    };
    then().map(drop).or_else(|why| if why.code == *code { Err(why) } else { Ok(()) })
}
