//! What we build upon keeps to `.deny.toml`: licences, what is banned, and where it comes from.
//!
//! The rules and their format are cargo-deny's, which takes longer to build than all of this; whoever
//! has it may run it, and then hears of advisories, too.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde::Deserialize;
use std::{collections::BTreeMap, fs, process::Command};

/// As far as it is asked for, what `cargo metadata` prints.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn metadata() -> Metadata {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(edgeway_tests::root()).args(["metadata", "--locked", "--format-version=1"]);
    // What is for other systems need not be on this machine.
    let output = command.arg("--filter-platform=x86_64-unknown-linux-gnu").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The lines of a table of `.deny.toml`.
fn rules(table: &str) -> String {
    let text = fs::read_to_string(edgeway_tests::root().join(".deny.toml")).unwrap();
    let (_, rest) = text.split_once(&format!("[{table}]\n")).unwrap();
    rest.split_once("\n[").map_or(rest, |(lines, _)| lines).to_owned()
}

/// What stands between quotation marks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

#[test]
fn licences_are_among_those_that_are_allowed() {
    let rules = rules("licenses");
    let allowed = quoted(&rules);
    assert!(allowed.contains(&"MIT"), "{allowed:?}");
    for Package { name, license, .. } in metadata().packages {
        let license = license.unwrap_or_default();
        assert!(is_allowed(&license, &allowed), "{name}: `{license}`");
    }
}

#[test]
fn what_is_banned_is_not_there() {
    let Metadata { packages, resolve } = metadata();
    let names: BTreeMap<&str, &str> =
        packages.iter().map(|package| (&*package.id, &*package.name)).collect();
    let rules = rules("bans");
    let bans: Vec<&str> = rules.lines().filter(|line| line.contains("crate = ")).collect();
    assert!(!bans.is_empty());
    for ban in bans {
        let banned = quoted(ban.split_once("crate = ").unwrap().1).first().copied().unwrap();
        let wrappers = ban.split_once("wrappers = [").and_then(|(_, rest)| rest.split_once(']'));
        let wrappers = wrappers.map_or_else(Vec::new, |(list, _)| quoted(list));
        for Node { id, dependencies } in &resolve.nodes {
            let user = names.get(&**id).copied().unwrap_or_default();
            let depends = dependencies.iter().any(|it| names.get(&**it) == Some(&banned));
            assert!(!depends || wrappers.contains(&user), "{user} depends on {banned}");
        }
    }
}

#[test]
fn everything_comes_from_the_registry() {
    let packages = metadata().packages;
    assert!(packages.len() > 100);
    for Package { name, source, .. } in packages {
        assert!(source.as_deref().is_none_or(|source| source == REGISTRY), "{name}: {source:?}");
    }
}

/// Whether a licence expression can be fulfilled with what is allowed.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let fulfilled = either(&mut words, allowed);
    fulfilled == Some(true) && words.is_empty()
}

/// Terms with OR between. What cannot be read is nothing.
fn either(words: &mut Vec<&str>, allowed: &[&str]) -> Option<bool> {
    let mut any = both(words, allowed)?;
    while words.pop_if(|word| *word == "OR").is_some() {
        any |= both(words, allowed)?;
    }
    Some(any)
}

/// Terms with AND between, which binds more closely.
fn both(words: &mut Vec<&str>, allowed: &[&str]) -> Option<bool> {
    let mut all = term(words, allowed)?;
    while words.pop_if(|word| *word == "AND").is_some() {
        all &= term(words, allowed)?;
    }
    Some(all)
}

fn term(words: &mut Vec<&str>, allowed: &[&str]) -> Option<bool> {
    let word = words.pop()?;
    if word == "(" {
        let inside = either(words, allowed)?;
        return (words.pop()? == ")").then_some(inside);
    }
    if words.pop_if(|word| *word == "WITH").is_some() {
        let with = format!("{word} WITH {}", words.pop()?);
        return Some(allowed.contains(&&*with));
    }
    Some(allowed.contains(&word))
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    let allowed = ["MIT", "ISC", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT/GPL-3.0", true),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("GPL-3.0 AND (MIT OR ISC)", false),
        ("MIT OR GPL-3.0 AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("MIT WITH LLVM-exception", false),
        ("", false),
        ("MIT ISC", false),
        ("(MIT", false),
        ("MIT OR", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}
