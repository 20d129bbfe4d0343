//! Corners of annotations and class parameters where a slip would open something or be lost.

use super::*;
use crate::{add_ons::WebAcl, stack::Source, switches::Switch};

fn web(name: &str, annotations: &[(&str, &str)]) -> String {
    let at = format!("{name}.example.com");
    ingress(name, annotations, &rules(&[host(&at, &["Prefix / web:80"])]))
}

fn subnet(id: &str, zone: &str, name: &str) -> Subnet {
    Subnet {
        id: id.to_owned(),
        zone: zone.to_owned(),
        tags: BTreeMap::from([("Name".to_owned(), name.to_owned())]),
        free: 100,
        ..Subnet::default()
    }
}

#[test]
fn a_name_of_several_subnets_is_mentioned_as_often_as_it_is_meant() {
    let known = vec![
        subnet("subnet-2", "b", "private"),
        subnet("subnet-1", "a", "private"),
        subnet("subnet-3", "c", "other"),
    ];
    let rows = [
        ("private, private", Ok(vec!["subnet-1", "subnet-2"])),
        ("private, other", Ok(vec!["subnet-1", "subnet-3"])),
        ("other, subnet-1", Ok(vec!["subnet-1", "subnet-3"])),
        ("private, private, private", Err("no other subnet private")),
        ("subnet-1, subnet-1, other", Ok(vec!["subnet-1", "subnet-3"])),
        ("other, none", Err("no subnet none")),
    ];
    for (text, wanted) in rows {
        let lookups = Lookups { subnets: Some(known.clone()), ..lookups() };
        let one = web("web", &[("subnets", text)]);
        let desired = super::desired(&objects(&[WEB, &one]), &settings(), &lookups);
        let found: Vec<&str> =
            only(&desired).load_balancer.subnets.iter().map(String::as_str).collect();
        match wanted {
            Ok(ids) => assert_eq!(found, ids, "{text}"),
            Err(wrong) => {
                assert!(found.is_empty(), "{text}");
                let said = &desired.problems[0].message;
                assert!(said.contains(wrong), "{text}: {said}");
            }
        }
    }
}

#[test]
fn ranges_are_written_as_aws_writes_them() {
    let both = ("ip-address-type", "dualstack");
    let one = web("web", &[("inbound-cidrs", "10.1.2.3/8, 2001:DB8::1/32"), both]);
    let desired = wishes(&[WEB, &one]);
    let ingress = &only(&desired).security_group.as_ref().unwrap().ingress;
    let sources: Vec<_> = ingress.iter().map(|door| door.source.clone()).collect();
    let wanted = [Source::Ipv4("10.0.0.0/8".to_owned()), Source::Ipv6("2001:db8::/32".to_owned())];
    assert_eq!(sources, wanted);
}

#[test]
fn a_class_that_cannot_be_understood_opens_nothing() {
    let class = |spec: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{name: strict}}\n\
             spec:\n  controller: edgeway.dev/alb\n  parameters: {{apiGroup: elbv2.k8s.aws, kind: \
             IngressClassParams, name: strict}}\n---\napiVersion: elbv2.k8s.aws/v1beta1\n\
             kind: IngressClassParams\nmetadata: {{name: strict}}\nspec: {spec}\n"
        )
    };
    let strict = web("web", &[]).replace("ingressClassName: edgeway", "ingressClassName: strict");
    let rows = [
        ("{inboundCIDRs: [10.0.0.0/8]}", true, false),
        ("{inboundCIDRs: [10.0.0.0]}", false, true),
        ("{inboundCIDRs: [10.0.0.0/8, all]}", false, true),
        ("{sslRedirectPort: https}", true, true),
    ];
    for (spec, is_served, is_told) in rows {
        let desired = wishes(&[WEB, &class(spec), &strict]);
        assert_eq!(!desired.stacks.is_empty(), is_served, "{spec}");
        let told = problems(&desired) == ["Ingress default/web class-parameter-invalid"];
        assert_eq!(told, is_told, "{spec}: {:?}", desired.problems);
    }
}

#[test]
fn who_asks_for_another_web_acl_is_not_served_under_this_one() {
    let member =
        |name: &str, acl: &str| web(name, &[("group.name", "shop"), ("wafv2-acl-arn", acl)]);
    for (first, second) in [("arn:one", "arn:two"), ("none", "arn:two"), ("arn:one", "none")] {
        let desired = wishes(&[WEB, &member("a", first), &member("b", second)]);
        assert_eq!(problems(&desired), ["Ingress default/b group-conflict"]);
        assert_eq!(listener(&desired, 80).rules.len(), 1, "{first} {second}");
        let right = match first {
            "none" => WebAcl::Nothing,
            arn => WebAcl::Arn(arn.to_owned()),
        };
        assert_eq!(only(&desired).load_balancer.add_ons.web_acl, Some(right));
    }
}

#[test]
fn opening_targets_without_a_common_group_is_told() {
    let one =
        web("web", &[("security-groups", "sg-1"), ("manage-backend-security-group-rules", "true")]);
    let mut settings = settings();
    settings.shared_security_group = false;
    let lookups = Lookups { security_groups: None, ..lookups() };
    let desired = super::desired(&objects(&[WEB, &one]), &settings, &lookups);
    assert_eq!(problems(&desired), ["Ingress default/web add-on-switched-off"]);
    settings.shared_security_group = true;
    settings.switches.remove(&Switch::OpenTargets);
    let desired = super::desired(&objects(&[WEB, &one]), &settings, &lookups);
    assert_eq!(desired.problems, []);
}
