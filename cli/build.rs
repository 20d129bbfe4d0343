//! Lists the pages of `docs/problems`, for `edgeway check --explain`.

use std::{
    env,
    error::Error,
    ffi::OsStr,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

#[expect(clippy::disallowed_methods, reason = "Cargo tells build scripts by the environment")]
fn main() -> Result<(), Box<dyn Error>> {
    let here = env::var("CARGO_MANIFEST_DIR")?;
    let folder = Path::new(&here).join("../docs/problems").canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut pages: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        pages.push(entry?.path());
    }
    pages.sort();
    let mut list = "&[\n".to_owned();
    for page in pages {
        let code = page.file_stem().and_then(OsStr::to_str).ok_or("a name that is no text")?;
        let page = page.to_str().ok_or("a path that is no text")?;
        if code != "README" {
            writeln!(list, "    ({code:?}, include_str!({page:?})),")?;
        }
    }
    list.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("problems.rs"), list)?;
    Ok(())
}
