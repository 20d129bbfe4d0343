//! What one watch is about, and how the API server is asked for it.

use super::kinds::{Kind, SECRET};
use std::fmt::{self, Write};

/// One kind: all of the cluster, of one namespace, or one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Feed {
    pub kind: &'static Kind,
    pub namespace: Option<String>,
    pub name: Option<String>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question<'q> {
    /// Everything there is, a page at a time.
    List { next: Option<&'q str> },
    /// Everything there is, and then what changes.
    Stream,
    /// What has changed since.
    Changes { since: &'q str },
}

/// Objects on one page of a list.
const PAGE: u32 = 500;

/// Has the server leave out everything but metadata.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

impl Feed {
    /// The feeds of a kind: one for each namespace, or one for all.
    pub(super) fn all(kind: &'static Kind, namespaces: &[String]) -> Vec<Self> {
        if namespaces.is_empty() || !kind.is_namespaced {
            return vec![Self { kind, namespace: None, name: None }];
        }
        let of = |namespace: &String| Self { kind, namespace: Some(namespace.clone()), name: None };
        namespaces.iter().map(of).collect()
    }

    /// One Secret.
    pub(super) fn secret(namespace: &str, name: &str) -> Self {
        Self { kind: &SECRET, namespace: Some(namespace.into()), name: Some(name.into()) }
    }

    /// Path and query of a question.
    pub(super) fn path(&self, version: &str, question: Question<'_>, seconds: u64) -> String {
        let Kind { group, plural, .. } = self.kind;
        let mut path = match *group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        // Writing to a text cannot fail.
        if let Some(namespace) = &self.namespace {
            let _ = write!(path, "/namespaces/{namespace}");
        }
        let _ = write!(path, "/{plural}?");
        let _ = match question {
            Question::List { next: None } => write!(path, "limit={PAGE}"),
            Question::List { next: Some(next) } => {
                write!(path, "limit={PAGE}&continue={}", escaped(next))
            }
            Question::Stream => write!(
                path,
                "watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}\
                 &sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
            ),
            Question::Changes { since } => write!(
                path,
                "watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={}",
                escaped(since)
            ),
        };
        if let Some(name) = &self.name {
            let _ = write!(path, "&fieldSelector=metadata.name%3D{}", escaped(name));
        }
        path
    }

    /// The form that is asked for.
    pub(super) fn accept(&self, question: Question<'_>) -> &'static str {
        match (self.kind.fields.is_empty(), question) {
            (false, _) => "application/json",
            (true, Question::List { .. }) => METADATA_LIST,
            (true, Question::Stream | Question::Changes { .. }) => METADATA,
        }
    }
}

/// `gateways.networking.istio.io in namespace shop`.
impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.resource())?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

/// As a value in a query.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{Feed, Question};
    use crate::source::kube::kinds::{GATEWAY, Kind};

    fn kind(name: &str) -> &'static Kind {
        GATEWAY.iter().find(|kind| kind.name == name).unwrap()
    }

    #[test]
    fn questions_are_paths() {
        let all = &Feed::all(kind("Gateway"), &[])[0];
        assert_eq!(
            all.path("v1", Question::List { next: Some("a/b=") }, 9),
            "/apis/networking.istio.io/v1/gateways?limit=500&continue=a%2Fb%3D"
        );
        let some = Feed::all(kind("Pod"), &["a".into(), "b".into()]);
        assert_eq!(some.len(), 2);
        assert_eq!(
            some[1].path("v1", Question::Changes { since: "7" }, 9),
            "/api/v1/namespaces/b/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=9\
             &resourceVersion=7"
        );
        assert_eq!(Feed::all(kind("Node"), &["a".into(), "b".into()]).len(), 1);
        let secret = Feed::secret("edge", "tls");
        assert!(secret.path("v1", Question::Stream, 9).ends_with(
            "/namespaces/edge/secrets?watch=true&allowWatchBookmarks=true&timeoutSeconds=9\
             &sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
             &fieldSelector=metadata.name%3Dtls"
        ));
        assert_eq!(secret.to_string(), "secrets `tls` in namespace edge");
    }

    #[test]
    fn of_some_kinds_metadata_is_enough() {
        let nodes = &Feed::all(kind("Node"), &[])[0];
        assert!(nodes.accept(Question::Stream).contains("as=PartialObjectMetadata;"));
        assert!(nodes.accept(Question::List { next: None }).contains("MetadataList;"));
        assert_eq!(Feed::secret("a", "b").accept(Question::Stream), "application/json");
    }
}
