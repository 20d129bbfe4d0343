//! The charts: what they make is taken by an API server, values that mean nothing are refused, and the
//! roles are what the programs need and no more.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod roles;

use edgeway_tests::{Cluster, Helm, kubernetes::refusal, root};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

const CHARTS: [&str; 3] = ["edgeway", "edgeway-gateway", "edgeway-crds"];

/// What must be said to the controller's chart.
pub(crate) const PLACE: [&str; 3] = ["clusterName=test", "vpcId=vpc-1", "region=eu-central-1"];

/// Everything that may be there, of either program's chart.
const BOTH: [&str; 6] = [
    "networkPolicy.enabled=true",
    "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.a=b",
    "serviceMonitor.enabled=true",
    "serviceMonitor.labels.release=prometheus",
    "nodeSelector.disk=ssd",
    "tolerations[0].operator=Exists",
];

const GATEWAY: [&str; 10] = [
    "autoscaling.enabled=true",
    "autoscaling.metrics[0].type=Resource",
    "autoscaling.metrics[0].resource.name=memory",
    "autoscaling.metrics[0].resource.target.type=Utilization",
    "autoscaling.metrics[0].resource.target.averageUtilization=80",
    "networkPolicy.from[0].ipBlock.cidr=10.0.0.0/8",
    "readinessGate.enabled=true",
    "secrets={web-tls}",
    "service.type=LoadBalancer",
    "service.externalTrafficPolicy=Local",
];

#[test]
fn charts_are_without_fault() {
    let Some(helm) = Helm::find() else { return };
    for chart in CHARTS {
        let values = if chart == "edgeway" { PLACE.join(",") } else { String::new() };
        let told = helm.run(&["lint", "--strict", chart, "--set", &values]);
        assert!(told.is_ok(), "{told:?}");
    }
}

#[test]
fn values_that_mean_nothing_are_refused() {
    let Some(helm) = Helm::find() else { return };
    for (chart, value, word) in [
        ("edgeway", "replicas=2", "replicas"),
        ("edgeway", "replicaCount=many", "replicaCount"),
        ("edgeway", "clusterName=", "clusterName is required"),
        ("edgeway", "vpcId=", "vpcId is required"),
        ("edgeway", "vpcId=my-vpc", "vpcId"),
        ("edgeway", "region=", "region is required"),
        ("edgeway", "aws.endpoint=http://a", "endpoint"),
        ("edgeway", "controllers=null", "controllers"),
        ("edgeway", "image.pullPolicy=Sometimes", "pullPolicy"),
        ("edgeway", "secrets={oidc}", "secrets"),
        ("edgeway", "defaultTargetType=lambda", "defaultTargetType"),
        ("edgeway", "enableShield=perhaps", "enableShield"),
        ("edgeway", "ingressClass.name=", "name"),
        ("edgeway", "controllers={alb}", "controllers"),
        ("edgeway-gateway", "image.name=a", "name"),
        ("edgeway-gateway", "service.ports[0].port=70000", "port"),
        ("edgeway-gateway", "drain.seconds=70", "terminationGracePeriodSeconds is 75"),
        ("edgeway-gateway", "labels.istio=true", "istio"),
        ("edgeway-gateway", "accessLog=maybe", "accessLog"),
        ("edgeway-gateway", "accessLog=2", "accessLog"),
        ("edgeway-crds", "elbv2=sometimes", "elbv2"),
    ] {
        let place = if chart == "edgeway" { PLACE.join(",") } else { String::new() };
        let arguments = ["template", "x", chart, "--set", &place, "--set", value];
        match helm.run(&arguments) {
            Ok(_) => panic!("{chart} takes {value}"),
            Err(error) => assert!(error.contains(word), "{chart}, {value}: {error}"),
        }
    }
}

