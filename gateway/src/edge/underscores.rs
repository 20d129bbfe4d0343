//! Header fields whose names have underscores, which some servers take for hyphens: what looks
//! harmless here may be `x-forwarded-for` there.

use super::BadSetting;
use std::str::FromStr;

/// What becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// They pass, as in Istio.
    #[default]
    Allow,
    /// They are dropped, and counted.
    Drop,
    /// The request is refused.
    Reject,
}

impl FromStr for Underscores {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        match text {
            "allow" => Ok(Self::Allow),
            "drop" => Ok(Self::Drop),
            "reject" => Ok(Self::Reject),
            other => Err(BadSetting::Underscores(other.into())),
        }
    }
}
