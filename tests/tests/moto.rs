//! The controller against moto, an AWS that others wrote: it builds, finds nothing more to do, and
//! takes everything down. Skipped, and said so, where Python has no moto.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway_tests::{Process, free_port, root, wait_for};
use std::{fs, net::TcpStream, process::Command};

/// Tags the subnets of the default VPC as load balancers want them, and prints its id.
const PREPARE: &str = r#"
import boto3, sys
ec2 = boto3.client("ec2", endpoint_url=sys.argv[1], region_name="us-east-1")
vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"] if s["VpcId"] == vpc]
ec2.create_tags(Resources=subnets[:3], Tags=[{"Key": "kubernetes.io/role/elb", "Value": "1"}])
print(vpc)
"#;

/// What stands in AWS, counted by somebody else's client.
const COUNT: &str = r#"
import boto3, sys
elb = boto3.client("elbv2", endpoint_url=sys.argv[1], region_name="us-east-1")
balancers = elb.describe_load_balancers()["LoadBalancers"]
listeners = [l for b in balancers for l in elb.describe_listeners(LoadBalancerArn=b["LoadBalancerArn"])["Listeners"]]
rules = [r for l in listeners for r in elb.describe_rules(ListenerArn=l["ListenerArn"])["Rules"]]
groups = elb.describe_target_groups()["TargetGroups"]
print(len(balancers), len(listeners), len(rules), len(groups))
"#;

fn python(script: &str, url: &str) -> String {
    let output = Command::new("python3")
        .args(["-c", script, url])
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn the_controller_and_moto_agree() {
    let probe = Command::new("python3").args(["-c", "import moto.server, boto3"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        edgeway_tests::skipped("this machine's Python has no moto");
        return;
    }
    let port = free_port();
    let mut server = Command::new("python3");
    server.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
    let _moto = Process::spawn("moto", &mut server);
    wait_for("moto", || TcpStream::connect(("127.0.0.1", port)).ok());
    let url = format!("http://127.0.0.1:{port}");
    let vpc = python(PREPARE, &url);

    let folder = tempfile::tempdir().unwrap();
    for file in ["alb.yaml", "apps.yaml", "gateway.yaml"] {
        let from = root().join("examples/bookinfo").join(file);
        fs::copy(from, folder.path().join(file)).unwrap();
    }
    let reconcile = || {
        let source = format!("files:{}", folder.path().display());
        let place = ["--region", "us-east-1", "--endpoint-url", &url, "--once"];
        let own = ["--source", &source, "--cluster-name", "test", "--vpc-id", &vpc];
        let mut process = Process::start_with(
            "edgeway-alb-controller",
            &[&own[..], &place].concat(),
            &[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")],
        );
        let status = process.wait();
        let said = process.lines().join("\n");
        assert!(status.success(), "{said}");
        said
    };
    assert!(reconcile().contains("create-load-balancer"));
    // One load balancer, one listener, two rules beside the default one, one target group.
    assert_eq!(python(COUNT, &url), "1 1 3 1");
    let again = reconcile();
    for change in ["create-", "modify-", "delete-", "set-", "authorize-", "register-"] {
        assert!(!again.contains(change), "a second run changes nothing: {again}");
    }
    fs::remove_file(folder.path().join("alb.yaml")).unwrap();
    reconcile();
    assert_eq!(python(COUNT, &url), "0 0 0 0");
}
