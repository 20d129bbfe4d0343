//! Certificates of clients: trust stores from a bucket, who is let in, and what targets are told.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::alb::{Alb, element};
use crate::target::Target;
use crate::tls::{Any, request_certificate};

/// An authority, and its certificate.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate of a client with its key.
struct Client {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

pub(crate) fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "DE");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().der().to_vec();
    let pem = crate::tls::plain_pem("CERTIFICATE", &pem);
    Authority { issuer: Issuer::new(params, key), pem }
}

impl Authority {
    fn client(&self, serial: u64, year: i32) -> Client {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Shop, Inc");
        params.distinguished_name.push(DnType::CommonName, "me");
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = date_time_ymd(2020, 1, 2);
        params.not_after = date_time_ymd(year, 1, 2);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Client { certificate, key: key.serialize_der() }
    }

    pub(crate) fn revokes(&self, serial: u64) -> Vec<u8> {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2021, 1, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }
}

/// What the target echoes; nothing if the connection is refused.
async fn ask(address: SocketAddr, client: Option<&Client>) -> Option<String> {
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Any));
    let config = match client {
        None => config.with_no_client_auth(),
        Some(client) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(client.key.clone()));
            config.with_client_auth_cert(vec![client.certificate.clone()], key).unwrap()
        }
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("a.example.com").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    let request = "GET / HTTP/1.1\r\nHost: a.example.com\r\nX-Amzn-Mtls-Clientcert-Subject: CN=forged\r\n\
                   Connection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    text.starts_with("HTTP/1.1 200").then_some(text)
}

/// A load balancer with an HTTPS listener and a folder of buckets.
struct Scene {
    alb: Alb,
    listener: String,
    address: SocketAddr,
    folder: tempfile::TempDir,
    _target: Target,
}

