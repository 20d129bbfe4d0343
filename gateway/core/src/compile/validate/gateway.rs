//! Gateway: what Istio's webhook refuses (`ValidateGateway`).

use super::{
    super::{listeners::Family, report::Field},
    primitive::{is_fqdn, is_ip, is_name},
    virtual_service::is_known_protocol,
};
use edgeway_api::gateway::{GatewaySpec, Server, ServerTls, TlsMode};
use std::collections::BTreeSet;

/// Checks one Gateway; `field` stands at `spec`.
pub(super) fn validate(spec: &GatewaySpec, field: &mut Field<'_>) {
    field.of("servers", |field| {
        if spec.servers.is_empty() {
            field.invalid("there is none", "give at least one server");
        }
        let mut names = BTreeSet::new();
        for (index, one) in spec.servers.iter().enumerate() {
            field.at(index, |field| {
                server(one, field);
                let name = one.port.as_ref().map(|port| port.name.as_str()).unwrap_or_default();
                if !name.is_empty() && !names.insert(name) {
                    field.of("port.name", |field| {
                        let message = format!("`{name}` is the name of another server's port too");
                        field.invalid(message, "give every port a name of its own");
                    });
                }
            });
        }
    });
}

fn server(server: &Server, field: &mut Field<'_>) {
    let family = port(server, field);
    field.of("hosts", |field| {
        if server.hosts.is_empty() {
            field.invalid("there is none", "give at least one host, `*` for all");
        }
        for (index, text) in server.hosts.iter().enumerate() {
            field.at(index, |field| host(text, field));
        }
    });
    field.of("tls", |field| match (family, &server.tls) {
        (Some(Family::Https | Family::Tls), None) => {
            field.invalid(
                "a server of protocol HTTPS or TLS needs it",
                "give `mode` and a certificate",
            );
        }
        (Some(Family::Https | Family::Tls), Some(settings)) => tls(settings, field),
        (Some(Family::Http), Some(settings)) if has_more_than_redirect(settings) => {
            field.invalid("a plain HTTP server may only redirect", "keep `httpsRedirect` alone");
        }
        (Some(Family::Tcp), Some(_)) => {
            field.invalid("a plain TCP server cannot have it", "use protocol TLS");
        }
        (Some(Family::Http | Family::Tcp) | None, _) => {}
    });
}

fn port(server: &Server, field: &mut Field<'_>) -> Option<Family> {
    field.of("port", |field| {
        let Some(port) = &server.port else {
            field.invalid("it is missing", "give number, name and protocol");
            return None;
        };
        let unix = server.bind.as_deref().is_some_and(|bind| bind.starts_with("unix://"));
        if port.number > 65_535 || (port.number == 0) != unix {
            field.of("number", |field| {
                field.invalid(format!("{} is no port", port.number), "give 1 to 65535");
            });
        }
        if port.name.is_empty() {
            field.of("name", |field| field.invalid("it is missing", "give the port a name"));
        }
        if port.target_port.is_some() {
            field.of("targetPort", |field| {
                field.invalid("it means nothing in a Gateway", "the Service maps ports");
            });
        }
        if !is_known_protocol(&port.protocol) {
            field.of("protocol", |field| {
                let message = format!("`{}` is no protocol", port.protocol);
                field.invalid(message, "use HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TLS or TCP");
            });
        }
        Family::parse(&port.protocol)
    })
}

/// `[namespace/]host`: a name with a dot, `*`, `*.suffix`, or an IP address.
fn host(text: &str, field: &mut Field<'_>) {
    let (namespace, name) = match text.split_once('/') {
        None => (None, text),
        Some((namespace, name)) => (Some(namespace), name),
    };
    if let Some(namespace) = namespace
        && !matches!(namespace, "*" | ".")
        && !is_name(namespace)
    {
        let message = format!("`{namespace}` is no namespace");
        field.invalid(message, "write `namespace/host`, `./host` or `*/host`");
    }
    let wildcard = name.strip_prefix("*.");
    let valid = name == "*"
        || is_ip(name)
        || wildcard.is_some_and(is_fqdn)
        || (is_fqdn(name) && name.contains('.'));
    if !valid {
        field.invalid(
            format!("`{name}` is no host of a server"),
            "give a name with a dot, `*.suffix` or `*`; no port, no short name",
        );
    }
}

fn tls(tls: &ServerTls, field: &mut Field<'_>) {
    let mode = tls.mode.unwrap_or(TlsMode::Passthrough);
    let sources = [
        tls.credential_name.as_deref().is_some_and(|name| !name.is_empty()),
        !tls.credential_names.is_empty(),
        !tls.tls_certificates.is_empty(),
        tls.server_certificate.is_some() || tls.private_key.is_some(),
    ];
    let count = sources.iter().filter(|given| **given).count();
    if count > 1 {
        field.invalid("certificates come from more than one place", "keep one of them");
    }
    match mode {
        TlsMode::IstioMutual if count > 0 => {
            field.invalid("ISTIO_MUTUAL brings its own certificate", "remove the others");
        }
        TlsMode::Simple | TlsMode::Mutual | TlsMode::OptionalMutual if count == 0 => {
            field.invalid(
                "there is no certificate",
                "give `credentialName`, the name of a TLS Secret",
            );
        }
        TlsMode::Passthrough
        | TlsMode::AutoPassthrough
        | TlsMode::IstioMutual
        | TlsMode::Simple
        | TlsMode::Mutual
        | TlsMode::OptionalMutual => {}
    }
    if tls.server_certificate.is_some() != tls.private_key.is_some() {
        field.invalid("serverCertificate and privateKey belong together", "give both");
    }
}

fn has_more_than_redirect(tls: &ServerTls) -> bool {
    let redirect_alone = ServerTls { https_redirect: tls.https_redirect, ..ServerTls::default() };
    *tls != redirect_alone
}
