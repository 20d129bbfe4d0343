//! House rules that no linter sees.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const LONGEST_FILE: usize = 400;
const VAGUE: &[&str] = &["Manager", "Helper", "Util", "Base", "Impl"];
const PACKAGES: &[&str] = &[
    "gateway",
    "gateway/api",
    "gateway/core",
    "alb-controller",
    "alb-controller/core",
    "alb-controller/local-alb",
    "cli",
    "tests",
];

/// Crates that a pure core may use: none of them can do I/O.
const PURE: &[&str] = &[
    "edgeway-api",
    "hashbrown",
    "http",
    "ipnet",
    "k8s-openapi",
    "litemap",
    "regex",
    "regex-automata",
    "regex-syntax",
    "serde",
    "serde-saphyr",
    "serde_ignored",
    "serde_json",
    "serde_path_to_error",
    "sha2",
    "strsim",
    "thiserror",
    "twox-hash",
];

#[test]
fn files_are_short_and_say_what_they_are_for() {
    for file in rust_files() {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{}: {lines} lines", file.display());
        assert!(text.starts_with("//! "), "{}: no `//!` at the top", file.display());
    }
}

#[test]
fn names_mean_something() {
    for file in rust_files() {
        for name in fs::read_to_string(&file).unwrap().lines().filter_map(defined_type) {
            let vague = VAGUE.iter().any(|ending| name.ends_with(ending));
            assert!(!vague, "{}: `{name}` says nothing", file.display());
        }
    }
}

#[test]
fn every_package_takes_the_workspace_lints() {
    for package in PACKAGES {
        let manifest = edgeway_tests::root().join(package).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{}", manifest.display());
    }
    let members = fs::read_to_string(edgeway_tests::root().join("Cargo.toml")).unwrap();
    for package in PACKAGES {
        assert!(members.contains(&format!("\"{package}\"")), "{package} is no member");
    }
}

#[test]
fn the_cores_cannot_do_io() {
    for package in ["gateway/api", "gateway/core", "alb-controller/core"] {
        let manifest = fs::read_to_string(edgeway_tests::root().join(package).join("Cargo.toml"));
        let manifest = manifest.unwrap();
        let (_, rest) = manifest.split_once("[dependencies]\n").unwrap();
        let dependencies = rest.lines().take_while(|line| !line.starts_with('['));
        let names: BTreeSet<&str> = dependencies
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .filter(|name| !name.is_empty())
            .collect();
        let allowed: BTreeSet<&str> = PURE.iter().copied().collect();
        let strangers: Vec<_> = names.difference(&allowed).collect();
        assert!(strangers.is_empty(), "{package} uses {strangers:?}");
    }
}

#[test]
fn nothing_is_added_at_the_top() {
    let allowed = [
        "Cargo.lock",
        "Cargo.toml",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "alb-controller",
        "cli",
        "console",
        "deploy",
        "docs",
        "examples",
        "fuzz",
        "gateway",
        "target",
        "tests",
    ];
    for entry in fs::read_dir(edgeway_tests::root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name.starts_with('.') || allowed.contains(&name.as_str()),
            "{name} is new at the top"
        );
    }
}

fn defined_type(line: &str) -> Option<&str> {
    let line = line.trim_start().trim_start_matches("pub ");
    let rest = ["struct ", "enum ", "trait "].iter().find_map(|word| line.strip_prefix(word))?;
    rest.split(|c: char| !c.is_alphanumeric()).next()
}

fn rust_files() -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for package in PACKAGES {
        for part in ["src", "tests", "benches"] {
            below(&edgeway_tests::root().join(package).join(part), &mut found);
        }
    }
    below(&edgeway_tests::root().join("fuzz/src"), &mut found);
    below(&edgeway_tests::root().join("fuzz/fuzz_targets"), &mut found);
    found.sort();
    found.dedup();
    found
}
