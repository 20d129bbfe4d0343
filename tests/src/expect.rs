//! `expect.yaml` of an example: requests, and the answers they must get.

use crate::{Answer, Ask, http::client};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

/// How often a weighted route is asked to learn its shares.
const ASKED: u32 = 300;

/// How far a share may be from what is expected: three standard deviations of 300 draws, and a bit.
const SPREAD: f64 = 0.1;

/// The whole file.
#[derive(Debug, Deserialize)]
pub struct Expectations {
    /// One after the other.
    pub requests: Vec<Case>,
}

/// One request and its answer.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// In a few words.
    pub name: String,
    /// Where it is sent; the ALB if nothing is said.
    #[serde(default)]
    pub via: Vec<Via>,
    /// What is asked.
    pub request: Request,
    /// What must come back.
    pub expect: Expect,
}

/// Where a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// To the load balancer.
    Alb,
    /// To the gateway itself.
    Gateway,
}

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Request {
    method: String,
    host: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    /// Of the ALB's listener, or of the Gateway's server.
    pub port: u16,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "GET".into(),
            host: String::new(),
            path: "/".into(),
            headers: BTreeMap::new(),
            body: None,
            port: 80,
        }
    }
}

/// What must come back; what is left out may be anything.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expect {
    status: u16,
    hop: String,
    service: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    shares: Vec<Share>,
    #[serde(default)]
    seen: Seen,
    location: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    body_bytes: Option<u64>,
    within: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Share {
    labels: BTreeMap<String, String>,
    share: f64,
}

/// What the backend saw.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Seen {
    path: Option<String>,
    query: Option<String>,
    headers: BTreeMap<String, String>,
}

/// Reads a file.
pub fn read(file: &Path) -> Expectations {
    let text = std::fs::read_to_string(file).expect("an example has an expect.yaml");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

impl Case {
    /// Asks at `base` (scheme, host and port) and lists what is not as expected.
    pub fn differences(&self, base: &str) -> Vec<String> {
        if self.expect.shares.is_empty() {
            let start = Instant::now();
            return match self.ask(base).send() {
                Ok(answer) => self.compare(&answer, start.elapsed()),
                Err(error) => vec![format!("no answer: {error}")],
            };
        }
        let agent = client();
        let answers: Vec<_> = (0..ASKED).map(|_| self.ask(base).send_with(&agent)).collect();
        let answers: Vec<Answer> = answers.into_iter().filter_map(Result::ok).collect();
        let mut wrong = Vec::new();
        if answers.len() != ASKED as usize {
            wrong.push(format!("{} of {ASKED} requests were answered", answers.len()));
        }
        for Share { labels, share } in &self.expect.shares {
            let hits =
                answers.iter().filter(|answer| holds(labels, &answer.json()["labels"])).count();
            #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
            let found = hits as f64 / f64::from(ASKED);
            if (found - share).abs() > SPREAD {
                wrong.push(format!("{labels:?} answered {found:.2} of the requests, not {share}"));
            }
        }
        wrong
    }

    fn ask(&self, base: &str) -> Ask {
        let Request { method, host, path, headers, body, port: _ } = &self.request;
        let mut ask = Ask::get(format!("{base}{path}")).method(method).host(host);
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        ask.body(body.clone().unwrap_or_default())
    }

    fn compare(&self, answer: &Answer, took: Duration) -> Vec<String> {
        let want = &self.expect;
        let json = answer.json();
        let mut wrong = Vec::new();
        let mut check = |what: &str, want: String, found: String| {
            if want != found {
                wrong.push(format!("{what}: expected {want}, found {found}"));
            }
        };
        check("status", want.status.to_string(), answer.status.to_string());
        check("hop", want.hop.clone(), hop(answer).to_owned());
        if let Some(service) = &want.service {
            check("service", service.clone(), text(&json["service"]));
        }
        if !holds(&want.labels, &json["labels"]) {
            check("labels", format!("{:?}", want.labels), json["labels"].to_string());
        }
        let Seen { path, query, headers } = &want.seen;
        for (name, value) in [("path", path), ("query", query)] {
            if let Some(value) = value {
                check(name, value.clone(), text(&json[name]));
            }
        }
        for (name, value) in headers {
            check(&format!("seen {name}"), value.clone(), seen_header(&json, name));
        }
        let mut own: Vec<(&str, &String)> =
            want.headers.iter().map(|(n, v)| (n.as_str(), v)).collect();
        own.extend(want.location.as_ref().map(|location| ("location", location)));
        for (name, value) in own {
            check(name, value.clone(), answer.header(name).unwrap_or("nothing").to_owned());
        }
        if let Some(body) = &want.body {
            check("body", body.clone(), answer.body.clone());
        }
        if let Some(bytes) = want.body_bytes {
            check("bodyBytes", bytes.to_string(), json["body_bytes"].to_string());
        }
        if let Some(limit) = want.within.as_deref().and_then(seconds)
            && took > limit
        {
            wrong.push(format!("took {took:?}, more than {limit:?}"));
        }
        wrong
    }
}

/// Who gave an answer: load balancers and gateways sign theirs, echoes answer in JSON.
fn hop(answer: &Answer) -> &'static str {
    match (answer.header("server"), &answer.json()["service"]) {
        (_, Value::String(_)) => "backend",
        (Some(server), _) if server.starts_with("awselb") => "alb",
        _ => "gateway",
    }
}

fn holds(labels: &BTreeMap<String, String>, found: &Value) -> bool {
    labels.iter().all(|(name, value)| found[name] == **value)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("nothing").to_owned()
}

fn seen_header(json: &Value, name: &str) -> String {
    let pairs = json["headers"].as_array().into_iter().flatten();
    let mut values = pairs.filter(|pair| pair[0] == *name).map(|pair| text(&pair[1]));
    values.next().unwrap_or_else(|| "nothing".to_owned())
}

fn seconds(text: &str) -> Option<Duration> {
    text.strip_suffix('s')?.parse().ok().map(Duration::from_secs_f64)
}
