//! Flags by which a source is chosen; both programs have them.

use crate::source::{Access, Files, Kind, Kube, Lost, Referenced, Source, SourceArg, Wants};
use edgeway_api::Objects;
use std::{path::PathBuf, sync::Arc};
use tokio::sync::watch;

/// Where the configuration comes from.
#[derive(Clone, Debug, clap::Args)]
pub struct SourceArgs {
    /// Where objects come from: files:PATH[,PATH…], kube or kube:CONTEXT
    #[arg(long, value_name = "SOURCE")]
    pub source: SourceArg,

    /// How the API server is found [default: as kubectl finds it, or as pods do]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Namespace to read from the API server; may be repeated [default: all]
    #[arg(long = "watch-namespace", value_name = "NAME")]
    pub namespaces: Vec<String>,

    /// Istio's objects with a label istio.io/rev of another value are left out
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub revision: String,
}

/// A source that was chosen.
#[derive(Clone, Debug)]
pub enum Opened {
    /// Files and folders of manifests.
    Files(Files),
    /// The API server.
    Kube(Box<Kube>),
}

impl SourceArgs {
    /// The chosen source. From an API server `kinds` are read, and the Secrets that objects refer to.
    pub fn open(&self, kinds: &'static [Kind], secrets: Referenced) -> Opened {
        match &self.source {
            SourceArg::Files(paths) => Opened::Files(Files::new(paths.clone())),
            SourceArg::Kube(context) => {
                let (kubeconfig, context) = (self.kubeconfig.clone(), context.clone());
                let access = Access { kubeconfig, context };
                let mut namespaces = self.namespaces.clone();
                namespaces.sort();
                namespaces.dedup();
                let revision = self.revision.clone();
                let wants = Wants { kinds, namespaces, revision, secrets };
                Opened::Kube(Box::new(Kube { access, wants }))
            }
        }
    }
}

impl Source for Opened {
    async fn run(self, latest: watch::Sender<Arc<Objects>>) -> Result<(), Lost> {
        match self {
            Self::Files(files) => files.run(latest).await,
            Self::Kube(kube) => kube.run(latest).await,
        }
    }
}
