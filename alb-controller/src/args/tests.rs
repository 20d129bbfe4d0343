//! Command lines of the AWS Load Balancer Controller.

use super::*;
use edgeway_alb_core::{stack::Scheme, switches::Switch, target::TargetType};
use edgeway_api::ObjectRef;

pub(super) fn read(more: &[&str]) -> Result<Args, clap::Error> {
    let own = ["controller", "--source=files:x", "--cluster-name=c"];
    let place = ["--aws-vpc-id=vpc-1", "--aws-region=eu-central-1"];
    Args::try_parse_from([&own[..], &place, more].concat())
}

fn settings(more: &[&str]) -> Settings {
    read(more).unwrap().settings().unwrap()
}

#[test]
fn what_is_not_said_is_as_usual() {
    assert_eq!(settings(&[]), Settings::new("c", "vpc-1"));
    let usual = ["--enable-shield", "--enable-wafv2=true", "--feature-gates=ALBSingleSubnet=false"];
    assert_eq!(settings(&usual), Settings::new("c", "vpc-1"));
}

#[test]
fn flags_of_the_other_controller_mean_the_same() {
    let given = settings(&[
        "--default-tags=team=a,env=b",
        "--external-managed-tags=cost,owner",
        "--default-ssl-policy=ELBSecurityPolicy-TLS13-1-2-2021-06",
        "--default-target-type=ip",
        "--default-load-balancer-scheme=internet-facing",
        "--enable-backend-security-group=false",
        "--backend-security-group=sg-1",
        "--ingress-class=mine",
        "--service-target-eni-security-group-tags=a=b",
        "--allowed-certificate-authority-arns=arn:1,arn:2",
        "--watch-namespace=shop",
        "--adopt",
    ]);
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let wanted = Settings {
        default_tags: [pair("team", "a"), pair("env", "b")].into(),
        external_tags: ["cost".to_owned(), "owner".to_owned()].into(),
        default_ssl_policy: "ELBSecurityPolicy-TLS13-1-2-2021-06".into(),
        default_target_type: Some(TargetType::Ip),
        default_scheme: Scheme::InternetFacing,
        shared_security_group: false,
        given_security_group: Some("sg-1".into()),
        annotated_class: "mine".into(),
        target_group_tags: [pair("a", "b")].into(),
        authorities: ["arn:1".to_owned(), "arn:2".to_owned()].into(),
        namespaces: ["shop".to_owned()].into(),
        adopt: true,
        ..Settings::new("c", "vpc-1")
    };
    assert_eq!(given, wanted);
}

#[test]
fn where_it_is_must_be_said() {
    let good = ["c", "--source=files:x", "--cluster-name=c", "--vpc-id=v", "--region=r"];
    assert!(Args::try_parse_from(good).is_ok());
    for empty in ["--cluster-name=", "--vpc-id=", "--region="] {
        let line = good.map(|own| if own.starts_with(empty) { empty } else { own });
        assert!(Args::try_parse_from(line).is_err(), "{empty}");
    }
}

#[test]
fn an_endpoint_is_a_url() {
    for (text, is_good) in [
        ("http://127.0.0.1:4599", true),
        ("https://aws.example.com/", true),
        ("127.0.0.1:4599", false),
        ("localhost:4599", false),
        ("http://", false),
        ("", false),
    ] {
        assert_eq!(read(&["--endpoint-url", text]).is_ok(), is_good, "{text:?}");
    }
}

#[test]
fn each_switch_has_its_flag() {
    let against = [
        ("--enable-manage-backend-security-group-rules", Switch::OpenTargets),
        ("--disable-restricted-sg-rules", Switch::AllPorts),
        ("--disable-ingress-class-annotation=T", Switch::NoClassAnnotation),
        ("--disable-ingress-group-name-annotation", Switch::NoGroupAnnotation),
        ("--tolerate-non-existent-backend-service=false", Switch::NeedServices),
        ("--tolerate-non-existent-backend-action=0", Switch::NeedActions),
        ("--enable-shield=false", Switch::NoShield),
        ("--enable-wafv2=false", Switch::NoWebAcl),
        ("--feature-gates=EnableDefaultTagsLowPriority=true", Switch::TagsGiveWay),
        ("--feature-gates=ALBSingleSubnet=true", Switch::OneSubnet),
        ("--feature-gates=SubnetsClusterTagCheck=false", Switch::AnySubnet),
        ("--feature-gates=SubnetDiscoveryByReachability=false", Switch::TaggedSubnets),
        ("--feature-gates=LBCapacityReservation=false", Switch::NoCapacity),
        ("--feature-gates=EnableIPTargetType=false", Switch::NoIpTargets),
        ("--feature-gates=EnhancedDefaultBehavior=true", Switch::Reset),
    ];
    for (flag, switch) in against {
        assert_eq!(settings(&[flag]).switches, [switch].into(), "{flag}");
    }
    assert_eq!(against.len(), Switch::ALL.len());
}

#[test]
fn flags_without_effect_are_told_of_and_others_refused() {
    let args = read(&[
        "--enable-waf",
        "--log-level=debug",
        "--webhook-bind-port",
        "9443",
        "--feature-gates=NLBGatewayAPI=false",
    ]);
    let args = args.unwrap();
    let said: Vec<String> = args.habits.remarks().chain(args.strangers.remarks()).collect();
    assert_eq!(said.len(), 4, "{said:?}");
    for (given, wanted) in [
        ("--aws-vpc-tags=a=b", "--vpc-id"),
        ("--required-secrets-label=a=b", "by name"),
        ("--no-such-flag", "unexpected argument"),
        ("--default-target-type=lambda", "instance, ip"),
        ("--default-tags=team", "key=value"),
        ("--enable-shield=perhaps", "true or false"),
        ("--feature-gates=Nothing=true", "no feature gate"),
    ] {
        let error = read(&[given]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{given}: {error}");
    }
    for clash in [
        &["--default-tags=a=b", "--external-managed-tags=a"][..],
        &["--default-tags=elbv2.k8s.aws/cluster=x"],
        &["--external-managed-tags=ingress.k8s.aws/stack"],
    ] {
        assert!(read(clash).unwrap().settings().is_err(), "{clash:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_any_more_is_told_once_and_so_is_its_end() {
    let (sender, objects) = watch::channel(Arc::default());
    let handle = Handle::default();
    let mut events = handle.events.subscribe();
    let telling = tokio::spawn(tell_reading(objects, Settings::new("test", "vpc"), handle));
    let server = ObjectRef::new("ApiServer", "", "kube");
    let problem = Problem::error(server, "pods", "permission-missing").message("m");
    let unread = Objects { defects: vec![problem.clone()], ..Objects::default() };
    for _ in 0..2 {
        sender.send_replace(Arc::new(unread.clone()));
        tokio::task::yield_now().await;
    }
    assert_eq!(events.recv().await, Ok(Event::Problem(problem.clone())));
    sender.send_replace(Arc::default());
    assert_eq!(events.recv().await, Ok(Event::Solved(problem)));
    drop(sender);
    telling.await.unwrap();
}
