//! Helm, and the charts of this repository.

use crate::{kubernetes::documents, root, skipped};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// The program that `deploy/setup test` builds. It keeps what it remembers in a folder of its own.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
    home: TempDir,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// Finds it; `None`, and a line that says so, where there is none.
    pub fn find() -> Option<Self> {
        let program = root().join("target/tools/helm");
        if !program.exists() {
            skipped("there is no Helm: `./deploy/setup test` says why");
            return None;
        }
        let home = tempfile::tempdir().expect("there is room for a folder");
        Some(Self { program, home, kubeconfig: None })
    }

    /// Has it talk to a cluster.
    #[must_use]
    pub fn to(mut self, kubeconfig: &Path) -> Self {
        self.kubeconfig = Some(kubeconfig.to_owned());
        self
    }

    /// Runs it; what it prints, or what it complains of.
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(root().join("deploy/charts"));
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(name, self.home.path());
        }
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        let output = command.output().expect("helm starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr) + &text(&output.stdout))
        }
    }

    /// What a chart makes of values such as `replicaCount=2`, as text.
    pub fn text(&self, release: &str, chart: &str, values: &[&str]) -> String {
        self.text_in("edge", (release, chart), values)
    }

    fn text_in(&self, namespace: &str, (release, chart): (&str, &str), values: &[&str]) -> String {
        let mut arguments = vec!["template", release, chart, "--namespace", namespace];
        for value in values {
            arguments.extend(["--set", value]);
        }
        self.run(&arguments).unwrap_or_else(|error| panic!("{chart}: {error}"))
    }

    /// What a release of a chart is made of in a namespace, object by object.
    pub fn objects_in(&self, namespace: &str, named: (&str, &str), values: &[&str]) -> Vec<Value> {
        documents(&self.text_in(namespace, named, values))
    }

    /// What a chart makes of values, object by object.
    pub fn objects(&self, release: &str, chart: &str, values: &[&str]) -> Vec<Value> {
        documents(&self.text(release, chart, values))
    }
}
