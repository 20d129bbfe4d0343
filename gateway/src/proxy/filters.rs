//! What happens to a request between its route and its forwarding: faults on purpose, then CORS.

use super::{
    answer::Answer,
    asked::Asked,
    clock::{Clock, Timer},
    exchange::Exchange,
    failure::Interrupt,
    message::Downstream,
};
use crate::flags::Flags;
use edgeway_core::action::{
    Forward, HeaderOps,
    cors::Verdict,
    fault::{Abort, AbortStatus, Delay, falls},
};
use http::{HeaderName, HeaderValue, StatusCode};

/// What is left to do once the filters have seen a request.
pub(super) enum Filtered<'t> {
    /// It is forwarded; these fields replace the endpoint's in the response.
    Forward(Vec<(HeaderName, HeaderValue)>),
    /// It is answered.
    Answer(Answer<'t>),
    /// It has ended.
    Ended,
}

impl<'c, D: Downstream> Exchange<'c, D> {
    /// Faults come first, each drawn on its own; an aborted preflight is aborted.
    pub(super) async fn filter(
        &mut self,
        forward: &'c Forward,
        levels: [&'c HeaderOps; 2],
        asked: &Asked,
    ) -> Filtered<'c> {
        if let Some(fault) = &forward.fault {
            if let Some(delay) = fault.delay
                && let Err(interrupt) = self.hold_up(delay).await
            {
                return self.interrupted(interrupt).map_or(Filtered::Ended, Filtered::Answer);
            }
            if let Some(abort) = fault.abort.filter(|abort| self.is_hit(abort.share)) {
                return Filtered::Answer(aborted(abort, asked).with_levels(levels));
            }
        }
        let request = self.down.request();
        let verdict = forward
            .cors
            .as_ref()
            .map_or(Verdict::Pass, |cors| cors.judge(request.method.as_str(), &request.headers));
        match verdict {
            Verdict::Pass => Filtered::Forward(Vec::new()),
            Verdict::Mark(marks) => Filtered::Forward(marks),
            Verdict::Answer(marks) => {
                let answer = Answer::new(StatusCode::OK, Flags::NONE, "cors_preflight");
                Filtered::Answer(answer.with_levels(levels).with_fields(marks))
            }
        }
    }

    /// A wait that no deadline of the request counts.
    async fn hold_up(&mut self, delay: Delay) -> Result<(), Interrupt> {
        if !self.is_hit(delay.share) {
            return Ok(());
        }
        self.record.flags |= Flags::DELAYED;
        let mut clock = Clock::new(Timer::Never);
        self.pause(delay.time, &mut clock).await
    }

    fn is_hit(&self, share: u32) -> bool {
        falls(self.context.chance.draw(), share)
    }
}

/// A gRPC status in HTTP is 200 with the same text.
fn aborted<'t>(abort: Abort, asked: &Asked) -> Answer<'t> {
    let answer = |status| Answer::new(status, Flags::ABORTED, "fault_filter_abort");
    let text = &b"fault filter abort"[..];
    match abort.status {
        AbortStatus::Http(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            answer(status).with_body(text)
        }
        AbortStatus::Grpc(status) if asked.grpc => {
            answer(StatusCode::OK).with_body(text).with_grpc_status(u16::from(status))
        }
        AbortStatus::Grpc(_) => answer(StatusCode::OK).with_body(text),
    }
}
