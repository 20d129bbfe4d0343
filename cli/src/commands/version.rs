//! `edgeway version`.

use crate::output::Console;
use serde::Serialize;
use std::process::ExitCode;

/// Arguments of `version`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Build {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'static str>,
    platform: String,
}

/// Prints the version.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let build = Build {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("EDGEWAY_COMMIT"),
        platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    };
    match args.output {
        Format::Json => console.out.json(&build)?,
        Format::Text => {
            let commit = build.commit.map(|commit| format!(" ({commit})")).unwrap_or_default();
            console.out.line(format!("edgeway {}{commit} {}", build.version, build.platform))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::console;
    use serde_json::Value;

    #[test]
    fn scripts_read_the_version_as_json() {
        let (console, out, _) = console();
        run(&Args { output: Format::Json }, &console).unwrap();
        let build: Value = serde_json::from_str(&out.text()).unwrap();
        assert_eq!(build["version"], env!("CARGO_PKG_VERSION"));
    }
}
