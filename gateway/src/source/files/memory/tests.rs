//! Edits, one after the other, and what is served after each.

use super::{Content, Memory, Objects};
use proptest::prelude::*;
use std::{path::PathBuf, sync::Arc};

/// Files as name and text, read in one go.
fn settle(memory: &mut Memory, files: &[(&str, &str)]) -> Option<Arc<Objects>> {
    let content =
        |(path, text): &(&str, &str)| (PathBuf::from(path), Content::Text((*text).into()));
    memory.settle(files.iter().map(content).collect())
}

/// `Gateway name bind` of each gateway, sorted.
fn gateways(objects: &Objects) -> Vec<String> {
    let line = |gateway: &edgeway_api::Gateway| {
        let bind = gateway.spec.servers.first().and_then(|server| server.bind.clone());
        format!("{} {}", gateway.metadata.name.clone().unwrap(), bind.unwrap_or_default())
    };
    let mut lines: Vec<String> = objects.gateways.iter().map(|gateway| line(gateway)).collect();
    lines.sort();
    lines
}

fn defects(objects: &Objects) -> Vec<String> {
    objects.defects.iter().map(ToString::to_string).collect()
}

fn gateway(name: &str, bind: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\nspec: \
         {{servers: [{{bind: {bind}}}]}}\n---\n"
    )
}

#[test]
fn a_broken_object_keeps_its_last_version_and_says_so() {
    let mut memory = Memory::default();
    let good = gateway("a", "v1") + &gateway("b", "v1");
    settle(&mut memory, &[("f.yaml", &good)]).unwrap();
    let broken = gateway("a", "[5]") + &gateway("b", "v2");
    let objects = settle(&mut memory, &[("f.yaml", &broken)]).unwrap();
    assert_eq!(gateways(&objects), ["a v1", "b v2"]);
    assert_eq!(
        defects(&objects),
        [
            "error [wrong-type] Gateway default/a spec.servers[0].bind: it is a list, where a string is \
          expected; the version before keeps serving; correct the value (f.yaml:1)"
        ]
    );
    // It stays through further edits, until the object is good again or deleted.
    let broken = gateway("a", "[6]") + &gateway("b", "v3");
    assert_eq!(gateways(&settle(&mut memory, &[("f.yaml", &broken)]).unwrap()), ["a v1", "b v3"]);
    let objects = settle(&mut memory, &[("f.yaml", &gateway("b", "v3"))]).unwrap();
    assert_eq!((gateways(&objects), objects.defects.len()), (vec!["b v3".to_owned()], 0));
}

#[test]
fn a_broken_document_keeps_whatever_it_may_have_held() {
    let mut memory = Memory::default();
    let good = gateway("a", "v1") + &gateway("b", "v1") + &gateway("c", "v1");
    settle(&mut memory, &[("f.yaml", &good)]).unwrap();
    let broken = gateway("a", "v2") + "kind: [\n---\n" + &gateway("c", "v2");
    let objects = settle(&mut memory, &[("f.yaml", &broken)]).unwrap();
    assert_eq!(gateways(&objects), ["a v2", "b v1", "c v2"]);
    let [defect] = objects.defects.as_slice() else { panic!("{:?}", objects.defects) };
    assert!(defect.message.ends_with("; the version before keeps serving"), "{defect}");
    // While the same document stays broken, deleting another object deletes it.
    let broken = "kind: [\n---\n".to_owned() + &gateway("c", "v2");
    assert_eq!(gateways(&settle(&mut memory, &[("f.yaml", &broken)]).unwrap()), ["b v1", "c v2"]);
    let repaired = gateway("c", "v2");
    assert_eq!(gateways(&settle(&mut memory, &[("f.yaml", &repaired)]).unwrap()), ["c v2"]);
}

