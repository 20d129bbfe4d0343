//! What a new connection is used for: HTTP, or bytes that are passed on, perhaps by the name that its
//! TLS greeting gives.

use super::{connection, tcp};
use crate::{
    context::{Context, Entered, Port},
    flags::Flags,
    io::{Conn, Io},
    view::Serving,
};
use edgeway_core::table::{App, TlsMode};
use rustls::server::Acceptor;
use std::{future::poll_fn, rc::Rc, sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long a client may take for its TLS greeting, as in Istio.
const GREETING_TIMEOUT: Duration = Duration::from_secs(15);

/// Room made for each read of a greeting.
const READ: usize = 4096;

/// A greeting larger than this is none.
const LARGEST_GREETING: usize = 64 * 1024;

/// First byte of a TLS connection.
const HANDSHAKE: u8 = 22;

/// How a client begins.
enum Greeting {
    /// Without TLS.
    Plain,
    /// With TLS, and perhaps the name of a host.
    Tls(Option<String>),
    /// Not at all, or in no way that we understand.
    None,
}

/// Serves a connection to its end.
pub(crate) async fn serve(io: Box<Io>, conn: Arc<Conn>, port: Rc<Port>, context: Rc<Context>) {
    let client = context.enter(Arc::clone(&conn), port);
    let serving = Rc::clone(&client.port().serving.borrow());
    let only_http = serving.listener.tls.is_empty() && serving.hosts().is_some();
    if only_http {
        drop(serving);
        connection::serve(io, &conn, &client, &context).await;
    } else {
        let visit = Visit { conn: &conn, client: &client, serving: &serving, context: &context };
        // Connections that only wait for HTTP must not pay for the rest with their size.
        Box::pin(visit.serve(io)).await;
    }
}

#[derive(Clone, Copy)]
struct Visit<'c> {
    conn: &'c Arc<Conn>,
    client: &'c Entered<'c>,
    serving: &'c Serving,
    context: &'c Context,
}

impl Visit<'_> {
    async fn serve(self, mut io: Box<Io>) {
        let listener = &self.serving.listener;
        let greeting = if listener.tls.is_empty() {
            Greeting::Plain
        } else {
            timeout(GREETING_TIMEOUT, greeting(&mut io)).await.unwrap_or(Greeting::None)
        };
        match greeting {
            Greeting::Plain => match &listener.plain {
                Some(App::Http(_)) => {
                    connection::serve(io, self.conn, self.client, self.context).await;
                }
                Some(app @ App::Tcp(_)) => self.pass(io, app).await,
                None => {}
            },
            Greeting::Tls(name) => match listener.server(name.as_deref()) {
                Some(server) if server.mode == TlsMode::Passthrough => {
                    self.pass(io, &server.app).await;
                }
                // What would have to be ended here is not served yet; see `listen`.
                Some(_) | None => tcp::log(self.conn, Flags::NO_ROUTE, self.context),
            },
            Greeting::None => {}
        }
    }

    async fn pass(self, io: Box<Io>, app: &App) {
        if let App::Tcp(route) = app {
            self.client.set_idle(false);
            tcp::pass(io, self.conn, route, self.serving, self.context).await;
        }
    }
}

/// Reads as much as it takes to know how a client begins; all of it stays to be read.
async fn greeting(io: &mut Io) -> Greeting {
    let mut acceptor = Acceptor::default();
    let mut fed = 0;
    loop {
        let read = poll_fn(|cx| io.poll_fill(READ, cx)).await;
        let bytes = io.unread();
        match (read, bytes.first()) {
            (Ok(read), Some(&HANDSHAKE)) if read > 0 && bytes.len() <= LARGEST_GREETING => {}
            (Ok(read), Some(_)) if read > 0 && bytes.len() <= LARGEST_GREETING => {
                return Greeting::Plain;
            }
            _ => return Greeting::None,
        }
        while let Some(mut rest) = bytes.get(fed..).filter(|rest| !rest.is_empty()) {
            match acceptor.read_tls(&mut rest) {
                Ok(taken) if taken > 0 => fed += taken,
                Ok(_) | Err(_) => return Greeting::None,
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => {
                    let name = accepted.client_hello().server_name().map(str::to_owned);
                    return Greeting::Tls(name);
                }
                Ok(None) => {}
                Err(_) => return Greeting::None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function of four arguments returns.
    fn size<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_that_waits_is_small() {
        let waiting = size(serve);
        assert!(waiting <= 1024, "{waiting} bytes for each connection that waits for a request");
    }
}
