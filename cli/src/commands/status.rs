//! `edgeway status`.

use crate::output::{Console, Output, Shape, Tone, aligned};
use anyhow::Context;
use edgeway_api::{
    EdgeStatus,
    edge_status::{Condition, GROUP, PLURAL, VERSION},
};
use edgeway_gateway::{
    api_server::{ApiServer, Refusal},
    source::Access,
};
use serde_json::{Value, json};
use std::{path::PathBuf, process::ExitCode};

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only what is about an object of this name
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// What is about objects of this namespace [default: that of the context]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// What is about objects of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// How the API server is found [default: as kubectl finds it]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Shape,
}

/// The columns of the table.
const COLUMNS: [&str; 6] = ["NAMESPACE", "KIND", "NAME", "READY", "REASON", "ADDRESS"];

/// Prints what became of Ingresses and gateways; the exit code is 1 if one of them is not ready, or if
/// nothing is said of the one that was asked for.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let mut found = super::runtime()?.block_on(args.read())?;
    found.retain(|it| args.name.as_ref().is_none_or(|name| *name == it.spec.target_ref.name));
    found.sort_by_key(|it| (it.metadata.namespace.clone(), it.metadata.name.clone()));
    match args.output {
        Shape::Json => console.out.json(&list(&found))?,
        Shape::Yaml => console.out.line(serde_saphyr::to_string(&list(&found))?.trim_end())?,
        Shape::Table if found.is_empty() => {
            console.err.line("nothing is said of any Ingress or gateway here")?;
        }
        Shape::Table => table(&found, &console.out)?,
    }
    let missing = found.is_empty() && args.name.is_some();
    Ok(if missing || !found.iter().all(is_ready) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Args {
    async fn read(&self) -> anyhow::Result<Vec<EdgeStatus>> {
        let access = Access { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() };
        let api = ApiServer::connect(&access).await?;
        let root = format!("/apis/{GROUP}/{VERSION}");
        let path = match self.namespace.as_deref().unwrap_or(api.namespace()) {
            _ if self.all_namespaces => format!("{root}/{PLURAL}"),
            namespace => format!("{root}/namespaces/{namespace}/{PLURAL}"),
        };
        match api.list(&path).await {
            // A list of a kind that is installed is there, if empty.
            Err(Refusal::NotFound) => Err(Refusal::NotFound).context(
                "the kind EdgeStatus is not installed: `edgeway crds | kubectl apply -f -`, or the \
                 chart edgeway-crds",
            ),
            answer => Ok(answer?),
        }
    }
}

/// As `kubectl get -o json` has it.
fn list(found: &[EdgeStatus]) -> Value {
    let item = |it: &EdgeStatus| {
        json!({
            "apiVersion": EdgeStatus::api_version(), "kind": "EdgeStatus",
            "metadata": it.metadata, "spec": it.spec, "status": it.status,
        })
    };
    let items: Vec<Value> = found.iter().map(item).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn ready(of: &EdgeStatus) -> Option<&Condition> {
    of.status.conditions.iter().find(|it| it.r#type == "Ready")
}

/// What nothing is said of yet is not ready.
fn is_ready(of: &EdgeStatus) -> bool {
    ready(of).is_some_and(|ready| ready.status == "True")
}

fn table(found: &[EdgeStatus], out: &Output) -> std::io::Result<()> {
    let rows: Vec<[String; 6]> =
        std::iter::once(COLUMNS.map(str::to_owned)).chain(found.iter().map(row)).collect();
    let mut lines = aligned(&rows).into_iter();
    lines.next().map_or(Ok(()), |columns| out.line(columns))?;
    for (of, line) in found.iter().zip(lines) {
        out.line(line)?;
        if let Some(Condition { message, .. }) =
            ready(of).filter(|ready| ready.status != "True" && !ready.message.is_empty())
        {
            out.line(out.paint(Tone::Faint, format!("    {message}")))?;
        }
    }
    Ok(())
}

fn row(of: &EdgeStatus) -> [String; 6] {
    let target = &of.spec.target_ref;
    let (status, reason) =
        ready(of).map_or(("Unknown", ""), |ready| (ready.status.as_str(), ready.reason.as_str()));
    [
        of.metadata.namespace.clone().unwrap_or_default(),
        target.kind.clone(),
        target.name.clone(),
        status.to_owned(),
        reason.to_owned(),
        of.status.address.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::{EdgeStatus, is_ready, list, table};
    use crate::output::tests::console;
    use serde_json::json;

    fn found() -> Vec<EdgeStatus> {
        let of = |name: &str, status: &str, message: &str| {
            serde_json::from_value(json!({
                "metadata": {"namespace": "shop", "name": format!("ingress.{name}")},
                "spec": {"targetRef": {"kind": "Ingress", "name": name}},
                "status": {
                    "address": "a.example.com",
                    "conditions": [{"type": "Ready", "status": status, "reason": "Word", "message": message}],
                },
            }))
            .unwrap()
        };
        vec![of("web", "True", ""), of("lost", "False", "there is none")]
    }

    #[test]
    fn a_table_says_what_is_not_ready_and_why() {
        let (console, out, _) = console();
        table(&found(), &console.out).unwrap();
        assert_eq!(
            out.text(),
            "NAMESPACE  KIND     NAME  READY  REASON  ADDRESS\n\
             shop       Ingress  web   True   Word    a.example.com\n\
             shop       Ingress  lost  False  Word    a.example.com\n    there is none\n"
        );
    }

    #[test]
    fn scripts_get_the_objects() {
        let list = list(&found());
        assert_eq!(list["items"][1]["kind"], "EdgeStatus");
        assert_eq!(list["items"][1]["spec"]["targetRef"]["name"], "lost");
    }

    #[test]
    fn what_nothing_is_said_of_is_not_ready() {
        let mut all = found();
        all[1].status.conditions.clear();
        assert_eq!(all.iter().map(is_ready).collect::<Vec<_>>(), [true, false]);
    }
}
