//! The API server as a source: a watch for each kind, and nothing is sent before all is known.
//!
//! Watches run each for itself ([`watch`]) and tell what they see to one listener ([`collect`]),
//! which keeps it ([`collection`]) and sends wholes. What cannot be read harms only itself
//! ([`object`]); what may not be read is named ([`trouble`]); an API server that is away changes
//! nothing.

mod backoff;
mod collect;
mod collection;
mod feed;
mod kinds;
mod object;
mod trouble;
mod watch;

pub use kinds::{CONTROLLER, GATEWAY, Kind};

use super::{Lost, Source};
pub(crate) use trouble::chain;

use collect::{Collector, Manner};
use edgeway_api::Objects;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use std::{collections::BTreeSet, error::Error, fmt, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch as channel;

/// The API server as a source.
#[derive(Clone, Debug)]
pub struct Kube {
    /// Where it is, and who we are to it.
    pub access: Access,
    /// What is read.
    pub wants: Wants,
}

/// How the API server is found: by a kubeconfig, or as pods of the cluster find it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// This file instead of the usual one.
    pub kubeconfig: Option<PathBuf>,
    /// This context instead of the current one.
    pub context: Option<String>,
}

/// Namespace and name of each Secret that objects refer to.
pub type Referenced = Arc<dyn Fn(&Objects) -> BTreeSet<(String, String)> + Send + Sync>;

/// What is read.
#[derive(Clone)]
pub struct Wants {
    /// These kinds.
    pub kinds: &'static [Kind],
    /// Of these namespaces; none: of all.
    pub namespaces: Vec<String>,
    /// Istio's objects that are labelled for another revision are not there.
    pub revision: String,
    /// Secrets are read one by one, and only those.
    pub secrets: Referenced,
}

impl fmt::Debug for Wants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kinds, namespaces, revision, secrets: _ } = self;
        f.debug_struct("Wants")
            .field("kinds", kinds)
            .field("namespaces", namespaces)
            .field("revision", revision)
            .finish_non_exhaustive()
    }
}

impl Source for Kube {
    async fn run(self, latest: channel::Sender<Arc<Objects>>) -> Result<(), Lost> {
        let client = self.access.client().await.map_err(Lost::NoApiServer)?;
        Collector::run(client, self.wants, latest, Manner::Patient).await
    }
}

impl Kube {
    /// Reads all once, and waits for nothing that somebody has to mend first: that is the error.
    pub async fn once(self) -> Result<Arc<Objects>, Lost> {
        let client = self.access.client().await.map_err(Lost::NoApiServer)?;
        let (latest, mut told) = channel::channel(Arc::default());
        tokio::select! {
            end = Collector::run(client, self.wants, latest, Manner::Once) => {
                end?;
                Err(Lost::Untold { why: Vec::new() })
            }
            Ok(()) = told.changed() => Ok(Arc::clone(&told.borrow())),
        }
    }
}

impl Access {
    pub(crate) async fn client(&self) -> Result<Client, Box<dyn Error + Send + Sync>> {
        let options = KubeConfigOptions { context: self.context.clone(), ..Default::default() };
        let mut config = match (&self.kubeconfig, &self.context) {
            (Some(path), _) => {
                Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?
            }
            (None, Some(_)) => Config::from_kubeconfig(&options).await?,
            (None, None) => Config::infer().await?,
        };
        config.connect_timeout = Some(Duration::from_secs(10));
        // Watches have their own.
        config.read_timeout = None;
        Ok(Client::try_from(config)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, GATEWAY, Kube, Lost, Source, Wants};
    use std::sync::Arc;
    use tokio::sync::watch;

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let access = Access { kubeconfig: Some("/no/such/kubeconfig".into()), context: None };
        let wants = Wants {
            kinds: GATEWAY,
            namespaces: Vec::new(),
            revision: String::new(),
            secrets: Arc::new(|_| std::collections::BTreeSet::new()),
        };
        let (latest, _) = watch::channel(Arc::default());
        let lost = Kube { access, wants }.run(latest).await.unwrap_err();
        let Lost::NoApiServer(error) = &lost else { panic!("{lost}") };
        assert!(error.to_string().contains("/no/such/kubeconfig"), "{error}");
    }
}
