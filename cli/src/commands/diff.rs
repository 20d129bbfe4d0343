//! `edgeway diff`: what stands beside what would, line by line, as `kubectl diff` does it.

use super::account::{Account, Format};
use crate::output::{Console, Tone};
use edgeway_alb_core::{
    Observed, StackId,
    outline::{Change, Outline, compare},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

/// Exit code where something differs, as `kubectl diff` has it.
const DIFFERS: u8 = 1;
/// Exit code where something is wrong.
const WRONG: u8 = 2;

/// How many lines that stay are shown around those that do not.
const CONTEXT: usize = 3;

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    account: Account,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Prints what would be otherwise. Exits with 0 if nothing, with 1 if something, with 2 if something
/// is wrong.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let look = args.account.look(console)?;
    let outcome = look.survey.outcome();
    let changes = changes(&look.survey.observed, &outcome);
    match args.output {
        Format::Json => {
            let stacks: BTreeMap<_, Vec<_>> = changes
                .iter()
                .map(|(id, lines)| {
                    let moved = lines.iter().filter(|line| !matches!(line, Change::Same(_)));
                    (id, moved.collect())
                })
                .collect();
            let shown = serde_json::json!({ "against": look.against, "stacks": stacks });
            console.out.json(&shown)?;
        }
        Format::Text => {
            look.remark(console)?;
            for (id, lines) in &changes {
                print(id, lines, console)?;
            }
        }
    }
    Ok(match (look.bad, changes.is_empty()) {
        (true, _) => ExitCode::from(WRONG),
        (false, false) => ExitCode::from(DIFFERS),
        (false, true) => ExitCode::SUCCESS,
    })
}

/// Lines of each stack that differs.
fn changes(before: &Observed, after: &Observed) -> BTreeMap<StackId, Vec<Change>> {
    let ids: BTreeSet<&StackId> = before.stacks.keys().chain(after.stacks.keys()).collect();
    let outline = |state: &Observed, id: &StackId| {
        state.stacks.get(id).map(Outline::from).unwrap_or_default()
    };
    let compared =
        ids.into_iter().map(|id| (id.clone(), compare(&outline(before, id), &outline(after, id))));
    compared.filter(|(_, lines)| !lines.is_empty()).collect()
}

fn print(id: &StackId, lines: &[Change], console: &Console) -> std::io::Result<()> {
    let out = &console.out;
    out.line(out.paint(Tone::Strong, format!("--- {id}, as it stands")))?;
    out.line(out.paint(Tone::Strong, format!("+++ {id}, as it would")))?;
    let moved: Vec<usize> = (0..lines.len())
        .filter(|place| !matches!(lines.get(*place), Some(Change::Same(_))))
        .collect();
    let near = |place: usize| moved.iter().any(|other| other.abs_diff(place) <= CONTEXT);
    let mut last = None;
    for (place, line) in lines.iter().enumerate().filter(|(place, _)| near(*place)) {
        if last.is_some_and(|last: usize| last + 1 != place) {
            out.line(out.paint(Tone::Faint, "…"))?;
        }
        last = Some(place);
        out.line(match line {
            Change::Same(_) => line.to_string(),
            Change::Gone(_) => out.paint(Tone::Bad, line),
            Change::New(_) => out.paint(Tone::Good, line),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{args::Cli, commands, output::tests::console};
    use clap::Parser;
    use std::process::ExitCode;

    #[test]
    fn beside_nothing_all_is_new() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/alb-basic");
        let (console, out, _) = console();
        let line = ["edgeway", "diff", "--offline", "-f", folder];
        let code = commands::run(Cli::try_parse_from(line).unwrap(), &console).unwrap();
        assert_eq!(code, ExitCode::from(1));
        let text = out.text();
        assert!(text.contains("\n+load balancer "), "{text}");
        assert!(
            !text.lines().any(|line| line.starts_with('-') && !line.starts_with("---")),
            "{text}"
        );
    }
}
