//! `edgeway routes`.

use crate::{
    furnish::Role,
    input,
    offline::{Reading, workload},
    output::{Console, Output, Shape, aligned},
    routes::{Row, Share, State, routes},
};
use anyhow::Context;
use edgeway_api::Objects;
use edgeway_core::wanted_secrets;
use edgeway_gateway::{
    api_server::ApiServer,
    source::{Access, GATEWAY, Kube, Wants},
};
use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long the API server may take to tell all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of `routes`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only routes of this host; `*.example.com` is one
    #[arg(value_name = "HOST")]
    host: Option<String>,
    /// File or folder of manifests instead of a cluster, `-` for standard input; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH", value_delimiter = ',')]
    paths: Vec<PathBuf>,
    /// Routes that objects of this namespace make [default: that of the context; all, of manifests]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Routes of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "NAME", conflicts_with = "paths")]
    context: Option<String>,
    /// How the API server is found [default: as kubectl finds it]
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    kubeconfig: Option<PathBuf>,
    /// Istio's objects with a label istio.io/rev of another value are left out
    #[arg(long, value_name = "NAME", default_value = "default", conflicts_with = "paths")]
    revision: String,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Shape,
}

/// The columns of the table.
const COLUMNS: [&str; 6] = ["LISTENER", "HOST", "MATCH", "TO", "BY", "STATE"];

/// Prints what is served where, and by which rule; the exit code is 1 if a route cannot be answered.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let (objects, namespace) = if args.paths.is_empty() {
        super::runtime()?.block_on(args.read())?
    } else {
        (input::read(&args.paths)?, args.namespace.clone())
    };
    for defect in &objects.defects {
        console.err.line(format!("{}: {}", defect.object, defect.message))?;
    }
    let counts = args.paths.is_empty() || has_endpoints(&objects);
    let mut rows = routes(&Reading::new(objects), counts);
    rows.retain(|row| args.wants(row, namespace.as_deref()));
    match args.output {
        Shape::Json => console.out.json(&rows)?,
        Shape::Yaml => console.out.line(serde_saphyr::to_string(&rows)?.trim_end())?,
        Shape::Table if rows.is_empty() => console.err.line("there is no such route")?,
        Shape::Table => table(&rows, &console.out)?,
    }
    let is_fine = |row: &Row| matches!(row.state, State::Ready | State::Partly);
    Ok(if rows.iter().all(is_fine) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Args {
    /// All that a gateway would read, and the namespace that is asked for.
    async fn read(&self) -> anyhow::Result<(Objects, Option<String>)> {
        let access = Access { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() };
        let own = ApiServer::connect(&access).await?.namespace().to_owned();
        let namespace = self.namespace.clone().or((!self.all_namespaces).then_some(own));
        let secrets = |objects: &Objects| {
            let workload = workload(&Role::expected(objects));
            let names = wanted_secrets(objects, &workload).into_iter();
            names.map(|name| (workload.namespace.clone(), name)).collect()
        };
        let wants = Wants {
            kinds: GATEWAY,
            namespaces: Vec::new(),
            revision: self.revision.clone(),
            secrets: Arc::new(secrets),
        };
        let read = timeout(PATIENCE, Kube { access, wants }.once()).await;
        let objects =
            read.context("the API server does not tell all that is asked of it in time")??;
        Ok((Arc::unwrap_or_clone(objects), namespace))
    }

    fn wants(&self, row: &Row, namespace: Option<&str>) -> bool {
        let own = row.by.split_once('/').map(|(namespace, _)| namespace);
        let is_there = namespace.is_none_or(|wanted| own == Some(wanted));
        is_there && self.host.as_ref().is_none_or(|host| *host == row.host)
    }
}

/// Manifests are written by people, endpoints by controllers.
fn has_endpoints(objects: &Objects) -> bool {
    !objects.endpoint_slices.is_empty() || !objects.endpoints.is_empty()
}

fn table(rows: &[Row], out: &Output) -> std::io::Result<()> {
    let all: Vec<[String; 6]> =
        std::iter::once(COLUMNS.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    aligned(&all).into_iter().try_for_each(|line| out.line(line))
}

fn cells(row: &Row) -> [String; 6] {
    let Row { listener, host, conditions, action, destinations, by, route, state, why } = row;
    let by = route.as_ref().map_or_else(|| by.clone(), |route| format!("{by} {route}"));
    let to = match destinations.as_slice() {
        [] => action.clone(),
        [one] => target(one),
        several => {
            let one = |share: &Share| format!("{} {}", share.weight, target(share));
            several.iter().map(one).collect::<Vec<_>>().join(", ")
        }
    };
    let state = match why.as_slice() {
        [] => state.word().to_owned(),
        why => format!("{}: {}", state.word(), why.join("; ")),
    };
    [listener.clone(), host.clone(), conditions.clone(), to, by, state]
}

/// A cluster as people name it: `web.shop.svc.cluster.local:80 v1 (2)`.
fn target(share: &Share) -> String {
    let parts: Vec<&str> = share.cluster.splitn(4, '|').collect();
    let name = match parts.as_slice() {
        [_, port, "", host] => format!("{host}:{port}"),
        [_, port, subset, host] => format!("{host}:{port} {subset}"),
        _ => share.cluster.clone(),
    };
    share.endpoints.map_or_else(|| name.clone(), |count| format!("{name} ({count})"))
}
