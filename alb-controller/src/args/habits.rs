//! Flags that say how Ingresses are read, by the names that the AWS Load Balancer Controller has for
//! them: the same for the controller and for `edgeway plan`.

use super::{gates::Gates, switches::Switches, values};
use clap::ArgAction;
use edgeway_alb_core::{
    Settings,
    settings::ANNOTATED,
    stack::Scheme,
    switches::Switch,
    tags::{self, Tags},
    target::TargetType,
};
use std::collections::BTreeSet;

/// How Ingresses are read, and what may be done about them.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Load balancers")]
pub struct HabitArgs {
    /// Take over all that the AWS Load Balancer Controller has made for Ingresses of the classes that
    /// are served; by default each one must ask for it (edgeway.dev/adopt)
    #[arg(long)]
    adopt: bool,
    /// Tags of everything that is made; they go before those of Ingresses
    #[arg(long, value_name = "K=V,…", value_delimiter = ',', value_parser = values::pair)]
    default_tags: Vec<(String, String)>,
    /// Tags that somebody else sets and removes
    #[arg(long, value_name = "KEY,…", value_delimiter = ',')]
    external_managed_tags: Vec<String>,
    /// TLS versions and ciphers of listeners that name none
    #[arg(long, value_name = "NAME", default_value = "ELBSecurityPolicy-2016-08")]
    default_ssl_policy: String,
    /// What targets are that nobody says it of: instance or ip [default: ip, and instance for classes
    /// of the AWS Load Balancer Controller]
    #[arg(long, value_name = "TYPE", value_parser = values::word(TargetType::parse, TargetType::choices))]
    default_target_type: Option<TargetType>,
    /// Whom load balancers are for that do not say it: internal or internet-facing
    #[arg(long, value_name = "SCHEME", default_value = "internal")]
    #[arg(value_parser = values::word(Scheme::parse, Scheme::choices))]
    default_load_balancer_scheme: Scheme,
    /// Whether load balancers have a security group in common that targets are open to
    #[arg(long, value_name = "BOOL", default_value = "true", default_missing_value = "true")]
    #[arg(num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_parser = values::bool)]
    enable_backend_security_group: bool,
    /// Id of that group [default: one is made]
    #[arg(long, value_name = "ID")]
    backend_security_group: Option<String>,
    /// Tags of those security groups of targets that are opened, where a target has several
    #[arg(long, value_name = "K=V,…", value_delimiter = ',', value_parser = values::pair)]
    service_target_eni_security_group_tags: Vec<(String, String)>,
    /// The class of the AWS Load Balancer Controller in the annotation kubernetes.io/ingress.class;
    /// if empty, Ingresses without any class are of it, too
    #[arg(long, value_name = "NAME", default_value = ANNOTATED)]
    ingress_class: String,
    /// Private authorities whose certificates are found by host, and no others [default: all are]
    #[arg(long, value_name = "ARN,…", value_delimiter = ',')]
    allowed_certificate_authority_arns: Vec<String>,
    /// Feature gates of the AWS Load Balancer Controller that mean something here
    #[arg(long, value_name = "NAME=BOOL,…", default_value = "", hide_default_value = true)]
    feature_gates: Gates,
    #[command(flatten)]
    switches: Switches,
}

impl HabitArgs {
    /// What is said here, over what is usual.
    pub fn over(&self, settings: Settings) -> anyhow::Result<Settings> {
        let settings = Settings {
            adopt: self.adopt,
            default_scheme: self.default_load_balancer_scheme,
            default_ssl_policy: self.default_ssl_policy.clone(),
            default_target_type: self.default_target_type,
            shared_security_group: self.enable_backend_security_group,
            given_security_group: self.given(),
            default_tags: self.default_tags.iter().cloned().collect(),
            external_tags: self.external_managed_tags.iter().cloned().collect(),
            target_group_tags: self
                .service_target_eni_security_group_tags
                .iter()
                .cloned()
                .collect(),
            annotated_class: self.ingress_class.clone(),
            authorities: self.allowed_certificate_authority_arns.iter().cloned().collect(),
            switches: self.switches(),
            ..settings
        };
        check(&settings.default_tags, &settings.external_tags)?;
        Ok(settings)
    }

    /// What of the feature gates has no effect.
    pub(super) fn remarks(&self) -> impl Iterator<Item = String> {
        self.feature_gates.remarks()
    }

    fn given(&self) -> Option<String> {
        self.backend_security_group.clone().filter(|id| !id.is_empty())
    }

    fn switches(&self) -> BTreeSet<Switch> {
        self.switches.0.iter().copied().chain(self.feature_gates.switches()).collect()
    }
}

/// Refuses tags that cannot be somebody else's, or of which two things are said.
fn check(default: &Tags, external: &BTreeSet<String>) -> anyhow::Result<()> {
    for (flag, key) in default
        .keys()
        .map(|key| ("--default-tags", key))
        .chain(external.iter().map(|key| ("--external-managed-tags", key)))
    {
        anyhow::ensure!(
            !tags::is_reserved(key) && key != tags::SHARED_RESOURCE,
            "{flag}: the tag {key} tells whose a thing is, and cannot be chosen"
        );
    }
    if let Some(key) = default.keys().find(|key| external.contains(*key)) {
        anyhow::bail!("the tag {key} is both in --default-tags and in --external-managed-tags");
    }
    Ok(())
}
