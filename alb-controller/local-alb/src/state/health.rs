//! The states of a target, and how checks, use and deregistration move it from one to another.

use std::fmt;
use std::time::{Duration, SystemTime};

/// What is known about a target of a group that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Registered; no check has decided yet. Failed checks in a row are counted.
    Initial { checked: bool, failures: u32 },
    /// Gets traffic. Failed checks in a row are counted.
    Healthy { failures: u32, ramp: Option<Ramp> },
    /// Gets none while others are healthy. Passed checks in a row are counted.
    Unhealthy { because: Failure, passes: u32 },
    /// Deregistered; may finish what it has until then.
    Draining { until: SystemTime },
}

/// A slow start: a share of traffic that grows from nothing to a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ramp {
    pub(crate) begin: SystemTime,
    pub(crate) takes: Duration,
}

impl Ramp {
    /// The share at a time, in thousandths; at least one of them.
    pub(crate) fn share(self, now: SystemTime) -> u64 {
        let gone = now.duration_since(self.begin).unwrap_or_default().as_millis();
        let share = (gone * 1000).checked_div(self.takes.as_millis()).unwrap_or(1000);
        u64::try_from(share).unwrap_or(1000).clamp(1, 1000)
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The target is well.
    Passed,
    /// It is not.
    Failed(Failure),
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It answered with another code than asked for.
    Code(u16),
    /// It did not answer in time.
    Timeout,
    /// There was no connection, or no proper answer.
    Connection,
}

impl Failure {
    /// AWS's word for the reason.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Code(_) => "Target.ResponseCodeMismatch",
            Self::Timeout => "Target.Timeout",
            Self::Connection => "Target.FailedHealthChecks",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(out, "Health checks failed with these codes: [{code}]"),
            Self::Timeout => out.write_str("Request timed out"),
            Self::Connection => out.write_str("Health checks failed"),
        }
    }
}

/// How `DescribeTargetHealth` puts a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) state: &'static str,
    pub(crate) reason: Option<&'static str>,
    pub(crate) description: Option<String>,
}

impl Report {
    fn because(state: &'static str, reason: &'static str, description: impl Into<String>) -> Self {
        Self { state, reason: Some(reason), description: Some(description.into()) }
    }

    /// A target that nobody registered.
    pub(crate) fn not_registered() -> Self {
        let text = "Target is not registered to the target group";
        Self::because("unused", "Target.NotRegistered", text)
    }

    /// A target of a group that nothing forwards to.
    pub(crate) fn not_in_use() -> Self {
        let text = "Target group is not configured to receive traffic from the load balancer";
        Self::because("unused", "Target.NotInUse", text)
    }
}

impl Status {
    /// How a target starts.
    pub(crate) const NEW: Self = Self::Initial { checked: false, failures: 0 };

    pub(crate) const fn is_draining(&self) -> bool {
        matches!(self, Self::Draining { .. })
    }

    pub(crate) const fn is_healthy(&self) -> bool {
        matches!(self, Self::Healthy { .. })
    }

    /// AWS's words for the state of a target in a group that is in use.
    pub(crate) fn report(&self) -> Report {
        match self {
            Self::Initial { checked: false, .. } => Report::because(
                "initial",
                "Elb.RegistrationInProgress",
                "Target registration is in progress",
            ),
            Self::Initial { .. } => Report::because(
                "initial",
                "Elb.InitialHealthChecking",
                "Initial health checks in progress",
            ),
            Self::Healthy { .. } => Report { state: "healthy", reason: None, description: None },
            Self::Unhealthy { because, .. } => {
                Report::because("unhealthy", because.reason(), because.to_string())
            }
            Self::Draining { .. } => Report::because(
                "draining",
                "Target.DeregistrationInProgress",
                "Target deregistration is in progress",
            ),
        }
    }

    /// Whether it has a whole share of traffic.
    pub(crate) fn is_warm(&self, now: SystemTime) -> bool {
        matches!(self, Self::Healthy { ramp, .. } if ramp.is_none_or(|ramp| ramp.share(now) == 1000))
    }

