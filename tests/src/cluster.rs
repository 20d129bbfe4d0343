//! A real API server without nodes, on a port of its own, with roles in force.
//!
//! It is the program that `deploy/setup test` builds, or `etcd` and `kube-apiserver` of the folder
//! `KUBEBUILDER_ASSETS`.

use crate::{PATIENCE, Process, free_port, kubernetes::Kubernetes, root, skipped};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The variable that names a folder with [`PROGRAMS`].
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// What is started of such a folder.
const PROGRAMS: [&str; 2] = ["etcd", "kube-apiserver"];

/// The token of the administrator where we choose it.
const TOKEN: &str = "edgeway-tests";

/// Where it is written down who has asked for what.
const AUDIT: &str = "audit.log";

/// One line for each request, when it is answered or its answer begins.
const AUDIT_POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
rules: [{level: Metadata}]
omitStages: [RequestReceived]
";

/// An API server is as much as a machine should do at once.
static ONE: Mutex<()> = Mutex::new(());

/// A running API server, and what it keeps. There is one at a time.
#[derive(Debug)]
pub struct Cluster {
    // Ends before its folder goes.
    running: Vec<Process>,
    folder: TempDir,
    program: Program,
    /// Flags of the API server beside the usual ones.
    more: Vec<String>,
    admin: Kubernetes,
    _alone: MutexGuard<'static, ()>,
}

/// What is started.
#[derive(Clone, Debug)]
enum Program {
    /// All in one.
    Ours(PathBuf),
    /// `etcd` and `kube-apiserver`, and the ports they get.
    Assets { folder: PathBuf, etcd: [u16; 2], port: u16 },
}

/// What there is to start.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    Ours(PathBuf),
    Assets(PathBuf),
}

/// What keeps a folder that was asked for from being used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{ASSETS} is {folder:?}, where there is no program {program}: put it there, or unset the variable"
)]
struct Lacking {
    folder: PathBuf,
    program: &'static str,
}

/// A service account of the cluster.
#[derive(Debug)]
pub struct Account {
    /// With which programs are started that are to run as the account.
    pub kubeconfig: PathBuf,
    /// To ask as the account.
    pub client: Kubernetes,
}

impl Cluster {
    /// Starts one; `None`, and a line that says so, where there is none to be had.
    pub fn start() -> Option<Self> {
        Self::start_with(|_| Vec::new())
    }

    /// Starts one that writes down who asks for what ([`Cluster::asked`]), and that has no streaming
    /// lists, as older ones have none.
    pub fn start_audited() -> Option<Self> {
        Self::start_with(|folder| {
            let (policy, log) = (folder.join("audit.yaml"), folder.join(AUDIT));
            fs::write(&policy, AUDIT_POLICY).expect("there is room for a file");
            vec![
                format!("--audit-policy-file={}", policy.display()),
                format!("--audit-log-path={}", log.display()),
                "--feature-gates=WatchList=false".into(),
            ]
        })
    }

    /// Starts one with flags that may refer to files in its folder.
    fn start_with(flags: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        let Some(program) = Program::find() else {
            skipped("there is no API server: `./deploy/setup test` says why");
            return None;
        };
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("there is room for a folder");
        program.prepare(folder.path());
        let more = flags(folder.path());
        let running = program.start(folder.path(), &more);
        let kubeconfig = folder.path().join("kubeconfig");
        crate::wait_for("the API server's kubeconfig", || kubeconfig.exists().then_some(()));
        let admin = Kubernetes::connect(&kubeconfig);
        let cluster = Self { folder, program, more, running, admin, _alone: alone };
        cluster.wait_ready();
        Some(cluster)
    }

    /// Asks as somebody who may do everything.
    pub fn admin(&self) -> &Kubernetes {
        &self.admin
    }

    /// How the administrator talks to it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Makes the service account `namespace/name`, and the namespace if need be. It may do nothing
    /// until a role is bound to it.
    pub fn account(&self, namespace: &str, name: &str) -> Account {
        self.admin.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\n\
             apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
        ));
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request = json!({"spec": {"expirationSeconds": 36_000}});
        let answer = self.admin.post(&path, &request).expect("a token is given");
        let token = answer["status"]["token"].as_str().expect("a token is a text");
        let kubeconfig = self.folder.path().join(format!("{namespace}.{name}.kubeconfig"));
        let text = kubeconfig_of(&self.admin.server(), token);
        fs::write(&kubeconfig, text).expect("there is room for a file");
        let client = Kubernetes::connect(&kubeconfig);
        Account { kubeconfig, client }
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        for mut process in self.running.drain(..).rev() {
            process.signal(Signal::KILL);
            process.wait();
        }
    }

    /// Starts it again where it was, with what it had.
    pub fn restart(&mut self) {
        self.running = self.program.start(self.folder.path(), &self.more);
        self.wait_ready();
    }

    /// What was asked so far, by whom, and what was answered; only of [`Cluster::start_audited`].
    pub fn asked(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join(AUDIT)).unwrap_or_default();
        // The last line may not be whole yet.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn wait_ready(&self) {
        let end = Instant::now() + PATIENCE * 2;
        loop {
            // The namespace is made some time after the server says that it is ready.
            let up = self.admin.text("/readyz").is_ok()
                && self.admin.get("/api/v1/namespaces/default").is_ok();
            if up {
                return;
            }
            assert!(Instant::now() < end, "the API server does not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl From<Choice> for Program {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Ours(program) => Self::Ours(program),
            Choice::Assets(folder) => {
                let etcd = [free_port(), free_port()];
                Self::Assets { folder, etcd, port: free_port() }
            }
        }
    }
}