#[test]
fn values_of_the_aws_load_balancer_controllers_chart_become_its_flags() {
    let Some(helm) = Helm::find() else { return };
    let values = [
        "adopt=true",
        "defaultTags.team=a",
        "defaultTags.env=b",
        "externalManagedTags={cost,owner}",
        "defaultSSLPolicy=policy",
        "defaultTargetType=ip",
        "enableBackendSecurityGroup=false",
        "certDiscovery.allowedCertificateAuthorityARNs=arn:1",
        "enableShield=false",
        "controllerConfig.featureGates.ALBSingleSubnet=true",
    ];
    let made = helm.objects("it", "edgeway", &[&PLACE[..], &values].concat());
    let usual = helm.objects("it", "edgeway", &PLACE);
    let arguments = |objects: &[Value]| {
        let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
        let all = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
        let all = all.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned());
        all.collect::<Vec<_>>()
    };
    let usual = arguments(&usual);
    let mut more = arguments(&made);
    more.retain(|argument| !usual.contains(argument));
    assert_eq!(
        more,
        [
            "--adopt",
            "--default-ssl-policy=policy",
            "--default-target-type=ip",
            "--enable-backend-security-group=false",
            "--enable-shield=false",
            "--default-tags=env=b,team=a",
            "--feature-gates=ALBSingleSubnet=true",
            "--external-managed-tags=cost,owner",
            "--allowed-certificate-authority-arns=arn:1",
        ]
    );
}

#[test]
fn values_of_a_file_mean_what_they_look_like() {
    let Some(helm) = Helm::find() else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    for (chart, text, argument) in [
        ("edgeway-gateway", "accessLog: on", "--access-log=on"),
        ("edgeway-gateway", "accessLog: off", "--access-log=off"),
        ("edgeway-gateway", "accessLog: 0.01", "--access-log=0.01"),
        ("edgeway", "defaultTags: {account: 123456789012}", "--default-tags=account=123456789012"),
        (
            "edgeway",
            "defaultTags: {cost: 0.5, a: x, b: true}",
            "--default-tags=a=x,b=true,cost=0.5",
        ),
    ] {
        fs::write(file.path(), text).unwrap();
        let place = if chart == "edgeway" { PLACE.join(",") } else { String::new() };
        let path = file.path().display().to_string();
        let made = helm.run(&["template", "x", chart, "--set", &place, "-f", &path]).unwrap();
        assert!(made.contains(&format!("- {argument}\n")), "{text}: {made}");
    }
}

/// Names that look like numbers, and the longest that Helm takes.
#[test]
fn an_api_server_takes_odd_names() {
    let Some(helm) = Helm::find() else { return };
    let Some(cluster) = Cluster::start() else { return };
    let admin = cluster.admin();
    admin.install_kind("monitoring.coreos.com", "v1", ("ServiceMonitor", "servicemonitors"));
    let longest = "a".repeat(53);
    let namespaces = ["2024".to_owned(), "n".repeat(63)];
    let monitored = ["serviceMonitor.enabled=true", "networkPolicy.enabled=true"];
    for namespace in &namespaces {
        admin.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: '{namespace}'}}\n"
        ));
    }
    for (release, chart, values) in [
        (longest.as_str(), "edgeway", [&PLACE[..], &monitored].concat()),
        (&longest, "edgeway-gateway", [&monitored[..], &["autoscaling.enabled=true"]].concat()),
        ("2024", "edgeway", [&PLACE[..], &["fullnameOverride=it"]].concat()),
        ("2024", "edgeway-gateway", vec!["fullnameOverride=it"]),
    ] {
        let mut names = BTreeSet::new();
        for namespace in &namespaces {
            for object in helm.objects_in(namespace, (release, chart), &values) {
                let taken = admin.would_take(&object);
                let why = taken.as_ref().err().and_then(refusal);
                assert!(taken.is_ok(), "{release} {chart} {namespace}: {why:?}\n{object}");
                if object["kind"] == "ClusterRole" {
                    names.insert(object["metadata"]["name"].to_string());
                }
            }
        }
        let wanted = if chart == "edgeway" { 1 } else { namespaces.len() };
        assert_eq!(
            names.len(),
            wanted,
            "gateways of two namespaces do not share a role: {names:?}"
        );
    }
}

