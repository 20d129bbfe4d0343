//! A gateway that is started while the API server is away serves what it knew before.

use crate::scene::{FRONT, account, answered, apply, becomes};
use edgeway_tests::{Cluster, Gateway, wait_for};

#[test]
fn a_gateway_that_starts_without_the_api_server_serves_what_was_kept() {
    let Some(mut cluster) = Cluster::start() else { return };
    let kubeconfig = account(&cluster);
    cluster.admin().install_istio();
    cluster.admin().apply(FRONT);
    apply(cluster.admin(), &answered("a", "kept"));
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let kept = folder.path().to_str().unwrap();
        let options = ["--workers", "1", "--write-status", "false", "--last-good-dir", kept];
        Gateway::of_cluster(&kubeconfig, &options)
    };
    let before = start();
    before.wait_ready();
    becomes(&before, "a.test", 200, "kept");
    let file = folder.path().join("last-config.jsonl");
    wait_for("what is kept", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.contains("a.test")).then_some(())
    });
    let since = |gateway: &Gateway| {
        let metrics = gateway.metrics();
        let line = metrics.lines().find(|it| it.starts_with("edgeway_config_kept_since_seconds "));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap()
    };
    assert_eq!(since(&before), 0);
    cluster.kill();
    assert!(before.process.stop().success());

    let after = start();
    after.wait_ready();
    becomes(&after, "a.test", 200, "kept");
    assert!(since(&after) > 1_700_000_000);
    assert!(after.problems().to_string().contains("configuration-kept"));
    cluster.restart();
    apply(cluster.admin(), &answered("a", "news"));
    becomes(&after, "a.test", 200, "news");
    assert_eq!(since(&after), 0);
    wait_for("the end of the problem", || {
        (!after.problems().to_string().contains("configuration-kept")).then_some(())
    });
}
