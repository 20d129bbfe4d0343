//! Redirects that lead back to where they came from.

use super::scene::{Bound, Scene};
use crate::compile::{ingress::by_class, listeners::Family};
use edgeway_api::{
    Gateway, Problem, Resource,
    gateway::{Server, TlsMode},
    k8s_openapi::api::networking::v1::Ingress,
    virtual_service::{HttpMatchRequest, HttpRedirect, HttpRoute, StringMatch},
};
use std::collections::BTreeMap;

/// Reports them.
pub(super) fn analyze(scene: &Scene<'_>, advice: &mut Vec<Problem>) {
    for bound in &scene.bound {
        for (index, rule) in bound.service.spec.http.iter().enumerate() {
            let Some(redirect) = &rule.redirect else { continue };
            if let Some(server) = looping_server(scene, bound, rule, redirect) {
                let field = format!("spec.http[{index}].redirect");
                advice.push(
                    Problem::warning(bound.service.reference(), field, "redirect-loop")
                        .message(format!(
                            "at server `{server}` it leads to what the same rule redirects again"
                        ))
                        .advice(
                            "narrow the `match` (`scheme`, `port` or a path that the new one does \
                             not fit), or redirect elsewhere",
                        ),
                );
            }
        }
    }
    let ending = ending_tls(scene);
    let alone = scene.gateways.iter().filter(|it| !scene.is_behind_load_balancer(it.gateway));
    for serving in alone {
        behind_load_balancer(&ending, serving.gateway, advice);
    }
}

/// The name of a server's port at which the redirected request would be redirected again.
fn looping_server<'s>(
    scene: &'s Scene<'_>,
    bound: &Bound<'_>,
    rule: &HttpRoute,
    redirect: &HttpRedirect,
) -> Option<&'s str> {
    let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    if given(&redirect.authority) || redirect.port.is_some() || redirect.derive_port.is_some() {
        return None;
    }
    let servers = scene.gateways_of(bound).flat_map(|serving| &serving.servers);
    let own = servers.filter(|hosts| !hosts.domains(bound).is_empty()).map(|hosts| hosts.server);
    own.into_iter().find_map(|server| {
        let port = server.port.as_ref()?;
        let scheme = scheme(server)?;
        let same_scheme = match redirect.scheme.as_deref() {
            None | Some("") => true,
            Some(wanted) => wanted == scheme,
        };
        let back = same_scheme
            && match rule.matches.as_slice() {
                [] => true,
                entries => entries.iter().any(|entry| {
                    fits(entry, port.number, scheme) && path_fits_again(entry, redirect)
                }),
            };
        back.then_some(port.name.as_str())
    })
}

/// What clients of the server speak; `None` where it is not HTTP.
fn scheme(server: &Server) -> Option<&'static str> {
    let port = server.port.as_ref()?;
    match Family::parse(&port.protocol)? {
        Family::Http if server.tls.as_ref().is_none_or(|tls| tls.https_redirect != Some(true)) => {
            Some("http")
        }
        Family::Https => Some("https"),
        Family::Http | Family::Tls | Family::Tcp => None,
    }
}

/// Whether a request of this scheme at this port fits, whatever its path. Conditions on headers and
/// parameters stay as they were, so they fit again.
fn fits(entry: &HttpMatchRequest, port: u32, scheme: &str) -> bool {
    let scheme_fits = entry.scheme.as_ref().is_none_or(|text| match text {
        StringMatch { exact: Some(exact), .. } => exact == scheme,
        StringMatch { prefix: Some(prefix), .. } => scheme.starts_with(prefix.as_str()),
        // In doubt there is no loop.
        StringMatch { regex, .. } => regex.is_none(),
    });
    let forwarded = entry.headers.keys().chain(entry.without_headers.keys());
    let by_header = |name: &String| {
        name.eq_ignore_ascii_case("x-forwarded-proto") || name.eq_ignore_ascii_case(":scheme")
    };
    scheme_fits
        && entry.port.is_none_or(|own| own == 0 || own == port)
        && !forwarded.into_iter().any(by_header)
}

