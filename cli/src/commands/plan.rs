//! `edgeway plan`.

use super::account::{Account, Format, Look};
use crate::output::Console;
use edgeway_alb_core::{Plan, StackId, Standing, outline::Outline};
use serde::Serialize;
use std::{collections::BTreeMap, process::ExitCode};

/// Exit code for a plan with steps, if it was asked for.
const CHANGES: u8 = 2;

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    account: Account,
    /// Show what is wished alone, not how to get there
    #[arg(long)]
    desired: bool,
    /// Exit with 2 if there is something to do, 0 if there is not, 1 if something is wrong
    #[arg(long)]
    detailed_exitcode: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// The plan, and what it was compared with.
#[derive(Debug, Serialize)]
struct Shown<'p> {
    /// A URL, `aws`, or `nothing`.
    against: &'p str,
    #[serde(flatten)]
    plan: &'p Plan,
}

/// What is wished.
#[derive(Debug, Serialize)]
struct Wishes {
    stacks: BTreeMap<StackId, Outline>,
}

/// Prints what would be done in AWS. Problems go to the other stream.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let look = args.account.look(console)?;
    if args.desired {
        show_wishes(args, &look, console)?;
        return Ok(if look.bad { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let plan = &look.survey.plan;
    match args.output {
        Format::Json => console.out.json(&Shown { against: &look.against, plan })?,
        Format::Text => {
            look.remark(console)?;
            console.out.line(plan.to_string().trim_end())?;
        }
    }
    Ok(match (look.bad, plan.is_empty()) {
        (true, _) => ExitCode::FAILURE,
        (false, false) if args.detailed_exitcode => ExitCode::from(CHANGES),
        (false, _) => ExitCode::SUCCESS,
    })
}

fn show_wishes(args: &Args, look: &Look, console: &Console) -> std::io::Result<()> {
    let stacks = look.survey.desired.stacks.iter();
    let stacks: BTreeMap<StackId, Outline> =
        stacks.map(|(id, stack)| (id.clone(), Outline::from(&Standing::from(stack)))).collect();
    match args.output {
        Format::Json => console.out.json(&Wishes { stacks }),
        Format::Text => {
            stacks.iter().try_for_each(|(id, outline)| console.out.line(format!("{id}\n{outline}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{args::Cli, commands, output::tests::console};
    use clap::Parser;
    use serde_json::Value;
    use std::process::ExitCode;

    const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/");

    fn plan(example: &str, more: &[&str]) -> (ExitCode, String, String) {
        let folder = format!("{EXAMPLES}{example}");
        let mut line = vec!["edgeway", "plan", "--offline", "-f", &folder];
        line.extend(more);
        let (console, out, err) = console();
        let code = commands::run(Cli::try_parse_from(line).unwrap(), &console).unwrap();
        (code, out.text(), err.text())
    }

    #[test]
    fn without_aws_all_is_to_be_made_and_it_says_so() {
        let (code, text, problems) = plan("bookinfo", &[]);
        assert_eq!((code, problems.as_str()), (ExitCode::SUCCESS, ""));
        assert!(text.starts_with("compared with nothing"), "{text}");
        assert!(text.contains("create-load-balancer"), "{text}");
        let (code, ..) = plan("bookinfo", &["--detailed-exitcode"]);
        assert_eq!(code, ExitCode::from(2));
    }

    #[test]
    fn scripts_get_steps_with_kind_key_reason_and_risk() {
        let (_, text, _) = plan("alb-basic", &["-o", "json"]);
        let plan: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(plan["against"], "nothing");
        let steps = plan["steps"].as_array().unwrap();
        assert!(steps.iter().any(|step| step["kind"] == "create-load-balancer"), "{text}");
        for step in steps {
            for field in ["kind", "key", "reason", "risk"] {
                assert!(step[field].is_string(), "{field} of {step}");
            }
        }
        assert_eq!(
            plan["summary"]["create"],
            steps
                .iter()
                .filter(|step| { step["kind"].as_str().unwrap().starts_with("create-") })
                .count()
        );
    }

    #[test]
    fn what_is_wished_can_be_read_alone() {
        let (code, text, _) = plan("alb-basic", &["--desired"]);
        assert_eq!(code, ExitCode::SUCCESS);
        assert!(text.contains("  listener HTTP 80"), "{text}");
        let (_, text, _) = plan("alb-basic", &["--desired", "-o", "json"]);
        let wishes: Value = serde_json::from_str(&text).unwrap();
        let stack = wishes["stacks"].as_object().unwrap().values().next().unwrap();
        assert_eq!(stack["loadBalancers"][0]["listeners"][0]["protocol"], "HTTP", "{text}");
    }

    #[test]
    fn nothing_to_do_is_no_change() {
        let (code, text, _) = plan("hello", &["--detailed-exitcode"]);
        assert_eq!(code, ExitCode::SUCCESS);
        assert!(text.ends_with("nothing to do\n"), "{text}");
    }
}
