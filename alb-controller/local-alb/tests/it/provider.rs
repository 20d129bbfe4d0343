//! An identity provider that says what it is told to say, written against bare sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running provider.
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// Status and body by path; a path that is not here hangs up.
    answers: BTreeMap<String, (u16, String)>,
    asked: Vec<String>,
}

impl Provider {
    /// A provider that lets `ann` in as the client `shop`.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&shared)));
            }
        });
        let provider = Self { address, state, task };
        provider.says("/token", 200, &provider.tokens("access-1", &json!({})));
        provider.says("/userinfo", 200, &json!({"sub": "ann", "email": "ann@example.com"}));
        provider
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the token endpoint gives; `changes` are other claims of the token of identity.
    pub(crate) fn tokens(&self, access: &str, changes: &Value) -> Value {
        let mut claims = json!({
            "iss": self.url(), "sub": "ann", "aud": "shop", "exp": 4_000_000_000_u64,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let id = format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(&claims));
        json!({"access_token": access, "token_type": "Bearer", "id_token": id, "expires_in": 3600})
    }

    pub(crate) fn says(&self, path: &str, status: u16, body: &Value) {
        self.state.lock().unwrap().answers.insert(path.to_owned(), (status, body.to_string()));
    }

    pub(crate) fn hangs_up(&self, path: &str) {
        self.state.lock().unwrap().answers.remove(path);
    }

    /// The requests for a path so far, heads and bodies.
    pub(crate) fn asked(&self, path: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let about = |asked: &&String| asked.split(' ').nth(1) == Some(path);
        state.asked.iter().filter(about).cloned().collect()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut text = String::new();
    loop {
        let mut buffer = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut buffer).await else { return };
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            break;
        }
    }
    let path = text.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
    let said = {
        let mut state = state.lock().unwrap();
        state.asked.push(text);
        state.answers.get(&path).cloned()
    };
    let Some((status, body)) = said else { return };
    let reply = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(reply.as_bytes()).await;
}
