//! Reloads and drains under load: not one request may fail, whatever protocol it is spoken in.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod backends;
mod balancer;
mod load;
mod manifests;

use backends::Backends;
use balancer::Balancer;
use edgeway_tests::{Ask, Gateway, wait_for};
use load::Load;
use manifests::{Certificate, manifests};

/// How often everything changes.
const RELOADS: usize = 200;

/// How long a gateway goes on while it asks clients to leave, in seconds.
const DRAIN: &str = "2";

fn start(text: &str) -> Gateway {
    let options = ["--workers", "2", "--access-log", "off", "--drain-seconds", DRAIN];
    Gateway::start_with(text, &options)
}

/// A runtime for what stands before and behind the gateways.
fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn reloads_cost_no_request() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let backends = runtime.block_on(Backends::start());
    let certificates = [Certificate::new(), Certificate::new()];
    let gateway = start(&manifests(0, &backends, &certificates[0]));
    let load = Load::start(gateway.address(), gateway.secure(), &certificates);
    for version in 1..=RELOADS {
        let text = manifests(version, &backends, &certificates[version % 2]);
        gateway.edit(|_| text);
        let wanted = version.to_string();
        wait_for("the new version", || {
            let answer = Ask::get(gateway.url("/")).send().unwrap();
            (answer.header("x-version") == Some(&wanted)).then_some(())
        });
    }
    let counts = runtime.block_on(load.finish());
    assert!(counts.iter().all(|(_, count)| *count > 5), "{counts:?}");
    assert!(gateway.process.stop().success());
}

#[test]
fn a_rolling_restart_costs_no_request() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let backends = runtime.block_on(Backends::start());
    let certificates = [Certificate::new(), Certificate::new()];
    let text = manifests(0, &backends, &certificates[0]);
    let plain = runtime.block_on(Balancer::start(Gateway::address));
    let secure = runtime.block_on(Balancer::start(Gateway::secure));
    let add = |gateway: &Gateway| [&plain, &secure].iter().for_each(|it| it.add(gateway));
    let mut gateways = vec![start(&text), start(&text)];
    gateways.iter().for_each(add);
    let load = Load::start(plain.address(), secure.address(), &certificates);
    for _ in 0..2 {
        let new = start(&text);
        add(&new);
        let old = gateways.remove(0);
        gateways.push(new);
        assert!(old.process.stop().success());
    }
    let counts = runtime.block_on(load.finish());
    assert!(counts.iter().all(|(_, count)| *count > 5), "{counts:?}");
}