#[test]
fn an_api_server_takes_what_charts_make() {
    let Some(helm) = Helm::find() else { return };
    let Some(cluster) = Cluster::start() else { return };
    let admin = cluster.admin();
    admin.install_kind("monitoring.coreos.com", "v1", ("ServiceMonitor", "servicemonitors"));
    admin.apply(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: edge\n  \
         labels: {pod-security.kubernetes.io/enforce: restricted}\n",
    );
    let all = |own: &[&'static str]| [own, &BOTH].concat();
    let few = ["watchNamespaces={edge}"];
    for (chart, values) in [
        ("edgeway-crds", vec![]),
        ("edgeway-crds", vec!["keep=false", "elbv2=true"]),
        ("edgeway", PLACE.to_vec()),
        ("edgeway", [&all(&PLACE)[..], &["secrets.edge={oidc}"]].concat()),
        ("edgeway", [&PLACE[..], &few].concat()),
        ("edgeway-gateway", vec![]),
        ("edgeway-gateway", all(&GATEWAY)),
        ("edgeway-gateway", few.to_vec()),
    ] {
        let objects = helm.objects("it", chart, &values);
        assert!(objects.len() > 1, "{chart}");
        for object in objects {
            let taken = admin.would_take(&object);
            let why = taken.as_ref().err().and_then(refusal);
            assert!(taken.is_ok(), "{chart} {values:?}: {why:?}\n{object}");
            is_allowed_by_restricted(&cluster, &object);
        }
    }
}

/// The pods of a Deployment are let into a namespace that enforces `restricted`.
fn is_allowed_by_restricted(cluster: &Cluster, object: &Value) {
    if object["kind"] != "Deployment" {
        return;
    }
    let account = &object["spec"]["template"]["spec"]["serviceAccountName"];
    cluster.admin().apply(&format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {account}, namespace: edge}}\n"
    ));
    let mut pod = object["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("pod");
    pod["metadata"]["namespace"] = json!("edge");
    // Which priority classes there are is not what is asked here.
    pod["spec"].as_object_mut().unwrap().remove("priorityClassName");
    let taken = cluster.admin().would_take(&pod);
    assert!(taken.is_ok(), "{:?}\n{pod}", taken.as_ref().err().and_then(refusal));
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    assert!(cluster.admin().would_take(&pod).is_err(), "nobody enforces anything");
}

#[test]
fn kinds_that_somebody_else_has_installed_are_left_alone() {
    let Some(helm) = Helm::find() else { return };
    let Some(cluster) = Cluster::start() else { return };
    let admin = cluster.admin();
    let helm = helm.to(&cluster.kubeconfig());
    admin.install_kind("elbv2.k8s.aws", "v1beta1", ("TargetGroupBinding", "targetgroupbindings"));
    let crd = |name: &str| {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        admin.get(&format!("{path}/{name}.elbv2.k8s.aws")).unwrap()
    };
    let owner =
        |name: &str| crd(name)["metadata"]["annotations"]["meta.helm.sh/release-name"].clone();
    for action in ["install", "upgrade"] {
        helm.run(&[action, "crds", "edgeway-crds"]).unwrap();
        assert_eq!(owner("ingressclassparams"), "crds", "{action}");
        assert_eq!(owner("targetgroupbindings"), Value::Null, "{action}");
    }
    let told = helm.run(&["install", "others", "edgeway-crds", "--set", "elbv2=true"]);
    assert!(told.as_ref().is_err_and(|error| error.contains("exists")), "{told:?}");
    helm.run(&["uninstall", "crds"]).unwrap();
    assert!(crd("ingressclassparams").is_object(), "kinds stay, and their objects");
}

#[test]
fn the_kustomize_base_is_what_the_charts_make() {
    let Some(helm) = Helm::find() else { return };
    let place = ["clusterName=set-me", "vpcId=vpc-set-me", "region=set-me"];
    for (folder, chart, values) in [
        ("controller", "edgeway", &place[..]),
        ("gateway", "edgeway-gateway", &[]),
        ("crds", "edgeway-crds", &[]),
    ] {
        let made = helm.text("edgeway", chart, values);
        let file = root().join("deploy/kustomize").join(folder).join("all.yaml");
        #[expect(clippy::disallowed_methods, reason = "the name is that of all golden files")]
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &made).unwrap();
        }
        let kept = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(kept, made, "{} is old: UPDATE_GOLDEN=1 writes it anew", file.display());
    }
}
