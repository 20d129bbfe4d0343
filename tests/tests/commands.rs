//! The commands as people and scripts call them: output, exit codes, bad input.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway_tests::{Process, free_port, process::run, root, wait_for};
use serde_json::{Value, json};
use std::{fs, net::TcpStream, process::Output};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr))
    })
}

fn bookinfo() -> String {
    root().join("examples/bookinfo").to_str().unwrap().to_owned()
}

#[test]
fn check_lists_what_is_wrong_and_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("vs.yaml"),
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a.com]\n\
         \x20 gateways: [nowhere]\n  http:\n  - timeout: soon\n    route: [{destination: {host: b}}]\n\
         ---\nkind: Surprise\napiVersion: example.com/v1\nmetadata: {name: x}\n",
    )
    .unwrap();
    let output = run("edgeway", &["check", "-f", folder.path().to_str().unwrap(), "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let problems = parsed(&output);
    let entry =
        problems.as_array().unwrap().iter().find(|entry| entry["field"] == "spec.http[0].timeout");
    let entry = entry.unwrap_or_else(|| panic!("{problems:#}"));
    for (key, value) in
        [("severity", "error"), ("code", "invalid-field"), ("object", "VirtualService default/a")]
    {
        assert_eq!(entry[key], value, "{entry}");
    }
    assert!(entry["message"].as_str().unwrap().contains("soon"));
    assert!(!entry["advice"].as_str().unwrap().is_empty());
    assert!(problems.to_string().contains("Surprise"), "{problems:#}");

    let clean = run("edgeway", &["check", "-f", &bookinfo(), "-o", "json"]);
    assert_eq!((clean.status.code(), parsed(&clean)), (Some(0), json!([])));
}

#[test]
fn explain_tells_every_hop_and_answers_requests_by_the_line() {
    let url = "http://bookinfo.example.com/productpage?u=1";
    let output = run("edgeway", &["explain", url, "-f", &bookinfo(), "-o", "json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answer = parsed(&output);
    for (key, value) in [
        ("hop", json!("backend")),
        ("action", json!("forward")),
        ("gateway", json!("default/bookinfo")),
        ("virtualService", json!("default/bookinfo")),
        ("host", json!("bookinfo.example.com")),
        ("cluster", json!("outbound|9080||productpage.default.svc.cluster.local")),
        ("upstream", json!({"authority": "bookinfo.example.com", "path": "/productpage?u=1"})),
    ] {
        assert_eq!(answer[key], value, "{key} of {answer:#}");
    }
    assert!(answer["albRule"].is_string() && answer["listener"].is_string(), "{answer:#}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests.jsonl");
    let lines = [
        json!({"url": "http://x/nothing", "headers": [["host", "bookinfo.example.com"]]}),
        json!({"url": "http://nobody.example.com/"}),
        json!({"url": "http://reviews.example.com/reviews/1"}),
        json!({"url": "http://reviews.example.com/reviews/1", "headers": [["end-user", "jason"]]}),
    ];
    fs::write(&file, lines.map(|line| line.to_string()).join("\n")).unwrap();
    let arguments =
        ["explain", "--requests", file.to_str().unwrap(), "-f", &bookinfo(), "-o", "json"];
    let output = run("edgeway", &arguments);
    let answers: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 4, "{}", text(&output.stderr));
    assert_eq!((&answers[0]["status"], &answers[0]["hop"]), (&json!(404), &json!("gateway")));
    assert_eq!((&answers[1]["status"], &answers[1]["hop"]), (&json!(404), &json!("alb")));
    assert_eq!(answers[2]["clusters"].as_array().map(Vec::len), Some(2), "{:#}", answers[2]);
    assert_eq!(answers[3]["cluster"], "outbound|9080|v2|reviews.default.svc.cluster.local");
}

#[test]
fn bad_command_lines_and_folders_are_named() {
    for arguments in [
        &["check", "-f", "/no/such/folder"][..],
        &["explain", "http://a/", "-f", "/no/such/folder"],
        &["plan", "-f", "/no/such/folder"],
        &["up", "-f", "/no/such/folder"],
    ] {
        let output = run("edgeway", arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output.stderr).contains("/no/such/folder"), "{}", text(&output.stderr));
    }
    assert!(!run("edgeway", &["explain", "ftp://a/", "-f", &bookinfo()]).status.success());
    assert!(run("edgeway", &["version"]).status.success());
    assert!(text(&run("edgeway", &["completion", "bash"]).stdout).contains("edgeway"));
}

/// An ALB on this machine, and a folder that a controller makes load balancers of.
struct Bench {
    alb: Process,
    url: String,
    folder: tempfile::TempDir,
    vpc: String,
}

impl Bench {
    fn start() -> Self {
        let api = format!("127.0.0.1:{}", free_port());
        let offset = edgeway_tests::free_offset().to_string();
        let alb = Process::start(
            "edgeway",
            &["local-alb", "--api", &api, "--bind", "127.0.0.1", "--port-offset", &offset],
        );
        wait_for("the API", || TcpStream::connect(&api).ok());
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(bookinfo()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        Self { alb, url: format!("http://{api}"), folder, vpc: vpc() }
    }

    fn source(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// The steps of `edgeway plan`, which must exit with `exit`.
    fn plan(&self, exit: i32) -> Vec<Value> {
        let place = ["--endpoint-url", &self.url, "--vpc-id", &self.vpc, "--region", "us-east-1"];
        let rest = ["--cluster-name", "test", "-o", "json", "--detailed-exitcode"];
        let output = run("edgeway", &[&["plan", "-f", self.source()][..], &place, &rest].concat());
        assert_eq!(output.status.code(), Some(exit), "{}", text(&output.stderr));
        let steps = parsed(&output).get("steps").and_then(Value::as_array).cloned();
        steps.unwrap()
    }

    /// What another command says about the same account, which must exit with `exit`.
    fn look(&self, command: &[&str], exit: i32) -> String {
        let place = ["--endpoint-url", &self.url, "--vpc-id", &self.vpc, "--region", "us-east-1"];
        let rest = ["--cluster-name", "test", "-f", self.source()];
        let output = run("edgeway", &[command, &place, &rest].concat());
        assert_eq!(output.status.code(), Some(exit), "{command:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// What the controller says while it reconciles once.
    fn reconcile(&self) -> String {
        let source = format!("files:{}", self.source());
        let mut process = Process::start_with(
            "edgeway-alb-controller",
            &[
                "--source",
                &source,
                "--cluster-name",
                "test",
                "--vpc-id",
                &self.vpc,
                "--region",
                "us-east-1",
                "--endpoint-url",
                &self.url,
                "--once",
            ],
            &[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")],
        );
        let status = process.wait();
        let said = process.lines().join("\n");
        assert!(status.success(), "{said}");
        said
    }
}

/// The VPC that `edgeway local-alb` comes with, as its help says.
fn vpc() -> String {
    let help = text(&run("edgeway", &["local-alb", "--help"]).stdout);
    let (_, rest) = help.split_once("[default: vpc-").unwrap();
    format!("vpc-{}", rest.split(']').next().unwrap())
}

#[test]
fn the_controller_builds_follows_and_takes_down() {
    let mut bench = Bench::start();
    let steps = bench.plan(2);
    assert!(steps.iter().any(|step| step["kind"] == "create-load-balancer"), "{steps:?}");
    for step in &steps {
        assert!(step["key"].is_string() && step["reason"].is_string() && step["risk"].is_string());
    }
    assert!(bench.reconcile().contains("create-load-balancer"));
    assert!(!bench.reconcile().contains("create-"), "a second run changes nothing");
    assert_eq!(bench.plan(0), Vec::<Value>::new());
    assert_eq!(bench.look(&["diff"], 0), "");
    assert!(bench.look(&["drift"], 0).contains("as it is wished"));
    assert!(bench.look(&["gc", "--dry-run"], 0).contains("nothing is left over"));

    let manifest = bench.folder.path().join("alb.yaml");
    let original = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, original.replace("reviews.example.com", "r.example.com")).unwrap();
    let diff = bench.look(&["diff"], 1);
    let marked = |sign: char, host: &str| {
        diff.lines().any(|line| line.starts_with(sign) && line.contains(&format!("host {host} ")))
    };
    assert!(marked('-', "reviews.example.com") && marked('+', "r.example.com"), "{diff}");
    assert!(bench.look(&["drift"], 2).contains("r.example.com"));
    let said = bench.reconcile();
    assert!(said.contains("r.example.com"), "{said}");
    fs::remove_file(manifest).unwrap();
    assert!(bench.look(&["gc", "--dry-run"], 0).contains("delete-load-balancer"));
    let cost: Value = serde_json::from_str(&bench.look(&["cost", "-o", "json"], 0)).unwrap();
    assert!(cost["now"].as_f64() > Some(10.0) && cost["then"].as_f64() == Some(0.0), "{cost}");
    assert!(bench.reconcile().contains("delete-load-balancer"));

    bench.alb.signal(rustix::process::Signal::TERM);
    assert!(bench.alb.wait().success());
}
