//! `EdgeStatus`: what became of an Ingress or of a gateway, where their own kinds have no room to say
//! it. Written by Edgeway, read by people.

mod crd;

pub use crd::crd;

use crate::{
    ObjectRef, Problem, Severity,
    resource::{Resource, Spec},
    shape::shape,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

/// API group of our own kinds.
pub const GROUP: &str = "edgeway.dev";

/// Version of our own kinds.
pub const VERSION: &str = "v1alpha1";

/// As a path of the API server spells the kind.
pub const PLURAL: &str = "edgestatuses";

/// The longest name of an object.
const LONGEST_NAME: usize = 253;

/// What became of one Ingress or one gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EdgeStatus {
    /// Name, namespace, owner.
    #[serde(default, deserialize_with = "crate::shape::or_default")]
    pub metadata: ObjectMeta,
    /// What it is about.
    #[serde(default, deserialize_with = "crate::shape::or_default")]
    pub spec: EdgeStatusSpec,
    /// What became of it.
    #[serde(default, deserialize_with = "crate::shape::or_default")]
    pub status: EdgeState,
}

impl Spec for EdgeStatusSpec {
    const KIND: &'static str = "EdgeStatus";
}

impl Resource for EdgeStatus {
    const KIND: &'static str = <EdgeStatusSpec as Spec>::KIND;

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

shape! {
    /// What an [`EdgeStatus`] is about.
    EdgeStatusSpec {
        /// An object of the same namespace.
        target_ref: TargetRef,
    }

    /// An object of the same namespace.
    TargetRef {
        /// Its kind: `Ingress`, or `Gateway` for a gateway workload.
        kind: String,
        /// Its name.
        name: String,
    }

    /// What became of it.
    EdgeState {
        /// The generation of the target that this is about.
        observed_generation: Option<i64>,
        /// What holds and what does not, each type once.
        conditions: Vec<Condition>,
        /// Everything that is wrong, the worst first; no more than there is room for.
        problems: Vec<Finding>,
        /// Where requests are to be sent.
        address: Option<String>,
        /// Sockets that are open.
        listeners: Vec<String>,
        /// How many objects it is made of.
        objects: Option<i64>,
        /// Which replica says so.
        writer: Option<String>,
    }

    /// Something that holds or does not.
    Condition {
        /// `Accepted`, `ResolvedRefs`, `Programmed`, …, `Ready`.
        r#type: String,
        /// `True`, `False` or `Unknown`.
        status: String,
        /// Why, in one word.
        reason: String,
        /// Why, for people.
        message: String,
        /// The generation of the object that this is about.
        observed_generation: Option<i64>,
        /// Since when the status is what it is, by RFC 3339.
        last_transition_time: String,
    }

    /// A [`Problem`], written down.
    Finding {
        /// The object at fault.
        object: String,
        /// Path of the field; empty when it is the whole object.
        field: String,
        /// Code, which has a page in the documentation.
        code: String,
        /// `error` or `warning`.
        severity: String,
        /// What is wrong.
        message: String,
        /// What to do about it.
        advice: String,
    }
}

impl From<&Problem> for Finding {
    fn from(problem: &Problem) -> Self {
        let Problem { object, field, code, severity, message, advice, origin: _ } = problem;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        Self {
            object: object.to_string(),
            field: field.clone(),
            code: (*code).to_owned(),
            severity: severity.to_owned(),
            message: message.clone(),
            advice: advice.clone(),
        }
    }
}

impl EdgeStatus {
    /// Its `apiVersion`.
    pub fn api_version() -> String {
        format!("{GROUP}/{VERSION}")
    }

    /// The name of what is said about `target`: `ingress.shop`. A name that would be too long ends
    /// with a number made of the whole.
    pub fn name_for(target: &ObjectRef) -> String {
        let name = format!("{}.{}", target.kind.to_lowercase(), target.name);
        if name.len() <= LONGEST_NAME {
            return name;
        }
        // FNV-1a: the same in every release.
        let number = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let kept: String = name.chars().take(LONGEST_NAME - 17).collect();
        format!("{}-{number:016x}", kept.trim_end_matches(['.', '-']))
    }
}

#[cfg(test)]
mod tests {
    use super::{EdgeStatus, Finding};
    use crate::{ObjectRef, Problem};

    #[test]
    fn names_are_short_enough_and_different() {
        let name = |name: &str| EdgeStatus::name_for(&ObjectRef::new("Ingress", "a", name));
        assert_eq!(name("shop"), "ingress.shop");
        let (one, two) = (name(&("a".repeat(252) + "b")), name(&("a".repeat(252) + "c")));
        assert!(one.len() <= 253 && two.len() <= 253 && one != two, "{one} {two}");
    }

    #[test]
    fn a_problem_is_written_down_whole() {
        let object = ObjectRef::new("Ingress", "a", "b");
        let problem = Problem::error(object, "spec", "bad-thing").message("m").advice("d");
        let finding = Finding::from(&problem);
        assert_eq!((&*finding.object, &*finding.severity), ("Ingress a/b", "error"));
        assert_eq!((&*finding.code, &*finding.message, &*finding.advice), ("bad-thing", "m", "d"));
    }
}