#[test]
fn a_slip_in_kind_or_name_loses_nothing() {
    let slips = [
        ("kind: Gateway", "kind: Gatewey"),
        ("name: a", "nmae: a"),
        ("apiVersion: networking.istio.io/v1", "apiVersion: networking.istio.io/v9"),
        ("apiVersion: ", "apiVersoin: "),
    ];
    for (right, wrong) in slips {
        let mut memory = Memory::default();
        let good = gateway("a", "v1");
        settle(&mut memory, &[("f.yaml", &good)]).unwrap();
        let objects = settle(&mut memory, &[("f.yaml", &good.replace(right, wrong))]).unwrap();
        assert_eq!(gateways(&objects), ["a v1"], "{wrong}");
        let text = defects(&objects).join("\n");
        assert!(text.contains("the version before keeps serving"), "{wrong}: {text}");
    }
}

#[test]
fn kinds_that_are_not_supported_keep_nothing_alive() {
    let mut memory = Memory::default();
    let policy =
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\n";
    settle(&mut memory, &[("f.yaml", &gateway("a", "v1"))]).unwrap();
    let objects = settle(&mut memory, &[("f.yaml", policy)]).unwrap();
    assert_eq!((gateways(&objects), objects.defects.len()), (Vec::<String>::new(), 1));
}

#[test]
fn a_deleted_file_takes_its_objects_along() {
    let mut memory = Memory::default();
    let (a, b) = (gateway("a", "v1"), gateway("b", "v1"));
    settle(&mut memory, &[("a.yaml", &a), ("b.yaml", &b)]).unwrap();
    assert_eq!(gateways(&settle(&mut memory, &[("b.yaml", &b)]).unwrap()), ["b v1"]);
    let gone = vec![(PathBuf::from("b.yaml"), Content::Gone)];
    let objects = memory.settle(gone).unwrap();
    assert_eq!(gateways(&objects), Vec::<String>::new());
    assert!(defects(&objects)[0].starts_with("error [missing-file] File b.yaml: "));
}

#[test]
fn an_unreadable_file_or_folder_keeps_what_was_there() {
    let mut memory = Memory::default();
    let good = gateway("a", "v1");
    let other = gateway("b", "v1");
    settle(&mut memory, &[("f/a.yaml", &good), ("g.yaml", &other)]).unwrap();
    for path in ["f/a.yaml", "f"] {
        let rows = vec![
            (PathBuf::from(path), Content::Unreadable("no permission".into())),
            (PathBuf::from("g.yaml"), Content::Text(other.clone())),
        ];
        let again = rows.clone();
        let objects = memory.settle(rows).unwrap();
        assert_eq!(gateways(&objects), ["a v1", "b v1"], "{path}");
        let text = defects(&objects).join("\n");
        assert!(text.contains("[unreadable-file]") && text.contains("no permission"), "{text}");
        assert!(memory.settle(again).is_none(), "{path}: nothing is new");
    }
    let objects = settle(&mut memory, &[("f/a.yaml", &good), ("g.yaml", &other)]).unwrap();
    assert_eq!((gateways(&objects).len(), objects.defects.len()), (2, 0));
}

#[test]
fn an_object_may_move_to_another_file_while_its_own_is_broken() {
    let mut memory = Memory::default();
    settle(&mut memory, &[("a.yaml", &gateway("a", "v1"))]).unwrap();
    let rows = [("a.yaml", "kind: [\n"), ("b.yaml", &gateway("a", "v2"))];
    let objects = settle(&mut memory, &rows).unwrap();
    assert_eq!(gateways(&objects), ["a v2"]);
    assert_eq!(objects.defects.len(), 1, "{:?}", objects.defects);
}

#[test]
fn the_first_of_two_files_wins() {
    let mut memory = Memory::default();
    let rows = [("b.yaml", &*gateway("a", "v1")), ("a.yaml", &gateway("a", "v2"))];
    let objects = settle(&mut memory, &rows).unwrap();
    assert_eq!(gateways(&objects), ["a v1"]);
    assert_eq!(objects.defects[0].code, "duplicate-object");
}

#[test]
fn nothing_new_is_not_told() {
    let mut memory = Memory::default();
    assert!(settle(&mut memory, &[]).is_some(), "the first time, even if there is nothing");
    assert!(settle(&mut memory, &[]).is_none());
    let text = gateway("a", "v1");
    assert!(settle(&mut memory, &[("a.yaml", &text)]).is_some());
    assert!(settle(&mut memory, &[("a.yaml", &text)]).is_none());
    assert!(settle(&mut memory, &[]).is_some());
}

