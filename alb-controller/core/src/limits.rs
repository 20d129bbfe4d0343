//! AWS's quotas for one load balancer, as they are unless an account has others.

/// Rules of all listeners together, default actions not counted.
pub const RULES: usize = 100;
/// Values of all conditions of a rule together.
pub const VALUES_PER_RULE: usize = 5;
/// Wildcards of all conditions of a rule together.
pub const WILDCARDS_PER_RULE: usize = 6;
/// Target groups of one action.
pub const GROUPS_PER_ACTION: usize = 5;
/// Target groups of all rules together.
pub const TARGET_GROUPS: usize = 100;
/// Certificates of all listeners together, the default ones not counted.
pub const CERTIFICATES: usize = 25;
/// Targets of one group.
pub const TARGETS_PER_GROUP: usize = 1000;
/// Listeners.
pub const LISTENERS: usize = 50;
/// The lowest and the highest priority of a rule.
pub const PRIORITIES: std::ops::RangeInclusive<u32> = 1..=50_000;
/// The longest value of a condition.
pub const VALUE_LENGTH: usize = 128;
