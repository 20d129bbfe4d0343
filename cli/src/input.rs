//! `-f`: which manifests a command is about.

use anyhow::Context;
use edgeway_api::{Objects, manifest};
use edgeway_gateway::source::Files;
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// Name of standard input, as `kubectl` has it.
const STDIN: &str = "-";

/// The manifests on a command line.
#[derive(Debug, clap::Args)]
pub struct Manifests {
    /// File or folder of manifests, `-` for standard input; may be given several times
    #[arg(
        short = 'f',
        long = "filename",
        value_name = "PATH",
        required = true,
        value_delimiter = ','
    )]
    paths: Vec<PathBuf>,
    /// Accepted for the sake of kubectl's habits: folders are always read with all that is below
    #[arg(short = 'R', long)]
    recursive: bool,
}

impl Manifests {
    /// The files and folders, for a command that reads them again when they change.
    pub fn paths(&self) -> anyhow::Result<Vec<PathBuf>> {
        anyhow::ensure!(!self.has_stdin(), "-f - cannot be followed; give files or folders");
        Ok(self.paths.clone())
    }

    /// Reads everything once. What is wrong with it is among the objects' defects.
    pub fn read(&self) -> anyhow::Result<Objects> {
        read(&self.paths)
    }

    fn has_stdin(&self) -> bool {
        has_stdin(&self.paths)
    }
}

/// Reads files and folders, and standard input for `-`. What is wrong with it is among the objects'
/// defects.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Objects> {
    let files: Vec<PathBuf> = paths.iter().filter(|path| !is_stdin(path)).cloned().collect();
    let mut objects = Files::new(files).read()?;
    if has_stdin(paths) {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input cannot be read as text")?;
        manifest::read(&text, "stdin", &mut objects);
    }
    Ok(objects)
}

fn has_stdin(paths: &[PathBuf]) -> bool {
    paths.iter().any(|path| is_stdin(path))
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}
