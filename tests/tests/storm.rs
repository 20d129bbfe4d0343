//! A controller before an AWS that refuses calls, loses answers, answers what was true a while ago and changes late,
//! while clients ask the load balancers: what changes on the way costs none of them a request, not even where the
//! controller dies in the middle.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use edgeway_tests::{
    Ask, Crowd, Process, crowd::Got, free_offset, free_port, gateway::write_whole, http::client,
    process::run, wait_for,
};
use rustix::process::Signal;
use std::{
    fmt::Write,
    net::TcpStream,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Between two looks at what clients have reached.
const POLL: Duration = Duration::from_millis(20);

const CLASS: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edgeway}
spec: {controller: edgeway.dev/alb}
";

/// The load balancer, and what it is made of.
struct Storm {
    _alb: Process,
    api: String,
    vpc: String,
    port: u16,
    folder: tempfile::TempDir,
}

impl Storm {
    fn start(chaos: &str) -> Self {
        let (api, offset) = (format!("127.0.0.1:{}", free_port()), free_offset());
        let offset_text = offset.to_string();
        let place = ["--bind", "127.0.0.1", "--port-offset", &offset_text];
        let chaos = ["--chaos", chaos];
        let alb = Process::start(
            "edgeway",
            &[&["local-alb", "--api", &api][..], &place, &chaos].concat(),
        );
        wait_for("the API", || TcpStream::connect(&api).ok());
        let help = String::from_utf8(run("edgeway", &["local-alb", "--help"]).stdout).unwrap();
        let (_, rest) = help.split_once("[default: vpc-").expect("the help names a VPC");
        let vpc = format!("vpc-{}", rest.split(']').next().unwrap());
        let folder = tempfile::tempdir().unwrap();
        Self { _alb: alb, api: format!("http://{api}"), vpc, port: 80 + offset, folder }
    }

    /// A controller of the folder, which is to go on for ever.
    fn controller(&self) -> Process {
        let source = format!("files:{}", self.folder.path().display());
        let metrics = format!("127.0.0.1:{}", free_port());
        let place = ["--endpoint-url", &self.api, "--vpc-id", &self.vpc, "--region", "us-east-1"];
        let own = ["--source", &source, "--cluster-name", "test", "--metrics", &metrics];
        let access = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
        Process::start_with("edgeway-alb-controller", &[&own[..], &place].concat(), &access)
    }

