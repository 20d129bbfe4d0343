//! `edgeway up`: the whole way on one machine, from a folder to an answer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway_tests::{Ask, Process, free_offset, http::client, wait_for};
use rustix::process::Signal;
use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// `up`, running and ready.
struct Up {
    process: Process,
    base: String,
    offset: u16,
    took: Duration,
}

impl Up {
    fn start(paths: &[PathBuf]) -> Self {
        let offset = free_offset();
        let shown = offset.to_string();
        let mut arguments = vec!["up", "--port-offset", &shown];
        for path in paths {
            arguments.extend(["-f", path.to_str().unwrap()]);
        }
        let start = Instant::now();
        let mut process = Process::start("edgeway", &arguments);
        let base = process.wait_line("ready", |line| {
            let (_, url) = line.split_once("ready http://")?;
            Some(format!("http://{}", url.trim()))
        });
        Self { process, base, offset, took: start.elapsed() }
    }

    fn ask(&self, host: &str, path: &str) -> Ask {
        Ask::get(format!("{}{path}", self.base)).host(host)
    }
}

fn example(name: &str) -> PathBuf {
    edgeway_tests::root().join("examples").join(name)
}

/// A folder of its own with the same files.
fn copy(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, copy.path().join(from.file_name().unwrap())).unwrap();
    }
    copy
}

#[test]
fn it_is_ready_soon_and_leaves_nothing_behind() {
    let up = Up::start(&[example("bookinfo")]);
    assert_eq!(up.base, format!("http://127.0.0.1:{}", 80 + up.offset));
    // Three seconds are promised for the optimised program on a machine that has nothing else to do.
    assert!(up.took < Duration::from_secs(15), "{:?}", up.took);
    assert_eq!(up.ask("bookinfo.example.com", "/productpage").send().unwrap().status, 200);

    let Up { mut process, offset, .. } = up;
    let id = process.id();
    process.signal(Signal::INT);
    assert!(process.wait().success());
    assert!(TcpStream::connect(("127.0.0.1", 80 + offset)).is_err());
    let children = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        status.lines().any(|line| line == format!("PPid:\t{id}"))
    });
    assert_eq!(children.count(), 0);
}

#[test]
fn a_port_in_use_is_named() {
    let offset = free_offset();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", 80 + offset)).unwrap();
    let folder = example("hello");
    let mut process = Process::start(
        "edgeway",
        &["up", "-f", folder.to_str().unwrap(), "--port-offset", &offset.to_string()],
    );
    let port = (80 + offset).to_string();
    process.wait_line("the port in use", |line| {
        (line.contains(&port) && line.contains("in use")).then_some(())
    });
}

#[test]
fn edits_show_within_a_second_and_lose_no_request() {
    const RELOADS: usize = 50;
    const REQUESTS: usize = 10_000;
    let folder = copy(&example("hello"));
    let file = folder.path().join("gateway.yaml");
    let original = fs::read_to_string(&file).unwrap();
    let up = Up::start(&[folder.path().to_owned()]);
    let host = "hello.example.com";
    assert_eq!(up.ask(host, "/").send().unwrap().status, 200);

    let asked = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    let failures = thread::scope(|scope| {
        let load = || {
            let agent = client();
            let mut failures = Vec::new();
            while !done.load(Ordering::Relaxed) || asked.load(Ordering::Relaxed) < REQUESTS {
                asked.fetch_add(1, Ordering::Relaxed);
                match up.ask(host, "/load").send_with(&agent) {
                    Ok(answer) if answer.status == 200 => {}
                    Ok(answer) => failures.push(format!("{} {}", answer.status, answer.body)),
                    Err(error) => failures.push(error.to_string()),
                }
            }
            failures
        };
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        let mut slowest = Duration::ZERO;
        for round in 0..RELOADS {
            let mark = format!("round-{round}");
            let headers =
                format!("    headers: {{response: {{set: {{x-round: {mark}}}}}}}\n    route:");
            let text = original.replace("    route:", &headers);
            assert_ne!(text, original, "the example has a route to mark");
            let start = Instant::now();
            fs::write(file.with_extension("tmp"), text).unwrap();
            fs::rename(file.with_extension("tmp"), &file).unwrap();
            wait_for(&mark, || {
                let answer = up.ask(host, "/mark").send().ok()?;
                (answer.header("x-round") == Some(mark.as_str())).then_some(())
            });
            slowest = slowest.max(start.elapsed());
        }
        done.store(true, Ordering::Relaxed);
        assert!(slowest < Duration::from_secs(5), "an edit took {slowest:?} to show");
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked >= REQUESTS);
    assert!(failures.is_empty(), "{} of {asked} failed: {:?}", failures.len(), failures.first());
}

#[test]
fn istios_own_samples_work_unchanged() {
    let samples = edgeway_tests::root().join("../shared/corpus/istio/samples/bookinfo");
    if !samples.exists() {
        edgeway_tests::skipped("Istio's samples are not on this machine");
        return;
    }
    let mut up = Up::start(&[
        samples.join("platform/kube/bookinfo.yaml"),
        samples.join("networking/bookinfo-gateway.yaml"),
        samples.join("networking/destination-rule-all.yaml"),
        samples.join("networking/virtual-service-reviews-90-10.yaml"),
    ]);
    up.process.wait_line("the default ALB", |line| {
        (line.contains("Ingress") && line.to_lowercase().contains("alb")).then_some(())
    });
    let answer = up.ask("anything.example.com", "/productpage").send().unwrap();
    assert_eq!(answer.json()["service"], "default/productpage", "{answer:?}");
    assert_eq!(up.ask("anything.example.com", "/nothing").send().unwrap().status, 404);
}
