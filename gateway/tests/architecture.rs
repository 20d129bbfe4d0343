//! Who may import whom. Read this before you move a `use`: it is the map of the shell.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A module, the siblings it may name, and the crates (of those that matter) it may name.
const MAY_IMPORT: &[(&str, &[&str], &[&str])] = &[
    // From what people wrote to a table.
    ("source", &[], &["edgeway_api", "kube", "notify"]),
    // What is written there: who leads, and what became of what was read.
    ("api_server", &["source"], &["kube"]),
    ("lease", &["api_server"], &["edgeway_api"]),
    ("last_good", &[], &["edgeway_api", "edgeway_core"]),
    ("shelf", &[], &["edgeway_api"]),
    ("subject", &[], &["edgeway_api"]),
    ("store", &[], &["edgeway_api"]),
    (
        "publish",
        &["last_good", "retired", "shelf", "snapshot", "store", "subject"],
        &["edgeway_api", "edgeway_core"],
    ),
    (
        "status",
        &["api_server", "lease", "metrics", "publish", "subject"],
        &["edgeway_api", "edgeway_core"],
    ),
    ("board", &["publish"], &["edgeway_api"]),
    ("snapshot", &[], &["edgeway_core"]),
    ("retired", &[], &["edgeway_core"]),
    // Addresses for the names in a table.
    (
        "resolve",
        &["metrics", "retired", "snapshot"],
        &["edgeway_api", "edgeway_core", "hickory_resolver"],
    ),
    // Certificates, made ready for what a table says.
    ("tls", &["io"], &["edgeway_api", "edgeway_core", "rustls"]),
    // What a worker has of its own.
    ("io", &[], &["pingora_core", "rustls"]),
    ("chance", &[], &[]),
    ("edge", &[], &["edgeway_core"]),
    ("load", &["edge", "metrics"], &[]),
    ("flags", &[], &[]),
    ("metrics", &[], &["edgeway_api", "prometheus"]),
    ("live", &["io", "metrics", "tls"], &["edgeway_core"]),
    ("view", &["chance", "flags", "live", "metrics", "tls"], &["edgeway_core"]),
    ("access", &["chance"], &["prometheus"]),
    (
        "context",
        &["access", "chance", "edge", "io", "live", "load", "metrics", "view"],
        &["edgeway_core"],
    ),
    // The engine asks the table; it knows neither manifests nor where they come from.
    (
        "proxy",
        &["access", "context", "edge", "flags", "io", "live", "load", "metrics", "tls", "view"],
        &["edgeway_core", "pingora_core", "pingora_error", "pingora_http", "rustls"],
    ),
    ("worker", &["access", "chance", "context", "live", "proxy", "tls", "view"], &["edgeway_core"]),
    (
        "rehearsal",
        &[
            "access", "chance", "context", "edge", "io", "live", "load", "metrics", "proxy", "tls",
            "view",
        ],
        &["edgeway_core", "prometheus"],
    ),
    // Around the workers.
    ("ready", &[], &[]),
    // Sockets that outlive the process.
    ("supervise", &[], &[]),
    (
        "listen",
        &["metrics", "ready", "snapshot", "supervise", "tls", "worker"],
        &["edgeway_api", "edgeway_core"],
    ),
    ("admin", &["metrics", "ready", "snapshot", "worker"], &["axum", "edgeway_api"]),
    (
        "run",
        &[
            "access",
            "admin",
            "board",
            "context",
            "edge",
            "listen",
            "live",
            "load",
            "metrics",
            "publish",
            "ready",
            "resolve",
            "snapshot",
            "status",
            "supervise",
            "tls",
            "view",
            "worker",
        ],
        &["edgeway_api", "edgeway_core", "prometheus"],
    ),
    (
        "args",
        &["access", "api_server", "edge", "lease", "publish", "run", "source", "status", "store"],
        &["clap", "edgeway_api", "edgeway_core"],
    ),
];

/// The crates whose use says what a module is about.
const CRATES: &[&str] = &[
    "axum",
    "clap",
    "edgeway_api",
    "edgeway_core",
    "hickory_resolver",
    "kube",
    "notify",
    "pingora_core",
    "pingora_error",
    "pingora_http",
    "prometheus",
    "regex",
    "rustls",
];

#[test]
fn imports_point_inward() {
    let siblings: Vec<&str> = MAY_IMPORT.iter().map(|(module, _, _)| *module).collect();
    for (module, modules, crates) in MAY_IMPORT {
        let text = code_of(module);
        let named = words_after(&text, "crate::");
        for name in siblings.iter().filter(|name| named.contains(**name)) {
            assert!(
                name == module || modules.contains(name),
                "`{module}` must not import `{name}`"
            );
        }
        for name in CRATES {
            let used = text.contains(&format!("{name}::"));
            assert!(!used || crates.contains(name), "`{module}` must not use `{name}`");
            assert!(used || !crates.contains(name), "`{module}` does not use `{name}` any more");
        }
        for name in *modules {
            assert!(named.contains(*name), "`{module}` does not import `{name}` any more");
        }
    }
}

#[test]
fn every_module_is_listed() {
    let listed: BTreeSet<String> =
        MAY_IMPORT.iter().map(|(module, _, _)| (*module).to_owned()).collect();
    let mut found: BTreeSet<String> = entries(&source())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    found.retain(|name| name != "lib" && name != "main");
    assert_eq!(found, listed);
}

/// All code of a module, without tests and comments.
fn code_of(module: &str) -> String {
    let mut files = vec![source().join(format!("{module}.rs"))];
    let mut folders = vec![source().join(module)];
    while let Some(folder) = folders.pop() {
        for entry in entries(&folder) {
            if entry.is_dir() { folders.push(entry) } else { files.push(entry) }
        }
    }
    let texts = files
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name != "tests.rs"))
        .filter_map(|file| fs::read_to_string(file).ok());
    texts.map(|text| without_tests(&text)).collect()
}

fn without_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The first path segments behind `prefix`, also those of a `use prefix{…}` block.
fn words_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for rest in text.split(prefix).skip(1) {
        match rest.strip_prefix('{') {
            Some(block) => words.extend(first_segments(block)),
            None => drop(words.insert(word(rest))),
        }
    }
    words
}

/// The segments directly inside a block that has just been opened.
fn first_segments(block: &str) -> Vec<String> {
    let (mut depth, mut fresh, mut words) = (1, true, Vec::new());
    for (at, character) in block.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            other if fresh && other.is_alphabetic() => {
                words.push(word(block.get(at..).unwrap_or_default()));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    words
}

fn word(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}
