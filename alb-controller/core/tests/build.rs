//! What the AWS Load Balancer Controller's own tests expect of its model, asked of ours.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop where a case is not as all others are"
)]

use edgeway_alb_core::{
    Desired, Lookups, Settings, Stack, desired,
    rule::{Action, Condition, TargetGroupRef},
    settings::{AWS, Subnet},
    stack::{Scheme, Source},
    target::Matcher,
};
use edgeway_api::{Objects, manifest};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};

/// All objects of a case. Each member gets a class of its own.
fn objects(case: &Value) -> Objects {
    let mut documents: Vec<Value> = case["services"].as_array().unwrap().clone();
    for (number, member) in case["group"]["members"].as_array().unwrap().iter().enumerate() {
        let class = format!("class-{number}");
        let mut ingress = member["ingress"].clone();
        ingress["spec"]["ingressClassName"] = json!(class);
        for rule in ingress["spec"]["rules"].as_array_mut().into_iter().flatten() {
            for path in rule["http"]["paths"].as_array_mut().into_iter().flatten() {
                let fields = path.as_object_mut().unwrap();
                fields.entry("pathType").or_insert_with(|| json!("ImplementationSpecific"));
            }
        }
        let mut own = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": class}, "spec": {"controller": AWS},
        });
        if let Some(params) = member.get("ingressClassParams").filter(|params| !params.is_null()) {
            let mut params = params.clone();
            params["metadata"] = json!({"name": class});
            own["spec"]["parameters"] =
                json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": class});
            documents.push(params);
        }
        documents.extend([own, ingress]);
    }
    let mut objects = Objects::default();
    for document in documents {
        manifest::read(&document.to_string(), "", &mut objects);
    }
    objects
}

fn settings(case: &Value) -> Settings {
    let options = &case["options"];
    let text = |name: &str| options[name].as_str().unwrap();
    Settings {
        controllers: BTreeSet::from([AWS.to_owned()]),
        default_scheme: Scheme::parse(text("defaultLoadBalancerScheme")).unwrap(),
        default_ssl_policy: text("defaultSSLPolicy").to_owned(),
        shared_security_group: options["enableBackendSG"].as_bool().unwrap(),
        ..Settings::new(text("clusterName"), text("vpcID"))
    }
}

/// The subnets that the case has discovered, each in a zone of its own.
fn lookups(case: &Value) -> Lookups {
    let ids = case["aws"]["discoveredSubnets"].as_array().unwrap().iter();
    let ids = ids.flat_map(|list| list.as_array().unwrap()).map(|id| id.as_str().unwrap());
    let roles = ["kubernetes.io/role/elb", "kubernetes.io/role/internal-elb"];
    let subnet = |id: &str| Subnet {
        id: id.to_owned(),
        zone: id.to_owned(),
        tags: roles.map(|role| (role.to_owned(), "1".to_owned())).into(),
        free: 100,
        ..Subnet::default()
    };
    Lookups { subnets: Some(ids.map(subnet).collect()), ..Lookups::default() }
}

fn wished(case: &Value) -> Desired {
    desired(&objects(case), &settings(case), &lookups(case))
}

/// The parts of a kind: id and specification.
fn parts<'v>(model: &'v Value, kind: &str) -> Vec<(&'v str, &'v Value)> {
    let all = model["resources"].get(kind).and_then(Value::as_object);
    all.into_iter().flatten().map(|(id, part)| (id.as_str(), &part["spec"])).collect()
}

fn compare(name: &str, model: &Value, stack: &Stack) {
    let balancer = &stack.load_balancer;
    let (_, wish) = parts(model, "AWS::ElasticLoadBalancingV2::LoadBalancer")[0];
    assert_eq!(wish["name"], balancer.name, "{name}");
    assert_eq!(wish["scheme"], balancer.scheme.as_str(), "{name}");
    assert_eq!(wish["ipAddressType"], balancer.ip_address_type.as_str(), "{name}");
    assert_eq!(
        wish["securityGroups"].as_array().map(Vec::len),
        Some(balancer.security_groups.len()),
        "{name}"
    );
    let listeners = parts(model, "AWS::ElasticLoadBalancingV2::Listener");
    assert_eq!(listeners.len(), balancer.listeners.len(), "{name}");
    for (port, wish) in listeners {
        let listener = &balancer.listeners[&port.parse::<u16>().unwrap()];
        assert_eq!(wish["protocol"], listener.protocol.as_str(), "{name} {port}");
        let policy = wish.get("sslPolicy").and_then(Value::as_str);
        assert_eq!(policy, listener.ssl_policy.as_deref(), "{name} {port}");
        let given = wish.get("certificates").and_then(Value::as_array).map_or(0, Vec::len);
        let own = usize::from(listener.certificate.is_some()) + listener.more_certificates.len();
        assert_eq!(given, own, "{name} {port}: certificates");
        rules(&format!("{name} {port}"), port, model, stack);
    }
    groups(name, model, stack);
    doors(name, model, stack);
}

