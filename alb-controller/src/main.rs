//! The binary `edgeway-alb-controller`.

use clap::Parser;
use edgeway_alb_controller::Args;
use std::{io, process::ExitCode};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,edgeway_alb_controller=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    edgeway_alb_controller::main(args, &mut io::stdout()).await
}
