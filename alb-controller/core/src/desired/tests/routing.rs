//! Paths and hosts, actions and conditions.

use super::{
    WEB, host, ingress, listener, objects, only, problems, rules, settings, texts, wishes,
};
use crate::{desired, plan::slots::fresh, settings::Lookups};

#[test]
fn exact_paths_come_first_then_long_prefixes_then_all_others() {
    let paths = [
        "ImplementationSpecific /any/* web:80",
        "Prefix / web:80",
        "Prefix /long web:80",
        "Exact /exact web:80",
        "Prefix /longer/ web:80",
    ];
    let desired = wishes(&[WEB, &ingress("ing", &[], &rules(&[host("a.example.com", &paths)]))]);
    let web = "→ forward to default/web:80";
    assert_eq!(
        texts(&desired, 80),
        [
            format!("host a.example.com and path /exact {web}"),
            format!("host a.example.com and path /longer or /longer/* {web}"),
            format!("host a.example.com and path /long or /long/* {web}"),
            format!("host a.example.com and path /* {web}"),
            format!("host a.example.com and path /any/* {web}"),
        ]
    );
    let numbers: Vec<u32> = listener(&desired, 80).rules.keys().copied().collect();
    assert_eq!(numbers, fresh(5));
}

#[test]
fn a_type_of_path_that_there_is_not_is_told() {
    for (kind, told) in [("prefix", &["Ingress default/ing path-invalid"][..]), ("Exact", &[])] {
        let path = format!("{kind} /a web:80");
        let spec = rules(&[host("a.example.com", &[&path])]);
        assert_eq!(problems(&wishes(&[WEB, &ingress("ing", &[], &spec)])), told, "{kind}");
    }
}

#[test]
fn entries_keep_their_order_and_a_rule_without_host_has_none() {
    let hosts = [host("", &["Prefix / web:80"]), host("b.example.com", &["Exact /x web:http"])];
    let desired = wishes(&[WEB, &ingress("ing", &[], &rules(&hosts))]);
    assert_eq!(
        texts(&desired, 80),
        [
            "path /* → forward to default/web:80",
            "host b.example.com and path /x → forward to default/web:http"
        ]
    );
    assert_eq!(only(&desired).target_groups.len(), 2, "a port by number and by name is two groups");
}

#[test]
fn what_is_missing_answers_503_and_is_said() {
    let paths = ["Prefix /a nope:80", "Prefix /b web:81", "Prefix /c act:use-annotation"];
    let desired = wishes(&[WEB, &ingress("ing", &[], &rules(&[host("a.example.com", &paths)]))]);
    assert!(texts(&desired, 80).iter().all(|text| text.ends_with("answer 503")));
    assert_eq!(
        problems(&desired),
        [
            "Ingress default/ing service-not-found",
            "Ingress default/ing port-not-found",
            "Ingress default/ing action-not-found"
        ]
    );
    let port = &desired.problems[1];
    assert_eq!(port.field, "spec.rules[0].http.paths[1].backend");
    assert!(
        port.advice.contains("80 (http), 9000 (admin)") && port.origin.starts_with("test.yaml:")
    );
}

#[test]
fn actions_and_conditions_come_from_annotations() {
    let annotations = [
        (
            "actions.old",
            r#"{"Type": "redirect", "RedirectConfig": {"host": "new.example.com", "StatusCode": "HTTP_302"}}"#,
        ),
        (
            "actions.split",
            r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"web","servicePort":"80","weight":9},{"serviceName":"web","servicePort":"admin","weight":1}],"targetGroupStickinessConfig":{"enabled":true,"durationSeconds":60}}}"#,
        ),
        (
            "conditions.web",
            r#"[{"field":"http-request-method","httpRequestMethodConfig":{"values":["GET"]}},{"field":"host-header","hostHeaderConfig":{"values":["b.example.com"]}}]"#,
        ),
    ];
    let paths =
        ["Exact /old old:use-annotation", "Exact /split split:use-annotation", "Exact /web web:80"];
    let desired =
        wishes(&[WEB, &ingress("ing", &annotations, &rules(&[host("a.example.com", &paths)]))]);
    assert_eq!(problems(&desired), <[&str; 0]>::default());
    assert_eq!(
        texts(&desired, 80),
        [
            "host a.example.com and path /old → redirect to #{protocol}://new.example.com:#{port}/#{path}?#{query} (HTTP_302)",
            "host a.example.com and path /split → forward to default/web:80 (9), default/web:admin (1)",
            "method GET and host a.example.com or b.example.com and path /web → forward to default/web:80",
        ]
    );
}

#[test]
fn a_share_that_leads_nowhere_leaves_the_others() {
    let action = r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"web","servicePort":80,"weight":9},{"serviceName":"nope","servicePort":80,"weight":1}]}}"#;
    let spec = rules(&[host("a.example.com", &["Exact / x:use-annotation"])]);
    let desired = wishes(&[WEB, &ingress("ing", &[("actions.x", action)], &spec)]);
    assert_eq!(texts(&desired, 80), ["host a.example.com and path / → forward to default/web:80"]);
    assert_eq!(problems(&desired), ["Ingress default/ing service-not-found"]);
}

#[test]
fn more_values_than_a_rule_takes_are_divided() {
    let condition =
        r#"[{"field":"path-pattern","pathPatternConfig":{"values":["/a","/b","/c","/d","/e"]}}]"#;
    let spec = rules(&[host("h.example.com", &["Exact /x web:80"])]);
    let desired = wishes(&[WEB, &ingress("ing", &[("conditions.web", condition)], &spec)]);
    let texts = texts(&desired, 80);
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].starts_with("host h.example.com and path /x or /a or /b →"), "{texts:?}");
    assert!(texts[1].starts_with("host h.example.com and path /c or /d or /e →"), "{texts:?}");
    assert_eq!(problems(&desired), ["Ingress default/ing rule-divided"]);
}

#[test]
fn without_lookups_rules_are_the_same() {
    let objects = objects(&[WEB, &ingress("ing", &[], &rules(&[host("a", &["Prefix / web:80"])]))]);
    let offline = desired(&objects, &settings(), &Lookups::default());
    assert_eq!(texts(&offline, 80), ["host a and path /* → forward to default/web:80"]);
    assert_eq!(offline.problems, []);
}
