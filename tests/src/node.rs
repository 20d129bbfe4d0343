//! A Kubernetes with one node, for what only real pods show.

use crate::{Kubernetes, process::programs, root, skipped};
use std::{ffi::OsStr, fs, path::PathBuf, process::Command};
use tempfile::TempDir;

/// Where processes of this machine are found by pods.
pub const ADDRESS: &str = "198.18.255.1";

/// A running cluster. All of it ends when this is dropped.
#[derive(Debug)]
pub struct Node {
    folder: TempDir,
    admin: Kubernetes,
}

impl Node {
    /// Starts it; `None`, and a line that says what is missing, where it cannot be had.
    pub fn start() -> Option<Self> {
        let lacks = command("lacks").output().expect("a shell starts");
        if !lacks.status.success() {
            let missing = String::from_utf8_lossy(&lacks.stdout);
            skipped(&format!("there is no node, for want of {}", missing.trim()));
            return None;
        }
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let place = folder.path().join("node");
        let owner = std::process::id().to_string();
        if let Err(error) = told(command("up").arg(&place).env("EDGEWAY_OWNER", owner)) {
            // Not everywhere may all be done that root may do.
            drop(told(command("down").arg(&place)));
            skipped(&format!("the node does not come up: {error}"));
            return None;
        }
        let admin = Kubernetes::connect(&place.join("kubeconfig"));
        Some(Self { folder, admin })
    }

    /// Makes the image `edgeway/NAME:dev` of programs that are built, and gives it to the node.
    pub fn load(&self, images: &[&str]) {
        let programs = programs();
        for image in images {
            let archive = self.folder.path().join(format!("{image}.tar"));
            let mut pack = Command::new(root().join("deploy/image"));
            pack.args([OsStr::new("pack"), image.as_ref(), programs.as_ref(), archive.as_ref()]);
            told(&mut pack).unwrap_or_else(|error| panic!("{image} is not packed: {error}"));
            told(command("load").arg(self.place()).arg(&archive))
                .unwrap_or_else(|error| panic!("{image} is not loaded: {error}"));
            fs::remove_file(&archive).expect("what was written can be removed");
        }
    }

    /// Asks as somebody who may do everything.
    pub fn admin(&self) -> &Kubernetes {
        &self.admin
    }

    /// How to talk to it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.place().join("kubeconfig")
    }

    /// Ends it; what is left of it on this machine.
    pub fn end(self) -> Vec<String> {
        let place = self.place().display().to_string();
        drop(self);
        let links = ["edgepods0", "edgenode0"].map(|name| format!("/sys/class/net/{name}"));
        let links = links.into_iter().filter(|link| fs::exists(link).unwrap_or(true));
        let mounts = fs::read_to_string("/proc/mounts").expect("there are mounts");
        let mounts: Vec<String> =
            mounts.lines().filter(|line| line.contains(&place)).map(str::to_owned).collect();
        let processes = fs::read_dir("/proc").expect("there are processes").flatten();
        let commands = processes.map(|process| {
            let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).into_owned()
        });
        let commands = commands.filter(|command| command.contains(&place));
        links.chain(mounts).chain(commands).collect()
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("node")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = told(command("down").arg(self.place())) {
            eprintln!("the node is not taken down: {error}");
        }
    }
}

fn command(action: &str) -> Command {
    let mut command = Command::new(root().join("tests/cluster/node"));
    command.arg(action);
    command
}

/// Runs it to its end; its complaint if it fails.
fn told(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&text).trim().to_owned())
}
