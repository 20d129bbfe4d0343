//! The TLS handshake with a client: under a deadline, counted, and if it fails told to both ends.

use super::connection::linger;
use crate::{
    context::Context,
    io::{Conn, Io},
    metrics::{Shaken, TlsFailure},
};
use rustls::{CertificateError, Error, HandshakeKind, ProtocolVersion};
use std::io;
use tokio::time::timeout;

/// Ends the handshake of a connection that was made secure; the connection, if that went well.
pub(super) async fn shake(
    io: Box<Io>,
    conn: &Conn,
    name: Option<&str>,
    context: &Context,
) -> Option<Box<Io>> {
    let limit = context.settings.edge.limits.handshake_timeout;
    let failure = match timeout(limit, conn.handshake()).await {
        Ok(Ok(())) => {
            let shaken = conn.agreed(|state| Shaken {
                v1_3: state.protocol_version() == Some(ProtocolVersion::TLSv1_3),
                resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
            });
            shaken.inspect(|shaken| context.reporter.metrics.tls.shaken(*shaken));
            return Some(io);
        }
        Ok(Err(error)) => {
            let failure = failure(&error);
            failed(failure, conn, name, context, &error);
            failure
        }
        Err(passed) => {
            failed(TlsFailure::Timeout, conn, name, context, &passed);
            TlsFailure::Timeout
        }
    };
    // What the client has sent behind its mistake would turn the end of the connection into a reset,
    // which could cost it the alert that tells what is wrong.
    if !matches!(failure, TlsFailure::Closed | TlsFailure::Timeout) {
        linger(conn, io).await;
    }
    None
}

/// Counts a handshake that came to nothing; logs some.
pub(super) fn failed(
    failure: TlsFailure,
    conn: &Conn,
    name: Option<&str>,
    context: &Context,
    why: &dyn std::fmt::Display,
) {
    context.reporter.metrics.tls.failed(failure);
    if tracing::enabled!(tracing::Level::DEBUG)
        && let Some(unsaid) = context.seldom.may_speak()
    {
        let (client, reason) = (conn.peer(), failure.label());
        tracing::debug!(%client, reason, name, unsaid, "no TLS with a client: {why}");
    }
}

fn failure(error: &io::Error) -> TlsFailure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        None => TlsFailure::Closed,
        Some(Error::AlertReceived(_)) => TlsFailure::Alert,
        Some(Error::NoCertificatesPresented) => TlsFailure::ClientNone,
        Some(Error::InvalidCertificate(error)) => of_certificate(error),
        Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => TlsFailure::Incompatible,
        Some(_) => TlsFailure::Protocol,
    }
}

fn of_certificate(error: &CertificateError) -> TlsFailure {
    use CertificateError as Of;
    #[expect(clippy::wildcard_enum_match_arm, reason = "there may be others one day")]
    match error {
        Of::Expired
        | Of::ExpiredContext { .. }
        | Of::NotValidYet
        | Of::NotValidYetContext { .. } => TlsFailure::ClientExpired,
        Of::Revoked => TlsFailure::ClientRevoked,
        Of::UnknownIssuer
        | Of::BadSignature
        | Of::UnknownRevocationStatus
        | Of::ExpiredRevocationList
        | Of::ExpiredRevocationListContext { .. } => TlsFailure::ClientUntrusted,
        Of::NotValidForName | Of::NotValidForNameContext { .. } => TlsFailure::ClientNotNamed,
        _ => TlsFailure::ClientCertificate,
    }
}
