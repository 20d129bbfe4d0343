//! Ingresses that ask who a user is, all the way: the controller makes the rules, an ALB on this machine
//! follows them, a provider of `OpenID` Connect lets a user in, and curl is the browser.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use edgeway_tests::{
    Ask, Process, echo::Echo, free_offset, free_port, gateway::write_whole, message::Message,
    process::run, skipped, wait_for,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    thread,
};

const HOST: &str = "shop.example.com";

/// The class, the secret that proves who the load balancer is, and the backend.
const COMMON: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edgeway}
spec: {controller: edgeway.dev/alb}
---
apiVersion: v1
kind: Secret
metadata: {name: shop, namespace: default}
stringData: {clientID: shop, clientSecret: hush}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv4
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
ports: [{name: http, port: PORT}]
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]
";

/// An Ingress of the one group for a path of the host, with these annotations more.
fn ingress(name: &str, path: &str, provider: SocketAddr, more: &[(&str, &str)]) -> String {
    let idp = json!({
        "issuer": format!("http://{provider}"),
        "authorizationEndpoint": format!("http://{provider}/authorize"),
        "tokenEndpoint": format!("http://{provider}/token"),
        "userInfoEndpoint": format!("http://{provider}/userinfo"),
        "secretName": "shop",
    });
    let idp = idp.to_string();
    let all = [
        ("group.name", "shop"),
        ("target-type", "ip"),
        ("listen-ports", r#"[{"HTTPS":443}]"#),
        ("certificate-arn", "arn:aws:acm:us-east-1:000000000000:certificate/1"),
        ("auth-type", "oidc"),
        ("auth-idp-oidc", &idp),
        ("auth-scope", "openid email"),
    ];
    let mut text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\n  namespace: default\n  \
         annotations:\n"
    );
    for (key, value) in all.iter().chain(more) {
        let _ = writeln!(text, "    alb.ingress.kubernetes.io/{key}: '{value}'");
    }
    let _ = write!(
        text,
        "spec:\n  ingressClassName: edgeway\n  rules:\n  - host: {HOST}\n    http:\n      paths:\n      - \
         {{path: {path}, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}\n"
    );
    text
}

/// Lets everybody in as `ann`; hands out one code, and one token for it.
fn provider() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let _ = provide(&stream, address);
        }
    });
    address
}

fn provide(mut stream: &TcpStream, own: SocketAddr) -> std::io::Result<()> {
    let Some(request) = Message::read(&mut BufReader::new(stream))? else { return Ok(()) };
    let (path, query) = request.word(1).split_once('?').unwrap_or((request.word(1), ""));
    let form = |text: &[u8]| form_urlencoded::parse(text).into_owned().collect::<BTreeMap<_, _>>();
    let authorization = request.header("authorization").unwrap_or_default();
    let (status, location, body) = match path {
        "/authorize" => {
            let asked = form(query.as_bytes());
            assert_eq!(
                (asked["client_id"].as_str(), asked["scope"].as_str()),
                ("shop", "openid email")
            );
            let state: String =
                form_urlencoded::byte_serialize(asked["state"].as_bytes()).collect();
            let back = format!("{}?code=c0de&state={state}", asked["redirect_uri"]);
            ("302 Found", back, Value::Null)
        }
        "/token" => {
            let basic = format!("Basic {}", STANDARD.encode("shop:hush"));
            let asked = form(&request.body);
            if authorization == basic && asked["code"] == "c0de" {
                ("200 OK", String::new(), tokens(own))
            } else {
                ("400 Bad Request", String::new(), json!({"error": "invalid_grant"}))
            }
        }
        "/userinfo" if authorization == "Bearer t0ken" => {
            ("200 OK", String::new(), json!({"sub": "ann", "email": "ann@example.com"}))
        }
        _ => ("404 Not Found", String::new(), Value::Null),
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes())
}

fn tokens(issuer: SocketAddr) -> Value {
    let claims = json!({
        "iss": format!("http://{issuer}"), "sub": "ann", "aud": "shop", "exp": 4_000_000_000_u64,
    });
    let id = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    json!({"access_token": "t0ken", "token_type": "Bearer", "id_token": id, "expires_in": 3600})
}

/// A load balancer that a controller has made.
struct Shop {
    _alb: Process,
    _echo: Echo,
    api: String,
    vpc: String,
    port: u16,
    folder: tempfile::TempDir,
}

