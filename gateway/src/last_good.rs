//! Compiles with the last good version of whatever is rejected: pure, and without a clock.

use edgeway_api::{ObjectRef, Objects, Problem, Severity};
use edgeway_core::{
    Workload,
    compile::{Compiled, Compiler},
    table::Table,
};
use std::{collections::BTreeSet, sync::Arc};

/// Added to what is wrong with an object whose older version stands in for it.
const KEEPS_SERVING: &str = "; the version before keeps serving";

/// The objects that compiled well last time, and what is remembered of compiling them.
#[derive(Debug, Default)]
pub(crate) struct LastGood {
    objects: Arc<Objects>,
    given: Compiler,
    /// Kept apart, so that neither forgets because of the other.
    mixed: Compiler,
}

/// A table, and what is wrong with the objects it should be made of.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Made of the given objects, and of older versions where these were rejected.
    pub table: Table,
    /// Sorted. For an object that an older version stands in for, the problems are those of the
    /// version that was rejected.
    pub problems: Vec<Problem>,
}

/// Objects that are known to be good.
impl From<Arc<Objects>> for LastGood {
    fn from(objects: Arc<Objects>) -> Self {
        Self { objects, ..Self::default() }
    }
}

impl LastGood {
    /// The objects, as they were when they compiled well.
    pub(crate) fn objects(&self) -> &Arc<Objects> {
        &self.objects
    }

    /// Compiles `objects`; one that is rejected is replaced by its last good version, if there is
    /// one. Objects that are not in the set any more are forgotten.
    pub(crate) fn compile(&mut self, objects: &Arc<Objects>, workload: &Workload) -> Outcome {
        let first = self.given.compile(objects, workload);
        if first.rejected.is_empty() {
            self.mixed = Compiler::default();
            self.objects = Arc::clone(objects);
            return Outcome { table: first.table, problems: first.problems };
        }
        let known = self.objects.references();
        let replaced: BTreeSet<ObjectRef> = first.rejected.intersection(&known).cloned().collect();
        if replaced.is_empty() {
            self.objects = without(objects, &first.rejected);
            return Outcome { table: first.table, problems: first.problems };
        }
        let mixed = self.mixed(objects, &replaced);
        let second = self.mixed.compile(&mixed, workload);
        self.objects = without(&mixed, &second.rejected);
        Outcome { problems: joined(&first, second.problems, &replaced), table: second.table }
    }

    /// `objects`, with those of `replaced` in their last good version.
    fn mixed(&self, objects: &Objects, replaced: &BTreeSet<ObjectRef>) -> Objects {
        let mut mixed = objects.clone();
        mixed.retain(|object| !replaced.contains(object));
        let mut older = Objects::clone(&self.objects);
        older.retain(|object| replaced.contains(object));
        older.defects.clear();
        mixed.absorb(older);
        mixed
    }
}

fn without(objects: &Objects, rejected: &BTreeSet<ObjectRef>) -> Arc<Objects> {
    let mut good = objects.clone();
    good.retain(|object| !rejected.contains(object));
    Arc::new(good)
}

/// Of replaced objects what is wrong with their new version, of all others what is wrong now.
fn joined(first: &Compiled, second: Vec<Problem>, replaced: &BTreeSet<ObjectRef>) -> Vec<Problem> {
    let of_new = first.problems.iter().filter(|problem| replaced.contains(&problem.object));
    let of_new = of_new.cloned().map(|mut problem| {
        if problem.severity == Severity::Error {
            problem.message.push_str(KEEPS_SERVING);
        }
        problem
    });
    let of_others = second.into_iter().filter(|problem| !replaced.contains(&problem.object));
    let mut problems: Vec<Problem> = of_new.chain(of_others).collect();
    problems.sort();
    problems
}

#[cfg(test)]
mod tests {
    use super::{Arc, LastGood, Objects, Outcome, Workload};
    use edgeway_api::{Severity, manifest};

    const FRONT: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
";

    fn service(name: &str, rule: &str) -> String {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, \
             namespace: istio-system}}\nspec: {{hosts: [{name}.test], gateways: [web], http: [{rule}]}}\
             \n---\n"
        )
    }

    /// An answer of the gateway's own, by which versions are told apart.
    fn answer(status: u32) -> String {
        format!("{{directResponse: {{status: {status}}}}}")
    }

    fn compile(good: &mut LastGood, text: &str) -> Outcome {
        let mut objects = Objects::default();
        manifest::read(text, "f.yaml", &mut objects);
        assert_eq!(objects.defects, []);
        good.compile(&Arc::new(objects), &Workload::default())
    }

    /// Whether the outcome's table is the one of `text` alone.
    fn same_table(outcome: &Outcome, text: &str) -> bool {
        let alone = compile(&mut LastGood::default(), text);
        let print = |outcome: &Outcome| serde_json::to_value(&outcome.table).unwrap();
        print(outcome) == print(&alone)
    }

    #[test]
    fn a_rejected_version_changes_nothing() {
        let mut good = LastGood::default();
        let text = FRONT.to_owned() + &service("a", &answer(201)) + &service("b", &answer(202));
        let first = compile(&mut good, &text);
        assert_eq!(first.problems, []);
        let bad = FRONT.to_owned() + &service("a", &answer(9)) + &service("b", &answer(203));
        let second = compile(&mut good, &bad);
        let expected = FRONT.to_owned() + &service("a", &answer(201)) + &service("b", &answer(203));
        assert!(same_table(&second, &expected) && !same_table(&second, &text));
        assert_eq!(second.problems.len(), 1, "{:?}", second.problems);
        let problem = second.problems[0].to_string();
        assert!(problem.contains("VirtualService istio-system/a spec.http[0]"), "{problem}");
        assert!(problem.contains("; the version before keeps serving; "), "{problem}");
        assert!(problem.ends_with("(f.yaml:9)"), "{problem}");

        // It goes on through further changes, and ends when the object is good again.
        let third = compile(&mut good, &bad);
        assert!(same_table(&third, &expected));
        let repaired = FRONT.to_owned() + &service("a", &answer(204));
        let fourth = compile(&mut good, &repaired);
        assert!(same_table(&fourth, &repaired));
        assert_eq!(fourth.problems, []);
    }

    #[test]
    fn a_deleted_object_is_forgotten() {
        let mut good = LastGood::default();
        let text = FRONT.to_owned() + &service("a", &answer(201));
        compile(&mut good, &text);
        let second = compile(&mut good, FRONT);
        assert!(same_table(&second, FRONT));
        let bad = FRONT.to_owned() + &service("a", &answer(9));
        let third = compile(&mut good, &bad);
        assert!(same_table(&third, &bad));
        assert_eq!(third.problems.len(), 1);
        assert!(!third.problems[0].message.contains("keeps serving"), "{:?}", third.problems);
    }

    #[test]
    fn what_was_never_good_has_nothing_to_stand_in() {
        let mut good = LastGood::default();
        let bad = FRONT.to_owned() + &service("a", &answer(9)) + &service("b", &answer(201));
        let first = compile(&mut good, &bad);
        assert!(first.problems.iter().any(|problem| problem.severity == Severity::Error));
        let second = compile(&mut good, &bad);
        assert!(same_table(&second, &bad));
        assert_eq!(second.problems, first.problems);
    }
}
