//! Taking over what the AWS Load Balancer Controller has made: not before it is asked for, with nothing
//! but a mark where both want the same, and in such a way that it can be taken back. The state is what
//! that controller was seen to leave. Skipped, and said so, where Python has no moto.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway_tests::{Process, free_port, root, skipped, wait_for};
use serde_json::Value;
use std::{collections::BTreeMap, fs, net::TcpStream, path::Path, process::Command};

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
const BALANCER: &str = "k8s-app-ing-3c5da52357";
const MARK: &str = "edgeway.dev/controller";

/// Somebody else's AWS, and the manifests of a cluster.
struct Scene {
    _moto: Process,
    url: String,
    vpc: String,
    folder: tempfile::TempDir,
}

impl Scene {
    fn start() -> Option<Self> {
        let probe = Command::new("python3").args(["-c", "import moto.server, boto3"]).output();
        if !probe.is_ok_and(|output| output.status.success()) {
            skipped("this machine's Python has no moto");
            return None;
        }
        let port = free_port();
        let mut server = Command::new("python3");
        server.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let moto = Process::spawn("moto", &mut server);
        wait_for("moto", || TcpStream::connect(("127.0.0.1", port)).ok());
        let (url, folder) = (format!("http://127.0.0.1:{port}"), tempfile::tempdir().unwrap());
        let mut scene = Self { _moto: moto, url, vpc: String::new(), folder };
        scene.vpc = scene.python("make", &own("theirs.json"));
        scene.write("app.yaml", &fs::read_to_string(own("app.yaml")).unwrap());
        Some(scene)
    }

    fn python(&self, what: &str, argument: &str) -> String {
        let mut command = Command::new("python3");
        command.args([&own("clouds.py"), what, &self.url, argument]).envs(KEYS);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Everything in AWS, by name.
    fn look(&self) -> BTreeMap<String, Value> {
        serde_json::from_str(&self.python("look", "")).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// The Ingress, with more annotations.
    fn wish(&self, more: &[(&str, &str)]) {
        let text = fs::read_to_string(own("ingress.yaml")).unwrap();
        let more = more.iter().map(|(key, value)| format!("\n    {key}: '{value}'"));
        let more = format!("annotations:{}", more.collect::<String>());
        self.write("ingress.yaml", &text.replace("annotations:", &more));
    }

    /// Success, and all that was said.
    fn run(&self, program: &str, command: &[&str], more: &[&str]) -> (bool, String) {
        let place = ["--region", "us-east-1", "--endpoint-url", &self.url, "--vpc-id", &self.vpc];
        let who = ["--cluster-name", "corpus", "--controller", "ingress.k8s.aws/alb"];
        let mut process =
            Process::start_with(program, &[command, &place, &who, more].concat(), &KEYS);
        let status = process.wait();
        (status.success(), process.lines().join("\n"))
    }

    fn reconcile(&self, more: &[&str]) -> (bool, String) {
        let source = format!("files:{}", self.folder.path().display());
        self.run("edgeway-alb-controller", &["--once", "--source", &source], more)
    }

    fn plan(&self, more: &[&str]) -> (bool, String) {
        let folder = self.folder.path().display().to_string();
        self.run("edgeway", &["plan", "-f", &folder], more)
    }
}

fn own(file: &str) -> String {
    Path::new(&root()).join("tests/tests/adoption").join(file).display().to_string()
}

/// Steps that a controller or a plan has told of.
fn steps(said: &str) -> Vec<&str> {
    let verbs = ["create-", "modify-", "delete-", "set-", "authorize-", "revoke-", "register-"];
    let verbs = verbs.iter().chain(&["deregister-", "add-", "remove-", "reserve-"]);
    let words = said.split_whitespace();
    words.filter(|word| verbs.clone().any(|verb| word.starts_with(verb))).collect()
}

#[test]
fn what_the_other_controller_made_is_taken_over_when_asked_and_given_back() {
    let Some(scene) = Scene::start() else { return };
    let theirs = scene.look();
    assert_eq!(theirs.len(), 7, "{theirs:?}");

    // Nobody asks: it is told, and nothing is touched.
    scene.wish(&[]);
    let (good, said) = scene.reconcile(&[]);
    assert!(!good && said.contains("the AWS Load Balancer Controller has made it"), "{said}");
    assert!(said.contains("0 to create, 3 to change, 0 to delete"), "{said}");
    assert_eq!(scene.look(), theirs);

    // What would change can be read before.
    let (good, plan) = scene.plan(&["--adopt"]);
    assert!(good, "{plan}");
    assert_eq!(steps(&plan), ["add-tags"; 3], "{plan}");
    assert_eq!(plan.matches("it is taken over").count(), 3, "{plan}");
    assert_eq!(scene.look(), theirs);

    // What no Ingress wishes is not deleted, whoever asks.
    fs::remove_file(scene.folder.path().join("ingress.yaml")).unwrap();
    let (_, said) = scene.reconcile(&["--adopt"]);
    assert!(said.contains("no Ingress wishes it any more"), "{said}");
    assert_eq!(scene.look(), theirs);

    // The Ingress asks: only marks are new.
    scene.wish(&[("edgeway.dev/adopt", "true")]);
    let (good, said) = scene.reconcile(&[]);
    assert!(good, "{said}");
    let ours = scene.look();
    for (name, was) in &theirs {
        let (mut was, is) = (was.clone(), &ours[name]);
        let last = was.as_array().unwrap().len() - 1;
        if is[last].get(MARK).is_some() {
            was[last][MARK] = "ingress.k8s.aws/alb".into();
        }
        assert_eq!(was, *is, "{name}");
    }
    let marked = ours.iter().filter(|(_, it)| it.to_string().contains(MARK));
    let marked: Vec<&str> = marked.map(|(name, _)| name.as_str()).collect();
    assert_eq!(marked, ["k8s-app-ing-3177b92c4f", BALANCER, "k8s-app-web-93f948363c"]);

    // Nothing is left to do, and it is ours: nobody need ask any more.
    scene.wish(&[]);
    let (good, said) = scene.reconcile(&[]);
    assert!(good && steps(&said).is_empty(), "{said}");
    assert_eq!(scene.look(), ours);

    // The other one takes it back: it is its own again.
    scene.python("take-back", BALANCER);
    let back = scene.look();
    scene.wish(&[("alb.ingress.kubernetes.io/healthcheck-path", "/health")]);
    let (good, said) = scene.reconcile(&[]);
    assert!(!good && said.contains("has made it"), "{said}");
    assert_eq!(scene.look(), back);

    // What takes another target group is done only when that, too, is approved.
    scene.wish(&[
        ("edgeway.dev/adopt", "true"),
        ("alb.ingress.kubernetes.io/backend-protocol-version", "GRPC"),
    ]);
    let (good, said) = scene.reconcile(&[]);
    assert!(!good && said.contains("taking it over replaces: create-target-group"), "{said}");
    assert_eq!(scene.look(), back);
    let approval = format!("edgeway.dev/approve-replacement: {BALANCER}");
    assert!(said.contains(&approval), "{said}");
    let approved = [("edgeway.dev/approve-replacement", BALANCER), ("edgeway.dev/adopt", "true")];
    scene.wish(&approved);
    let (good, said) = scene.reconcile(&[]);
    assert!(good, "{said}");
}
