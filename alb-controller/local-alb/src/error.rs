//! What AWS says when it refuses a call: a code from a closed set, a message, an HTTP status.

use std::borrow::Cow;

/// A refused call, as the caller sees it on the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub(crate) struct AwsError {
    /// Which refusal it is; clients decide by this alone.
    pub(crate) code: Code,
    /// Text for a person.
    pub(crate) message: Cow<'static, str>,
}

impl AwsError {
    /// A refusal with the given code.
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// The commonest answer of the load balancing service to a bad argument.
    pub(crate) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ValidationError, message)
    }
}

macro_rules! codes {
    ($($name:ident => $text:literal, $status:literal;)*) => {
        /// The error codes that this stand-in can answer with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code { $($name,)* }

        impl Code {
            /// The code as it stands on the wire.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status that goes with it.
            pub(crate) const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

codes! {
    CaCertificatesBundleNotFound => "CaCertificatesBundleNotFound", 400;
    CapacityUnitsLimitExceeded => "CapacityUnitsLimitExceeded", 400;
    CertificateNotFound => "CertificateNotFound", 400;
    DependencyViolation => "DependencyViolation", 400;
    DuplicateListener => "DuplicateListener", 400;
    DuplicateLoadBalancerName => "DuplicateLoadBalancerName", 400;
    DuplicateTagKeys => "DuplicateTagKeys", 400;
    DuplicateTargetGroupName => "DuplicateTargetGroupName", 400;
    DuplicateTrustStoreName => "DuplicateTrustStoreName", 400;
    IncompatibleProtocols => "IncompatibleProtocols", 400;
    InternalFailure => "InternalFailure", 500;
    InvalidAction => "InvalidAction", 400;
    InvalidCaCertificatesBundle => "InvalidCaCertificatesBundle", 400;
    InvalidConfigurationRequest => "InvalidConfigurationRequest", 400;
    InvalidGroupDuplicate => "InvalidGroup.Duplicate", 400;
    InvalidGroupNotFound => "InvalidGroup.NotFound", 400;
    InvalidInstanceMalformed => "InvalidInstanceID.Malformed", 400;
    InvalidLoadBalancerAction => "InvalidLoadBalancerAction", 400;
    InvalidNetworkInterfaceNotFound => "InvalidNetworkInterfaceID.NotFound", 400;
    InvalidParameter => "InvalidParameterException", 400;
    InvalidParameterValue => "InvalidParameterValue", 400;
    InvalidPermissionDuplicate => "InvalidPermission.Duplicate", 400;
    InvalidPermissionMalformed => "InvalidPermission.Malformed", 400;
    InvalidPermissionNotFound => "InvalidPermission.NotFound", 400;
    InvalidResource => "InvalidResourceException", 400;
    InvalidRevocationContent => "InvalidRevocationContent", 400;
    InvalidScheme => "InvalidScheme", 400;
    InvalidSecurityGroup => "InvalidSecurityGroup", 400;
    InvalidSubnetNotFound => "InvalidSubnetID.NotFound", 400;
    InvalidTarget => "InvalidTarget", 400;
    InvalidVpcNotFound => "InvalidVpcID.NotFound", 400;
    ListenerNotFound => "ListenerNotFound", 400;
    LoadBalancerNotFound => "LoadBalancerNotFound", 400;
    MissingAction => "MissingAction", 400;
    MissingParameter => "MissingParameter", 400;
    OperationNotPermitted => "OperationNotPermitted", 400;
    PriorityInUse => "PriorityInUse", 400;
    RequestEntityTooLarge => "RequestEntityTooLarge", 413;
    RequestLimitExceeded => "RequestLimitExceeded", 503;
    ResourceAlreadyExists => "ResourceAlreadyExistsException", 400;
    ResourceInUse => "ResourceInUse", 400;
    ResourceInUseException => "ResourceInUseException", 400;
    ResourceNotFound => "ResourceNotFoundException", 400;
    RevocationContentNotFound => "RevocationContentNotFound", 400;
    RevocationIdNotFound => "RevocationIdNotFound", 400;
    RuleNotFound => "RuleNotFound", 400;
    RulesPerSecurityGroupLimitExceeded => "RulesPerSecurityGroupLimitExceeded", 400;
    SerializationError => "SerializationException", 400;
    SslPolicyNotFound => "SSLPolicyNotFound", 400;
    SubnetNotFound => "SubnetNotFound", 400;
    TagLimitExceeded => "TagLimitExceeded", 400;
    TargetGroupAssociationLimit => "TargetGroupAssociationLimit", 400;
    TargetGroupNotFound => "TargetGroupNotFound", 400;
    Throttling => "Throttling", 400;
    ThrottlingException => "ThrottlingException", 400;
    TooManyActions => "TooManyActions", 400;
    TooManyCertificates => "TooManyCertificates", 400;
    TooManyListeners => "TooManyListeners", 400;
    TooManyLoadBalancers => "TooManyLoadBalancers", 400;
    TooManyRules => "TooManyRules", 400;
    TooManyTags => "TooManyTags", 400;
    TooManyTargetGroups => "TooManyTargetGroups", 400;
    TooManyTargets => "TooManyTargets", 400;
    TooManyTrustStores => "TooManyTrustStores", 400;
    TooManyUniqueTargetGroupsPerLoadBalancer => "TooManyUniqueTargetGroupsPerLoadBalancer", 400;
    TrustStoreInUse => "TrustStoreInUse", 400;
    TrustStoreNotFound => "TrustStoreNotFound", 400;
    UnknownOperation => "UnknownOperationException", 400;
    ValidationError => "ValidationError", 400;
    ValidationException => "ValidationException", 400;
    WafAssociatedItem => "WAFAssociatedItemException", 400;
    WafDuplicateItem => "WAFDuplicateItemException", 400;
    WafInvalidParameter => "WAFInvalidParameterException", 400;
    WafNonexistentItem => "WAFNonexistentItemException", 400;
    WafOptimisticLock => "WAFOptimisticLockException", 400;
}
