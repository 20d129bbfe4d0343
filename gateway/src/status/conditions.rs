//! From problems to conditions: what holds, what does not, and why. Pure.

use edgeway_api::{Problem, Severity, edge_status::Condition, k8s_openapi::jiff::Timestamp};

/// How many problems a message repeats; the others are counted.
const REPEATED: usize = 3;

/// The longest message of a condition.
const LONGEST: usize = 1024;

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// What is written makes sense.
    Accepted,
    /// What it refers to is there.
    ResolvedRefs,
    /// Certificates are there and can be used.
    CertificateReady,
    /// It is in force.
    Programmed,
}

impl Aspect {
    /// What the code of a problem is about.
    pub fn of(code: &str) -> Self {
        if code.starts_with("credential-") || code.starts_with("certificate-") {
            Self::CertificateReady
        } else if code.ends_with("-not-found")
            || code.ends_with("-not-visible")
            || code == "dns-not-resolved"
        {
            Self::ResolvedRefs
        } else if matches!(
            code,
            "listener-bind" | "server-conflict" | "tls-not-served" | "aws" | "blocked"
        ) {
            Self::Programmed
        } else {
            Self::Accepted
        }
    }

    /// The condition's type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
            Self::CertificateReady => "CertificateReady",
            Self::Programmed => "Programmed",
        }
    }
}

/// Sums up the others.
pub const READY: &str = "Ready";

/// An older version stands in for what was rejected.
pub const QUARANTINED: &str = "Quarantined";

/// Every type of condition that is ours, in the order in which they are written.
pub const TYPES: &[&str] = &[
    "Accepted",
    "ResolvedRefs",
    "CertificateReady",
    "Programmed",
    "TargetsHealthy",
    QUARANTINED,
    READY,
];

/// The conditions of one object, as they are found out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    generation: Option<i64>,
    list: Vec<Condition>,
}

impl Conditions {
    /// None yet, about this generation of an object.
    pub fn about(generation: Option<i64>) -> Self {
        Self { generation, list: Vec::new() }
    }

    /// Adds one that holds.
    #[must_use]
    pub fn holds(self, name: &str, message: impl Into<String>) -> Self {
        self.with(name, "True", (name.to_owned(), message.into()))
    }

    /// Adds one that does not hold.
    #[must_use]
    pub fn fails(self, name: &str, reason: impl Into<String>, message: impl Into<String>) -> Self {
        self.with(name, "False", (reason.into(), message.into()))
    }

    /// Adds one of which nothing is known yet.
    #[must_use]
    pub fn unknown(
        self,
        name: &str,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        self.with(name, "Unknown", (reason.into(), message.into()))
    }

    /// Adds one that holds unless one of the problems is an error about it.
    #[must_use]
    pub fn judge(self, aspect: Aspect, problems: &[&Problem]) -> Self {
        let is_about =
            |p: &&&Problem| p.severity == Severity::Error && Aspect::of(p.code) == aspect;
        let errors: Vec<&Problem> = problems.iter().filter(is_about).copied().collect();
        match errors.first() {
            None => self.holds(aspect.name(), ""),
            Some(first) => self.fails(aspect.name(), reason(first.code), message(&errors)),
        }
    }

    /// Adds the sum of those that are there: `Ready` if all hold.
    #[must_use]
    pub fn summed(self) -> Vec<Condition> {
        let bad =
            |condition: &&Condition| condition.status != "True" && condition.r#type != QUARANTINED;
        let summed = match self.list.iter().find(bad).cloned() {
            None => self.holds(READY, ""),
            Some(Condition { status, reason, message, .. }) => {
                self.with(READY, &status, (reason, message))
            }
        };
        summed.list
    }

    fn with(mut self, name: &str, status: &str, (reason, message): (String, String)) -> Self {
        self.list.retain(|condition| condition.r#type != name);
        self.list.push(Condition {
            r#type: name.to_owned(),
            status: status.to_owned(),
            reason,
            message: shortened(message),
            observed_generation: self.generation,
            last_transition_time: String::new(),
        });
        self
    }
}

/// A code as conditions spell reasons: `destination-not-found` is `DestinationNotFound`.
pub fn reason(code: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or(String::new(), |first| {
            first.to_ascii_uppercase().to_string() + letters.as_str()
        })
    };
    code.split('-').map(capital).collect()
}

/// What is wrong, in the words of the problems.
fn message(problems: &[&Problem]) -> String {
    let line = |problem: &&Problem| {
        let Problem { field, message, advice, .. } = problem;
        let place = if field.is_empty() { String::new() } else { format!("{field}: ") };
        let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
        format!("{place}{message}{advice}")
    };
    let text = problems.iter().take(REPEATED).map(line).collect::<Vec<_>>().join(" | ");
    if problems.len() > REPEATED {
        return format!("{text} | and {} more", problems.len() - REPEATED);
    }
    text
}

