//! An explanation for people.

use super::{
    answer::{Action, Answer, Explanation, Hop},
    ask::Question,
};
use crate::output::{Tone, paint};
use edgeway_core::request::Scheme;
use std::fmt::Write;

/// The whole story, a step each line, its reasons below.
pub fn story(question: &Question, explanation: &Explanation, coloured: bool) -> String {
    let scheme = match question.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let mut text =
        format!("{} {scheme}://{}{}\n", question.method, question.host(), question.target);
    for (number, step) in (1..).zip(&explanation.steps) {
        let place = paint(coloured, Tone::Strong, format!("{:<8}", step.place));
        let _ = writeln!(text, "{number:>3} {place} {}", step.what);
        for why in &step.why {
            let _ = writeln!(text, "             {}", paint(coloured, Tone::Faint, why));
        }
    }
    let tone = if explanation.answer.is_refusal() { Tone::Bad } else { Tone::Good };
    let _ = write!(
        text,
        "    {}",
        paint(coloured, tone, format!("= {}", outcome(&explanation.answer)))
    );
    text
}

/// The end in one sentence.
fn outcome(answer: &Answer) -> String {
    let hop = match answer.hop {
        Hop::Alb => "the ALB",
        Hop::Gateway => "the gateway",
        Hop::Backend => "the backend",
    };
    let status = answer.status.map(|status| format!("{status} from {hop}"));
    let reason = answer.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match (answer.action, status) {
        (Action::Redirect, Some(status)) => {
            format!("{status}, to {}", answer.location.as_deref().unwrap_or("nowhere"))
        }
        (_, Some(status)) => format!("{status}{reason}"),
        (Action::Forward, None) => format!("{hop} answers{reason}"),
        (_, None) => format!("no answer from {hop}{reason}"),
    }
}

impl Answer {
    /// Whether the request meets its end before somebody could answer it as meant.
    fn is_refusal(&self) -> bool {
        let by_us = self.hop != Hop::Backend && self.action != Action::Direct;
        by_us && self.action != Action::Redirect
    }
}
