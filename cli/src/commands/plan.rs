//! `edgeway plan`.

use crate::{
    args::has_aws_in_environment,
    furnish::CONTROLLERS,
    input::Manifests,
    offline::{self, CLUSTER},
    output::{Console, Tone},
};
use anyhow::{Context, anyhow};
use edgeway_alb_controller::{
    Config, Preview,
    aws::{Access, Connection, Rates},
    plan_once,
};
use edgeway_alb_core::{Plan, Settings, settings};
use edgeway_api::{Objects, Severity};
use edgeway_gateway::lease::Tenure;
use edgeway_local_alb::config::{DEFAULT_REGION, DEFAULT_VPC};
use serde::Serialize;
use std::process::ExitCode;

/// Exit code for a plan with steps, if it was asked for.
const CHANGES: u8 = 2;

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// Where all AWS services are, such as <http://127.0.0.1:4599>
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    endpoint_url: Option<String>,
    /// Ask nobody: plan as if nothing were there
    #[arg(long)]
    offline: bool,
    /// Name of the cluster, part of all tags and names; for AWS itself it must be given
    #[arg(long, value_name = "NAME")]
    cluster_name: Option<String>,
    /// The VPC that load balancers stand in; for AWS itself it must be given
    #[arg(long, value_name = "ID")]
    vpc_id: Option<String>,
    /// The AWS region
    #[arg(long, value_name = "REGION", env = "AWS_REGION", default_value = DEFAULT_REGION)]
    region: String,
    /// Controllers whose Ingress classes count; may be given several times. By default that is
    /// `edgeway.dev/alb`, as for the controller itself, and offline the AWS controller's too
    #[arg(long = "controller", value_name = "NAME")]
    controllers: Vec<String>,
    /// Exit with 2 if there is something to do, 0 if there is not, 1 if something is wrong
    #[arg(long)]
    detailed_exitcode: bool,
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

/// The plan, and what it was compared with.
#[derive(Debug, Serialize)]
struct Shown<'p> {
    /// A URL, `aws`, or `nothing`.
    against: &'p str,
    #[serde(flatten)]
    plan: &'p Plan,
}

/// Prints what would be done in AWS. Problems go to the other stream.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let objects = args.manifests.read()?;
    let (preview, against) = args.preview(&objects)?;
    let problems = objects.defects.iter().chain(&preview.problems);
    let mut bad = false;
    for problem in problems {
        bad |= problem.severity == Severity::Error;
        console.err.line(problem)?;
    }
    let plan = &preview.plan;
    match args.output {
        Format::Json => console.out.json(&Shown { against: &against, plan })?,
        Format::Text => {
            if against == NOTHING {
                let note = if args.offline {
                    "compared with nothing, as --offline asks"
                } else {
                    "compared with nothing: no --endpoint-url and no AWS credentials are given"
                };
                console.out.line(console.out.paint(Tone::Faint, note))?;
            }
            console.out.line(plan.to_string().trim_end())?;
        }
    }
    Ok(match (bad, plan.is_empty()) {
        (true, _) => ExitCode::FAILURE,
        (false, false) if args.detailed_exitcode => ExitCode::from(CHANGES),
        (false, _) => ExitCode::SUCCESS,
    })
}

/// What a plan that asked nobody was compared with.
const NOTHING: &str = "nothing";

impl Args {
    fn preview(&self, objects: &Objects) -> anyhow::Result<(Preview, String)> {
        let is_aws = self.endpoint_url.is_none() && has_aws_in_environment();
        let is_offline = self.offline || (self.endpoint_url.is_none() && !is_aws);
        let must_be_given = |value: &Option<String>, usual: &str, flag| match value {
            Some(value) => Ok(value.clone()),
            None if is_aws && !is_offline => {
                Err(anyhow!("AWS is to be asked: give {flag}, or --offline"))
            }
            None => Ok(usual.to_owned()),
        };
        let cluster = must_be_given(&self.cluster_name, CLUSTER, "--cluster-name")?;
        let vpc = must_be_given(&self.vpc_id, DEFAULT_VPC, "--vpc-id")?;
        // What is compared with AWS is what the controller, started the same way, would do.
        let usual: &[&str] = if is_offline { &CONTROLLERS } else { &[settings::EDGEWAY] };
        let controllers = match self.controllers.as_slice() {
            [] => usual.iter().map(|name| (*name).to_owned()).collect(),
            given => given.iter().cloned().collect(),
        };
        let settings = Settings { controllers, ..Settings::new(cluster, vpc) };
        if is_offline {
            let (plan, problems) = offline::plan(&settings, objects);
            return Ok((Preview { plan, problems }, NOTHING.to_owned()));
        }
        let connection = Connection {
            region: self.region.clone(),
            endpoint: self.endpoint_url.clone(),
            access: access(),
            rates: Rates::Published,
        };
        let config = Config { settings, connection, resync: None, tenure: Tenure::always() };
        let against = self.endpoint_url.clone().unwrap_or_else(|| "aws".to_owned());
        let preview = super::runtime()?
            .block_on(plan_once(&config, objects))
            .with_context(|| format!("{against} cannot be looked at"))?;
        Ok((preview, against))
    }
}

/// A stand-in on this machine checks no credentials, so none need be there.
fn access() -> Access {
    if has_aws_in_environment() {
        Access::Usual
    } else {
        Access::Fixed { key: "edgeway".to_owned(), secret: "edgeway".to_owned() }
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
    fn nothing_to_do_is_no_change() {
        let (code, text, _) = plan("hello", &["--detailed-exitcode"]);
        assert_eq!(code, ExitCode::SUCCESS);
        assert!(text.ends_with("nothing to do\n"), "{text}");
    }
}
