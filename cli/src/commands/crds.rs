//! `edgeway crds`.

use crate::output::Console;
use edgeway_api::edge_status;
use std::process::ExitCode;

/// Arguments of `crds`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Yaml,
    Json,
}

/// Prints the definitions of Edgeway's own kinds, for `kubectl apply -f -`.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    match args.output {
        Format::Json => console.out.json(&edge_status::crd())?,
        Format::Yaml => {
            console.out.line("# Made by `edgeway crds`.")?;
            console.out.line(serde_saphyr::to_string(&edge_status::crd())?.trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::{Args, Format, run};
    use crate::output::tests::console;

    #[test]
    fn what_is_printed_is_what_is_deployed() {
        let (console, out, _) = console();
        run(&Args { output: Format::Yaml }, &console).unwrap();
        assert_eq!(
            out.text(),
            include_str!("../../../deploy/charts/edgeway-crds/files/edgestatuses.edgeway.dev.yaml")
        );
    }
}
