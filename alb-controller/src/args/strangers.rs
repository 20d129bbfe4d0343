//! Flags of the AWS Load Balancer Controller that mean nothing here: they are accepted, and said to
//! have no effect, or refused where doing without would not be what was asked for.

use clap::{Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches, error::ErrorKind};

/// Flags without effect, and what to do instead.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("alb-gateway-max-concurrent-reconciles", "the Gateway API is not served"),
    ("aws-api-throttle", "AWS is called as it allows; see --aws-rates"),
    ("aws-max-retries", "calls are repeated as long as it makes sense"),
    ("default-pca-arn", "certificates are not requested; Ingresses that ask for it are told"),
    ("enable-endpoint-slices", "EndpointSlices are read, and Endpoints where there are none"),
    ("enable-pod-readiness-gate-inject", "there are no webhooks"),
    ("enable-waf", "AWS has ended WAF Classic; see --enable-wafv2"),
    ("globalaccelerator-max-concurrent-reconciles", "accelerators are not made"),
    ("globalaccelerator-max-exponential-backoff-delay", "accelerators are not made"),
    ("health-probe-bind-addr", "readiness is told where metrics are: --metrics"),
    ("ingress-max-concurrent-reconciles", "all that can be done at once is"),
    ("kube-ca-pem-filepath", "there are no webhooks"),
    ("lb-stabilization-monitor-interval", "what takes its time is looked at until it is there"),
    ("load-balancer-class", "load balancers of Services are not made"),
    ("log-level", "set RUST_LOG, such as info,edgeway_alb_controller=debug"),
    ("metrics-bind-addr", "set --metrics, such as 0.0.0.0:15030"),
    ("nlb-gateway-max-concurrent-reconciles", "the Gateway API is not served"),
    ("service-max-concurrent-reconciles", "load balancers of Services are not made"),
    ("sync-period", "set --resync: how often AWS is looked at for drift"),
    ("targetgroupbinding-max-concurrent-reconciles", "all that can be done at once is"),
    ("targetgroupbinding-max-exponential-backoff-delay", "a minute is the longest wait"),
    ("targetgroupbinding-requeue-duration", "what takes its time is looked at until it is there"),
    ("webhook-bind-port", "there are no webhooks"),
    ("webhook-cert-dir", "there are no webhooks"),
    ("webhook-cert-file", "there are no webhooks"),
    ("webhook-key-file", "there are no webhooks"),
];

/// Flags that are refused, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("aws-api-endpoints", "give one --endpoint-url for all services"),
    ("aws-vpc-tag-key", "name the VPC with --vpc-id"),
    ("aws-vpc-tags", "name the VPC with --vpc-id"),
    ("max-targets-per-target-group", "there is no such limit here: all endpoints are registered"),
    ("required-secrets-label", "Secrets are read by name: let the role name those that may be"),
];

/// Those that were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Strangers(Vec<(&'static str, &'static str)>);

impl Strangers {
    /// What is said of them.
    pub(super) fn remarks(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(flag, instead)| format!("--{flag} has no effect: {instead}"))
    }
}

impl clap::Args for Strangers {
    fn augment_args(command: Command) -> Command {
        WITHOUT_EFFECT.iter().chain(REFUSED).fold(command, |command, (flag, _)| {
            let flag = Arg::new(*flag).long(*flag).hide(true).action(ArgAction::Append);
            command.arg(flag.num_args(0..=1))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Strangers {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |(flag, _): &&(&str, &str)| {
            matches.value_source(flag) == Some(clap::parser::ValueSource::CommandLine)
        };
        if let Some((flag, instead)) = REFUSED.iter().find(given) {
            let text = format!("--{flag} is not understood here: {instead}\n");
            return Err(Error::raw(ErrorKind::UnknownArgument, text));
        }
        Ok(Self(WITHOUT_EFFECT.iter().filter(given).copied().collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_tells_of_each_flag() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md");
        let text = std::fs::read_to_string(path).unwrap();
        for (flag, _) in WITHOUT_EFFECT.iter().chain(REFUSED) {
            assert!(text.contains(&format!("`--{flag}`")), "{flag}");
        }
    }
}
