//! Which manifests, compared with which AWS: what `plan`, `diff`, `drift`, `gc` and `cost` share.

use crate::{
    args::has_aws_in_environment,
    furnish::CONTROLLERS,
    input::Manifests,
    offline::{self, CLUSTER},
    output::{Console, Tone},
};
use anyhow::{Context, anyhow};
use clap::builder::NonEmptyStringValueParser;
use edgeway_alb_controller::{
    Config, HabitArgs, Survey,
    aws::{Access, Connection, Rates, endpoint},
    survey,
};
use edgeway_alb_core::{Settings, settings};
use edgeway_api::{Objects, Severity};
use edgeway_gateway::lease::Tenure;
use edgeway_local_alb::config::{DEFAULT_REGION, DEFAULT_VPC};

/// What a look that asked nobody compared with.
const NOTHING: &str = "nothing";

/// What is compared with what.
#[derive(Debug, clap::Args)]
pub struct Account {
    #[command(flatten)]
    manifests: Manifests,
    /// Where all AWS services are, such as <http://127.0.0.1:4599>
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL", value_parser = endpoint)]
    endpoint_url: Option<String>,
    /// Ask nobody: look as if nothing were there
    #[arg(long)]
    offline: bool,
    /// Name of the cluster, part of all tags and names; for AWS itself it must be given
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    cluster_name: Option<String>,
    /// The VPC that load balancers stand in; for AWS itself it must be given
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    vpc_id: Option<String>,
    /// The AWS region
    #[arg(long, value_name = "REGION", env = "AWS_REGION", default_value = DEFAULT_REGION)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    region: String,
    /// Controllers whose Ingress classes count; may be given several times. By default that is
    /// `edgeway.dev/alb`, as for the controller itself, and offline the AWS controller's too
    #[arg(long = "controller", value_name = "NAME")]
    controllers: Vec<String>,
    #[command(flatten)]
    habits: HabitArgs,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For scripts.
    Json,
}

/// What was seen.
#[derive(Debug)]
pub struct Look {
    /// What is wished and what stands.
    pub survey: Survey,
    /// What was compared with: a URL, `aws`, or `nothing`.
    pub against: String,
    /// Whether something is wrong with what is wished.
    pub bad: bool,
    offline: bool,
}

impl Look {
    /// Says to people that nobody was asked, if so.
    pub fn remark(&self, console: &Console) -> std::io::Result<()> {
        if self.against != NOTHING {
            return Ok(());
        }
        let note = if self.offline {
            "compared with nothing, as --offline asks"
        } else {
            "compared with nothing: no --endpoint-url and no AWS credentials are given"
        };
        console.out.line(console.out.paint(Tone::Faint, note))
    }
}

impl Account {
    /// Reads the manifests and looks at AWS. Problems go to the other stream.
    pub fn look(&self, console: &Console) -> anyhow::Result<Look> {
        let objects = self.manifests.read()?;
        let (survey, against) = self.survey(&objects)?;
        let mut bad = false;
        for problem in objects.defects.iter().chain(&survey.problems) {
            bad |= problem.severity == Severity::Error;
            console.err.line(problem)?;
        }
        Ok(Look { survey, against, bad, offline: self.offline })
    }

    fn survey(&self, objects: &Objects) -> anyhow::Result<(Survey, String)> {
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
        let settings = self.habits.over(settings)?;
        if is_offline {
            return Ok((offline::survey(&settings, objects), NOTHING.to_owned()));
        }
        let connection = Connection {
            memory: None,
            region: self.region.clone(),
            endpoint: self.endpoint_url.clone(),
            access: access(),
            rates: Rates::Published,
        };
        let config = Config { settings, connection, resync: None, tenure: Tenure::always() };
        let against = self.endpoint_url.clone().unwrap_or_else(|| "aws".to_owned());
        let where_to = match &self.endpoint_url {
            Some(url) => url.clone(),
            None => format!("AWS in region {}", self.region),
        };
        let survey = super::runtime()?
            .block_on(survey(&config, objects))
            .with_context(|| format!("{where_to} cannot be looked at"))?;
        Ok((survey, against))
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
