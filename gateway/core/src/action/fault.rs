//! Faults on purpose: a wait, an error, each for a share of the requests.

use serde::Serialize;
use std::time::Duration;

/// Shares are counted in millionths, as Envoy does.
pub const WHOLE: u32 = 1_000_000;

/// `fault`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// Comes after the wait, drawn on its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<Abort>,
}

/// A wait before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Delay {
    /// How long.
    #[serde(serialize_with = "super::forward::as_text")]
    pub time: Duration,
    /// For how many of a million requests.
    pub share: u32,
}

/// An error in place of forwarding, body `fault filter abort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Abort {
    /// HTTP status, or gRPC status in an HTTP 200.
    pub status: AbortStatus,
    /// For how many of a million requests.
    pub share: u32,
}

/// What an abort says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AbortStatus {
    /// An HTTP status.
    Http(u16),
    /// A gRPC status.
    Grpc(u8),
}

/// Whether a draw (any number) falls into `share` of a million.
pub fn falls(draw: u64, share: u32) -> bool {
    draw % u64::from(WHOLE) < u64::from(share)
}

/// A percentage in millionths.
pub fn share(percent: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to a million"
    )]
    let share = (percent.clamp(0.0, 100.0) * f64::from(WHOLE / 100)).round() as u32;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_at_their_ends() {
        for (percent, expected) in
            [(0.0, 0), (0.0001, 1), (50.0, 500_000), (100.0, WHOLE), (200.0, WHOLE), (-1.0, 0)]
        {
            assert_eq!(share(percent), expected, "{percent}");
        }
        assert!(!falls(0, 0));
        assert!((0..2_000_000).all(|draw| falls(draw, WHOLE)));
        assert_eq!((0..1_000_000).filter(|draw| falls(*draw, 250_000)).count(), 250_000);
    }
}
