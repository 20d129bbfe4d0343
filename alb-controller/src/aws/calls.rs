//! Every call that is ever made to AWS, with what it is allowed by and which allowance it uses up.

/// A family of calls that AWS counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Looks at load balancing.
    Read,
    /// Changes load balancing.
    Write,
    /// Makes load balancers or moves them.
    Heavy,
    /// Registers targets or sends them away.
    Registration,
    /// Looks at networks.
    NetworkRead,
    /// Changes networks.
    NetworkWrite,
    /// Looks at certificates.
    Certificates,
    /// Looks for things by their tags.
    Tagging,
    /// Looks at access control lists and protections.
    GuardRead,
    /// Changes whom these are for.
    GuardWrite,
}

impl Call {
    /// Whether it changes anything.
    pub const fn changes(self) -> bool {
        match self.family() {
            Family::Read
            | Family::NetworkRead
            | Family::Certificates
            | Family::Tagging
            | Family::GuardRead => false,
            Family::Write
            | Family::Heavy
            | Family::Registration
            | Family::NetworkWrite
            | Family::GuardWrite => true,
        }
    }
}

macro_rules! calls {
    ($( $call:ident = $family:ident $action:literal, )*) => {
        /// A call to AWS.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "AWS documents its own calls")]
        pub enum Call { $( $call, )* }

        impl Call {
            /// All of them.
            pub const ALL: &'static [Self] = &[$( Self::$call, )*];

            /// What it is counted with.
            pub const fn family(self) -> Family {
                match self { $( Self::$call => Family::$family, )* }
            }

            /// The name AWS gives it.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$call => stringify!($call), )* }
            }

            /// The action that a policy must allow.
            pub const fn action(self) -> &'static str {
                match self { $( Self::$call => $action, )* }
            }
        }
    };
}

calls! {
    DescribeLoadBalancers = Read "elasticloadbalancing:DescribeLoadBalancers",
    DescribeLoadBalancerAttributes = Read "elasticloadbalancing:DescribeLoadBalancerAttributes",
    DescribeListeners = Read "elasticloadbalancing:DescribeListeners",
    DescribeListenerAttributes = Read "elasticloadbalancing:DescribeListenerAttributes",
    DescribeListenerCertificates = Read "elasticloadbalancing:DescribeListenerCertificates",
    DescribeRules = Read "elasticloadbalancing:DescribeRules",
    DescribeTargetGroups = Read "elasticloadbalancing:DescribeTargetGroups",
    DescribeTargetGroupAttributes = Read "elasticloadbalancing:DescribeTargetGroupAttributes",
    DescribeTargetHealth = Read "elasticloadbalancing:DescribeTargetHealth",
    DescribeTags = Read "elasticloadbalancing:DescribeTags",
    DescribeAccountLimits = Read "elasticloadbalancing:DescribeAccountLimits",
    DescribeTrustStores = Read "elasticloadbalancing:DescribeTrustStores",
    DescribeCapacityReservation = Read "elasticloadbalancing:DescribeCapacityReservation",
    CreateLoadBalancer = Heavy "elasticloadbalancing:CreateLoadBalancer",
    SetSubnets = Heavy "elasticloadbalancing:SetSubnets",
    SetSecurityGroups = Write "elasticloadbalancing:SetSecurityGroups",
    SetIpAddressType = Write "elasticloadbalancing:SetIpAddressType",
    ModifyLoadBalancerAttributes = Write "elasticloadbalancing:ModifyLoadBalancerAttributes",
    ModifyCapacityReservation = Write "elasticloadbalancing:ModifyCapacityReservation",
    ModifyIpPools = Write "elasticloadbalancing:ModifyIpPools",
    DeleteLoadBalancer = Write "elasticloadbalancing:DeleteLoadBalancer",
    CreateListener = Write "elasticloadbalancing:CreateListener",
    ModifyListener = Write "elasticloadbalancing:ModifyListener",
    ModifyListenerAttributes = Write "elasticloadbalancing:ModifyListenerAttributes",
    AddListenerCertificates = Write "elasticloadbalancing:AddListenerCertificates",
    RemoveListenerCertificates = Write "elasticloadbalancing:RemoveListenerCertificates",
    DeleteListener = Write "elasticloadbalancing:DeleteListener",
    CreateRule = Write "elasticloadbalancing:CreateRule",
    ModifyRule = Write "elasticloadbalancing:ModifyRule",
    SetRulePriorities = Write "elasticloadbalancing:SetRulePriorities",
    DeleteRule = Write "elasticloadbalancing:DeleteRule",
    CreateTargetGroup = Write "elasticloadbalancing:CreateTargetGroup",
    ModifyTargetGroup = Write "elasticloadbalancing:ModifyTargetGroup",
    ModifyTargetGroupAttributes = Write "elasticloadbalancing:ModifyTargetGroupAttributes",
    DeleteTargetGroup = Write "elasticloadbalancing:DeleteTargetGroup",
    RegisterTargets = Registration "elasticloadbalancing:RegisterTargets",
    DeregisterTargets = Registration "elasticloadbalancing:DeregisterTargets",
    AddTags = Write "elasticloadbalancing:AddTags",
    RemoveTags = Write "elasticloadbalancing:RemoveTags",
    DescribeSubnets = NetworkRead "ec2:DescribeSubnets",
    DescribeVpcs = NetworkRead "ec2:DescribeVpcs",
    DescribeRouteTables = NetworkRead "ec2:DescribeRouteTables",
    DescribeInstances = NetworkRead "ec2:DescribeInstances",
    DescribeSecurityGroups = NetworkRead "ec2:DescribeSecurityGroups",
    CreateSecurityGroup = NetworkWrite "ec2:CreateSecurityGroup",
    DeleteSecurityGroup = NetworkWrite "ec2:DeleteSecurityGroup",
    AuthorizeSecurityGroupIngress = NetworkWrite "ec2:AuthorizeSecurityGroupIngress",
    RevokeSecurityGroupIngress = NetworkWrite "ec2:RevokeSecurityGroupIngress",
    CreateTags = NetworkWrite "ec2:CreateTags",
    DeleteTags = NetworkWrite "ec2:DeleteTags",
    ListCertificates = Certificates "acm:ListCertificates",
    DescribeCertificate = Certificates "acm:DescribeCertificate",
    GetResources = Tagging "tag:GetResources",
    ListWebACLs = GuardRead "wafv2:ListWebACLs",
    GetWebACLForResource = GuardRead "wafv2:GetWebACLForResource",
    AssociateWebACL = GuardWrite "wafv2:AssociateWebACL",
    DisassociateWebACL = GuardWrite "wafv2:DisassociateWebACL",
    GetSubscriptionState = GuardRead "shield:GetSubscriptionState",
    DescribeProtection = GuardRead "shield:DescribeProtection",
    CreateProtection = GuardWrite "shield:CreateProtection",
    DeleteProtection = GuardWrite "shield:DeleteProtection",
}
