//! AWS's quotas, with their published defaults.

/// How many of each thing an account may have; what is beyond is refused with AWS's own code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Load balancers in a region.
    pub load_balancers: usize,
    /// Listeners of a load balancer.
    pub listeners: usize,
    /// Rules of a load balancer, default rules not counted.
    pub rules: usize,
    /// Certificates of a load balancer, default certificates not counted.
    pub certificates: usize,
    /// Target groups in one forward action.
    pub target_groups_per_action: usize,
    /// Target groups that one load balancer uses.
    pub target_groups_per_load_balancer: usize,
    /// Target groups in a region.
    pub target_groups: usize,
    /// Targets in a target group.
    pub targets_per_group: usize,
    /// Targets of a load balancer, one for each target group they are in.
    pub targets_per_load_balancer: usize,
    /// Values in the conditions of a rule, regular expressions included.
    pub condition_values: usize,
    /// Wildcard characters in the conditions of a rule.
    pub condition_wildcards: usize,
    /// Tags of a resource.
    pub tags: usize,
    /// Trust stores in a region.
    pub trust_stores: usize,
    /// Rules of a security group.
    pub security_group_rules: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            load_balancers: 50,
            listeners: 50,
            rules: 100,
            certificates: 25,
            target_groups_per_action: 5,
            target_groups_per_load_balancer: 100,
            target_groups: 3000,
            targets_per_group: 1000,
            targets_per_load_balancer: 1000,
            condition_values: 5,
            condition_wildcards: 6,
            tags: 50,
            trust_stores: 20,
            security_group_rules: 60,
        }
    }
}

impl Limits {
    /// The quotas by the names that `DescribeAccountLimits` gives them.
    pub(crate) fn named(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("application-load-balancers", self.load_balancers),
            ("certificates-per-application-load-balancer", self.certificates),
            ("condition-values-per-alb-rule", self.condition_values),
            ("condition-wildcards-per-alb-rule", self.condition_wildcards),
            ("listeners-per-application-load-balancer", self.listeners),
            ("rules-per-application-load-balancer", self.rules),
            ("target-groups", self.target_groups),
            (
                "target-groups-per-action-on-application-load-balancer",
                self.target_groups_per_action,
            ),
            ("target-groups-per-application-load-balancer", self.target_groups_per_load_balancer),
            ("targets-per-application-load-balancer", self.targets_per_load_balancer),
            ("targets-per-target-group", self.targets_per_group),
            ("trust-stores-per-account", self.trust_stores),
        ]
    }
}
