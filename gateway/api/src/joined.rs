//! Gateways that ask for a load balancer before their gateway: what the controller and the gateway have to
//! read in the same way.

use crate::{
    Gateway,
    gateway::{Server, TlsMode},
};

/// Annotation of a Gateway: the `IngressClass` whose load balancers its hosts are to come through. The class
/// names the gateway (`edgeway.dev/gateway`).
pub const CLASS: &str = "edgeway.dev/ingress-class";

/// What a load balancer speaks where it stands for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// Plain HTTP.
    Http,
    /// HTTP in TLS, which ends there.
    Https,
}

/// Why a load balancer cannot stand for a server, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// What is in the way.
    pub why: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// The class that a Gateway asks for, if it asks for one.
pub fn class(gateway: &Gateway) -> Option<&str> {
    let annotations = gateway.metadata.annotations.as_ref()?;
    Some(annotations.get(CLASS)?.trim()).filter(|class| !class.is_empty())
}

/// What a load balancer speaks in place of a server.
///
/// # Errors
///
/// What it cannot do: pass bytes or TLS on, or ask clients for certificates as the server says.
pub fn speech(server: &Server) -> Result<Speech, Unfit> {
    let protocol = server.port.as_ref().map(|port| port.protocol.to_ascii_uppercase());
    let mode = server.tls.as_ref().and_then(|tls| tls.mode).unwrap_or(TlsMode::Passthrough);
    match (protocol.as_deref(), mode) {
        (Some("HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB" | "HTTP_PROXY"), _) => Ok(Speech::Http),
        (Some("HTTPS"), TlsMode::Simple) => Ok(Speech::Https),
        (Some("HTTPS"), TlsMode::Mutual | TlsMode::OptionalMutual | TlsMode::IstioMutual) => {
            Err(Unfit {
                why: "it asks clients for certificates, and TLS would end before it",
                advice: "set mode: SIMPLE and the annotation \
                         alb.ingress.kubernetes.io/mutual-authentication, or reach it through a \
                         Network Load Balancer",
            })
        }
        (Some("HTTPS" | "TLS"), _) => Err(Unfit {
            why: "it does not end TLS as a server of HTTPS, and a load balancer passes none on",
            advice: "set protocol: HTTPS and mode: SIMPLE, or reach it through a Network Load \
                     Balancer",
        }),
        (Some(_), _) => Err(Unfit {
            why: "it takes bytes, and an Application Load Balancer has HTTP alone",
            advice: "reach it through a Network Load Balancer",
        }),
        (None, _) => Err(Unfit { why: "it has no port", advice: "give it one" }),
    }
}

/// Whether a server answers plain requests with a redirect to https.
pub fn redirects(server: &Server) -> bool {
    speech(server) == Ok(Speech::Http)
        && server.tls.as_ref().is_some_and(|tls| tls.https_redirect == Some(true))
}

/// The name in a host of a server, which may have a namespace before it.
pub fn name_of(host: &str) -> &str {
    host.rsplit_once('/').map_or(host, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Objects, manifest};

    fn gateway(annotation: &str, server: &str) -> Gateway {
        let text = format!(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: a, annotations: \
             {{{annotation}}}}}\nspec: {{servers: [{{hosts: ['*'], {server}}}]}}\n"
        );
        let mut objects = Objects::default();
        manifest::read(&text, "f.yaml", &mut objects);
        assert_eq!(objects.defects, []);
        Gateway::clone(&objects.gateways[0])
    }

    #[test]
    fn a_load_balancer_stands_for_what_ends_in_http() {
        for (protocol, tls, expected) in [
            ("HTTP", "{httpsRedirect: true}", Ok(Speech::Http)),
            ("http2", "{}", Ok(Speech::Http)),
            ("GRPC", "{}", Ok(Speech::Http)),
            ("HTTPS", "{mode: SIMPLE}", Ok(Speech::Https)),
            ("HTTPS", "{mode: MUTUAL}", Err("certificates")),
            ("HTTPS", "{mode: OPTIONAL_MUTUAL}", Err("certificates")),
            ("HTTPS", "{mode: PASSTHROUGH}", Err("passes none on")),
            ("HTTPS", "{}", Err("passes none on")),
            ("TLS", "{mode: SIMPLE}", Err("passes none on")),
            ("TCP", "{}", Err("bytes")),
            ("MONGO", "{}", Err("bytes")),
        ] {
            let server = format!("port: {{number: 1, name: p, protocol: {protocol}}}, tls: {tls}");
            let server = &gateway("", &server).spec.servers[0];
            match (speech(server), expected) {
                (Err(unfit), Err(part)) => assert!(unfit.why.contains(part), "{protocol} {tls}"),
                (found, expected) => assert_eq!(found.ok(), expected.ok(), "{protocol} {tls}"),
            }
            assert_eq!(redirects(server), tls.contains("Redirect"), "{protocol} {tls}");
        }
        assert!(speech(&Server::default()).is_err());
    }

    #[test]
    fn it_is_asked_for_by_name() {
        for (annotation, expected) in [
            ("", None),
            ("edgeway.dev/ingress-class: edge", Some("edge")),
            ("edgeway.dev/ingress-class: ' edge '", Some("edge")),
            ("edgeway.dev/ingress-class: ''", None),
        ] {
            assert_eq!(class(&gateway(annotation, "")), expected, "{annotation}");
        }
        assert_eq!(
            ["*/a.test", "./*.test", "b/c", "d"].map(name_of),
            ["a.test", "*.test", "c", "d"]
        );
    }
}
