//! The binary `edgeway-alb-controller`.

use clap::Parser;
use edgeway_alb_controller::Args;
use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};
use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise. The SDK warns at length of every place where it
/// has found no credentials; that there are none anywhere is said by us.
const LOG: &str = "warn,aws_config=error,edgeway_alb_controller=info";

// One thread: all memory in one heap, and next to nothing to compute.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    match edgeway_alb_controller::main(args, &mut io::stdout()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
