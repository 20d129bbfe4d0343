//! From how things stand to what should be said of each Ingress, and of each Gateway that asks for a load
//! balancer. Pure.

use super::{Identity, api_version, event::Word};
use crate::{
    event::Status,
    state::{Progress, StackState},
};
use edgeway_api::{
    ObjectRef, Problem, Severity,
    edge_status::{EdgeState, Finding},
};
use edgeway_gateway::status::{
    EdgeWish,
    conditions::{Aspect, Conditions},
};
use std::collections::BTreeMap;

/// How many problems an `EdgeStatus` repeats.
const REPEATED: usize = 50;

/// Where requests are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// DNS name of the load balancer.
    pub(super) hostname: String,
    /// Its ports.
    pub(super) ports: Vec<u16>,
    /// DNS name of the network load balancer before it.
    pub(super) frontend: Option<String>,
}

/// What should be said of one Ingress.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IngressWish {
    pub(super) edge: EdgeWish,
    pub(super) identity: Identity,
    /// Where it is, once that can be told.
    pub(super) address: Option<Place>,
    pub(super) words: Vec<Word>,
}

/// What should be said of all that there is something to say about.
pub(super) fn wishes(status: &Status, writer: &str) -> BTreeMap<ObjectRef, IngressWish> {
    let mut stacks: BTreeMap<&ObjectRef, Option<&StackState>> = BTreeMap::new();
    for Problem { object, .. } in &status.problems {
        if matches!(object.kind.as_str(), "Ingress" | "Gateway") {
            stacks.insert(object, None);
        }
    }
    for (stack, members) in &status.members {
        stacks.extend(members.iter().map(|member| (member, status.states.get(stack))));
    }
    let of = |(object, state): (&ObjectRef, Option<&StackState>)| {
        // One that could not be read has no identity that we know.
        let identity = status.identities.get(object)?;
        let problems: Vec<&Problem> =
            status.problems.iter().filter(|problem| problem.object == *object).collect();
        let told = Told { identity, state, problems: &problems };
        Some((object.clone(), told.wish(object, writer)))
    };
    stacks.into_iter().filter_map(of).collect()
}

/// What is known of one Ingress.
struct Told<'t> {
    identity: &'t Identity,
    /// Nothing, if it is not served.
    state: Option<&'t StackState>,
    problems: &'t [&'t Problem],
}

impl Told<'_> {
    fn wish(&self, object: &ObjectRef, writer: &str) -> IngressWish {
        let address = self.state.filter(|state| state.serves).and_then(|state| {
            let (ports, frontend) = (state.ports.clone(), state.frontend.clone());
            Some(Place { hostname: state.address.clone()?, ports, frontend })
        });
        let mut problems = self.problems.to_vec();
        problems.sort_by_key(|problem| problem.severity);
        let state = EdgeState {
            observed_generation: self.identity.generation,
            conditions: self.conditions().summed(),
            problems: problems.iter().take(REPEATED).map(|it| Finding::from(*it)).collect(),
            address: address.as_ref().map(|place| place.hostname.clone()),
            writer: Some(writer.to_owned()),
            ..EdgeState::default()
        };
        let owner = Some((api_version(object).to_owned(), self.identity.uid.clone()));
        let told_at = address.as_ref().filter(|_| object.kind == "Gateway");
        let told_at = told_at.map(|place| place.hostname.clone());
        IngressWish {
            edge: EdgeWish { target: object.clone(), owner, state },
            identity: self.identity.clone(),
            address,
            words: self.words(told_at),
        }
    }

    fn conditions(&self) -> Conditions {
        let conditions = Conditions::about(self.identity.generation)
            .judge(Aspect::Accepted, self.problems)
            .judge(Aspect::ResolvedRefs, self.problems);
        let programmed = Aspect::Programmed.name();
        let Some(state) = self.state else {
            return conditions.fails(programmed, "Rejected", "it is left out");
        };
        let conditions = if state.has_tls {
            conditions.judge(Aspect::CertificateReady, self.problems)
        } else {
            conditions
        };
        let failed = self.problems.iter().any(|problem| {
            problem.severity == Severity::Error && Aspect::of(problem.code) == Aspect::Programmed
        });
        let conditions = match state.progress {
            Progress::Changing if !failed => {
                conditions.unknown(programmed, "Progressing", "AWS is being changed")
            }
            Progress::Provisioning if !failed => {
                conditions.unknown(programmed, "Provisioning", "AWS is making the load balancer")
            }
            Progress::Changing | Progress::Provisioning | Progress::InPlace => {
                conditions.judge(Aspect::Programmed, self.problems)
            }
        };
        health(conditions, state)
    }

    /// In the words that dashboards look for, and where it is if there is no other place to say it.
    fn words(&self, told_at: Option<String>) -> Vec<Word> {
        let errors = self.problems.iter().filter(|problem| problem.severity == Severity::Error);
        let mut words: Vec<Word> = errors.map(|problem| Word::of(problem)).collect();
        if words.is_empty() && self.state.is_some_and(|state| state.progress == Progress::InPlace) {
            let word = told_at.map_or_else(Word::reconciled, |at| Word::reconciled_at(&at));
            words.push(word);
        }
        words
    }
}

