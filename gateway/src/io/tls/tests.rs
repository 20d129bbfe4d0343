//! TLS against clients that keep to the protocol's letter and not to its spirit.

use super::Side;
use crate::io::{Conn, Io, open};
use rustls::{
    CipherSuite, ClientConfig, ConnectionTrafficSecrets, ContentType, ProtocolVersion,
    RootCertStore, ServerConfig, SupportedCipherSuite,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, cipher_suite::TLS13_AES_256_GCM_SHA384},
        cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage},
    },
    pki_types::{PrivateKeyDer, ServerName},
    server::UnbufferedServerConnection,
};
use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Waker},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;

/// A client that has shaken hands and writes its records by hand from there on.
struct ByHand {
    stream: TcpStream,
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
}

impl ByHand {
    fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let payload = OutboundChunks::Single(payload);
        let message = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_2, payload };
        let record = self.encrypter.encrypt(message, self.sequence).unwrap();
        self.sequence += 1;
        record.encode()
    }
}

fn configs() -> (ServerConfig, ClientConfig) {
    let only = TLS13_AES_256_GCM_SHA384;
    assert_eq!(only.suite(), CipherSuite::TLS13_AES_256_GCM_SHA384);
    let provider = CryptoProvider { cipher_suites: vec![only], ..aws_lc_rs::default_provider() };
    let provider = Arc::new(provider);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.enable_secret_extraction = true;
    (server, client)
}

async fn connected() -> (Box<Io>, Arc<Conn>, ByHand) {
    let (server, client) = configs();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (theirs, ours) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (mut io, conn) = open(ours.unwrap().0, address);
    io.secure(Side::Server(UnbufferedServerConnection::new(Arc::new(server)).unwrap()));
    let name = ServerName::try_from("a.test").unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    let connecting = connector.connect(name, theirs.unwrap());
    let (shaken, connected) = tokio::join!(conn.handshake(), connecting);
    shaken.unwrap();
    let (stream, connection) = connected.unwrap().into_inner();
    let (sequence, secrets) = connection.dangerous_extract_secrets().unwrap().tx;
    let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else { panic!("another suite") };
    let SupportedCipherSuite::Tls13(suite) = TLS13_AES_256_GCM_SHA384 else { panic!("TLS 1.2") };
    let encrypter = suite.aead_alg.encrypter(key, iv);
    (io, conn, ByHand { stream, encrypter, sequence })
}

/// What comes next, all of it.
async fn read(io: &mut Io) -> Vec<u8> {
    let read = poll_fn(|cx| io.poll_fill(4096, cx)).await.unwrap();
    assert_eq!(read, io.unread().len());
    io.unread().split().to_vec()
}

/// A key update that asks for no answer, cut in two.
const KEY_UPDATE: (&[u8], &[u8]) = (&[24, 0, 0], &[1, 0]);

#[tokio::test]
async fn half_a_message_of_the_protocol_does_not_keep_us_from_writing() {
    let (mut io, conn, mut client) = connected().await;
    let mut both = client.record(ContentType::ApplicationData, b"hello");
    both.extend(client.record(ContentType::Handshake, KEY_UPDATE.0));
    client.stream.write_all(&both).await.unwrap();
    assert_eq!(read(&mut io).await, b"hello");
    for _ in 0..3 {
        conn.send(b"answer");
        poll_fn(|cx| conn.poll_flush(cx)).await.unwrap();
    }
    assert!(client.stream.read_buf(&mut Vec::with_capacity(4096)).await.unwrap() > 0);
    // The rest of it, and what was encrypted before the keys changed, is still understood.
    let rest = client.record(ContentType::Handshake, KEY_UPDATE.1);
    client.stream.write_all(&rest).await.unwrap();
    client.stream.shutdown().await.unwrap();
    assert_eq!(read(&mut io).await, b"");
}

#[tokio::test]
async fn a_socket_that_has_been_emptied_is_not_asked_again() {
    let (mut io, conn, mut client) = connected().await;
    for _ in 0..2 {
        let record = client.record(ContentType::ApplicationData, b"hello");
        client.stream.write_all(&record).await.unwrap();
        assert_eq!(read(&mut io).await, b"hello");
        let mut cx = Context::from_waker(Waker::noop());
        let out = conn.out();
        assert!(out.socket.stream().unwrap().poll_read_ready(&mut cx).is_pending());
    }
}

#[tokio::test]
async fn who_writes_nonsense_is_told_and_heard_no_more() {
    let (mut io, conn, mut client) = connected().await;
    let mut record = client.record(ContentType::ApplicationData, b"hello");
    *record.last_mut().unwrap() ^= 1;
    record.extend(client.record(ContentType::ApplicationData, b"more"));
    client.stream.write_all(&record).await.unwrap();
    let error = poll_fn(|cx| io.poll_fill(4096, cx)).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    // Whatever is done to it afterwards.
    conn.send(b"answer");
    conn.finish();
    poll_fn(|cx| conn.poll_flush(cx)).await.unwrap();
    assert_eq!(read(&mut io).await, b"");
    let mut all = Vec::new();
    client.stream.read_to_end(&mut all).await.unwrap();
    // Tickets were sent before; after them one record, which holds an alert: its size tells.
    let mut last = 0;
    while let Some(length) = all.get(3..5).map(|two| usize::from(two[0]) << 8 | usize::from(two[1]))
    {
        last = length;
        all.drain(..5 + length);
    }
    assert_eq!(last, 2 + 1 + 16);
}

#[tokio::test]
async fn empty_records_and_key_updates_have_a_limit() {
    for (typ, payload) in
        [(ContentType::ApplicationData, &[][..]), (ContentType::Handshake, &[24, 0, 0, 1, 1])]
    {
        let (mut io, conn, mut client) = connected().await;
        // Keys change with an update; the first of the new ones is nonsense at the latest.
        let many: Vec<u8> = (0..200).flat_map(|_| client.record(typ, payload)).collect();
        client.stream.write_all(&many).await.unwrap();
        assert!(poll_fn(|cx| io.poll_fill(4096, cx)).await.is_err());
        assert!(conn.pending() < 1024, "{} bytes wait", conn.pending());
    }
}
