//! Why a call failed, told by its code and never by its words, and what can be done about it.

use super::calls::Call;
use aws_sdk_elasticloadbalancingv2::error::{ProvideErrorMetadata, SdkError};
use std::{error::Error, time::Duration};

/// The cause, as the SDK tells it.
type Cause = Box<dyn Error + Send + Sync>;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// Wait: AWS takes no more calls of this kind for now.
    #[error("AWS takes no more {} calls for now", call.name())]
    Throttled {
        /// The call.
        call: Call,
        /// What AWS said.
        #[source]
        cause: Cause,
    },
    /// Look again: what is there is not what was seen, or is not ready.
    #[error("{}: AWS is not as it was seen ({code})", call.name())]
    Stale {
        /// The call.
        call: Call,
        /// AWS's code.
        code: String,
        /// What AWS said.
        #[source]
        cause: Cause,
    },
    /// Allow it: the credentials are missing, expired or not sufficient.
    #[error("{} is not allowed ({code}); allow the action {}", call.name(), call.action())]
    Denied {
        /// The call.
        call: Call,
        /// AWS's code.
        code: String,
        /// What AWS said.
        #[source]
        cause: Cause,
    },
    /// Say who we are: by environment, profile, or the machine's role.
    #[error(
        "there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
         AWS_PROFILE, or give the machine a role"
    )]
    NoCredentials {
        /// Where they were looked for.
        #[source]
        cause: Cause,
    },
    /// Raise the quota, or wish for less.
    #[error("{}: a quota of the account is used up ({code})", call.name())]
    Quota {
        /// The call.
        call: Call,
        /// AWS's code.
        code: String,
        /// What AWS said.
        #[source]
        cause: Cause,
    },
    /// Change what is wished: AWS will not do it.
    #[error("AWS refuses {} ({code}): {message}", call.name())]
    Refused {
        /// The call.
        call: Call,
        /// AWS's code.
        code: String,
        /// AWS's words.
        message: String,
        /// What AWS said.
        #[source]
        cause: Cause,
    },
    /// Look at the network and at the endpoint.
    #[error("AWS cannot be reached for {}", call.name())]
    Unreachable {
        /// The call.
        call: Call,
        /// What went wrong.
        #[source]
        cause: Cause,
    },
    /// Leave it to whoever leads now.
    #[error("{} is left out: another replica may lead by now", call.name())]
    Deposed {
        /// The call.
        call: Call,
    },
    /// Nothing is known under this name: it has to be looked up first.
    #[error("nothing is known of {0}, it has to be observed first")]
    Unknown(String),
}

const THROTTLED: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "RequestThrottled",
    "WAFInternalErrorException",
    "InternalErrorException",
    "PriorRequestNotComplete",
    "ServiceUnavailable",
    "InternalFailure",
    "InternalError",
    "Unavailable",
];

const STALE: &[&str] = &[
    "PriorityInUse",
    "ResourceInUse",
    "DependencyViolation",
    "DuplicateListener",
    "DuplicateLoadBalancerName",
    "DuplicateTargetGroupName",
    "ListenerNotFound",
    "LoadBalancerNotFound",
    "RuleNotFound",
    "TargetGroupNotFound",
    "InvalidGroup.NotFound",
    "InvalidGroup.Duplicate",
    "InvalidPermission.Duplicate",
    "InvalidPermission.NotFound",
    // What has just been made is not known everywhere yet.
    "WAFUnavailableEntityException",
];

const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "OptInRequired",
];

const QUOTA: &[&str] = &[
    "TooManyRules",
    "TooManyListeners",
    "TooManyLoadBalancers",
    "TooManyTargetGroups",
    "TooManyTargets",
    "TooManyCertificates",
    "TooManyTags",
    "TooManyActions",
    "TooManyRegistrationsForTargetId",
    "TooManyUniqueTargetGroupsPerLoadBalancer",
    "TargetGroupAssociationLimit",
    "SecurityGroupLimitExceeded",
    "RulesPerSecurityGroupLimitExceeded",
];

impl CloudError {
    /// Sorts an error of the SDK by what can be done about it.
    pub(super) fn of<E>(call: Call, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let code = error.code().map(str::to_owned);
        let message = error.message().unwrap_or("without a word").to_owned();
        // What the SDK makes of AWS's words has the number of the request in it, and a problem that
        // is told in other words each time looks like a new one.
        let cause: Cause = if code.is_some() { message.clone().into() } else { Box::new(error) };
        match code {
            Some(code) if THROTTLED.contains(&code.as_str()) => Self::Throttled { call, cause },
            Some(code) if STALE.contains(&code.as_str()) => Self::Stale { call, code, cause },
            Some(code) if DENIED.contains(&code.as_str()) => Self::Denied { call, code, cause },
            Some(code) if QUOTA.contains(&code.as_str()) => Self::Quota { call, code, cause },
            Some(code) => Self::Refused { call, code, message, cause },
            None => Self::Unreachable { call, cause },
        }
    }

    /// AWS's code, where it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Stale { code, .. }
            | Self::Denied { code, .. }
            | Self::Quota { code, .. }
            | Self::Refused { code, .. } => Some(code),
            Self::Throttled { .. }
            | Self::NoCredentials { .. }
            | Self::Unreachable { .. }
            | Self::Deposed { .. }
            | Self::Unknown(_) => None,
        }
    }

    /// How long to wait at first before trying again. What must be mended by people is tried less
    /// often.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Stale { .. } | Self::Unknown(_) => Duration::from_millis(500),
            Self::Throttled { .. } => Duration::from_secs(2),
            Self::Unreachable { .. } | Self::Deposed { .. } => Duration::from_secs(1),
            Self::Denied { .. }
            | Self::NoCredentials { .. }
            | Self::Quota { .. }
            | Self::Refused { .. } => Duration::from_secs(10),
        }
    }

    /// One line, with all causes that say more.
    pub fn line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !line.contains(&text) && text != "service error" {
                line = format!("{line}: {text}");
            }
            cause = error.source();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::{
        config::http::HttpResponse, error::ErrorMetadata,
        operation::modify_target_group::ModifyTargetGroupError,
    };

    /// What the SDK makes of an answer that it has no type for.
    fn answered(code: &str, request: &str) -> CloudError {
        let meta = ErrorMetadata::builder().code(code).message("no good");
        let meta = meta.custom("aws_request_id", request).build();
        let response = HttpResponse::new(400.try_into().unwrap(), "".into());
        let error = SdkError::service_error(ModifyTargetGroupError::generic(meta), response);
        CloudError::of(Call::ModifyTargetGroup, error)
    }

    #[test]
    fn what_aws_says_is_told_once_and_in_the_same_words_each_time() {
        let table = [
            ("ValidationError", "AWS refuses ModifyTargetGroup (ValidationError): no good"),
            (
                "RuleNotFound",
                "ModifyTargetGroup: AWS is not as it was seen (RuleNotFound): no good",
            ),
            (
                "TooManyRules",
                "ModifyTargetGroup: a quota of the account is used up (TooManyRules): no good",
            ),
            ("Throttling", "AWS takes no more ModifyTargetGroup calls for now: no good"),
        ];
        for (code, line) in table {
            assert_eq!(answered(code, "one").line(), line);
            assert_eq!(answered(code, "two").line(), line);
        }
    }
}