#[test]
fn a_file_that_becomes_blank_or_goes_is_noticed() {
    let mut memory = Memory::default();
    let path = || PathBuf::from("f/a.yaml");
    let rows = [
        (vec![(path(), Content::Text(" \n".into()))], true),
        (vec![], true),
        (vec![(path(), Content::Gone)], true),
        (vec![(path(), Content::Text("a: 1".into()))], false),
        (vec![(path(), Content::Unreadable("why".into()))], false),
        (vec![(PathBuf::from("f"), Content::Unreadable("why".into()))], false),
    ];
    for (contents, _) in &rows {
        assert!(!memory.is_between(contents), "nothing was there: {contents:?}");
    }
    settle(&mut memory, &[("f/a.yaml", &gateway("a", "v1"))]);
    for (contents, expected) in &rows {
        assert_eq!(memory.is_between(contents), *expected, "{contents:?}");
    }
    settle(&mut memory, &[("f/a.yaml", "")]);
    assert!(!memory.is_between(&rows[0].0) && !memory.is_between(&rows[1].0));
}

/// What a file may say: objects of its own, some of them broken, and one that another may have too.
fn text(file: usize) -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => (0..2, 1..4).prop_map(move |(n, v)| gateway(&format!("g{file}{n}"), &format!("v{v}"))),
        1 => Just(gateway("shared", "v1")),
        1 => Just("kind: [\n---\n".to_owned()),
        1 => Just(gateway(&format!("g{file}0"), "[5]")),
        1 => Just("\n".to_owned()),
    ];
    proptest::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn what_is_read_alone_comes_to_the_same_as_all(
        edits in proptest::collection::vec((0_usize..3).prop_flat_map(|at| (Just(at), text(at))), 1..12),
    ) {
        let (mut one_by_one, mut whole) = (Memory::default(), Memory::default());
        let mut texts: Vec<String> = (0..3).map(|at| gateway(&format!("g{at}0"), "v1")).collect();
        let all = |texts: &[String]| -> Vec<(PathBuf, Content)> {
            let content = |(at, text): (usize, &String)| {
                (PathBuf::from(format!("{at}.yaml")), Content::Text(text.clone()))
            };
            texts.iter().enumerate().map(content).collect()
        };
        one_by_one.settle(all(&texts));
        whole.settle(all(&texts));
        for (at, text) in edits {
            texts[at] = text;
            let files = all(&texts);
            let expected = whole.settle(files.clone());
            let alone = one_by_one.amend(vec![files[at].clone()]);
            let found = alone.unwrap_or_else(|_| one_by_one.settle(files));
            let told = |objects: Arc<Objects>| {
                (gateways(&objects), defects(&objects), objects.origins.clone())
            };
            prop_assert_eq!(found.map(told), expected.map(told));
        }
    }
}

#[test]
fn what_did_not_change_in_a_file_stays_the_same() {
    let mut memory = Memory::default();
    let both = |bind: &str| gateway("a", "v1") + &gateway("b", bind);
    let before = settle(&mut memory, &[("f.yaml", &both("v1")), ("g.yaml", &gateway("c", "v1"))]);
    let change = vec![(PathBuf::from("f.yaml"), Content::Text(both("v2")))];
    let after = memory.amend(change.clone()).unwrap().unwrap();
    let same = |(one, other)| Arc::ptr_eq(one, other);
    let same: Vec<bool> = before.unwrap().gateways.iter().zip(&after.gateways).map(same).collect();
    assert_eq!(same, [true, false, true]);
    assert!(memory.amend(change).unwrap().is_none(), "nothing is new");
    let blank = vec![(PathBuf::from("f.yaml"), Content::Text(String::new()))];
    assert!(memory.amend(blank).is_err(), "that may be a moment");
    let stranger = vec![(PathBuf::from("h.yaml"), Content::Text(gateway("d", "v1")))];
    assert!(memory.amend(stranger).is_err());
}
