//! `edgeway echo`.

use crate::{
    echo::{Identity, serve},
    output::Console,
    signal::stop_token,
};
use anyhow::Context;
use std::{net::SocketAddr, process::ExitCode, sync::Arc};
use tokio::{net::TcpListener, sync::watch};

/// Arguments of `echo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen; port 0 for any free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// The Service to stand for
    #[arg(long, value_name = "NAMESPACE/NAME")]
    name: String,
    /// A label of the pod to stand for; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
}

/// Serves until it is told to stop.
pub fn run(args: Args, console: &Console) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(async {
        let stop = stop_token()?;
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("cannot listen on {}", args.listen))?;
        let address = listener.local_addr()?;
        console.out.line(format!("echo {} listens on {address}", args.name))?;
        let identity = Identity { service: args.name, labels: args.labels.into_iter().collect() };
        let (_current, identity) = watch::channel(Arc::new(identity));
        serve(listener, identity, stop).await;
        Ok(ExitCode::SUCCESS)
    })
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a label is written KEY=VALUE".into()),
    }
}
