//! A request that fits a plain route costs no allocation, whatever stands beside that route.

use allocation_counter::measure;
use edgeway_api::{Objects, manifest};
use edgeway_core::{
    Workload, compile,
    request::{Request, Scheme},
    table::{App, Decision},
};
use http::{HeaderMap, HeaderValue};

fn configuration() -> Objects {
    let gateway = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: gw}\nspec:\n  \
                   servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]\n---\n";
    let entries: Vec<String> = (0..20)
        .map(|i| {
            format!(
                "{{uri: {{exact: /exact/{i}}}}}, {{uri: {{prefix: /prefix/{i}/}}}}, {{uri: {{prefix: \
                 /FOLD/{i}/}}, ignoreUriCase: true}}, {{uri: {{regex: '/regex/{i}/[a-z]+'}}}}, \
                 {{uri: {{regex: '/[a-z]+/wild{i}/[0-9]+'}}}}, {{headers: \
                 {{x-tenant: {{exact: t{i}}}}}}}"
            )
        })
        .collect();
    let entries = entries.join(", ");
    let service = format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec:\n  \
         hosts: [a.test, '*.b.test']\n  gateways: [gw]\n  http:\n  - match: [{entries}]\n    \
         directResponse: {{status: 200}}\n"
    );
    let mut objects = Objects::default();
    manifest::read(&(gateway.to_owned() + &service), "f.yaml", &mut objects);
    assert_eq!(objects.defects, []);
    objects
}

#[test]
fn a_plain_match_allocates_nothing() {
    let compiled = compile(&configuration(), &Workload::default());
    assert_eq!(compiled.problems, []);
    let Some(App::Http(hosts)) = &compiled.table.listeners[0].plain else { panic!("no hosts") };
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant", HeaderValue::from_static("t7"));
    let none = HeaderMap::new();
    for (authority, path, headers) in [
        ("a.test", "/exact/7", &none),
        ("A.Test:80", "/exact/7", &none),
        ("x.y.b.test", "/prefix/19/more", &none),
        ("a.test", "/fold/3/x", &none),
        ("a.test", "/regex/11/abc", &none),
        ("a.test", "/any/wild13/42", &none),
        ("a.test", "/nowhere", &headers),
    ] {
        let request = Request {
            method: "GET",
            scheme: Scheme::Http,
            authority,
            path,
            query: None,
            headers,
            made: None,
            claims: None,
        };
        // The first time, too.
        let cost = measure(|| {
            assert!(matches!(hosts.route(&request), Decision::Route(..)), "{path}");
        });
        assert_eq!(cost.count_total, 0, "{authority}{path}");
    }
}
