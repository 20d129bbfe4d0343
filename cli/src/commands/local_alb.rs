//! `edgeway local-alb`.

use crate::{log, output::Console, signal::stop_token};
use edgeway_local_alb::{
    Chaos, Config, Event, LocalAlb, PortMapping,
    config::{DEFAULT_ACCOUNT, DEFAULT_API_PORT, DEFAULT_REGION, DEFAULT_VPC},
};
use ipnet::Ipv4Net;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

const API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_API_PORT);

/// Arguments of `local-alb`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the AWS API answers; port 0 for any free one
    #[arg(long, value_name = "ADDR:PORT", default_value_t = API)]
    api: SocketAddr,
    /// The address that listeners are opened on
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Added to the port of every listener: with 8000, listener 80 is on 8080
    #[arg(long, value_name = "N", default_value_t = 0)]
    port_offset: u16,
    /// The account that everything belongs to
    #[arg(long, value_name = "ID", default_value = DEFAULT_ACCOUNT)]
    account: String,
    /// The region of calls that do not name one
    #[arg(long, value_name = "NAME", default_value = DEFAULT_REGION)]
    region: String,
    /// The VPC that is there from the start
    #[arg(long, value_name = "ID", default_value = DEFAULT_VPC)]
    vpc_id: String,
    /// The addresses of that VPC, which targets may have besides private ones [default: 10.0.0.0/16]
    #[arg(long, value_name = "CIDR")]
    vpc_range: Option<Ipv4Net>,
    /// The folder that stands in for S3: a folder for each bucket, for trust stores to be read from
    #[arg(long, value_name = "DIR")]
    s3_dir: Option<PathBuf>,
    /// What answers in place of every user pool of Cognito, under Cognito's paths (/oauth2/authorize …)
    #[arg(long, value_name = "URL")]
    cognito: Option<String>,
    /// Let subnets, security groups and certificates that a call names come into being
    #[arg(long)]
    adopt: bool,
    /// Throttle calls, lose answers, look back and change late, to see what a client makes of it:
    /// throttle=0.3,lose=0.05,lag=2s,delay=500ms,seed=7
    #[arg(long, value_name = "FAULTS")]
    chaos: Option<Chaos>,
    #[command(flatten)]
    log: log::LogArgs,
}

/// Runs until it is told to stop.
pub fn run(args: Args, console: &Console) -> anyhow::Result<ExitCode> {
    args.log.install(console.out.clone())?;
    super::runtime()?.block_on(async {
        let stop = stop_token()?;
        let usual = Config::default();
        let config = Config {
            vpc_range: args.vpc_range.unwrap_or(usual.vpc_range),
            api: args.api,
            bind: args.bind,
            ports: PortMapping::Offset(args.port_offset),
            account: args.account,
            region: args.region,
            vpc: args.vpc_id,
            buckets: args.s3_dir,
            cognito: args.cognito,
            adopt: args.adopt,
            chaos: args.chaos.unwrap_or_default(),
            ..usual
        };
        let running = LocalAlb::start(config, stop.clone()).await?;
        console.out.line(format!("local-alb answers as AWS on http://{}", running.api))?;
        let events = running.events();
        tokio::select! {
            () = tell(events) => {}
            () = stop.cancelled() => {}
        }
        running.wait().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Logs events until there are no more.
async fn tell(mut events: Receiver<Event>) {
    loop {
        match events.recv().await {
            Ok(event) => log::event(&event),
            Err(RecvError::Lagged(missed)) => tracing::warn!("{missed} events were missed"),
            Err(RecvError::Closed) => return,
        }
    }
}
