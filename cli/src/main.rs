//! The command: arguments in, exit code out.

use clap::Parser;
use edgeway::{
    args::{Cli, USAGE},
    commands,
    output::{Console, Tone},
};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let console = Console::standard(cli.wants_colour());
    match commands::run(cli, &console) {
        Ok(code) => code,
        Err(error) => {
            let _ =
                console.err.line(format!("{}: {error:#}", console.err.paint(Tone::Bad, "error")));
            ExitCode::FAILURE
        }
    }
}
