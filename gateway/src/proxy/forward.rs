//! Forwarding: tries, each a choice, a connection, a request and a response, until one stands.

use super::{
    answer::Answer,
    asked::Asked,
    attempt::Reply,
    clock::{Clock, Timer},
    exchange::Exchange,
    failure::{Failure, Interrupt, Stop},
    filters::Filtered,
    grpc,
    message::{Downstream, Response},
    tries::{self, Tries, Verdict},
};
use crate::{
    flags::Flags,
    live::Counted,
    metrics::Ended,
    view::{NoTls, Target},
};
use edgeway_core::{
    action::{Destination, Forward, HeaderOps, Retry, hash::Key},
    outlier::Outcome,
    pick::Wish,
    request::Request,
};
use http::HeaderValue;
use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

/// Where a request goes, once the dice have fallen.
#[derive(Clone, Copy)]
pub(super) struct Plan<'t> {
    /// What the route says.
    pub(super) forward: &'t Forward,
    /// The destination that was drawn.
    pub(super) destination: &'t Destination,
    /// Its cluster.
    pub(super) target: &'t Target,
}

impl Plan<'_> {
    /// Header operations, in the order in which they are done.
    pub(super) fn levels(&self) -> [&HeaderOps; 2] {
        [&self.destination.headers, &self.forward.headers]
    }
}

impl<'c, D: Downstream> Exchange<'c, D> {
    /// Forwards the request and brings back a response, the endpoint's or our own.
    pub(super) async fn forward(&mut self, forward: &'c Forward, asked: &Asked) {
        let destination = forward.pick(self.context.chance.draw());
        self.record.cluster = Some(&destination.cluster_name);
        let view = &self.serving.view;
        let levels = [&destination.headers, &forward.headers];
        let marks = match self.filter(forward, levels, asked).await {
            Filtered::Forward(marks) => marks,
            Filtered::Answer(answer) => return self.answer(answer, asked).await,
            Filtered::Ended => return,
        };
        let Some(target) = destination.cluster.and_then(|ix| view.target(ix)) else {
            return self.answer(Answer::no_cluster().with_levels(levels), asked).await;
        };
        self.record.target = Some(target);
        self.marks = marks;
        let plan = Plan { forward, destination, target };
        let answer = match target.tls() {
            Ok(_) => self.tries(plan, asked).await,
            Err(NoTls) => Some(Answer::failed(Failure::Refused, false, false)),
        };
        if let Some(answer) = answer {
            let marks = std::mem::take(&mut self.marks);
            self.answer(answer.with_levels(levels).with_fields(marks), asked).await;
        }
    }

    /// Tries until an outcome stands; what we have to answer if it is not a response.
    async fn tries(&mut self, plan: Plan<'c>, asked: &Asked) -> Option<Answer<'c>> {
        let key = self.key(plan, asked);
        let mut tries = Tries::new(&plan.forward.retry);
        let limit = self.limit(plan, asked);
        let mut clock = Clock::new(Timer::new(limit)).with(&self.context.settings.edge.limits);
        // Counts this try among the cluster's retries, if they are limited.
        let mut counted = None;
        loop {
            let Retry { remote: elsewhere, repeating, .. } = plan.forward.retry;
            let wish = Wish { key, tried: tries.tried(), elsewhere, repeating };
            let Some(at) = plan.target.pick(&self.context.chance, wish) else {
                return Some(Answer::no_endpoint());
            };
            tries.begin(at);
            self.record.endpoint = Some(at);
            self.record.attempts = tries.made();
            if tries.made() == 1 && !plan.forward.mirrors.is_empty() {
                self.mirror(plan, asked, &clock);
            }
            let outcome = self.attempt(plan, at, asked, &mut clock).await;
            drop(counted.take());
            note(plan.target, at, &outcome, asked);
            let verdict = match &outcome {
                Err(Stop::Interrupted(_)) => Verdict::Stands,
                Err(Stop::Failed(failure)) => tries.after_failure(*failure),
                Ok(reply) => tries.after_response(&reply.response, reply.known),
            };
            if let Some((pause, leave)) = self.leave_to_retry(plan, verdict) {
                counted = Some(leave);
                drop(outcome);
                if let Err(interrupt) = self.pause(pause, &mut clock).await {
                    return self.interrupted(interrupt);
                }
                continue;
            }
            let exhausted = verdict == Verdict::Exhausted;
            if exhausted {
                self.record.flags |= Flags::RETRIES_EXHAUSTED;
            }
            return match outcome {
                Ok(reply) => {
                    self.bring_back(reply, plan, asked, &mut clock).await;
                    None
                }
                Err(Stop::Interrupted(interrupt)) => self.interrupted(interrupt),
                Err(Stop::Failed(failure)) => {
                    Some(Answer::failed(failure, tries.made() > 1, exhausted))
                }
            };
        }
    }

    /// How long the request may take: as the route says, and no longer than a client of gRPC waits.
    fn limit(&self, plan: Plan<'_>, asked: &Asked) -> Option<Duration> {
        let theirs = asked.grpc.then(|| grpc::timeout(&self.down.request().headers)).flatten();
        match (plan.forward.timeout, theirs.filter(|time| !time.is_zero())) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        }
    }