/// Conditions and target groups in their order.
fn rules(name: &str, port: &str, model: &Value, stack: &Stack) {
    let mut wished: Vec<(u64, Vec<String>, String)> = Vec::new();
    for (id, wish) in parts(model, "AWS::ElasticLoadBalancingV2::ListenerRule") {
        if id.split(':').next() != Some(port) {
            continue;
        }
        let conditions = wish["conditions"].as_array().unwrap().iter();
        let values = conditions.flat_map(|condition| {
            let fields = condition.as_object().unwrap().values();
            let values = fields.filter_map(|field| field.get("values")?.as_array());
            values.flatten().map(|value| value.as_str().unwrap_or_default().to_owned())
        });
        let text = wish["actions"].to_string();
        wished.push((wish["priority"].as_u64().unwrap(), values.collect(), text));
    }
    wished.sort();
    let listener = &stack.load_balancer.listeners[&port.parse::<u16>().unwrap()];
    assert_eq!(wished.len(), listener.rules.len(), "{name}: rules");
    for ((_, values, actions), rule) in wished.iter().zip(listener.rules.values()) {
        let own: Vec<String> = rule.conditions.iter().flat_map(texts).collect();
        assert_eq!(*values, own, "{name}");
        if let Action::Forward(forward) = &rule.action {
            for share in &forward.shares {
                let TargetGroupRef::Ours(group) = &share.group else { continue };
                let resource = &stack.target_groups[group].resource;
                assert!(actions.contains(resource), "{name}: {resource} in {actions}");
            }
        }
    }
}

fn texts(condition: &Condition) -> Vec<String> {
    match condition {
        Condition::Host(patterns) | Condition::Path(patterns) => patterns.values().to_vec(),
        Condition::Header { values, .. } => values.values().to_vec(),
        Condition::Method(values) | Condition::SourceIp(values) => values.clone(),
        Condition::Query(pairs) => pairs.iter().map(|pair| pair.value.clone()).collect(),
    }
}

fn groups(name: &str, model: &Value, stack: &Stack) {
    let wished = parts(model, "AWS::ElasticLoadBalancingV2::TargetGroup");
    assert_eq!(wished.len(), stack.target_groups.len(), "{name}: target groups");
    for (resource, wish) in wished {
        let group = stack.target_groups.values().find(|group| group.resource == resource).unwrap();
        let check = &group.health_check;
        let (Matcher::Http(codes) | Matcher::Grpc(codes)) = &check.matcher;
        let own = json!({
            "name": group.name, "port": group.kind.port, "protocol": group.kind.protocol.as_str(),
            "version": group.kind.version.as_str(), "type": group.kind.target_type.as_str(),
            "path": check.path, "check": check.protocol.as_str(), "port of check": check.port,
            "seconds": [check.interval, check.timeout], "codes": codes,
            "thresholds": [check.healthy, check.unhealthy],
        });
        let theirs = &wish["healthCheckConfig"];
        let port = &theirs["port"];
        let given = json!({
            "name": wish["name"], "port": wish["port"], "protocol": wish["protocol"],
            "version": wish["protocolVersion"], "type": wish["targetType"],
            "path": theirs["path"], "check": theirs["protocol"],
            "port of check": port.as_str().map_or_else(|| port.to_string(), str::to_owned),
            "seconds": [theirs["intervalSeconds"], theirs["timeoutSeconds"]],
            "codes": theirs["matcher"].as_object().unwrap().values().next().unwrap(),
            "thresholds": [theirs["healthyThresholdCount"], theirs["unhealthyThresholdCount"]],
        });
        assert_eq!(own, given, "{name} {resource}");
    }
}

fn doors(name: &str, model: &Value, stack: &Stack) {
    let wished = parts(model, "AWS::EC2::SecurityGroup");
    assert_eq!(wished.len(), usize::from(stack.security_group.is_some()), "{name}");
    let Some((_, wish)) = wished.first() else { return };
    let own = stack.security_group.as_ref().unwrap();
    assert_eq!(wish["groupName"], own.name, "{name}");
    let given: BTreeSet<(u64, String)> = wish["ingress"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|door| {
            let port = door["fromPort"].as_u64().unwrap();
            let lists = ["ipRanges", "ipv6Range", "prefixLists"].map(|list| door.get(list));
            let sources = lists.into_iter().flatten().flat_map(|list| list.as_array().unwrap());
            sources
                .flat_map(|source| source.as_object().unwrap().values())
                .map(move |source| (port, source.as_str().unwrap().to_owned()))
        })
        .collect();
    let open: BTreeSet<(u64, String)> = own
        .ingress
        .iter()
        .map(|door| {
            let (Source::Ipv4(who) | Source::Ipv6(who) | Source::PrefixList(who)) = &door.source
            else {
                panic!("{name}: {door}")
            };
            (u64::from(door.from), who.clone())
        })
        .collect();
    assert_eq!(given, open, "{name}");
}

#[test]
fn models_are_those_of_the_aws_load_balancer_controller() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/lbc/build");
    let Ok(entries) = fs::read_dir(folder) else {
        eprintln!("skipped: its cases are not on this machine");
        return;
    };
    let mut compared = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let name = case["name"].as_str().unwrap();
        let wish = wished(&case);
        if let Some(model) = case["expect"].get("stack") {
            let stack = wish.stacks.values().next();
            let stack = stack.unwrap_or_else(|| panic!("{name}: {:?}", wish.problems));
            compare(name, model, stack);
        } else {
            let silent = wish.problems.is_empty() && !wish.stacks.is_empty();
            assert!(!silent || name.contains("backend SG"), "{name}: nothing is said");
        }
        compared += 1;
    }
    assert!(compared > 10, "{compared} cases");
}