    fn put(&self, name: &str, text: &str) {
        write_whole(&self.file(name), text);
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ask(&self, host: &str, path: &str) -> Ask {
        Ask::get(format!("http://127.0.0.1:{}{path}", self.port)).host(host)
    }

    /// Waits until a host answers 200.
    fn wait_answer(&self, host: &str) {
        wait_for(host, || {
            self.ask(host, "/").send().is_ok_and(|answer| answer.status == 200).then_some(())
        });
    }

    /// A client of each host that goes on until it is told to stop; what it was answered but 200.
    fn load(
        &self,
        hosts: &[&str],
        stop: &Arc<AtomicBool>,
    ) -> Vec<JoinHandle<(usize, Vec<String>)>> {
        let client = |host: &&str| {
            let (ask, stop) = (self.ask(host, "/"), Arc::clone(stop));
            thread::spawn(move || {
                let (agent, mut count, mut failed) = (client(), 0, Vec::new());
                while !stop.load(Ordering::SeqCst) {
                    count += 1;
                    match ask.clone().send_with(&agent) {
                        Ok(answer) if answer.status == 200 => {}
                        Ok(answer) => {
                            failed.push(format!("{count}: {} {}", answer.status, answer.body));
                        }
                        Err(error) => failed.push(format!("{count}: {error}")),
                    }
                    thread::sleep(Duration::from_millis(5));
                }
                (count, failed)
            })
        };
        hosts.iter().map(client).collect()
    }
}

/// Tells clients to stop, and holds that none of them missed anything.
fn none_missed(load: Vec<JoinHandle<(usize, Vec<String>)>>, stop: &AtomicBool) {
    stop.store(true, Ordering::SeqCst);
    for client in load {
        let (count, failed) = client.join().expect("a client does not panic");
        assert!(failed.is_empty(), "{} of {count}: {:?}", failed.len(), failed.first());
        assert!(count > 200, "{count} requests");
    }
}

/// A Service and its slice, with these of the crowd.
fn service(name: &str, crowd: &Crowd, from: usize) -> String {
    let mut text = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
         spec: {{ports: [{{name: http, port: 80}}]}}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
         metadata: {{name: {name}-1, namespace: default, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         ports: [{{name: http, port: {}}}]\nendpoints:\n",
        crowd.port()
    );
    for address in crowd.addresses().iter().skip(from) {
        let _ = writeln!(text, "- {{addresses: [{address}], conditions: {{ready: true}}}}");
    }
    text
}

/// An Ingress of a group for `a.test`: paths, and the Service of each.
fn ingress(name: &str, group: &str, paths: &[(&str, &str)]) -> String {
    let mut text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\n  namespace: default\n  \
         annotations:\n    alb.ingress.kubernetes.io/group.name: {group}\n    \
         alb.ingress.kubernetes.io/target-type: ip\n    \
         alb.ingress.kubernetes.io/healthcheck-interval-seconds: '5'\n    \
         alb.ingress.kubernetes.io/healthcheck-timeout-seconds: '2'\n    \
         alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds=1\n\
         spec:\n  ingressClassName: edgeway\n  rules:\n  - host: a.test\n    http:\n      paths:\n"
    );
    for (path, service) in paths {
        let _ = writeln!(
            text,
            "      - {{path: {path}, pathType: Prefix, backend: {{service: {{name: {service}, port: \
             {{number: 80}}}}}}}}"
        );
    }
    text
}

/// What clients have asked of backends since this was asked last; checks of their health do not count.
fn asked(crowd: &Crowd) -> impl Iterator<Item = Got> {
    let is_check = |agent: &str| agent.starts_with("ELB-HealthChecker");
    crowd.take().into_iter().filter(move |got| !got.header("user-agent").is_some_and(is_check))
}

/// Which backends clients have reached since this was asked last.
fn reached(crowd: &Crowd) -> Vec<usize> {
    asked(crowd).map(|got| got.backend).collect()
}

/// Waits until clients have reached what they are to reach a hundred times in a row, and nothing else:
/// `look` says how often they reached each since the last look.
fn wait_left(what: &str, mut look: impl FnMut() -> (usize, usize)) {
    let mut in_a_row = 0;
    wait_for(what, || {
        let (right, wrong) = look();
        in_a_row = if wrong == 0 { in_a_row + right } else { 0 };
        thread::sleep(POLL);
        (in_a_row >= 100).then_some(())
    });
}

#[test]
fn no_change_costs_a_request_whatever_aws_does() {
    let (web, api) = (Crowd::start(2), Crowd::start(2));
    let storm = Storm::start("throttle=0.3,lose=0.05,seed=7");
    storm.put("class.yaml", CLASS);
    storm.put("web.yaml", &service("web", &web, 0));
    storm.put("api.yaml", &service("api", &api, 0));
    storm.put("shop.yaml", &ingress("shop", "shop", &[("/", "web")]));
    let mut first = storm.controller();
    storm.wait_answer("a.test");
    let stop = Arc::new(AtomicBool::new(false));
    let load = storm.load(&["a.test"; 2], &stop);

    // Another Service takes over.
    storm.put("shop.yaml", &ingress("shop", "shop", &[("/", "api")]));
    wait_left("the other Service", || (reached(&api).len(), reached(&web).len()));

    // A member of the group is broken, and another has one more path.
    let broken = "alb.ingress.kubernetes.io/healthcheck-interval-seconds: ten";
    let broken = ingress("broken", "shop", &[("/broken", "web")])
        .replace("alb.ingress.kubernetes.io/healthcheck-interval-seconds: '5'", broken);
    storm.put("broken.yaml", &broken);
    storm.put("shop.yaml", &ingress("shop", "shop", &[("/", "api"), ("/more", "web")]));
    wait_for("one more path", || {
        storm.ask("a.test", "/more").send().ok();
        (!reached(&web).is_empty()).then_some(())
    });

    // The controller dies while it brings the first Service back, and another goes on where it was.
    let seen = first.lines().len();
    storm.put("shop.yaml", &ingress("shop", "shop", &[("/", "web"), ("/more", "web")]));
    first.wait_line_after(seen, "a plan", |line| line.contains("plan: ").then_some(()));
    first.signal(Signal::KILL);
    let second = storm.controller();
    wait_left("the Service before", || (reached(&web).len(), reached(&api).len()));

    // An endpoint goes.
    storm.put("web.yaml", &service("web", &web, 1));
    wait_left("the end of an endpoint", || {
        let (gone, left): (Vec<_>, Vec<_>) = reached(&web).into_iter().partition(|it| *it == 0);
        (left.len(), gone.len())
    });

    none_missed(load, &stop);
    assert!(second.stop().success());
}

#[test]
fn no_change_costs_a_request_where_answers_are_old_and_changes_late() {
    const HOSTS: [&str; 3] = ["a.test", "b.test", "c.test"];
    let (web, api) = (Crowd::start(3), Crowd::start(2));
    let storm = Storm::start("throttle=0.2,lose=0.05,lag=2s,delay=1s,seed=11");
    let put = |host: &str, paths: &[(&str, &str)]| {
        let text = ingress(&host.replace('.', "-"), &host.replace('.', "-"), paths);
        storm.put(&format!("{host}.yaml"), &text.replace("a.test", host));
    };
    storm.put("class.yaml", CLASS);
    storm.put("web.yaml", &service("web", &web, 0));
    storm.put("api.yaml", &service("api", &api, 0));
    for host in HOSTS {
        put(host, &[("/", "web")]);
    }
    let mut controller = storm.controller();
    for host in HOSTS {
        storm.wait_answer(host);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let load = storm.load(&HOSTS, &stop);

    // One group goes there and back before AWS says so; another stays away; a third keeps its place.
    let seen = controller.lines().len();
    put("a.test", &[("/", "api")]);
    controller.wait_line_after(seen, "a step", |line| line.contains("modify-rule").then_some(()));
    put("a.test", &[("/", "web")]);
    put("b.test", &[("/", "api"), ("/more", "web")]);
    wait_left("each at its place", || {
        let of = |crowd: &Crowd| {
            let away = |got: &Got| got.header("host") == Some("b.test");
            let (away, home): (Vec<_>, Vec<_>) = asked(crowd).partition(away);
            (away.len(), home.len())
        };
        let ((web_away, web_home), (api_away, api_home)) = (of(&web), of(&api));
        (web_home.min(api_away), web_away + api_home)
    });

    // An endpoint goes, everywhere.
    storm.put("web.yaml", &service("web", &web, 1));
    wait_left("the end of an endpoint", || {
        let (gone, left): (Vec<_>, Vec<_>) = reached(&web).into_iter().partition(|it| *it == 0);
        (left.len(), gone.len())
    });
    none_missed(load, &stop);
    assert!(controller.stop().success());
}
