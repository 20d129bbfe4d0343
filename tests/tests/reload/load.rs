//! Clients that ask again and again, and forgive nothing.

use crate::manifests::Certificate;
use bytes::Bytes;
use http::Request;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::sleep,
};
use tokio_rustls::TlsConnector;

/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(5);

/// Why a client has given up.
type Failed = String;

/// The clients.
pub(crate) struct Load {
    stop: Stop,
    clients: Vec<(&'static str, JoinHandle<Result<usize, Failed>>)>,
}

/// Whether it is enough.
#[derive(Clone, Default)]
struct Stop(Arc<AtomicBool>);

impl Stop {
    fn is_told(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Load {
    /// Two clients of each kind.
    pub(crate) fn start(
        plain: SocketAddr,
        secure: SocketAddr,
        certificates: &[Certificate; 2],
    ) -> Self {
        let stop = Stop::default();
        let [tls1, tls2] = [&b"http/1.1"[..], b"h2"].map(|name| trusting(certificates, name));
        let mut clients = Vec::new();
        for _ in 0..2 {
            let connect = move || TcpStream::connect(plain);
            clients.push(("HTTP/1.1", tokio::spawn(requests(connect, stop.clone()))));
            clients.push(("HTTP/2", tokio::spawn(streams(connect, false, stop.clone()))));
            clients.push(("gRPC", tokio::spawn(streams(connect, true, stop.clone()))));
            clients.push(("WebSocket", tokio::spawn(sockets(plain, stop.clone()))));
            let (tls1, tls2) = (tls1.clone(), tls2.clone());
            let connect = move || connect_secure(secure, tls1.clone());
            clients.push(("HTTP/1.1 over TLS", tokio::spawn(requests(connect, stop.clone()))));
            let connect = move || connect_secure(secure, tls2.clone());
            clients.push(("gRPC over TLS", tokio::spawn(streams(connect, true, stop.clone()))));
        }
        Self { stop, clients }
    }

    /// Ends it; how many requests each client made, none of which failed.
    pub(crate) async fn finish(self) -> Vec<(&'static str, usize)> {
        self.stop.0.store(true, Ordering::SeqCst);
        let mut counts = Vec::new();
        for (name, client) in self.clients {
            match client.await.unwrap() {
                Ok(count) => counts.push((name, count)),
                Err(failed) => panic!("{name}: {failed}"),
            }
        }
        counts
    }
}

fn trusting(certificates: &[Certificate; 2], protocol: &[u8]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(CertificateDer::from_pem_slice(certificate.pem.as_bytes()).unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn connect_secure(
    address: SocketAddr,
    tls: TlsConnector,
) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static> {
    let stream = TcpStream::connect(address).await?;
    tls.connect(ServerName::try_from("a.example.com").unwrap(), stream).await
}

/// Requests over HTTP/1.1, on a connection until the gateway asks for another, or for a hundred requests.
async fn requests<S, F>(connect: impl Fn() -> F + Send, stop: Stop) -> Result<usize, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    F: Future<Output = io::Result<S>> + Send,
{
    let mut count = 0;
    while !stop.is_told() {
        let mut stream = connect().await.map_err(|error| format!("no connection: {error}"))?;
        for at in 0..100 {
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
                .await
                .map_err(|error| format!("request {at} of a connection is not taken: {error}"))?;
            let answer = until(&mut stream, b"fine").await;
            let answer = answer.map_err(|error| format!("request {at}: {error}"))?;
            if !answer.starts_with("HTTP/1.1 200 ") {
                return Err(answer);
            }
            count += 1;
            if answer.contains("connection: close") {
                break;
            }
            sleep(PAUSE).await;
        }
    }
    Ok(count)
}

/// What comes, up to these bytes.
async fn until(stream: &mut (impl AsyncRead + Unpin), end: &[u8]) -> io::Result<String> {
    let mut buffer = Vec::new();
    while !buffer.ends_with(end) {
        if stream.read_buf(&mut buffer).await? == 0 {
            let text = String::from_utf8_lossy(&buffer).into_owned();
            return Err(io::Error::other(format!("the connection ended after {text:?}")));
        }
    }
    Ok(String::from_utf8_lossy(&buffer).into_owned())
}

/// Requests over HTTP/2, on a connection until the gateway asks for another.
async fn streams<S, F>(
    connect: impl Fn() -> F + Send,
    grpc: bool,
    stop: Stop,
) -> Result<usize, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = io::Result<S>> + Send,
{
    let mut count = 0;
    while !stop.is_told() {
        let failed = |error: io::Error| format!("no connection: {error}");
        let stream = connect().await.map_err(failed)?;
        let session = h2::client::handshake(stream).await;
        let (mut requests, connection) = session.map_err(|error| format!("no session: {error}"))?;
        tokio::spawn(connection);
        // One that is not ready any more was told to go elsewhere.
        while let Ok(ready) = requests.ready().await
            && !stop.is_told()
        {
            requests = ready;
            let Some(outcome) = ask(&mut requests, grpc).await else { break };
            outcome.map_err(|error| format!("request {count}: {error}"))?;
            count += 1;
            sleep(PAUSE).await;
        }
    }
    Ok(count)
}

/// One request; nothing if the session takes no more.
async fn ask(
    requests: &mut h2::client::SendRequest<Bytes>,
    grpc: bool,
) -> Option<Result<(), Failed>> {
    let path = if grpc { "/pkg.S/M" } else { "/" };
    let mut request = Request::builder().uri(format!("http://a.example.com{path}"));
    if grpc {
        request = request.method("POST").header("content-type", "application/grpc");
        request = request.header("te", "trailers");
    }
    let (response, mut send) = requests.send_request(request.body(()).unwrap(), !grpc).ok()?;
    let message = Bytes::from_static(b"\0\0\0\0\x02hi");
    if grpc {
        let _ = send.send_data(message.clone(), true);
    }
    let answer = async {
        let response = response.await?;
        let status = response.status();
        let mut recv = response.into_body();
        let mut body = Vec::new();
        while let Some(part) = recv.data().await {
            body.extend_from_slice(&part?);
        }
        Ok::<_, h2::Error>((status, body, recv.trailers().await?))
    };
    Some(match answer.await {
        Ok((status, body, trailers)) => {
            let trailers = trailers.unwrap_or_default();
            let fine = if grpc {
                body == *message && trailers.get("grpc-status").is_some_and(|code| code == "0")
            } else {
                body == *b"fine"
            };
            if fine { Ok(()) } else { Err(format!("{status} {body:?} {trailers:?}")) }
        }
        Err(error) => Err(error.to_string()),
    })
}

/// Sockets on which a few words are said and echo.
async fn sockets(address: SocketAddr, stop: Stop) -> Result<usize, Failed> {
    let mut count = 0;
    while !stop.is_told() {
        talk(address).await.map_err(|error| format!("socket {count}: {error}"))?;
        count += 1;
    }
    Ok(count)
}

async fn talk(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let handshake = b"GET /chat HTTP/1.1\r\nHost: a.example.com\r\nConnection: Upgrade\r\n\
                      Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(handshake).await?;
    let head = until(&mut stream, b"\r\n\r\n").await?;
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(io::Error::other(head));
    }
    for _ in 0..5 {
        // A masked frame, of which nothing is masked.
        let frame = b"\x82\x84\0\0\0\0word";
        stream.write_all(frame).await?;
        let mut echo = [0; 10];
        stream.read_exact(&mut echo).await?;
        if echo != *frame {
            return Err(io::Error::other(format!("{echo:?}")));
        }
        sleep(PAUSE).await;
    }
    stream.shutdown().await?;
    match stream.read(&mut [0]).await? {
        0 => Ok(()),
        _ => Err(io::Error::other("more than was said")),
    }
}
