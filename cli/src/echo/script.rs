//! The `x-echo` header: how a request asks its answer to misbehave.

use http::{HeaderMap, StatusCode};
use std::time::Duration;
use thiserror::Error;

/// Name of the header that carries a [`Script`].
pub(super) const HEADER: &str = "x-echo";

/// What a request asks for, such as `x-echo: status=503,delay=200ms,size=65536`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Script {
    /// Status of the answer.
    pub status: StatusCode,
    /// Pause before the answer, or before the connection is cut.
    pub delay: Duration,
    /// Whether there is no answer at all.
    pub cut: Option<Cut>,
    /// A body of this many bytes instead of the JSON.
    pub size: Option<u64>,
}

/// How a connection ends without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// TCP reset; under HTTP/2 a reset of the stream.
    Reset,
    /// An orderly close of the connection.
    Close,
}

impl Default for Script {
    fn default() -> Self {
        Self { status: StatusCode::OK, delay: Duration::ZERO, cut: None, size: None }
    }
}

/// Why a script is refused.
#[derive(Debug, PartialEq, Eq, Error)]
#[error(
    "x-echo: {part:?} is not understood; use status=200..599, delay=200ms, size=BYTES, reset or close"
)]
pub(super) struct BadScript {
    part: String,
}

impl Script {
    /// The script of a request; several headers count as one, joined by commas.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, BadScript> {
        let mut script = Self::default();
        for value in headers.get_all(HEADER) {
            let text = String::from_utf8_lossy(value.as_bytes());
            for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
                script.follow(part).ok_or_else(|| BadScript { part: part.to_owned() })?;
            }
        }
        Ok(script)
    }

    fn follow(&mut self, part: &str) -> Option<()> {
        match part.split_once('=').map_or((part, None), |(key, value)| (key, Some(value.trim()))) {
            ("status", Some(value)) => {
                let code = value.parse().ok().filter(|code| (200..600).contains(code))?;
                self.status = StatusCode::from_u16(code).ok()?;
            }
            ("delay", Some(value)) => self.delay = duration(value)?,
            ("size", Some(value)) => self.size = Some(value.parse().ok()?),
            ("reset", None) => self.cut = Some(Cut::Reset),
            ("close", None) => self.cut = Some(Cut::Close),
            _ => return None,
        }
        Some(())
    }
}

/// `200ms`, `1.5s` or `2m`.
fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at_checked(split)?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(lines: &[&str]) -> Result<Script, BadScript> {
        let lines = lines.iter().map(|line| (http::HeaderName::from_static(HEADER), line));
        Script::of(&lines.map(|(name, line)| (name, line.parse().unwrap())).collect())
    }

    #[test]
    fn a_script_says_how_to_misbehave() {
        let plain = Script::default();
        let table = [
            (&[][..], plain),
            (&["status=503"], Script { status: StatusCode::SERVICE_UNAVAILABLE, ..plain }),
            (&["delay=200ms"], Script { delay: Duration::from_millis(200), ..plain }),
            (&["delay=2m"], Script { delay: Duration::from_secs(120), ..plain }),
            (&["reset"], Script { cut: Some(Cut::Reset), ..plain }),
            (&["size=65536 , close"], Script { size: Some(65536), cut: Some(Cut::Close), ..plain }),
            (&["size=1", "size=2"], Script { size: Some(2), ..plain }),
        ];
        for (lines, expected) in table {
            assert_eq!(script(lines), Ok(expected), "{lines:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for part in ["status=99", "status=600", "delay=5", "delay=-1s", "size=x", "reset=1", "what"]
        {
            assert_eq!(script(&[part]), Err(BadScript { part: part.into() }));
        }
    }
}
