//! Flags that are either true or false, and each give up one habit.

use super::values;
use clap::{
    Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches,
    builder::{OsStr, ValueParser},
};
use edgeway_alb_core::switches::Switch;

/// Each with its usual value, and its help.
const FLAGS: &[(Switch, bool, &str)] = &[
    (
        Switch::OpenTargets,
        false,
        "Whether load balancers with security groups of their own are let through to targets",
    ),
    (
        Switch::AllPorts,
        false,
        "Whether targets are open on all ports to load balancers, not on those that are used",
    ),
    (
        Switch::NoClassAnnotation,
        false,
        "Whether the annotation kubernetes.io/ingress.class is no way into a class any more: what \
         stands of such Ingresses stays",
    ),
    (
        Switch::NoGroupAnnotation,
        false,
        "Whether the annotation group.name is no way into a group any more: what stands stays",
    ),
    (
        Switch::NeedServices,
        true,
        "Whether requests for a Service that is missing are answered with 503, and the Ingress served",
    ),
    (Switch::NeedActions, true, "The same for an action that is missing"),
    (Switch::NoShield, true, "Whether protections of Shield Advanced are looked after"),
    (Switch::NoWebAcl, true, "Whether access control lists (WAFv2) are looked after"),
];

/// Those that are set against their usual values.
#[derive(Clone, Debug, Default)]
pub(super) struct Switches(pub(super) Vec<Switch>);

impl clap::Args for Switches {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, (switch, usual, help)| {
            let usual = OsStr::from(if *usual { "true" } else { "false" });
            let flag = Arg::new(switch.as_str()).long(switch.as_str()).help(*help);
            let flag = flag.value_name("BOOL").default_value(usual).default_missing_value("true");
            let flag = flag.num_args(0..=1).require_equals(true).action(ArgAction::Set);
            command.arg(flag.value_parser(ValueParser::new(values::bool)))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Switches {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let thrown = FLAGS.iter().filter(|(switch, usual, _)| {
            matches.get_one::<bool>(switch.as_str()).is_some_and(|value| value != usual)
        });
        Ok(Self(thrown.map(|(switch, ..)| *switch).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
