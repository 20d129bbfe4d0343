//! What a new connection is used for: HTTP, or bytes that are passed on, perhaps by the name that its
//! TLS greeting gives.

use super::{
    arrival::{Arrived, arrive},
    connection,
    greeting::{Greeting, Hello, Peek},
    handshake::{failed, shake},
    tcp,
};
use crate::{
    context::{Context, Entered, Port, Seat},
    flags::Flags,
    io::{Conn, Io},
    metrics::TlsFailure,
    tls::client_certificate,
    view::Serving,
};
use edgeway_core::{
    table::{App, TcpRoute, TlsMode},
    tls::Termination,
};
use std::{cell::RefCell, future::poll_fn, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// Room made for each read of a greeting.
const READ: usize = 4096;

/// Serves a connection to its end.
pub(crate) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    port: Rc<Port>,
    context: Rc<Context>,
) {
    let arriving = Box::pin(arrive(stream, peer, &port, &context));
    let Some(Arrived { io, conn, admitted: _admitted }) = arriving.await else { return };
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
    serving: &'c Rc<Serving>,
    context: &'c Context,
}

impl Visit<'_> {
    async fn serve(self, mut io: Box<Io>) {
        let listener = &self.serving.listener;
        let greeting = if listener.tls.is_empty() {
            Some(Greeting::Plain)
        } else {
            timeout(self.patience(), greeting(&mut io)).await.unwrap_or(Some(Greeting::None))
        };
        match greeting {
            Some(Greeting::Plain) => match &listener.plain {
                Some(App::Http(_)) => {
                    connection::serve(io, self.conn, self.client, self.context).await;
                }
                Some(App::Tcp(route)) => self.pass_on(io, route).await,
                // Without TLS nobody is named.
                Some(App::Services(_)) | None => {}
            },
            Some(Greeting::Tls(hello)) => {
                let at = listener.tls.position(hello.name.as_deref());
                match at.and_then(|at| listener.tls.get(at)).map(|server| &server.mode) {
                    Some(TlsMode::Passthrough) => self.pass(io, at, &hello).await,
                    Some(TlsMode::Terminate(termination)) => {
                        self.end(io, at, hello, termination).await;
                    }
                    Some(TlsMode::Refuse) | None => {
                        self.turn_away(TlsFailure::NoServer, hello.name.as_deref());
                    }
                }
            }
            Some(Greeting::None) => {
                let why = "it began with nothing that is understood";
                failed(TlsFailure::Greeting, self.conn, None, self.context, &why);
            }
            // It came and went.
            None => {}
        }
    }

    /// How long each half of a TLS handshake may take.
    fn patience(self) -> Duration {
        self.context.settings.edge.limits.handshake_timeout
    }

    /// Ends TLS, and serves what is inside.
    async fn end(
        self,
        mut io: Box<Io>,
        at: Option<usize>,
        hello: Hello,
        termination: &Arc<Termination>,
    ) {
        let ready = at.and_then(|at| self.serving.tls.get(at)).and_then(Option::as_ref);
        let side = ready.and_then(|tls| tls.begin(hello.protocols.as_deref()).ok());
        let name = hello.name.as_deref();
        // Without a certificate there is nothing to say in TLS.
        let Some(side) = side else { return self.turn_away(TlsFailure::NoCertificate, name) };
        io.secure(side);
        let Some(io) = shake(io, self.conn, name, self.context).await else { return };
        let of_client = self.conn.agreed(|state| {
            let first = state.peer_certificates().and_then(<[_]>::first);
            first.and_then(|certificate| client_certificate(certificate))
        });
        self.conn.vouch(of_client.flatten());
        self.client.sit(Seat {
            name: hello.name.map(String::into_boxed_str),
            termination: Arc::clone(termination),
            at: RefCell::new((Rc::downgrade(self.serving), at)),
        });
        match at.and_then(|at| self.serving.listener.tls.get(at)).map(|server| &server.app) {
            Some(App::Http(_)) => {
                connection::serve(io, self.conn, self.client, self.context).await;
                self.conn.take_leave();
            }
            Some(App::Tcp(route)) => self.pass_on(io, route).await,
            Some(App::Services(_)) | None => {}
        }
    }

    /// Notes a connection for which there is no server, or none that can end TLS.
    fn turn_away(self, failure: TlsFailure, name: Option<&str>) {
        failed(failure, self.conn, name, self.context, &"there is nobody for it");
        tcp::log(self.conn, Flags::NO_ROUTE, self.context);
    }

    /// Passes on what was not touched.
    async fn pass(self, io: Box<Io>, at: Option<usize>, hello: &Hello) {
        let server = at.and_then(|at| self.serving.listener.tls.get(at));
        match server.map(|server| &server.app) {
            Some(App::Tcp(route)) => self.pass_on(io, route).await,
            Some(App::Services(services)) if hello.is_of_mesh() => {
                let name = hello.name.as_deref().unwrap_or_default().to_ascii_lowercase();
                if let Some(route) = services.route(&name) {
                    self.pass_on(io, route).await;
                }
            }
            Some(App::Services(_)) => {
                self.turn_away(TlsFailure::NoServer, hello.name.as_deref());
            }
            Some(App::Http(_)) | None => {}
        }
    }

    async fn pass_on(self, io: Box<Io>, route: &TcpRoute) {
        self.client.set_idle(false);
        tcp::pass(io, self.conn, route, self.serving, self.context).await;
    }
}

/// Reads as much as it takes to know how a client begins; all of it stays to be read. `None` if it
/// does not.
async fn greeting(io: &mut Io) -> Option<Greeting> {
    let mut peek = Peek::default();
    loop {
        // Some may have come with the header of a proxy.
        let greeting = peek.advance(io.unread());
        if greeting.is_some() {
            return greeting;
        }
        match poll_fn(|cx| io.poll_fill(READ, cx)).await {
            Ok(read) if read > 0 => {}
            Ok(_) | Err(_) => return None,
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