fn path_fits_again(entry: &HttpMatchRequest, redirect: &HttpRedirect) -> bool {
    let new = redirect.uri.as_deref().filter(|uri| !uri.is_empty());
    let prefix = redirect.prefix_rewrite.as_deref().filter(|prefix| !prefix.is_empty());
    // A query of the new path may change what is asked.
    let Some(changed) = new.or(prefix) else { return true };
    if changed.contains('?') {
        return false;
    }
    match &entry.uri {
        None => true,
        Some(StringMatch { exact: Some(exact), .. }) => new == Some(exact.as_str()),
        Some(StringMatch { prefix: Some(old), .. }) => changed.starts_with(old.as_str()),
        Some(StringMatch { regex, .. }) => regex.is_none(),
    }
}

/// By port of the gateway's Service: an Ingress that passes on there what it had by https.
fn ending_tls<'o>(scene: &Scene<'o>) -> BTreeMap<i32, &'o Ingress> {
    let mut ports = BTreeMap::new();
    let by_class = by_class(scene.objects, scene.workload);
    for ingress in scene.objects.ingresses.iter().filter(|ingress| ends_tls(ingress)) {
        // All that such a load balancer gets comes to the port of the class.
        let of_class = by_class.get(&(ingress.namespace(), ingress.name()));
        let led = of_class.map_or_else(|| led_to(scene, ingress), |port| vec![i32::from(*port)]);
        for port in led {
            ports.entry(port).or_insert(&**ingress);
        }
    }
    ports
}

/// `httpsRedirect` on a plain port to which a load balancer passes what it had by https.
fn behind_load_balancer(
    ending: &BTreeMap<i32, &Ingress>,
    gateway: &Gateway,
    advice: &mut Vec<Problem>,
) {
    for (index, server) in gateway.spec.servers.iter().enumerate() {
        let Some(port) = redirecting_port(server) else { continue };
        let Some(ingress) = i32::try_from(port).ok().and_then(|port| ending.get(&port)) else {
            continue;
        };
        let field = format!("spec.servers[{index}].tls.httpsRedirect");
        advice.push(
            Problem::warning(gateway.reference(), field, "redirect-behind-load-balancer")
                .message(format!(
                    "{} ends TLS and passes plain text to port {port}: unless the gateway believes \
                     its X-Forwarded-Proto, every request is redirected for ever",
                    ingress.reference(),
                ))
                .advice(
                    "start the gateway with `--trusted-hops 1`, or redirect at the load balancer \
                     (annotation ssl-redirect)",
                ),
        );
    }
}

/// The port of a server that sends plain text to https.
fn redirecting_port(server: &Server) -> Option<u32> {
    let port = server.port.as_ref()?;
    let tls = server.tls.as_ref()?;
    let redirects = tls.https_redirect == Some(true)
        && tls.mode.unwrap_or(TlsMode::Passthrough) == TlsMode::Passthrough
        && Family::parse(&port.protocol) == Some(Family::Http);
    redirects.then_some(port.number)
}

/// By a certificate, or by a listener that asks for one.
fn ends_tls(ingress: &Ingress) -> bool {
    let annotations = ingress.metadata.annotations.as_ref();
    let value = |name: &str| {
        annotations.and_then(|all| all.get(&format!("alb.ingress.kubernetes.io/{name}")))
    };
    let https = value("listen-ports").is_some_and(|ports| ports.contains("HTTPS"));
    let own_tls = value("backend-protocol").is_some_and(|protocol| protocol == "HTTPS");
    (https || value("certificate-arn").is_some()) && !own_tls
}

/// Ports of the gateway's own Service that are backends of an Ingress.
fn led_to(scene: &Scene<'_>, ingress: &Ingress) -> Vec<i32> {
    let Some(spec) = &ingress.spec else { return Vec::new() };
    let rules = spec.rules.iter().flatten().filter_map(|rule| rule.http.as_ref());
    let paths = rules.flat_map(|http| http.paths.iter().map(|path| &path.backend));
    let backends = paths.chain(&spec.default_backend).filter_map(|it| it.service.as_ref());
    let mut led = Vec::new();
    for backend in backends {
        let own = scene.fronts.iter().find(|service| {
            service.name() == backend.name && service.namespace() == ingress.namespace()
        });
        let ports = own.and_then(|service| service.spec.as_ref()?.ports.as_ref());
        let Some(named) = &backend.port else { continue };
        led.extend(ports.into_iter().flatten().map(|port| (port.port, &port.name)).filter_map(
            |(number, name)| {
                let by_name = named.name.is_some() && named.name == *name;
                (named.number == Some(number) || by_name).then_some(number)
            },
        ));
    }
    led
}

