//! How a try fails, what is said about it, and what ends a request from outside.

use super::message::Fault;
use crate::flags::Flags;
use edgeway_core::action::forward::RetryOn;
use http::StatusCode;

/// How a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The endpoint did not take the connection.
    Refused,
    /// It did not in time.
    ConnectTimeout,
    /// It ended the connection without an answer.
    Terminated,
    /// It called the request off.
    Reset,
    /// It did so before it did anything about it.
    RefusedStream,
    /// It did not speak HTTP.
    Protocol,
    /// It did not answer in the time for one try.
    TryTimeout,
    /// It was not asked: a limit of its cluster was reached.
    Overflow,
}

/// What ends a request, whatever its try does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// The client left.
    ClientGone,
    /// The client's body is not framed as announced.
    BadBody,
    /// The request's time is up.
    Deadline,
    /// The client takes nothing of what waits for it.
    Stalled,
    /// Nothing moves in either direction.
    Idle,
}

/// Either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// This try failed; there may be another.
    Failed(Failure),
    /// There will be no other.
    Interrupted(Interrupt),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Gone => Self::Terminated,
            Fault::Protocol => Self::Protocol,
            Fault::Reset => Self::Reset,
            Fault::RefusedStream => Self::RefusedStream,
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Interrupt> for Stop {
    fn from(interrupt: Interrupt) -> Self {
        Self::Interrupted(interrupt)
    }
}

impl Failure {
    /// The status of the answer.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Refused
            | Self::ConnectTimeout
            | Self::Terminated
            | Self::Reset
            | Self::RefusedStream
            | Self::Overflow => StatusCode::SERVICE_UNAVAILABLE,
            Self::Protocol => StatusCode::BAD_GATEWAY,
            Self::TryTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The flags of the access log.
    pub(crate) const fn flags(self) -> Flags {
        match self {
            Self::Refused | Self::ConnectTimeout => Flags::CONNECT_FAILURE,
            Self::Terminated => Flags::TERMINATED,
            Self::Reset | Self::RefusedStream => Flags::ENDPOINT_RESET,
            Self::Protocol => Flags::ENDPOINT_PROTOCOL,
            Self::TryTimeout => Flags::TIMEOUT,
            Self::Overflow => Flags::OVERFLOW,
        }
    }

    /// Envoy's words for it.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Refused => "remote connection failure",
            Self::ConnectTimeout => "connection timeout",
            Self::Terminated => "connection termination",
            Self::Reset => "remote reset",
            Self::RefusedStream => "remote refused stream reset",
            Self::Protocol => "protocol error",
            Self::TryTimeout => "per try timeout",
            Self::Overflow => "overflow",
        }
    }

    /// What the access log says if the response had not, or had, begun.
    pub(crate) fn details(self, begun: bool) -> String {
        match (self, begun) {
            (Self::TryTimeout, _) => "upstream_per_try_timeout".into(),
            (_, begun) => {
                let when = if begun { "after" } else { "before" };
                let reason = self.reason().replace(' ', "_");
                format!("upstream_reset_{when}_response_started{{{reason}}}")
            }
        }
    }

    /// What the client reads.
    pub(crate) fn body(self, retried: bool) -> String {
        const START: &str = "upstream connect error or disconnect/reset before headers.";
        match (self, retried) {
            (Self::TryTimeout, _) => "upstream request timeout".into(),
            (_, false) => format!("{START} reset reason: {}", self.reason()),
            (_, true) => {
                format!("{START} retried and the latest reset reason: {}", self.reason())
            }
        }
    }

    /// Whether these conditions ask for another try.
    pub(crate) const fn is_retried(self, on: RetryOn) -> bool {
        let any = on.reset || on.server_error || on.gateway_error;
        match self {
            Self::Refused | Self::ConnectTimeout => {
                any || on.connect_failure || on.reset_before_request
            }
            Self::RefusedStream => any || on.refused_stream || on.reset_before_request,
            Self::Reset => any || on.reset_before_request,
            Self::Terminated | Self::Protocol | Self::TryTimeout => any,
            Self::Overflow => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_worded_as_envoy_words_them() {
        assert_eq!(
            Failure::Refused.body(true),
            "upstream connect error or disconnect/reset before headers. \
             retried and the latest reset reason: remote connection failure"
        );
        assert_eq!(
            Failure::Terminated.details(false),
            "upstream_reset_before_response_started{connection_termination}"
        );
        assert_eq!(Failure::TryTimeout.body(false), "upstream request timeout");
    }

    #[test]
    fn only_what_was_not_processed_is_repeated_by_default() {
        let default = edgeway_core::action::Retry::default().on;
        assert!(Failure::Refused.is_retried(default));
        for failure in [Failure::Terminated, Failure::Protocol, Failure::TryTimeout] {
            assert!(!failure.is_retried(default), "{failure:?}");
            assert!(failure.is_retried(RetryOn { server_error: true, ..RetryOn::default() }));
        }
    }
}
