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
    /// Older versions, of what is broken or may be part of a file that cannot be read.
    pub stand_ins: Objects,
    /// Objects that were refused as a whole.
    pub rejected: BTreeSet<ObjectRef>,
    /// What an older version stands in for.
    pub replaced: BTreeSet<ObjectRef>,
}

/// What cannot be read: objects by name, and whole files.
#[derive(Debug)]
struct Unread {
    objects: BTreeSet<ObjectRef>,
    files: BTreeSet<String>,
}

impl Unread {
    fn of(objects: &Objects) -> Self {
        let mut unread = Self { objects: BTreeSet::new(), files: BTreeSet::new() };
        for Problem { object, code, .. } in
            objects.defects.iter().filter(|defect| defect.severity == Severity::Error)
        {
            match *code {
                "unreadable-yaml" | "unreadable-file" => {
                    unread.files.insert(object.name.clone());
                }
                // These never were there.
                "missing-file" | "kind-not-supported" | "duplicate-object" => {}
                _ => {
                    unread.objects.insert(object.clone());
                }
            }
        }
        unread
    }

    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.files.is_empty()
    }

    /// Whether an object may be part of it.
    fn may_have_been(&self, object: &ObjectRef, among: &Objects) -> bool {
        let origin = among.origins.get(object).and_then(|origin| origin.rsplit_once(':'));
        self.objects.contains(object) || origin.is_some_and(|(file, _)| self.files.contains(file))
    }
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
    /// one, and so is one that is missing because it cannot be read. Objects that are not in the set
    /// any more are forgotten.
    pub(crate) fn compile(&mut self, objects: &Arc<Objects>, workload: &Workload) -> Outcome {
        let first = self.given.compile(objects, workload);
        let unread = Unread::of(objects);
        let replaced = self.replaced(objects, &first.rejected, &unread);
        if replaced.is_empty() {
            self.mixed = Compiler::default();
            self.objects = without(objects, &first.rejected);
            let stand_ins = self.stand_ins(&replaced, &unread);
            let Compiled { table, problems, rejected } = first;
            return Outcome { table, problems, stand_ins, rejected, replaced };
        }
        let mixed = self.mixed(objects, &replaced);
        let second = self.mixed.compile(&mixed, workload);
        self.objects = without(&Arc::new(mixed), &second.rejected);
        Outcome {
            stand_ins: self.stand_ins(&replaced, &unread),
            problems: joined(&first, second.problems, &replaced),
            table: second.table,
            rejected: first.rejected.union(&second.rejected).cloned().collect(),
            replaced,
        }
    }

    /// What an older version stands in for.
    fn replaced(
        &self,
        objects: &Objects,
        rejected: &BTreeSet<ObjectRef>,
        unread: &Unread,
    ) -> BTreeSet<ObjectRef> {
        if rejected.is_empty() && unread.is_empty() {
            return BTreeSet::new();
        }
        let known = self.objects.references();
        let here = objects.references();
        let missing = known.difference(&here);
        let lost = missing.filter(|object| unread.may_have_been(object, &self.objects));
        rejected.intersection(&known).chain(lost).cloned().collect()
    }

    /// The good objects that would be missed if they were forgotten now.
    fn stand_ins(&self, replaced: &BTreeSet<ObjectRef>, unread: &Unread) -> Objects {
        if replaced.is_empty() && unread.is_empty() {
            return Objects::default();
        }
        let mut stand_ins = Objects::clone(&self.objects);
        stand_ins.defects.clear();
        stand_ins.retain(|object| {
            replaced.contains(object) || unread.may_have_been(object, &self.objects)
        });
        stand_ins
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

fn without(objects: &Arc<Objects>, rejected: &BTreeSet<ObjectRef>) -> Arc<Objects> {
    if rejected.is_empty() {
        return Arc::clone(objects);
    }
    let mut good = Objects::clone(objects);
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

    /// A gateway that was started again knows only what was standing in.
    #[test]
    fn what_stands_in_does_so_again_after_a_restart() {
        let text = FRONT.to_owned() + &service("a", &answer(201)) + &service("b", &answer(202));
        let bad = FRONT.to_owned() + &service("a", &answer(9)) + &service("b", &answer(202));
        let mut good = LastGood::default();
        assert_eq!(compile(&mut good, &text).stand_ins.count(), 0);
        let stand_ins = compile(&mut good, &bad).stand_ins;
        assert_eq!(stand_ins.count(), 1);
        let mut again = LastGood::from(Arc::new(stand_ins));
        let outcome = compile(&mut again, &bad);
        assert!(same_table(&outcome, &text));
        assert_eq!(outcome.stand_ins.count(), 1);
        assert!(outcome.problems[0].message.contains("keeps serving"), "{:?}", outcome.problems);
        assert_eq!(compile(&mut again, &text).stand_ins.count(), 0);
    }

    #[test]
    fn what_cannot_be_read_after_a_restart_is_what_it_was() {
        let text = FRONT.to_owned() + &service("a", &answer(201)) + &service("b", &answer(202));
        let unnamed = FRONT.to_owned() + "kind: [\n---\n" + &service("b", &answer(202));
        let named = text.replace("{status: 201}", "{status: many}");
        for broken in [unnamed, named] {
            let mut objects = Objects::default();
            manifest::read(&text, "f.yaml", &mut objects);
            let mut again = LastGood::from(Arc::new(objects));
            let mut objects = Objects::default();
            manifest::read(&broken, "f.yaml", &mut objects);
            assert_eq!((objects.defects.len(), objects.count()), (1, 2), "{:?}", objects.defects);
            let outcome = again.compile(&Arc::new(objects), &Workload::default());
            assert!(same_table(&outcome, &text), "{broken}");
            assert!(outcome.stand_ins.count() >= 1);
        }
    }
}