fn health(conditions: Conditions, state: &StackState) -> Conditions {
    const NAME: &str = "TargetsHealthy";
    let Some((well, all)) = state.targets else { return conditions };
    let count = format!("{well} of {all} targets are well");
    if all == 0 {
        return conditions.unknown(NAME, "NoTargets", "no target is registered");
    }
    match state.ill_groups.as_slice() {
        [] => conditions.holds(NAME, count),
        groups => {
            let message = format!("{count}; none of {}", groups.join(", "));
            conditions.fails(NAME, "NoHealthyTarget", message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_alb_core::StackId;

    fn status(problems: Vec<Problem>, state: StackState) -> Status {
        let stack = StackId::ingress("a", "b");
        let object = ObjectRef::new("Ingress", "a", "b");
        let lost = ObjectRef::new("Ingress", "a", "lost");
        let identity = Identity { uid: "1".into(), generation: Some(3) };
        Status {
            problems,
            members: [(stack.clone(), vec![object.clone()])].into(),
            states: [(stack, state)].into(),
            identities: [(object, identity.clone()), (lost, identity)].into(),
            ..Status::default()
        }
    }

    fn serving() -> StackState {
        StackState {
            address: Some("x.example.com".into()),
            ports: vec![80],
            progress: Progress::InPlace,
            targets: Some((1, 1)),
            serves: true,
            ..StackState::default()
        }
    }

    fn shown(status: &Status, name: &str) -> (Vec<String>, Option<String>, Vec<String>) {
        let wish = &wishes(status, "w")[&ObjectRef::new("Ingress", "a", name)];
        let conditions = wish.edge.state.conditions.iter();
        let conditions = conditions.map(|it| format!("{}={} {}", it.r#type, it.status, it.reason));
        let words = wish.words.iter().map(|word| format!("{} {}", word.reason, word.note));
        let address = wish.address.as_ref().map(|place| place.hostname.clone());
        (conditions.collect(), address, words.collect())
    }

    #[test]
    fn what_serves_has_an_address() {
        let (conditions, address, words) = shown(&status(vec![], serving()), "b");
        assert_eq!(
            conditions,
            [
                "Accepted=True Accepted",
                "ResolvedRefs=True ResolvedRefs",
                "Programmed=True Programmed",
                "TargetsHealthy=True TargetsHealthy",
                "Ready=True Ready",
            ]
        );
        assert_eq!(address.as_deref(), Some("x.example.com"));
        assert_eq!(words, ["SuccessfullyReconciled Successfully reconciled"]);
    }

    #[test]
    fn a_gateway_that_asks_is_told_and_others_are_not() {
        let mut status = status(vec![], serving());
        let (asking, other) =
            (ObjectRef::new("Gateway", "a", "g"), ObjectRef::new("Gateway", "a", "other"));
        let problem = |object: &ObjectRef| Problem::error(object.clone(), "", "gateway-not-bound");
        status.problems = vec![problem(&asking), problem(&other)];
        let identity = Identity { uid: "2".into(), generation: None };
        status.identities.insert(asking.clone(), identity);
        let all = wishes(&status, "w");
        assert!(!all.contains_key(&other));
        let owner = ("networking.istio.io/v1".to_owned(), "2".to_owned());
        assert_eq!(all[&asking].edge.owner, Some(owner));
        assert_eq!(all[&asking].words[0].reason, "FailedBuildModel");
        status.problems.clear();
        status.members.values_mut().for_each(|members| members.push(asking.clone()));
        let notes = |name: &ObjectRef| {
            let wish = &wishes(&status, "w")[name];
            wish.words.iter().map(|word| word.note.clone()).collect::<Vec<_>>()
        };
        let note = "Successfully reconciled: requests are taken at x.example.com";
        assert_eq!(notes(&asking), [note], "its status is its gateway's to write");
        assert_eq!(notes(&ObjectRef::new("Ingress", "a", "b")), ["Successfully reconciled"]);
    }

    #[test]
    fn what_stands_before_it_is_told_with_it() {
        let fronted = StackState { frontend: Some("nlb.example.com".into()), ..serving() };
        let status = status(vec![], fronted);
        let place = wishes(&status, "w")[&ObjectRef::new("Ingress", "a", "b")].address.clone();
        let place = place.unwrap();
        assert_eq!(place.hostname, "x.example.com");
        assert_eq!(place.frontend.as_deref(), Some("nlb.example.com"));
    }

    #[test]
    fn what_does_not_serve_yet_has_none() {
        let ill = StackState {
            targets: Some((0, 2)),
            ill_groups: vec!["g".into()],
            serves: false,
            ..serving()
        };
        let (conditions, address, _) = shown(&status(vec![], ill), "b");
        assert_eq!(address, None);
        assert_eq!(conditions[4], "Ready=False NoHealthyTarget");
        let young = StackState { progress: Progress::Changing, serves: false, ..serving() };
        let (conditions, _, words) = shown(&status(vec![], young), "b");
        assert_eq!(conditions[2], "Programmed=Unknown Progressing");
        assert_eq!(words, <[String; 0]>::default());
    }

    #[test]
    fn what_is_left_out_is_told_why() {
        let object = ObjectRef::new("Ingress", "a", "lost");
        let problem = Problem::error(object, "spec", "service-not-found").message("m").advice("d");
        let (conditions, address, words) = shown(&status(vec![problem], serving()), "lost");
        assert_eq!(conditions[1], "ResolvedRefs=False ServiceNotFound");
        assert_eq!(conditions[2], "Programmed=False Rejected");
        assert_eq!(address, None);
        assert_eq!(words, ["FailedBuildModel Failed build model due to spec: m; d"]);
    }
}
