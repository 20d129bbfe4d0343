//! HTTPS listeners, HTTPS and HTTP/2 targets, gRPC.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::alb::{Alb, Answer, send};
use crate::target::Target;

/// A certificate issued by ACM.
pub(crate) async fn request_certificate(alb: &Alb, name: &str) -> String {
    acm(alb, "RequestCertificate", &format!(r#"{{"DomainName":"{name}"}}"#)).await
}

async fn acm(alb: &Alb, action: &str, json: &str) -> String {
    let request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: CertificateManager.{action}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{json}",
        json.len()
    );
    let answer = send(alb.running.api, &request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    json["CertificateArn"].as_str().unwrap().to_owned()
}

fn pem(label: &str, der: &[u8]) -> String {
    STANDARD.encode(plain_pem(label, der))
}

pub(crate) fn plain_pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// Takes any certificate, so that the test can look at it.
#[derive(Debug)]
pub(crate) struct Any;

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

async fn connect(address: SocketAddr, name: &str, protocol: &str) -> TlsStream<TcpStream> {
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Any))
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// Whether somebody speaks TLS there, with a certificate for a name.
pub(crate) async fn shakes_hands(address: SocketAddr, name: &str) -> bool {
    is_for(&connect(address, name, "http/1.1").await, name)
}

/// Whether the certificate that was presented is for a name.
fn is_for(stream: &TlsStream<TcpStream>, name: &str) -> bool {
    let presented = &stream.get_ref().1.peer_certificates().unwrap()[0];
    let certificate = webpki::EndEntityCert::try_from(presented).unwrap();
    certificate.valid_dns_names().any(|known| known == name)
}

/// Sends bytes over TLS and reads until the other side closes.
pub(crate) async fn send_secure(address: SocketAddr, name: &str, request: &str) -> Answer {
    let mut stream = connect(address, name, "http/1.1").await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    Answer::parse(&bytes)
}

pub(crate) async fn https_listener(
    alb: &Alb,
    lb: &str,
    certificate: &str,
    actions: &str,
) -> String {
    let form = format!(
        "LoadBalancerArn={lb}&Protocol=HTTPS&Port=443&Certificates.member.1.CertificateArn={certificate}&{actions}"
    );
    crate::alb::element(&alb.done("CreateListener", &form).await, "ListenerArn")
}

fn forward(group: &str) -> String {
    format!("DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn={group}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_https_listener_presents_certificates_by_name() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    let issued = request_certificate(&alb, "*.example.com").await;
    let made = rcgen::generate_simple_self_signed(vec!["own.test".to_owned()]).unwrap();
    let json = serde_json::json!({
        "Certificate": pem("CERTIFICATE", made.cert.der()),
        "PrivateKey": pem("PRIVATE KEY", &made.signing_key.serialize_der()),
    });
    let imported = acm(&alb, "ImportCertificate", &json.to_string()).await;
    let listener = https_listener(&alb, &shop.lb, &issued, &forward(&shop.group)).await;
    let form = format!("ListenerArn={listener}&Certificates.member.1.CertificateArn={imported}");
    alb.done("AddListenerCertificates", &form).await;
    alb.attribute(&shop.lb, "routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "true")
        .await;
    let address = alb.running.address_of("shop", 443).unwrap();

    let own = connect(address, "own.test", "http/1.1").await;
    let presented = own.get_ref().1.peer_certificates().unwrap()[0].clone();
    assert_eq!(&presented, made.cert.der(), "the imported certificate itself");
    assert!(is_for(&connect(address, "other.test", "http/1.1").await, "*.example.com"));
    let mut stream = connect(address, "a.example.com", "http/1.1").await;
    assert!(is_for(&stream, "*.example.com"));
    let request = "GET / HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let seen = text.to_ascii_lowercase();
    for line in [
        "x-forwarded-proto: https\r\n",
        "x-forwarded-port: 443\r\n",
        "x-amzn-tls-version: tlsv1.3\r\n",
        "host: a.example.com\r\n",
    ] {
        assert!(seen.contains(line), "{line:?} is not in {text}");
    }
    assert!(text.contains("TLS_AES_"), "{text}");
    assert_eq!(
        connect(address, "a.example.com", "h2").await.get_ref().1.alpn_protocol(),
        Some(&b"h2"[..])
    );
}

async fn ask2(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> (Response<()>, Bytes, HeaderMap) {
    let stream = connect(address, "a.example.com", "h2").await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    (Response::from_parts(head, ()), body.to_bytes(), trailers)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_client_reaches_an_http1_target() {
    let (alb, target) = (Alb::start().await, Target::start("a").await);
    let shop = alb.shop(target.address).await;
    let certificate = request_certificate(&alb, "a.example.com").await;
    https_listener(&alb, &shop.lb, &certificate, &forward(&shop.group)).await;
    let address = alb.running.address_of("shop", 443).unwrap();
    let request = Request::post("https://a.example.com/x?y=1").body(Full::from("hello")).unwrap();
    let (head, body, _) = ask2(address, request).await;
    assert_eq!(head.status(), 200);
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains("POST /x?y=1 HTTP/1.1\r\n") && text.ends_with("hello"), "{text}");
    assert!(text.to_lowercase().contains("host: a.example.com\r\n"), "{text}");
    let grpc = Request::post("https://a.example.com/s/M")
        .header("content-type", "application/grpc")
        .body(Full::default());
    assert_eq!(ask2(address, grpc.unwrap()).await.0.status(), 464);
}

/// A target that speaks gRPC: health and calls are answered with what was asked, and a status.
async fn grpc_target() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(grpc);
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

async fn grpc(
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let status = if request.uri().path() == "/AWS.ALB/healthcheck" { "12" } else { "0" };
    let seen = format!(
        "{} {} te={:?} proto={:?}",
        request.method(),
        request.uri(),
        request.headers().get("te"),
        request.headers().get("x-forwarded-proto")
    );
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    let frames = [Frame::data(Bytes::from(seen)), Frame::trailers(trailers)].map(Ok);
    let body = StreamBody::new(Frames(frames.into_iter()));
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(response.body(BodyExt::boxed(body)).unwrap())
}

/// An iterator as a stream.
struct Frames<I>(I);

impl<I: Iterator + Unpin> futures_util::Stream for Frames<I> {
    type Item = I::Item;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_goes_through_with_its_trailers() {
    let alb = Alb::start().await;
    let lb = alb.load_balancer("shop").await;
    let group = alb.group("grpc", "ProtocolVersion=GRPC").await;
    alb.register(&group, grpc_target().await).await;
    let certificate = request_certificate(&alb, "a.example.com").await;
    https_listener(&alb, &lb, &certificate, &forward(&group)).await;
    alb.until(&group, "healthy").await;
    let address = alb.running.address_of("shop", 443).unwrap();
    let call = || {
        Request::post("https://a.example.com/shop.Cart/Get")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::from(Bytes::from_static(&[0; 5])))
            .unwrap()
    };
    let (head, body, trailers) = ask2(address, call()).await;
    assert_eq!(head.status(), 200);
    assert_eq!(
        String::from_utf8_lossy(&body),
        "POST http://a.example.com/shop.Cart/Get te=Some(\"trailers\") proto=Some(\"https\")"
    );
    assert_eq!(trailers.get("grpc-status").unwrap(), "0");
    let mut plain = connect(address, "a.example.com", "http/1.1").await;
    plain.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    let _ = plain.read_to_string(&mut text).await;
    assert!(text.starts_with("HTTP/1.1 464"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_may_speak_tls_with_any_certificate() {
    let alb = Alb::start().await;
    let made = rcgen::generate_simple_self_signed(vec!["whoever".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream
                .write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret",
                )
                .await;
            let _ = stream.shutdown().await;
        }
    });
    let lb = alb.load_balancer("shop").await;
    let form = "Name=tls&Protocol=HTTPS&Port=443&VpcId=vpc-10ca1a1b&TargetType=ip&HealthCheckProtocol=HTTPS";
    let xml = alb.done("CreateTargetGroup", form).await;
    let group = crate::alb::element(&xml, "TargetGroupArn");
    alb.register(&group, target).await;
    alb.listener(&lb, 80, &format!("1.Type=forward&1.TargetGroupArn={group}")).await;
    alb.until(&group, "healthy").await;
    let address = alb.running.address_of("shop", 80).unwrap();
    assert_eq!(crate::alb::get(address, "h", "/").await.body, "secret");
}
