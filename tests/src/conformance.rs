//! The cases of `tests/conformance`: manifests, requests, and what Istio's ingress gateway did with them.

use crate::root;
use serde::{Deserialize, Deserializer};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The first document of a case; its manifests follow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub about: String,
    /// The row of Istio's field reference that it stands for.
    pub covers: String,
    /// Files below `given` with manifests that many cases share.
    #[serde(default)]
    pub given: Vec<String>,
    /// What is asked.
    pub requests: Vec<Exchange>,
}

/// A request, and what comes of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The request.
    pub ask: Request,
    /// What Istio decided.
    pub istio: Outcome,
    /// What we decide instead, on purpose.
    pub ours: Option<Outcome>,
    /// That purpose.
    pub why: Option<String>,
    /// What was seen at both ends, where that was recorded and chance had no part in it.
    pub wire: Option<Wire>,
}

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `GET` if absent.
    #[serde(default = "get")]
    pub method: String,
    /// `http` if absent.
    #[serde(default = "http")]
    pub scheme: String,
    /// The listener's.
    pub port: u16,
    /// The `Host` header, if there is one.
    pub host: Option<String>,
    /// The target as sent.
    pub path: String,
    /// More header fields.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Of an https request.
    #[serde(default)]
    pub sni: Sni,
    /// Sent with a length, unless it is empty.
    #[serde(default)]
    pub body: String,
}

/// The name that a TLS client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sni {
    /// The request's host; where the field is absent.
    #[default]
    Host,
    /// None; where the field is `null`.
    Nothing,
    /// This one.
    Name(String),
}

impl<'de> Deserialize<'de> for Sni {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Nothing, Self::Name))
    }
}

/// A decision. A field that is absent is not compared, but a request goes to clusters or it does not.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Those that may be sent to.
    #[serde(default)]
    pub clusters: BTreeSet<String>,
    /// Of the gateway's own answer.
    pub status: Option<u16>,
    /// Of the gateway's own answer.
    pub location: Option<String>,
    /// The VirtualService.
    pub by: Option<String>,
}

/// What client and backend saw. Header fields that tell the time, or that the benchmark's backend
/// adds, are left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wire {
    /// Of the answer.
    pub status: Option<u16>,
    /// There was no answer: the connection was refused, or closed.
    #[serde(default)]
    pub closed: bool,
    /// The endpoint that was reached, if one was.
    pub at: Option<String>,
    /// The method there; as asked, if absent.
    pub method: Option<String>,
    /// The target there; as asked, if absent.
    pub path: Option<String>,
    /// The `Host` there; as asked, if absent.
    pub host: Option<String>,
    /// Header fields there.
    #[serde(default)]
    pub seen: BTreeMap<String, String>,
    /// Header fields of the answer.
    #[serde(default)]
    pub answer: BTreeMap<String, String>,
}

fn get() -> String {
    "GET".to_owned()
}

fn http() -> String {
    "http".to_owned()
}

/// A case, its name (`topic/name`) and its manifests.
#[derive(Debug)]
pub struct Named {
    /// Where it stands.
    pub name: String,
    /// What it says.
    pub case: Case,
    /// In YAML.
    pub manifests: String,
}

fn folder() -> PathBuf {
    root().join("tests/conformance")
}

/// All cases, sorted by name.
pub fn cases() -> Vec<Named> {
    let topics = list(&folder()).into_iter().filter(|topic| topic.is_dir());
    let topics = topics.filter(|topic| !topic.ends_with("given"));
    let mut cases: Vec<_> = topics.flat_map(|topic| list(&topic)).map(|file| read(&file)).collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries.map(|entry| entry.expect("it can be listed").path()).collect()
}

fn read(file: &Path) -> Named {
    let name = file.strip_prefix(folder()).expect("it is below").with_extension("");
    let name = name.display().to_string();
    let text = fs::read_to_string(file).expect("it can be read");
    let (head, own) = text.split_once("\n---\n").unwrap_or((&text, ""));
    let case: Case = serde_saphyr::from_str(head).unwrap_or_else(|error| panic!("{name}: {error}"));
    let shared = case.given.iter().map(|shared| {
        let file = folder().join("given").join(format!("{shared}.yaml"));
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {shared}: {error}"))
    });
    let manifests: Vec<_> = shared.chain([own.to_owned()]).collect();
    Named { name, case, manifests: manifests.join("\n---\n") }
}