impl Shop {
    fn start() -> Self {
        let (api, offset) = (format!("127.0.0.1:{}", free_port()), free_offset());
        let place = ["--api", &api, "--adopt", "--port-offset", &offset.to_string()];
        let alb = Process::start("edgeway", &[&["local-alb"][..], &place].concat());
        wait_for("the API", || TcpStream::connect(&api).ok());
        let help = String::from_utf8(run("edgeway", &["local-alb", "--help"]).stdout).unwrap();
        let (_, rest) = help.split_once("[default: vpc-").expect("the help names a VPC");
        let vpc = format!("vpc-{}", rest.split(']').next().unwrap());
        let (mut echo, backend) = (Echo::default(), free_port());
        echo.listen(([127, 0, 0, 1], backend).into());
        let folder = tempfile::tempdir().unwrap();
        let provider = provider();
        let files = [
            ("common.yaml", COMMON.replace("PORT", &backend.to_string())),
            ("page.yaml", ingress("page", "/", provider, &[])),
            (
                "api.yaml",
                ingress("api", "/api", provider, &[("auth-on-unauthenticated-request", "deny")]),
            ),
        ];
        for (name, text) in files {
            write_whole(&folder.path().join(name), &text);
        }
        let api = format!("http://{api}");
        Self { _alb: alb, _echo: echo, api, vpc, port: 443 + offset, folder }
    }

    /// What the controller says while it reconciles once.
    fn reconcile(&self) -> String {
        let source = format!("files:{}", self.folder.path().display());
        let place = ["--endpoint-url", &self.api, "--vpc-id", &self.vpc, "--region", "us-east-1"];
        let own = ["--source", &source, "--cluster-name", "test", "--once"];
        let access = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
        let arguments = [&own[..], &place].concat();
        let mut process = Process::start_with("edgeway-alb-controller", &arguments, &access);
        let status = process.wait();
        let said = process.lines().join("\n");
        assert!(status.success(), "{said}");
        said
    }

    /// What a browser that keeps its cookies in a file gets for a path: status, where it ended, and body.
    fn browse(&self, jar: &str, path: &str) -> (u16, String, String) {
        let jar = self.folder.path().join(jar).display().to_string();
        let there = format!("{HOST}:443:127.0.0.1:{}", self.port);
        let url = format!("https://{HOST}{path}");
        let output = Command::new("curl")
            .args(["-sSkL", "--max-redirs", "5", "-c", &jar, "-b", &jar, "--connect-to", &there])
            .args(["-w", "\n%{http_code} %{url_effective}", &url])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, end) = text.rsplit_once('\n').unwrap();
        let (status, url) = end.split_once(' ').unwrap();
        let status = status.parse().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (status, url.to_owned(), body.to_owned())
    }
}

/// A header of the request that the backend saw.
fn told<'a>(seen: &'a str, name: &str) -> &'a str {
    let value = seen.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name} in {seen}")).trim()
}

#[test]
fn a_user_logs_in_on_the_way_to_a_page_and_is_known_after_that() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skipped("curl is not there");
    }
    let shop = Shop::start();
    assert!(shop.reconcile().contains("create-load-balancer"));
    assert!(!shop.reconcile().contains("modify-"), "the secret is no change");

    let (status, _, body) = shop.browse("stranger", "/api/orders");
    assert_eq!(status, 401, "who does not log in is refused: {body}");

    let (status, url, seen) = wait_for("the page", || {
        Some(shop.browse("jar", "/page?x=1")).filter(|(status, ..)| *status != 503)
    });
    assert_eq!((status, url.as_str()), (200, "https://shop.example.com:443/page?x=1"), "{seen}");
    assert_eq!(told(&seen, "x-amzn-oidc-identity"), "ann");
    assert_eq!(told(&seen, "x-amzn-oidc-accesstoken"), "t0ken");
    let parts: Vec<_> = told(&seen, "x-amzn-oidc-data").split('.').collect();
    let part = |at: usize| -> Value {
        serde_json::from_slice(&URL_SAFE.decode(parts[at]).unwrap()).unwrap()
    };
    assert_eq!((&part(0)["alg"], &part(1)["email"]), (&json!("ES256"), &json!("ann@example.com")));
    let key = format!("{}/public-keys/{}", shop.api, part(0)["kid"].as_str().unwrap());
    let key = Ask::get(key).send().unwrap();
    assert!(key.body.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{}", key.body);

    let (status, _, seen) = shop.browse("jar", "/api/orders");
    assert_eq!(status, 200, "who has logged in may call: {seen}");
    assert_eq!(told(&seen, "x-amzn-oidc-identity"), "ann");
}
