//! `edgeway up`.

use crate::{
    input::Manifests,
    log::LogArgs,
    output::Console,
    signal::stop_token,
    up::{self, Config},
};
use std::{
    net::{IpAddr, Ipv4Addr},
    process::ExitCode,
};

/// Arguments of `up`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// Added to the ports of the ALB's listeners: with 8000, listener 80 is on 8080
    #[arg(long, value_name = "N", default_value_t = 8000)]
    port_offset: u16,
    /// The address that the ALB and the gateway listen on
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    #[command(flatten)]
    log: LogArgs,
}

/// Runs everything until it is told to stop.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let config =
        Config { paths: args.manifests.paths()?, port_offset: args.port_offset, bind: args.bind };
    args.log.install(console.out.clone())?;
    super::runtime()?.block_on(async {
        up::run(config, &console.out, stop_token()?).await?;
        Ok(ExitCode::SUCCESS)
    })
}