    /// Whether and how slowly it has started.
    pub(crate) const fn ramp(&self) -> Option<Ramp> {
        if let Self::Healthy { ramp, .. } = self { *ramp } else { None }
    }

    /// The same, if it has just become healthy, with a slow start.
    #[must_use]
    pub(crate) fn slowly(self, before: &Self, ramp: Option<Ramp>) -> Self {
        match self {
            Self::Healthy { failures, .. } if !before.is_healthy() => {
                Self::Healthy { failures, ramp }
            }
            same @ (Self::Initial { .. }
            | Self::Healthy { .. }
            | Self::Unhealthy { .. }
            | Self::Draining { .. }) => same,
        }
    }

    /// The state after a check. The first passed check makes a new target healthy, whatever the
    /// threshold; that one is for recovery.
    pub(crate) fn after(&self, finding: &Finding, healthy: u32, unhealthy: u32) -> Self {
        match (self, finding) {
            (Self::Draining { .. }, _) => self.clone(),
            (Self::Initial { .. }, Finding::Passed) => Self::Healthy { failures: 0, ramp: None },
            (Self::Healthy { ramp, .. }, Finding::Passed) => {
                Self::Healthy { failures: 0, ramp: *ramp }
            }
            (Self::Unhealthy { passes, .. }, Finding::Passed) if passes + 1 >= healthy => {
                Self::Healthy { failures: 0, ramp: None }
            }
            (Self::Unhealthy { because, passes }, Finding::Passed) => {
                Self::Unhealthy { because: because.clone(), passes: passes + 1 }
            }
            (
                Self::Initial { failures, .. } | Self::Healthy { failures, .. },
                Finding::Failed(why),
            ) if failures + 1 >= unhealthy => Self::Unhealthy { because: why.clone(), passes: 0 },
            (Self::Initial { failures, .. }, Finding::Failed(_)) => {
                Self::Initial { checked: true, failures: failures + 1 }
            }
            (Self::Healthy { failures, ramp }, Finding::Failed(_)) => {
                Self::Healthy { failures: failures + 1, ramp: *ramp }
            }
            (Self::Unhealthy { .. }, Finding::Failed(why)) => {
                Self::Unhealthy { because: why.clone(), passes: 0 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs checks (`+` passed, `-` failed) and writes down the state after each.
    fn run(mut now: Status, checks: &str) -> String {
        let mut states = Vec::new();
        for check in checks.chars() {
            let finding = match check {
                '+' => Finding::Passed,
                _ => Finding::Failed(Failure::Code(503)),
            };
            now = now.after(&finding, 3, 2);
            states.push(now.report().state);
        }
        states.join(" ")
    }

    #[test]
    fn a_new_target_is_healthy_after_one_passed_check_and_unhealthy_after_the_threshold() {
        assert_eq!(run(Status::NEW, "+"), "healthy");
        assert_eq!(run(Status::NEW, "-+"), "initial healthy");
        assert_eq!(run(Status::NEW, "--"), "initial unhealthy");
    }

    #[test]
    fn recovery_takes_the_healthy_threshold_in_a_row() {
        assert_eq!(
            run(Status::NEW, "--++-+++"),
            "initial unhealthy unhealthy unhealthy unhealthy unhealthy unhealthy healthy"
        );
        assert_eq!(run(Status::NEW, "+-+--"), "healthy healthy healthy healthy unhealthy");
    }

    #[test]
    fn checks_do_not_touch_a_draining_target() {
        let draining = Status::Draining { until: SystemTime::UNIX_EPOCH };
        assert_eq!(run(draining, "+-"), "draining draining");
    }

    #[test]
    fn a_failure_is_reported_with_its_reason() {
        let report = Status::Unhealthy { because: Failure::Code(503), passes: 0 }.report();
        assert_eq!(report.reason, Some("Target.ResponseCodeMismatch"));
        assert_eq!(report.description.unwrap(), "Health checks failed with these codes: [503]");
    }
}
