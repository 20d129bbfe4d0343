//! `tls` of a Gateway's server: whether TLS ends here, and how.

use super::{credentials::Secrets, report::Field};
use crate::{
    cluster::{Identity, Trust},
    table::TlsMode,
    tls::{Clients, Group, Suite, Termination, Versions},
};
use edgeway_api::gateway::{ServerTls, TlsMode as Mode, TlsVersion};
use std::sync::Arc;

/// What becomes of TLS at a server; `field` stands at its `tls`. An omitted mode passes TLS through,
/// as in Istio.
pub(super) fn mode(tls: &ServerTls, secrets: &Secrets, field: &mut Field<'_>) -> TlsMode {
    let required = match tls.mode.unwrap_or(Mode::Passthrough) {
        Mode::Passthrough | Mode::AutoPassthrough => return TlsMode::Passthrough,
        Mode::IstioMutual => return TlsMode::Refuse,
        Mode::Simple => None,
        Mode::OptionalMutual => Some(false),
        Mode::Mutual => Some(true),
    };
    let termination = Termination {
        field: field.path().into(),
        certificates: certificates(tls, secrets, field),
        clients: required.map(|required| clients(tls, required, secrets, field)),
        versions: versions(tls, field),
        suites: suites(&tls.cipher_suites, field),
        groups: groups(&tls.ecdh_curves, field),
    };
    TlsMode::Terminate(Arc::new(termination))
}

fn certificates(tls: &ServerTls, secrets: &Secrets, field: &mut Field<'_>) -> Vec<Identity> {
    let mut all = Vec::new();
    if let Some(name) = tls.credential_name.as_deref().filter(|name| !name.is_empty()) {
        let name = field.of("credentialName", |field| secrets.named(name, field));
        all.push(Identity::Secret(name));
    }
    field.of("credentialNames", |field| {
        for (index, name) in tls.credential_names.iter().enumerate() {
            all.push(Identity::Secret(field.at(index, |field| secrets.named(name, field))));
        }
    });
    let single = (&tls.server_certificate, &tls.private_key);
    let pairs = tls.tls_certificates.iter().map(|it| (&it.server_certificate, &it.private_key));
    all.extend(pairs.chain([single]).filter_map(|pair| match pair {
        (Some(certificate), Some(key)) => Some(Identity::Files {
            certificate: certificate.as_str().into(),
            key: key.as_str().into(),
        }),
        _ => None,
    }));
    all
}

fn clients(tls: &ServerTls, required: bool, secrets: &Secrets, field: &mut Field<'_>) -> Clients {
    let list = |list: &[String]| list.iter().map(|text| text.as_str().into()).collect();
    Clients {
        required,
        trust: trust(tls, secrets, field),
        subject_alt_names: list(&tls.subject_alt_names),
        key_hashes: list(&tls.verify_certificate_spki),
        certificate_hashes: list(&tls.verify_certificate_hash),
    }
}

/// Who vouches for clients: a Secret of its own, else the sibling of the server's Secret, else that
/// itself, else a file.
fn trust(tls: &ServerTls, secrets: &Secrets, field: &mut Field<'_>) -> Trust {
    if tls.insecure_skip_verify == Some(true) {
        return Trust::Anybody;
    }
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if let Some(name) = given(&tls.ca_cert_credential_name) {
        let name = field.of("caCertCredentialName", |field| secrets.named(&name, field));
        return Trust::Secret(name);
    }
    if let Some(name) = given(&tls.credential_name).or(tls.credential_names.first().cloned()) {
        let name = secrets.own_name(&name);
        let sibling = format!("{name}-cacert");
        let own = if secrets.contains(&sibling) { sibling.as_str() } else { name };
        return Trust::Secret(own.into());
    }
    let of_pair = tls.tls_certificates.first().and_then(|pair| given(&pair.ca_certificates));
    match given(&tls.ca_certificates).or(of_pair) {
        Some(file) => {
            Trust::File { authorities: file.into(), revoked: given(&tls.ca_crl).map(Into::into) }
        }
        // Public authorities vouch for servers, never for the clients of one.
        None => Trust::Secret("".into()),
    }
}

fn versions(tls: &ServerTls, field: &mut Field<'_>) -> Versions {
    let old = |version| matches!(version, Some(TlsVersion::V1_0 | TlsVersion::V1_1));
    if old(tls.min_protocol_version) {
        field.of("minProtocolVersion", |field| {
            field.warning(
                "tls-version",
                "versions before 1.2 are not spoken",
                "give TLSV1_2, or leave it out",
            );
        });
    }
    if old(tls.max_protocol_version) {
        field.of("maxProtocolVersion", |field| {
            field.error(
                "tls-version",
                "versions before 1.2 are not spoken: it is taken for TLSV1_2",
                "give TLSV1_2 or TLSV1_3, or leave it out",
            );
        });
    }
    match (tls.min_protocol_version, tls.max_protocol_version) {
        (Some(TlsVersion::V1_3), _) => Versions::OnlyV1_3,
        (_, Some(TlsVersion::V1_0 | TlsVersion::V1_1 | TlsVersion::V1_2)) => Versions::OnlyV1_2,
        _ => Versions::Both,
    }
}

/// Suites that are known and given; none at all where only such are given as nobody should use.
fn suites(names: &[String], field: &mut Field<'_>) -> Option<Vec<Suite>> {
    let mut suites = Vec::new();
    field.of("cipherSuites", |field| {
        for (index, name) in names.iter().enumerate() {
            match suite(name) {
                Some(suite) if suites.contains(&suite) => {}
                Some(suite) => suites.push(suite),
                None => field.at(index, |field| {
                    field.warning(
                        "cipher-suite-not-supported",
                        format!("`{name}` is not spoken here, and is left out"),
                        "name suites with ECDHE and GCM or CHACHA20-POLY1305; those of TLS 1.3 \
                         cannot be chosen",
                    );
                }),
            }
        }
    });
    (!names.is_empty()).then_some(suites)
}

fn suite(name: &str) -> Option<Suite> {
    Some(match name {
        "ECDHE-ECDSA-AES128-GCM-SHA256" => Suite::EcdheEcdsaAes128Gcm,
        "ECDHE-RSA-AES128-GCM-SHA256" => Suite::EcdheRsaAes128Gcm,
        "ECDHE-ECDSA-AES256-GCM-SHA384" => Suite::EcdheEcdsaAes256Gcm,
        "ECDHE-RSA-AES256-GCM-SHA384" => Suite::EcdheRsaAes256Gcm,
        "ECDHE-ECDSA-CHACHA20-POLY1305" => Suite::EcdheEcdsaChaCha20,
        "ECDHE-RSA-CHACHA20-POLY1305" => Suite::EcdheRsaChaCha20,
        _ => return None,
    })
}

fn groups(names: &[String], field: &mut Field<'_>) -> Vec<Group> {
    let mut groups = Vec::new();
    field.of("ecdhCurves", |field| {
        for (index, name) in names.iter().enumerate() {
            match name.as_str() {
                "X25519MLKEM768" => groups.push(Group::X25519MlKem768),
                "X25519" => groups.push(Group::X25519),
                "P-256" => groups.push(Group::P256),
                "P-384" => groups.push(Group::P384),
                other => field.at(index, |field| {
                    field.warning(
                        "curve-not-supported",
                        format!("`{other}` is not spoken here, and is left out"),
                        "name X25519MLKEM768, X25519, P-256 or P-384",
                    );
                }),
            }
        }
    });
    groups
}
