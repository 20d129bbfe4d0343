//! What is fuzzed, for a moment: the seeds and what little changes make of them, the same each time.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[expect(unreachable_pub, reason = "it is a crate of its own where it is fuzzed")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Changes made to each seed.
const ROUNDS: u64 = 200;

/// Those made to manifests, which take longer.
const FEW_ROUNDS: u64 = 4;

/// Seeds larger than this are only replayed.
const LARGEST: usize = 8 * 1024;

#[test]
fn seeds_and_their_neighbours_hold() {
    for (name, target) in targets::ALL {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        let rounds = if matches!(*name, "yaml" | "compile") { FEW_ROUNDS } else { ROUNDS };
        for seed in seeds {
            target(&seed);
            if seed.len() <= LARGEST {
                (0..rounds).for_each(|round| target(&changed(&seed, round)));
            }
        }
    }
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let own = format!("fuzz/seeds/{name}");
    let folders: &[&str] = match name {
        "yaml" | "compile" => &["examples", "gateway/core/testdata/compile"],
        _ => &[&own],
    };
    let mut files = Vec::new();
    for folder in folders {
        below(&root.join(folder), &mut files);
    }
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { below(&path, found) } else { found.push(path) }
    }
}

/// A neighbour of `seed`: a few bytes changed, dropped or doubled, or the end cut off.
fn changed(seed: &[u8], round: u64) -> Vec<u8> {
    let mut state = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.len() as u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).unwrap()
    };
    let mut bytes = seed.to_vec();
    for _ in 0..=draw(4) {
        let at = draw(bytes.len());
        match draw(5) {
            _ if bytes.is_empty() => {}
            0 => bytes[at] ^= 1 << draw(8),
            1 => bytes[at] = u8::try_from(draw(256)).unwrap(),
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, bytes[at]),
            _ => bytes.truncate(at),
        }
    }
    bytes
}
