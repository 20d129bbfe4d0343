//! `tls` of a Gateway's server: where certificates come from, and what goes with which mode
//! (`validateTLSOptions`).

use super::{
    super::{listeners::Family, report::Field},
    text::given,
};
use edgeway_api::gateway::{Server, ServerTls, TlsMode};

/// Most certificates of one server: one per kind of key.
const MOST_CERTIFICATES: usize = 2;

/// Checks `tls` of a server whose protocol is of `family`; `field` stands at the server.
pub(super) fn validate(server: &Server, family: Option<Family>, field: &mut Field<'_>) {
    field.of("tls", |field| match (family, &server.tls) {
        (Some(Family::Https | Family::Tls), None) => {
            field.invalid(
                "a server of protocol HTTPS or TLS needs it",
                "give `mode` and a certificate",
            );
        }
        (Some(Family::Https | Family::Tls), Some(settings)) => {
            tls(settings, field);
            if settings.https_redirect == Some(true) {
                field.of("httpsRedirect", |field| {
                    field.warning(
                        "field-without-effect",
                        "what comes here is https already, so nothing is redirected",
                        "put it on the server of the plain port",
                    );
                });
            }
        }
        (Some(Family::Http), Some(settings)) if has_more_than_redirect(settings) => {
            field.invalid("a plain HTTP server may only redirect", "keep `httpsRedirect` alone");
        }
        (Some(Family::Tcp), Some(_)) => {
            field.invalid("a plain TCP server cannot have it", "use protocol TLS");
        }
        (Some(Family::Http | Family::Tcp) | None, _) => {}
    });
}

fn tls(tls: &ServerTls, field: &mut Field<'_>) {
    let mode = tls.mode.unwrap_or(TlsMode::Passthrough);
    let secret = given(tls.credential_name.as_ref()) || !tls.credential_names.is_empty();
    let files = given(tls.server_certificate.as_ref()) || given(tls.private_key.as_ref());
    let sources = [
        given(tls.credential_name.as_ref()),
        !tls.credential_names.is_empty(),
        !tls.tls_certificates.is_empty(),
        files,
    ];
    let count = sources.iter().filter(|given| **given).count();
    if count > 1 {
        field.invalid("certificates come from more than one place", "keep one of them");
    }
    if given(tls.server_certificate.as_ref()) != given(tls.private_key.as_ref()) {
        field.invalid("serverCertificate and privateKey belong together", "give both");
    }
    let many = tls.credential_names.len().max(tls.tls_certificates.len());
    if many > MOST_CERTIFICATES {
        field.invalid(
            format!("{many} certificates are too many"),
            "give at most two, of different kinds of keys",
        );
    }
    match mode {
        TlsMode::IstioMutual if count > 0 || given(tls.ca_certificates.as_ref()) => {
            field.invalid("ISTIO_MUTUAL brings its own certificate", "remove the others");
        }
        TlsMode::Simple | TlsMode::Mutual | TlsMode::OptionalMutual if count == 0 => {
            field.invalid(
                "there is no certificate",
                "give `credentialName`, the name of a TLS Secret",
            );
        }
        TlsMode::Passthrough | TlsMode::AutoPassthrough if count > 0 => unused(mode, field),
        TlsMode::Mutual | TlsMode::OptionalMutual if !secret => authorities(tls, field),
        TlsMode::Passthrough
        | TlsMode::AutoPassthrough
        | TlsMode::IstioMutual
        | TlsMode::Simple
        | TlsMode::Mutual
        | TlsMode::OptionalMutual => {}
    }
    if given(tls.ca_crl.as_ref())
        && (given(tls.credential_name.as_ref()) || mode == TlsMode::Simple)
    {
        field.of("caCrl", |field| {
            field.invalid(
                "revoked certificates are read from a file only for MUTUAL with files",
                "put `ca.crl` into the Secret, or remove it",
            );
        });
    }
}

