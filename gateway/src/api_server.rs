//! The API server, for what is read or written once: leases, statuses, events. What is followed is a
//! [source](crate::source).

use crate::source::{Access, Lost, chain};
use http::{Request, header::CONTENT_TYPE};
use kube::Client;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::time::Duration;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A way to the API server; clones share it.
#[derive(Clone)]
pub struct ApiServer {
    client: Client,
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiServer")
    }
}

/// Why the API server did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Grant the role that is named.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such object or kind.
    #[error("there is no such object")]
    NotFound,
    /// Look again: somebody else has written meanwhile.
    #[error("somebody else has written it meanwhile: {0}")]
    Conflict(String),
    /// What is written makes no sense to it.
    #[error("the API server does not take it: {0}")]
    Invalid(String),
    /// Try again later.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
}

impl ApiServer {
    /// Finds the way. Nothing is asked yet.
    pub async fn connect(access: &Access) -> Result<Self, Lost> {
        let client = access.client().await.map_err(Lost::NoApiServer)?;
        Ok(Self { client })
    }

    /// The namespace that is meant where none is named: that of the context, or of the pod.
    pub fn namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// What is at `path`, as text.
    pub async fn text(&self, path: &str) -> Result<String, Refusal> {
        self.ask("GET", path, None).await
    }

    /// What is at `path`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        read(&self.text(path).await?)
    }

    /// The objects of the list at `path` that can be read.
    pub async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Refusal> {
        let text = self.text(path).await?;
        let RawList { items } = serde_json::from_str(&text)
            .map_err(|error| Refusal::Invalid(format!("its answer: {error}")))?;
        Ok(items.into_iter().filter_map(|item| serde_json::from_str(item.get()).ok()).collect())
    }

    /// Makes an object in the list at `path`.
    pub async fn create<T: Serialize + DeserializeOwned>(
        &self,
        path: &str,
        object: &T,
    ) -> Result<T, Refusal> {
        read(&self.ask("POST", path, Some(("application/json", written(object)?))).await?)
    }

    /// Puts an object in place of the one at `path`.
    pub async fn replace<T: Serialize + DeserializeOwned>(
        &self,
        path: &str,
        object: &T,
    ) -> Result<T, Refusal> {
        read(&self.ask("PUT", path, Some(("application/json", written(object)?))).await?)
    }

    /// Applies what `manager` wishes of the object at `path`, whoever else wrote it before.
    pub async fn apply(
        &self,
        path: &str,
        manager: &str,
        wish: &impl Serialize,
    ) -> Result<(), Refusal> {
        let path = format!("{path}?fieldManager={manager}&force=true");
        let body = ("application/apply-patch+yaml", written(wish)?);
        self.ask("PATCH", &path, Some(body)).await.map(drop)
    }

    /// Changes some fields of the object at `path`.
    pub async fn merge(&self, path: &str, change: &impl Serialize) -> Result<(), Refusal> {
        let body = ("application/merge-patch+json", written(change)?);
        self.ask("PATCH", path, Some(body)).await.map(drop)
    }

    /// Changes some fields of the object at `path`, of one of Kubernetes' own kinds: of lists whose
    /// members have keys, those members alone that are named.
    pub async fn merge_members(&self, path: &str, change: &impl Serialize) -> Result<(), Refusal> {
        let body = ("application/strategic-merge-patch+json", written(change)?);
        self.ask("PATCH", path, Some(body)).await.map(drop)
    }

    /// Removes the object at `path`; it is no failure if there is none.
    pub async fn delete(&self, path: &str) -> Result<(), Refusal> {
        match self.ask("DELETE", path, None).await {
            Ok(_) | Err(Refusal::NotFound) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<String, Refusal> {
        let mut request = Request::builder().method(method).uri(path);
        let (content, body) = body.unwrap_or(("", Vec::new()));
        if !content.is_empty() {
            request = request.header(CONTENT_TYPE, content);
        }
        let request = request.body(body).map_err(|error| Refusal::Invalid(error.to_string()))?;
        match timeout(PATIENCE, self.client.request_text(request)).await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(Refusal::of(&error)),
            Err(_) => Err(Refusal::Unreachable("it does not answer in time".into())),
        }
    }
}

#[derive(Deserialize)]
struct RawList<'r> {
    #[serde(borrow)]
    items: Vec<&'r RawValue>,
}

impl Refusal {
    fn of(error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Unreachable(chain(error));
        };
        Self::of_status(status.code, &status.message)
    }

    /// By status alone; nobody reads its words to decide.
    fn of_status(code: u16, message: &str) -> Self {
        let message = message.to_owned();
        match code {
            403 => Self::Forbidden(message),
            404 => Self::NotFound,
            409 => Self::Conflict(message),
            400 | 405 | 413 | 415 | 422 => Self::Invalid(message),
            _ => Self::Unreachable(format!("{code}: {message}")),
        }
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Refusal> {
    serde_json::from_str(text).map_err(|error| Refusal::Invalid(format!("its answer: {error}")))
}

fn written(object: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(object).map_err(|error| Refusal::Invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    #[test]
    fn refusals_are_told_apart_by_what_can_be_done() {
        let of = |code| Refusal::of_status(code, "m");
        assert_eq!(of(403), Refusal::Forbidden("m".into()));
        assert_eq!(of(404), Refusal::NotFound);
        assert_eq!(of(409), Refusal::Conflict("m".into()));
        assert_eq!(of(422), Refusal::Invalid("m".into()));
        assert_eq!(of(401), Refusal::Unreachable("401: m".into()));
        assert_eq!(of(503), Refusal::Unreachable("503: m".into()));
    }
}
