//! AWS's quotas for one load balancer, as they are unless an account has others.

/// Values of all conditions of a rule together.
pub const VALUES_PER_RULE: usize = 5;
/// Wildcards of all conditions of a rule together.
pub const WILDCARDS_PER_RULE: usize = 6;
/// Target groups of one action.
pub const GROUPS_PER_ACTION: usize = 5;
/// The lowest and the highest priority of a rule.
pub const PRIORITIES: std::ops::RangeInclusive<u32> = 1..=50_000;
/// The longest value of a condition.
pub const VALUE_LENGTH: usize = 128;

/// What the account lets one load balancer have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rules of all listeners together, default actions not counted.
    pub rules: usize,
    /// Target groups of all rules together.
    pub target_groups: usize,
    /// Certificates of all listeners together, the default ones not counted.
    pub certificates: usize,
    /// Targets of all groups together.
    pub targets: usize,
    /// Listeners.
    pub listeners: usize,
}

/// Those of an account that has not asked for others.
impl Default for Limits {
    fn default() -> Self {
        Self { rules: 100, target_groups: 100, certificates: 25, targets: 1000, listeners: 50 }
    }
}

impl Limits {
    /// Takes a limit by the name that AWS has for it; other names are of no interest.
    pub fn learn(&mut self, name: &str, most: usize) {
        match name {
            "rules-per-application-load-balancer" => self.rules = most,
            "target-groups-per-application-load-balancer" => self.target_groups = most,
            "certificates-per-application-load-balancer" => self.certificates = most,
            "targets-per-application-load-balancer" => self.targets = most,
            "listeners-per-application-load-balancer" => self.listeners = most,
            _ => {}
        }
    }
}