impl Scene {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("certs")).unwrap();
        let alb = Alb::with(|config| config.buckets = Some(folder.path().into())).await;
        let target = Target::start("a").await;
        let shop = alb.shop(target.address).await;
        let certificate = request_certificate(&alb, "*.example.com").await;
        let form = format!(
            "LoadBalancerArn={}&Protocol=HTTPS&Port=443&Certificates.member.1.CertificateArn={certificate}\
             &DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn={}",
            shop.lb, shop.group
        );
        let listener = element(&alb.done("CreateListener", &form).await, "ListenerArn");
        let address = alb.running.address_of("shop", 443).unwrap();
        Self { alb, listener, address, folder, _target: target }
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join("certs").join(key), bytes).unwrap();
    }

    async fn store(&self, key: &str) -> String {
        let form = format!(
            "Name=clients&CaCertificatesBundleS3Bucket=certs&CaCertificatesBundleS3Key={key}"
        );
        element(&self.alb.done("CreateTrustStore", &form).await, "TrustStoreArn")
    }

    async fn mutual(&self, settings: &str) {
        let settings: Vec<_> =
            settings.split('&').map(|pair| format!("&MutualAuthentication.{pair}")).collect();
        let form = format!("ListenerArn={}{}", self.listener, settings.concat());
        self.alb.done("ModifyListener", &form).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_client_is_let_in_and_told_to_the_target() {
    let scene = Scene::start().await;
    let (ours, theirs) = (authority("Ours"), authority("Theirs"));
    scene.put("ours.pem", ours.pem.as_bytes());
    let store = scene.store("ours.pem").await;
    scene.mutual(&format!("Mode=verify&TrustStoreArn={store}")).await;
    let good = ours.client(0x0abc, 2090);
    let seen = ask(scene.address, Some(&good)).await.expect("it is let in");
    let seen = seen.to_lowercase();
    for line in [
        "x-amzn-mtls-clientcert-serial-number: 0abc\r\n",
        "x-amzn-mtls-clientcert-issuer: cn=ours,c=de\r\n",
        "x-amzn-mtls-clientcert-subject: cn=me,o=shop\\, inc\r\n",
        "x-amzn-mtls-clientcert-validity: notbefore=2020-01-02t00:00:00z;notafter=2090-01-02t00:00:00z\r\n",
        "x-amzn-mtls-clientcert-leaf: -----begin%20certificate-----%0a",
    ] {
        assert!(seen.contains(line), "{line:?} is not in {seen}");
    }
    assert!(!seen.contains("forged"), "{seen}");
    assert_eq!(ask(scene.address, None).await, None, "without a certificate");
    assert_eq!(ask(scene.address, Some(&theirs.client(1, 2090))).await, None, "another authority");
    let old = ours.client(2, 2021);
    assert_eq!(ask(scene.address, Some(&old)).await, None, "no longer valid");
    scene
        .mutual(&format!("Mode=verify&TrustStoreArn={store}&IgnoreClientCertificateExpiry=true"))
        .await;
    assert!(ask(scene.address, Some(&old)).await.is_some());
    let key = "routing.http.request.x_amzn_mtls_clientcert_subject.header_name";
    scene.alb.attribute(&scene.listener, key, "X-Client").await;
    let seen = ask(scene.address, Some(&good)).await.unwrap().to_lowercase();
    assert!(seen.contains("x-client: cn=me"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_client_is_refused_until_the_list_is_gone() {
    let scene = Scene::start().await;
    let ours = authority("Ours");
    scene.put("ours.pem", ours.pem.as_bytes());
    scene.put("revoked.crl", &ours.revokes(7));
    let store = scene.store("ours.pem").await;
    scene.mutual(&format!("Mode=verify&TrustStoreArn={store}")).await;
    let (revoked, other) = (ours.client(7, 2090), ours.client(8, 2090));
    assert!(ask(scene.address, Some(&revoked)).await.is_some());
    let form = format!(
        "TrustStoreArn={store}&RevocationContents.member.1.S3Bucket=certs\
         &RevocationContents.member.1.S3Key=revoked.crl"
    );
    let id = element(&scene.alb.done("AddTrustStoreRevocations", &form).await, "RevocationId");
    assert_eq!(ask(scene.address, Some(&revoked)).await, None);
    assert!(ask(scene.address, Some(&other)).await.is_some());
    let form = format!("TrustStoreArn={store}&RevocationIds.member.1={id}");
    scene.alb.done("RemoveTrustStoreRevocations", &form).await;
    assert!(ask(scene.address, Some(&revoked)).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn passed_through_any_client_is_let_in_with_its_whole_chain() {
    let scene = Scene::start().await;
    scene.mutual("Mode=passthrough").await;
    let client = authority("Whoever").client(1, 2021);
    let seen = ask(scene.address, Some(&client)).await.expect("nobody looks");
    let header = "X-Amzn-Mtls-Clientcert: -----BEGIN%20CERTIFICATE-----%0A";
    assert!(seen.contains(header), "{seen}");
    assert!(!seen.contains("forged"), "{seen}");
    let seen = ask(scene.address, None).await.expect("nobody looks");
    assert!(!seen.to_lowercase().contains("x-amzn-mtls"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_has_to_be_there_and_in_use_a_store_stays() {
    let scene = Scene::start().await;
    let ours = authority("Ours");
    let leaf = crate::tls::plain_pem("CERTIFICATE", &ours.client(1, 2090).certificate);
    scene.put("ours.pem", ours.pem.as_bytes());
    scene.put("leaf.pem", leaf.as_bytes());
    scene.put("text.pem", b"no certificate");
    for (key, code) in [
        ("none.pem", "CaCertificatesBundleNotFound"),
        ("../certs/ours.pem", "CaCertificatesBundleNotFound"),
        ("leaf.pem", "InvalidCaCertificatesBundle"),
        ("text.pem", "InvalidCaCertificatesBundle"),
    ] {
        let form =
            format!("Name=x&CaCertificatesBundleS3Bucket=certs&CaCertificatesBundleS3Key={key}");
        let (status, xml) = scene.alb.call("CreateTrustStore", &form).await;
        assert_eq!((status, element(&xml, "Code").as_str()), (400, code), "{key}: {xml}");
    }
    let store = scene.store("ours.pem").await;
    scene.mutual(&format!("Mode=verify&TrustStoreArn={store}")).await;
    let form = format!("TrustStoreArn={store}");
    let used = scene.alb.done("DescribeTrustStoreAssociations", &form).await;
    assert_eq!(element(&used, "ResourceArn"), scene.listener);
    let (_, xml) = scene.alb.call("DeleteTrustStore", &form).await;
    assert_eq!(element(&xml, "Code"), "TrustStoreInUse");
    scene.mutual("Mode=off").await;
    scene.alb.done("DeleteTrustStore", &form).await;
}
