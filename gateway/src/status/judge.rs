//! From what became of a configuration to the conditions of each object. Pure.

use super::{
    conditions::{Aspect, Conditions, QUARANTINED},
    istio::{IstioWish, messages},
};
use crate::subject::{State, Subject};
use edgeway_api::{ObjectRef, Problem};
use std::collections::BTreeMap;

/// What should be said of each object.
pub(crate) type Judged = BTreeMap<ObjectRef, IstioWish>;

/// What is to be said of each subject.
pub(crate) fn judge(subjects: &[Subject], problems: &[Problem]) -> Judged {
    let mut by_object: BTreeMap<&ObjectRef, Vec<&Problem>> = BTreeMap::new();
    for problem in problems {
        by_object.entry(&problem.object).or_default().push(problem);
    }
    let nothing = Vec::new();
    let of = |subject: &Subject| {
        let problems = by_object.get(&subject.object).unwrap_or(&nothing);
        (subject.object.clone(), wish(subject, problems))
    };
    subjects.iter().map(of).collect()
}

fn wish(subject: &Subject, problems: &[&Problem]) -> IstioWish {
    let Subject { object: _, uid, generation, state, has_tls } = subject;
    let mut conditions = Conditions::about(*generation)
        .judge(Aspect::Accepted, problems)
        .judge(Aspect::ResolvedRefs, problems);
    if *has_tls {
        conditions = conditions.judge(Aspect::CertificateReady, problems);
    }
    let programmed = Aspect::Programmed;
    let conditions = match state {
        State::Serves => conditions.judge(programmed, problems),
        State::Rejected => conditions.fails(programmed.name(), "Rejected", "nothing of it serves"),
        State::Quarantined => {
            let why = "the version before keeps serving";
            conditions.fails(programmed.name(), QUARANTINED, why).holds(QUARANTINED, why)
        }
    };
    IstioWish { uid: uid.clone(), conditions: conditions.summed(), messages: messages(problems) }
}

#[cfg(test)]
mod tests {
    use super::{Judged, ObjectRef, Problem, Subject, judge};
    use edgeway_api::{Objects, manifest};
    use std::collections::BTreeSet;

    const TEXT: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: a, generation: 4}
spec: {servers: [{tls: {mode: SIMPLE}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v, namespace: a, generation: 2}
spec: {hosts: [h]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: broken, namespace: a}
spec: {hosts: 7}
";

    fn judged(rejected: &[&str], replaced: &[&str], problems: &[Problem]) -> Judged {
        let mut objects = Objects::default();
        manifest::read(TEXT, "f.yaml", &mut objects);
        let named = |names: &[&str]| -> BTreeSet<ObjectRef> {
            names.iter().map(|name| ObjectRef::new("VirtualService", "a", *name)).collect()
        };
        let concerned = objects.references();
        let sets = (&named(rejected), &named(replaced));
        let subjects = Subject::all(&objects, &concerned, sets);
        let all = [&objects.defects[..], problems].concat();
        judge(&subjects, &all)
    }

    fn shown(judged: &Judged, kind: &str, name: &str) -> String {
        let wish = &judged[&ObjectRef::new(kind, "a", name)];
        let words = wish.conditions.iter().map(|it| format!("{}={}", it.r#type, it.reason));
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_object_is_told_what_became_of_it() {
        let all = judged(&[], &[], &[]);
        assert_eq!(
            shown(&all, "Gateway", "web"),
            "Accepted=Accepted ResolvedRefs=ResolvedRefs CertificateReady=CertificateReady \
             Programmed=Programmed Ready=Ready"
        );
        assert_eq!(
            all[&ObjectRef::new("Gateway", "a", "web")].conditions[0].observed_generation,
            Some(4)
        );
        assert_eq!(
            shown(&all, "VirtualService", "broken"),
            "Accepted=WrongType ResolvedRefs=ResolvedRefs Programmed=Rejected Ready=WrongType"
        );
    }

    #[test]
    fn what_is_made_anew_is_told_anew() {
        let made = |uid: &str| {
            let mut objects = Objects::default();
            let named = format!("metadata: {{uid: {uid}, ");
            manifest::read(&TEXT.replace("metadata: {", &named), "f.yaml", &mut objects);
            let none = BTreeSet::new();
            let subjects = Subject::all(&objects, &objects.references(), (&none, &none));
            judge(&subjects, &[]).remove(&ObjectRef::new("VirtualService", "a", "v"))
        };
        assert_eq!(made("one"), made("one"));
        assert_ne!(made("one"), made("two"));
    }

    #[test]
    fn what_an_older_version_stands_in_for_is_quarantined() {
        let object = ObjectRef::new("VirtualService", "a", "v");
        let problem = Problem::error(object, "spec", "invalid-field").message("m");
        let all = judged(&["v"], &["v"], &[problem]);
        assert_eq!(
            shown(&all, "VirtualService", "v"),
            "Accepted=InvalidField ResolvedRefs=ResolvedRefs Programmed=Quarantined \
             Quarantined=Quarantined Ready=InvalidField"
        );
        let level = &all[&ObjectRef::new("VirtualService", "a", "v")].messages[0]["level"];
        assert_eq!(level, "ERROR");
    }
}