#[cfg(test)]
mod tests {
    use super::super::unit::{advice, table, virtual_service};

    const BOTH: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: a}}
---
";

    #[test]
    fn redirects_lead_elsewhere() {
        for (rule, expected) in [
            ("redirect: {uri: /b}", "[redirect-loop]"),
            ("match: [{uri: {prefix: /a}}], redirect: {uri: /b}", ""),
            ("match: [{uri: {prefix: /a}}], redirect: {uri: /ab}", "[redirect-loop]"),
            ("match: [{uri: {exact: /a}}], redirect: {uri: /ab}", ""),
            ("match: [{uri: {prefix: /a}}], redirect: {prefixRewrite: /a/b}", "[redirect-loop]"),
            ("redirect: {authority: b.com}", ""),
            ("redirect: {scheme: https}", ""),
            ("redirect: {scheme: http}", "[redirect-loop]"),
        ] {
            table(&[(&virtual_service("a", "a.com", &format!("[{{{rule}}}]")), expected)]);
        }
    }

    #[test]
    fn https_is_not_redirected_to_https() {
        for (rule, loops) in [
            ("redirect: {scheme: https}", true),
            ("match: [{port: 80}], redirect: {scheme: https}", false),
            ("match: [{scheme: {exact: http}}], redirect: {scheme: https}", false),
            (
                "match: [{headers: {x-forwarded-proto: {exact: http}}}], redirect: {scheme: https}",
                false,
            ),
        ] {
            let found = advice(&format!(
                "{BOTH}{}",
                virtual_service("a", "a.com", &format!("[{{{rule}}}]"))
            ));
            let found: Vec<_> =
                found.iter().filter(|line| line.contains("[redirect-loop]")).collect();
            assert_eq!(!found.is_empty(), loops, "{rule}");
            assert!(found.iter().all(|line| line.contains("at server `https`")), "{found:?}");
        }
    }

    #[test]
    fn plain_text_from_a_load_balancer_may_have_been_https() {
        let gateway = super::super::unit::FRONT
            .replace("hosts: ['*']", "hosts: ['*'], tls: {httpsRedirect: true}");
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: gw, namespace: istio-system}\n\
                       spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80}]}\n---\n";
        let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, namespace: \
                       istio-system, annotations: {alb.ingress.kubernetes.io/listen-ports: '[{\"HTTPS\": \
                       443}]'}}\nspec: {defaultBackend: {service: {name: gw, port: {number: 80}}}}\n---\n";
        let found = advice(&format!("{gateway}{service}{ingress}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("[redirect-behind-load-balancer] Gateway istio-system/gw spec.servers[0].tls.httpsRedirect"), "{found:?}");
        let plain = ingress.replace("HTTPS", "HTTP");
        assert_eq!(advice(&format!("{gateway}{service}{plain}")), Vec::<String>::new());
    }

    #[test]
    fn so_may_what_comes_by_a_class_that_names_the_gateway() {
        let gateway = super::super::unit::FRONT
            .replace("hosts: ['*']", "hosts: ['*'], tls: {httpsRedirect: true}");
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: gw, namespace: istio-system}\n\
                       spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80}, {name: \
                       other, port: 81}]}\n---\n";
        let class = |door: &str| {
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{name: thin, \
                 annotations: {{edgeway.dev/gateway: '{door}'}}}}\nspec: {{controller: \
                 edgeway.dev/alb}}\n---\n"
            )
        };
        let ingress = |more: &str| {
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a, namespace: \
                 default, annotations: {{alb.ingress.kubernetes.io/listen-ports: '[{{\"HTTPS\": \
                 443}}]'{more}}}}}\nspec: {{ingressClassName: thin, defaultBackend: {{service: {{name: \
                 shop, port: {{number: 8080}}}}}}}}\n---\n"
            )
        };
        for (door, more, told) in [
            ("istio-system/gw", "", true),
            ("istio-system/gw:http", "", true),
            ("istio-system/gw:other", "", false),
            ("istio-system/elsewhere", "", false),
            ("istio-system/gw", ", alb.ingress.kubernetes.io/auth-type: oidc", false),
        ] {
            let found = advice(&format!("{gateway}{service}{}{}", class(door), ingress(more)));
            let looped = found.iter().any(|line| line.contains("[redirect-behind-load-balancer]"));
            assert_eq!(looped, told, "{door}{more}: {found:?}");
        }
    }
}
