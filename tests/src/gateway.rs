//! The gateway as a process on ports of its own, and the folder that it reads.

use crate::{Answer, Ask, Process, free_offset, free_port, wait_for};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};
use tempfile::TempDir;

/// A gateway that serves a folder of manifests.
#[derive(Debug)]
pub struct Gateway {
    /// The program.
    pub process: Process,
    /// What it reads: one file, `all.yaml`.
    pub folder: TempDir,
    /// Where its listeners are.
    pub bind: Ipv4Addr,
    /// Added to the ports of its listeners.
    pub offset: u16,
    ports: [u16; 3],
}

impl Gateway {
    /// Starts one with two workers, and waits until it is ready.
    pub fn start(manifests: &str) -> Self {
        Self::start_with(manifests, &["--workers", "2"])
    }

    /// Starts one with `options` of its own, and waits until it is ready.
    pub fn start_with(manifests: &str, options: &[&str]) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, free_offset(), manifests, options)
    }

    /// Starts one whose listeners have an address to themselves, and so the ports that Gateways say.
    pub fn start_on(bind: Ipv4Addr, manifests: &str) -> Self {
        Self::start_at(bind, 0, manifests, &["--workers", "2"])
    }

    fn start_at(bind: Ipv4Addr, offset: u16, manifests: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        fs::write(folder.path().join("all.yaml"), manifests).expect("there is room for a file");
        let source = format!("files:{}", folder.path().display());
        let options = [&["--source", source.as_str()], options].concat();
        let gateway = Self::launch(folder, (bind, offset), &options);
        gateway.wait_ready();
        gateway
    }

    /// Starts one that reads from an API server. It may take a while to become ready.
    pub fn of_cluster(kubeconfig: &Path, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let kubeconfig = kubeconfig.display().to_string();
        let source = ["--source", "kube", "--kubeconfig", kubeconfig.as_str()];
        let place = (Ipv4Addr::LOCALHOST, free_offset());
        Self::launch(folder, place, &[&source, options].concat())
    }

    fn launch(folder: TempDir, (bind, offset): (Ipv4Addr, u16), options: &[&str]) -> Self {
        let ports = [free_port(), free_port(), free_port()];
        let [status, metrics, admin] = ports.map(|port| port.to_string());
        let (bind_text, offset_text) = (bind.to_string(), offset.to_string());
        let mut arguments = vec![
            "--bind",
            &bind_text,
            "--port-offset",
            &offset_text,
            "--status-port",
            &status,
            "--metrics-port",
            &metrics,
            "--admin-port",
            &admin,
        ];
        if !options.contains(&"--drain-seconds") {
            arguments.extend(["--drain-seconds", "0"]);
        }
        arguments.extend(options);
        let process = Process::start("edgeway-gateway", &arguments);
        Self { process, folder, bind, offset, ports }
    }

    /// Waits until it takes traffic.
    pub fn wait_ready(&self) {
        wait_for("readiness", || self.is_ready().then_some(()));
    }

    /// Whether it takes traffic.
    pub fn is_ready(&self) -> bool {
        let answer = Ask::get(self.status("/healthz/ready")).send();
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// Where the listener of port 80 is.
    pub fn address(&self) -> SocketAddr {
        (self.bind, 80 + self.offset).into()
    }

    /// Where the listener of port 443 is.
    pub fn secure(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 443 + self.offset).into()
    }

    /// A URL at the listener of port 80.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// A URL at the port that tells readiness.
    pub fn status(&self, path: &str) -> String {
        format!("http://{}:{}{path}", self.bind, self.ports[0])
    }

    /// What would be scraped now.
    pub fn metrics(&self) -> String {
        let url = format!("http://{}:{}/stats/prometheus", self.bind, self.ports[1]);
        Ask::get(url).send().expect("metrics are served").body
    }

    /// A URL at the admin port.
    pub fn admin(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[2])
    }

    /// What is wrong with the configuration now.
    pub fn problems(&self) -> serde_json::Value {
        let answer: Answer = Ask::get(self.admin("/problems")).send().expect("problems are served");
        answer.json()
    }

    /// Changes the manifests as editors do.
    pub fn edit(&self, change: impl FnOnce(String) -> String) {
        let file = self.folder.path().join("all.yaml");
        let text = fs::read_to_string(&file).expect("the manifests are there");
        write_whole(&file, &change(text));
    }
}

/// As editors do: a new file takes the place of the old one.
pub fn write_whole(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).expect("there is room for a file");
    fs::rename(&new, file).expect("a file can take the place of another");
}