/// From files, clients are verified by a file too, or by a Secret of its own.
fn authorities(tls: &ServerTls, field: &mut Field<'_>) {
    let pairs = &tls.tls_certificates;
    let in_pairs =
        !pairs.is_empty() && pairs.iter().all(|pair| given(pair.ca_certificates.as_ref()));
    if !given(tls.ca_certificates.as_ref())
        && !given(tls.ca_cert_credential_name.as_ref())
        && !in_pairs
    {
        field.of("caCertificates", |field| {
            field.invalid(
                "clients show certificates, and nobody vouches for them",
                "give caCertificates or caCertCredentialName",
            );
        });
    }
}

/// The likely slip: `mode` was forgotten, and absent is PASSTHROUGH.
fn unused(mode: TlsMode, field: &mut Field<'_>) {
    let name = if mode == TlsMode::Passthrough { "PASSTHROUGH" } else { "AUTO_PASSTHROUGH" };
    field.of("mode", |field| {
        field.warning(
            "certificate-not-used",
            format!("TLS does not end here ({name}), so the certificate is not used"),
            "give `mode: SIMPLE` to end TLS, or remove the certificate",
        );
    });
}

fn has_more_than_redirect(tls: &ServerTls) -> bool {
    let redirect_alone = ServerTls { https_redirect: tls.https_redirect, ..ServerTls::default() };
    *tls != redirect_alone
}

#[cfg(test)]
mod tests {
    use super::super::unit;

    fn table(protocol: &str, rows: &[(&str, &str)]) {
        for (tls, expected) in rows {
            let spec = format!(
                "{{servers: [{{port: {{number: 443, name: p, protocol: {protocol}}}, hosts: ['*'], \
                 tls: {tls}}}]}}"
            );
            unit::table("Gateway", &[(spec.as_str(), expected)]);
        }
    }

    #[test]
    fn a_certificate_comes_from_one_place_and_goes_with_the_mode() {
        table(
            "HTTPS",
            &[
                ("{mode: SIMPLE, credentialName: a}", ""),
                ("{mode: SIMPLE, credentialNames: [a, b]}", ""),
                ("{mode: SIMPLE, credentialNames: [a, b, c]}", "3 certificates"),
                ("{mode: SIMPLE, serverCertificate: /c, privateKey: /k}", ""),
                ("{mode: SIMPLE, serverCertificate: /c}", "belong together"),
                ("{mode: SIMPLE}", "there is no certificate"),
                ("{mode: SIMPLE, credentialName: a, credentialNames: [b]}", "more than one place"),
                ("{mode: MUTUAL, credentialName: a}", ""),
                ("{mode: MUTUAL, serverCertificate: /c, privateKey: /k, caCertificates: /a}", ""),
                (
                    "{mode: MUTUAL, serverCertificate: /c, privateKey: /k}",
                    "caCertificates: clients",
                ),
                (
                    "{mode: OPTIONAL_MUTUAL, serverCertificate: /c, privateKey: /k, \
                 caCertCredentialName: a}",
                    "",
                ),
                ("{mode: SIMPLE, credentialName: a, caCrl: /crl}", "caCrl: revoked"),
                ("{mode: ISTIO_MUTUAL}", ""),
                ("{mode: ISTIO_MUTUAL, credentialName: a}", "ISTIO_MUTUAL brings"),
                (
                    "{mode: SIMPLE, credentialName: a, httpsRedirect: true}",
                    "[field-without-effect]",
                ),
            ],
        );
    }

    #[test]
    fn tls_that_passes_needs_no_certificate() {
        table(
            "TLS",
            &[
                ("{mode: PASSTHROUGH}", ""),
                ("{mode: AUTO_PASSTHROUGH}", ""),
                ("{credentialName: a}", "[certificate-not-used]"),
            ],
        );
        table(
            "HTTP",
            &[
                ("{httpsRedirect: true}", ""),
                ("{httpsRedirect: true, mode: SIMPLE}", "may only redirect"),
            ],
        );
        table("TCP", &[("{mode: SIMPLE, credentialName: a}", "a plain TCP server")]);
    }
}
