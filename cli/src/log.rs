//! The log of commands that run for long: one readable line per event, by who tells it.

use crate::output::{Output, Tone, paint};
use anyhow::Context;
use edgeway_alb_controller::Event as ControllerEvent;
use edgeway_local_alb::{Event as AlbEvent, ListenerState};
use std::{fmt, time::Instant};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{DefaultFields, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
};

/// What is told unless something else is asked for.
const FILTER: &str = "warn,edgeway=info,edgeway_gateway=info,edgeway_alb_controller=info,\
                      edgeway_local_alb=info,access=info";

/// Who tells what, by the first part of an event's target.
const TELLERS: &[(&str, &str)] = &[
    ("edgeway_gateway", "gateway"),
    ("edgeway_core", "gateway"),
    ("edgeway_alb_controller", "controller"),
    ("edgeway_alb_core", "controller"),
    ("edgeway_local_alb", "alb"),
    ("access", "request"),
    ("edgeway", "up"),
];

/// What is logged.
#[derive(Debug, clap::Args)]
pub struct LogArgs {
    /// What to log, such as `debug` or `warn,edgeway_gateway=debug`
    #[arg(long, value_name = "FILTER", env = "RUST_LOG")]
    log: Option<String>,
}

impl LogArgs {
    /// Sends the log of the whole process to `output`.
    pub fn install(&self, output: Output) -> anyhow::Result<()> {
        let filter = self.log.as_deref().filter(|filter| !filter.is_empty());
        let subscriber = subscriber(output, filter).context("the log filter cannot be read")?;
        tracing::subscriber::set_global_default(subscriber).context("a log is installed already")
    }
}

/// Logs what happened at a local ALB whose controller tells what it does: what it made is worth less of a
/// line than what came of it.
pub fn consequence(happened: &AlbEvent) {
    match happened {
        AlbEvent::LoadBalancer { .. } | AlbEvent::TargetGroup { .. } | AlbEvent::Rule { .. } => {
            tracing::debug!(target: "edgeway_local_alb", "{happened}");
        }
        AlbEvent::Listener { .. } | AlbEvent::Target { .. } => event(happened),
    }
}

/// Logs what happened at a local ALB.
pub fn event(event: &AlbEvent) {
    let failed = matches!(event, AlbEvent::Listener { state: ListenerState::Failed(_), .. });
    if failed {
        tracing::error!(
            target: "edgeway_local_alb",
            "{event}; free the port, or choose another --port-offset"
        );
    } else {
        tracing::info!(target: "edgeway_local_alb", "{event}");
    }
}

/// Logs what the controller did. Its problems are told by whoever gathers them; there is but one
/// replica.
pub fn step(event: &ControllerEvent) {
    match event {
        ControllerEvent::Problem(_)
        | ControllerEvent::Solved(_)
        | ControllerEvent::Leads
        | ControllerEvent::Follows
        | ControllerEvent::Deposed => {}
        ControllerEvent::Failed { .. } => {
            tracing::warn!(target: "edgeway_alb_controller", "{event}");
        }
        ControllerEvent::Planned(_)
        | ControllerEvent::Took { .. }
        | ControllerEvent::Retry(_)
        | ControllerEvent::Waiting(_)
        | ControllerEvent::Address { .. }
        | ControllerEvent::Settled => tracing::info!(target: "edgeway_alb_controller", "{event}"),
    }
}

/// A subscriber that writes lines to `output`; `filter` in the syntax of `RUST_LOG`.
pub(crate) fn subscriber(
    output: Output,
    filter: Option<&str>,
) -> Result<impl Subscriber + Send + Sync, tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter.unwrap_or(FILTER))?;
    let format = Line { start: Instant::now(), coloured: output.is_coloured() };
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(DefaultFields::new())
        .event_format(format)
        .with_ansi(output.is_coloured())
        .with_writer(output);
    Ok(tracing_subscriber::registry().with(lines.with_filter(filter)))
}

/// `   1.234 gateway    message`.
struct Line {
    start: Instant,
    coloured: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        let time = format!("{:8.3}", self.start.elapsed().as_secs_f64());
        let teller = format!("{:<10}", teller(meta.target()));
        let tone = match *meta.level() {
            Level::ERROR => Tone::Bad,
            Level::WARN => Tone::Warn,
            _ => Tone::Strong,
        };
        let (time, teller) =
            (paint(self.coloured, Tone::Faint, time), paint(self.coloured, tone, teller));
        write!(writer, "{time} {teller} ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

fn teller(target: &str) -> &str {
    let first = target.split("::").next().unwrap_or(target);
    TELLERS.iter().find(|(krate, _)| *krate == first).map_or(first, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::console;

    #[test]
    fn an_event_is_a_line_that_says_who_tells_it() {
        let (console, out, _) = console();
        let subscriber = subscriber(console.out, None).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "edgeway_local_alb::proxy", port = 80, "listens");
            tracing::warn!("careful");
            tracing::info!(target: "hyper", "noise");
        });
        let text = out.text();
        let lines: Vec<&str> = text.lines().map(|line| &line[9..]).collect();
        assert_eq!(lines, ["alb        listens port=80", "up         careful"]);
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        let (console, _, _) = console();
        assert!(subscriber(console.out, Some("edgeway=loud")).is_err());
    }
}