    /// What the request is told apart by, where its route wants that.
    fn key(&mut self, plan: Plan<'c>, asked: &Asked) -> Option<u64> {
        if plan.forward.hash.is_empty() {
            return None;
        }
        let edge = self.at_edge(asked);
        let request = Request { made: Some(&edge), ..asked.request(self.down.request()) };
        match plan.forward.hash.key(&request, asked.client) {
            Key::Absent => None,
            Key::Of(key) => Some(key),
            Key::NewCookie(cookie) => {
                let (text, key) = cookie.bake(self.context.chance.draw());
                self.cookie = HeaderValue::try_from(text).ok();
                Some(key)
            }
        }
    }

    /// The pause before the next try, and what counts it, if there is to be one.
    fn leave_to_retry(&mut self, plan: Plan<'_>, verdict: Verdict) -> Option<(Duration, Counted)> {
        let Verdict::Again(longest) = verdict else { return None };
        if !self.upload.is_repeatable() {
            return None;
        }
        let metrics = &self.context.reporter.metrics;
        let service = &*plan.target.cluster().service.host;
        let Some(counted) = plan.target.begin_retry() else {
            metrics.overflows.with_label_values(&[service, "retries"]).inc();
            self.record.flags |= Flags::OVERFLOW;
            return None;
        };
        metrics.retries.with_label_values(&[service]).inc();
        Some((self.context.chance.shorter_than(longest), counted))
    }

    /// What is answered when a request ends from outside before there is a response.
    pub(super) fn interrupted(&mut self, interrupt: Interrupt) -> Option<Answer<'c>> {
        match interrupt {
            Interrupt::ClientGone => {
                self.client_gone();
                None
            }
            Interrupt::BadBody => {
                let refusal = super::refusal::Refusal::Body;
                self.record.refused(refusal, self.context);
                Some(Answer::refused(refusal))
            }
            Interrupt::Deadline => Some(Answer::timed_out()),
            Interrupt::Stalled => {
                self.client_stalled();
                None
            }
            Interrupt::Idle => {
                self.context.reporter.metrics.clients.ended(Ended::StreamIdle);
                Some(Answer::idle(self.down.is_complete()))
            }
        }
    }

    /// Waits.
    pub(super) async fn pause(
        &mut self,
        pause: Duration,
        clock: &mut Clock,
    ) -> Result<(), Interrupt> {
        self.unless_stopped(tokio::time::sleep(pause), clock).await
    }

    /// The outcome of `future`, unless the request ends from outside before.
    pub(super) async fn unless_stopped<F: Future>(
        &mut self,
        future: F,
        clock: &mut Clock,
    ) -> Result<F::Output, Interrupt> {
        if self.down.is_complete() {
            clock.request.start();
        }
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            if self.down.is_complete() && self.down.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Interrupt::ClientGone));
            }
            clock.request.poll(cx).map(|()| Err(Interrupt::Deadline))
        })
        .await
    }
}

/// Tells outlier detection how a try went. What a gRPC endpoint says behind its answer is told when
/// that has come.
fn note(target: &Target, at: usize, outcome: &Result<Reply, Stop>, asked: &Asked) {
    match outcome {
        Ok(reply) => {
            if let Some(outcome) = judged(&reply.response, asked) {
                target.note(at, outcome);
            }
        }
        Err(Stop::Failed(Failure::Overflow)) => {}
        Err(Stop::Failed(_) | Stop::Interrupted(Interrupt::Deadline)) => {
            target.note(at, Outcome::NoAnswer);
        }
        Err(Stop::Interrupted(
            Interrupt::ClientGone | Interrupt::BadBody | Interrupt::Stalled | Interrupt::Idle,
        )) => {}
    }
}

/// What a response means for its endpoint; `None` if that is not known yet.
pub(super) fn judged(response: &Response, asked: &Asked) -> Option<Outcome> {
    if asked.grpc && response.status == http::StatusCode::OK {
        return tries::grpc_status(&response.headers).map(Outcome::of_grpc);
    }
    Some(Outcome::Status(response.status.as_u16()))
}