fn shortened(text: String) -> String {
    if text.len() <= LONGEST {
        return text;
    }
    let end = (0..=LONGEST - 4).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// Notes since when each condition is as it is: as long as in `before`, or since `now`.
pub fn timed(mut conditions: Vec<Condition>, before: &[Condition], now: &str) -> Vec<Condition> {
    for condition in &mut conditions {
        let same = |old: &&Condition| {
            old.r#type == condition.r#type
                && old.status == condition.status
                && !old.last_transition_time.is_empty()
        };
        let since = before.iter().find(same).map(|old| old.last_transition_time.clone());
        condition.last_transition_time = since.unwrap_or_else(|| now.to_owned());
    }
    conditions
}

/// Whether two lists say the same, whenever they began to.
pub fn is_same(ours: &[Condition], theirs: &[Condition]) -> bool {
    let timeless = |list: &[Condition]| {
        let of = |condition: &Condition| Condition {
            last_transition_time: String::new(),
            ..condition.clone()
        };
        let mut list: Vec<Condition> = list.iter().map(of).collect();
        list.sort_by(|a, b| a.r#type.cmp(&b.r#type));
        list
    };
    timeless(ours) == timeless(theirs)
}

/// The time, as statuses have it.
pub fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Aspect, Conditions, LONGEST, is_same, now, reason, timed};
    use edgeway_api::{ObjectRef, Problem, edge_status::Condition};

    fn problem(code: &'static str) -> Problem {
        Problem::error(ObjectRef::new("VirtualService", "a", "b"), "spec.http[0]", code)
            .message("m")
            .advice("d")
    }

    fn judged(problems: &[Problem]) -> Vec<Condition> {
        let problems: Vec<&Problem> = problems.iter().collect();
        let all = Conditions::about(Some(7));
        let all = all.judge(Aspect::Accepted, &problems);
        all.judge(Aspect::ResolvedRefs, &problems).summed()
    }

    fn shown(conditions: &[Condition]) -> Vec<String> {
        let of =
            |it: &Condition| format!("{}={} {} {}", it.r#type, it.status, it.reason, it.message);
        conditions.iter().map(of).collect()
    }

    #[test]
    fn an_error_is_a_condition_that_does_not_hold() {
        assert_eq!(
            shown(&judged(&[problem("destination-not-found")])),
            [
                "Accepted=True Accepted ",
                "ResolvedRefs=False DestinationNotFound spec.http[0]: m; d",
                "Ready=False DestinationNotFound spec.http[0]: m; d",
            ]
        );
        let warning =
            Problem { severity: edgeway_api::Severity::Warning, ..problem("weight-missing") };
        let good = judged(&[warning]);
        assert_eq!(shown(&good)[2], "Ready=True Ready ");
        assert!(good.iter().all(|condition| condition.observed_generation == Some(7)));
    }

    #[test]
    fn many_errors_fit_into_one_message() {
        let all: Vec<Problem> = (0..9).map(|_| problem("invalid-field")).collect();
        assert!(shown(&judged(&all))[0].ends_with(" | and 6 more"));
        let long = Problem { message: "é".repeat(LONGEST), ..problem("invalid-field") };
        let conditions = judged(&[long]);
        assert!(conditions[0].message.len() <= LONGEST && conditions[0].message.ends_with('…'));
    }

    #[test]
    fn codes_are_sorted_by_what_they_are_about() {
        for (code, aspect) in [
            ("credential-not-found", Aspect::CertificateReady),
            ("gateway-not-found", Aspect::ResolvedRefs),
            ("destination-not-visible", Aspect::ResolvedRefs),
            ("listener-bind", Aspect::Programmed),
            ("invalid-field", Aspect::Accepted),
        ] {
            assert_eq!(Aspect::of(code), aspect, "{code}");
        }
        assert_eq!(reason("tls-version"), "TlsVersion");
    }

    #[test]
    fn a_condition_keeps_its_time_until_its_status_changes() {
        let before = timed(judged(&[]), &[], "yesterday");
        let same = timed(judged(&[]), &before, "today");
        assert!(same.iter().all(|condition| condition.last_transition_time == "yesterday"));
        let after = timed(judged(&[problem("invalid-field")]), &before, "today");
        let times: Vec<&str> = after.iter().map(|it| it.last_transition_time.as_str()).collect();
        assert_eq!(times, ["today", "yesterday", "today"]);
        assert!(is_same(&before, &same) && !is_same(&before, &after));
        assert!(now().ends_with('Z') && now().len() == 20, "{}", now());
    }
}
