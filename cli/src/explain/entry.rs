//! Through which socket of the gateway a request comes in.

use super::gate::Visit;
use crate::furnish::Role;
use edgeway_api::Objects;
use edgeway_core::{
    request::Scheme,
    table::{App, Listener, Table},
};
use std::sync::Arc;

/// The listener for a client that connects to `port`.
///
/// The port that the gateway itself listens on comes first, then the port of a Service that leads
/// there. If the client named none, and there is but one listener, it is that one.
pub(super) fn listener<'t>(
    table: &'t Table,
    objects: &Objects,
    role: &Role,
    (port, given): (u16, bool),
) -> Option<&'t Listener> {
    let at = |port| table.listeners.iter().find(|listener| listener.id.port == port);
    let behind = || role.listening(objects, port).and_then(at);
    let only = || match table.listeners.as_slice() {
        [only] if !given => Some(only),
        _ => None,
    };
    at(port).or_else(behind).or_else(only).map(Arc::as_ref)
}

/// What serves a request for `host` on a connection to `listener`; an error tells why that is closed.
pub(super) fn visit<'t>(
    table: &'t Table,
    listener: &'t Listener,
    scheme: Scheme,
    (sni, host): (Option<&str>, &str),
) -> Result<(Visit<'t>, &'t App), String> {
    let port = listener.id.port;
    match scheme {
        Scheme::Http => match &listener.plain {
            Some(app) => Ok((Visit { table, listener, tls: None }, app)),
            None => Err(format!("port {port} of the gateway speaks TLS only")),
        },
        Scheme::Https => match listener.tls.position(sni) {
            Some(at) => {
                // Where the host leads nowhere, the server that ends TLS answers.
                let server = listener
                    .tls
                    .of_request(at, sni, host)
                    .or(listener.tls.get(at).map(Arc::as_ref));
                let server =
                    server.ok_or_else(|| format!("port {port} of the gateway speaks no TLS"))?;
                Ok((Visit { table, listener, tls: Some(server) }, &server.app))
            }
            None if listener.tls.is_empty() => {
                Err(format!("port {port} of the gateway speaks no TLS"))
            }
            None => Err(match sni {
                Some(name) => format!("no TLS server on port {port} has the name {name}"),
                None => format!("no TLS server on port {port} takes clients that name no host"),
            }),
        },
    }
}
