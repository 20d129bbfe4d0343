//! Flags that say how wishes are read: the same for the controller and for `edgeway plan`.

use edgeway_alb_core::Settings;

/// How Ingresses are read, and what may be done about them.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Load balancers")]
pub struct HabitArgs {
    /// Take over all that the AWS Load Balancer Controller has made for Ingresses of the classes that
    /// are served; by default each one must ask for it (edgeway.dev/adopt)
    #[arg(long)]
    pub adopt: bool,
}

impl HabitArgs {
    /// What is said here, over what is usual.
    pub fn over(&self, settings: Settings) -> Settings {
        Settings { adopt: self.adopt, ..settings }
    }
}