/// Which program is to be started: of the folder `asked_for`, else the one that was built below
/// `root`, if it was.
fn choose(asked_for: Option<&OsStr>, root: &Path) -> Result<Option<Choice>, Lacking> {
    let Some(folder) = asked_for.filter(|it| !it.is_empty()) else {
        let ours = root.join("target/tools/cluster");
        return Ok(ours.exists().then_some(Choice::Ours(ours)));
    };
    let folder = PathBuf::from(folder);
    match PROGRAMS.into_iter().find(|name| !can_run(&folder.join(name))) {
        Some(program) => Err(Lacking { folder, program }),
        None => Ok(Some(Choice::Assets(folder))),
    }
}

fn can_run(program: &Path) -> bool {
    fs::metadata(program).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

impl Program {
    /// `None` where there is none to be had. A folder that was asked for and cannot be used is no
    /// reason to take another.
    #[expect(
        clippy::disallowed_methods,
        reason = "the name is what all users of such a folder set"
    )]
    fn find() -> Option<Self> {
        let asked_for = std::env::var_os(ASSETS);
        match choose(asked_for.as_deref(), &root()) {
            Ok(choice) => choice.map(Self::from),
            Err(lacking) => panic!("{lacking}"),
        }
    }

    /// Ours makes everything by itself; others must be told.
    fn prepare(&self, folder: &Path) {
        let Self::Assets { port, .. } = self else { return };
        let key = rcgen::KeyPair::generate().expect("a key can be made").serialize_pem();
        let server = format!("https://127.0.0.1:{port}");
        let tokens = format!("{TOKEN},admin,admin,system:masters\n");
        for (name, text) in [
            ("service-account.key", key),
            ("tokens.csv", tokens),
            ("kubeconfig", kubeconfig_of(&server, TOKEN)),
        ] {
            fs::write(folder.join(name), text).expect("there is room for a file");
        }
    }

    fn start(&self, folder: &Path, more: &[String]) -> Vec<Process> {
        match self {
            Self::Ours(program) => {
                let mut command = Command::new(program);
                command.arg("control-plane").arg(folder).args(more);
                vec![Process::spawn("cluster", &mut command)]
            }
            Self::Assets { folder: programs, etcd: [clients, peers], port } => {
                let [clients, peers] = [clients, peers].map(|it| format!("http://127.0.0.1:{it}"));
                let mut etcd = Command::new(programs.join("etcd"));
                etcd.arg("--data-dir").arg(folder.join("etcd")).args([
                    "--unsafe-no-fsync",
                    &format!("--listen-client-urls={clients}"),
                    &format!("--advertise-client-urls={clients}"),
                    &format!("--listen-peer-urls={peers}"),
                    &format!("--initial-advertise-peer-urls={peers}"),
                    &format!("--initial-cluster=default={peers}"),
                ]);
                let mut server = Command::new(programs.join("kube-apiserver"));
                server.args(server_flags(folder, &clients, *port)).args(more);
                vec![
                    Process::spawn("etcd", &mut etcd),
                    Process::spawn("kube-apiserver", &mut server),
                ]
            }
        }
    }
}

fn server_flags(folder: &Path, etcd: &str, port: u16) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    let key = file("service-account.key");
    vec![
        format!("--etcd-servers={etcd}"),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        format!("--cert-dir={}", file("pki")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=RBAC".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--service-account-key-file={key}"),
        format!("--service-account-signing-key-file={key}"),
        "--service-cluster-ip-range=198.19.0.0/16".into(),
        "--endpoint-reconciler-type=none".into(),
    ]
}

fn kubeconfig_of(server: &str, token: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "test",
            "cluster": {"server": server, "insecure-skip-tls-verify": true},
        }],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::{Choice, Lacking, PROGRAMS, choose};
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
        path::Path,
    };
    use tempfile::TempDir;

    fn folder() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    fn put(program: &Path, mode: u32) {
        fs::write(program, "").unwrap();
        fs::set_permissions(program, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_folder_that_is_asked_for_goes_before_what_was_built() {
        let (assets, built) = (folder(), folder());
        fs::create_dir_all(built.path().join("target/tools")).unwrap();
        put(&built.path().join("target/tools/cluster"), 0o755);
        for name in PROGRAMS {
            put(&assets.path().join(name), 0o755);
        }
        let choice = choose(Some(assets.path().as_os_str()), built.path());
        assert_eq!(choice, Ok(Some(Choice::Assets(assets.path().to_owned()))));
    }

    #[test]
    fn a_folder_that_lacks_a_program_is_refused_by_name() {
        let (assets, built) = (folder(), folder());
        let choice = || choose(Some(assets.path().as_os_str()), built.path());
        let lacks = |program| Err(Lacking { folder: assets.path().to_owned(), program });
        assert_eq!(choice(), lacks("etcd"));
        put(&assets.path().join("etcd"), 0o755);
        assert_eq!(choice(), lacks("kube-apiserver"));
        // What may not be run is as good as nothing.
        put(&assets.path().join("kube-apiserver"), 0o644);
        assert_eq!(choice(), lacks("kube-apiserver"));
        let words = choice().unwrap_err().to_string();
        assert!(
            words.contains("KUBEBUILDER_ASSETS") && words.contains("kube-apiserver"),
            "{words}"
        );
    }

    #[test]
    fn without_a_folder_it_is_what_was_built_if_anything_was() {
        let built = folder();
        assert_eq!(choose(None, built.path()), Ok(None));
        assert_eq!(choose(Some("".as_ref()), built.path()), Ok(None));
        let ours = built.path().join("target/tools/cluster");
        fs::create_dir_all(ours.parent().unwrap()).unwrap();
        put(&ours, 0o755);
        assert_eq!(choose(None, built.path()), Ok(Some(Choice::Ours(ours))));
    }
}
