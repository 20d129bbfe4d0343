//! An endpoint's response on its way to the client.

use super::{
    asked::Asked,
    attempt::Reply,
    clock::{Clock, Timer},
    exchange::{Exchange, Fate, sign},
    failure::{Interrupt, Stop},
    forward::{Plan, judged},
    headers::{self, X_ENVOY_SERVICE_TIME},
    known::Known,
    message::{Body, Downstream, Response, Upstream},
    relay::Relay,
    tries,
};
use crate::{flags::Flags, metrics::Ended};
use edgeway_core::outlier::Outcome;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::future::poll_fn;

impl<'c, D: Downstream> Exchange<'c, D> {
    /// Passes a response on.
    pub(super) async fn bring_back(
        &mut self,
        reply: Reply,
        plan: Plan<'c>,
        asked: &Asked,
        clock: &mut Clock,
    ) {
        let Reply { mut up, mut response, known, endpoint, at, in_flight: _in_flight } = reply;
        let unjudged = judged(&response, asked).is_none();
        clock.attempt = Timer::Never;
        self.upload.commit();
        self.record.status = response.status.as_u16();
        if known.has(Known::GRPC_STATUS) {
            self.record.grpc_status = tries::grpc_status(&response.headers);
        }
        let switch = response.status == StatusCode::SWITCHING_PROTOCOLS;
        self.dress((&mut response, known), plan, asked, switch);
        let close = self.ends_connection(asked) || (asked.websocket && !switch);
        self.set_fate(close);
        self.down.respond(response, close && !switch);
        if switch {
            up.switch();
            self.down.switch();
            self.upload.reopen();
            clock.request = Timer::Never;
            self.fate = Fate::Close;
        }
        let mut sent = 0;
        let mut relay = Relay { raw: switch, sent: &mut sent, ..self.relay(&mut up, clock) };
        let outcome = poll_fn(|cx| relay.poll_tail(cx)).await;
        self.record.response_bytes = sent;
        match outcome {
            Ok(()) => {
                self.record.ends(Flags::NONE, "via_upstream");
                if let (true, Some(status)) = (unjudged, self.record.grpc_status) {
                    plan.target.note(at, Outcome::of_grpc(status));
                }
                up.end(&endpoint, plan.target).await;
                self.flush().await;
                if !switch && !self.down.is_complete() {
                    self.fate = Fate::Linger;
                }
            }
            Err(stop) => self.cut_short(stop),
        }
    }

    /// Brings the head of an endpoint's response into the form in which the client gets it.
    fn dress(
        &self,
        (response, known): (&mut Response, Known),
        plan: Plan<'c>,
        asked: &Asked,
        switch: bool,
    ) {
        let upgrade = if switch { response.headers.get(header::UPGRADE).cloned() } else { None };
        headers::drop_connection_fields(&mut response.headers, known);
        if response.status == StatusCode::NO_CONTENT {
            response.headers.remove(header::CONTENT_LENGTH);
        }
        let time = self.record.service_time.unwrap_or_default();
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        response.headers.insert(&X_ENVOY_SERVICE_TIME, headers::number(milliseconds));
        for (name, value) in &self.marks {
            response.headers.insert(name, value.clone());
        }
        if let Some(cookie) = &self.cookie {
            response.headers.append(header::SET_COOKIE, cookie.clone());
        }
        let operated = self.operate_on_response(response, plan.levels(), asked);
        if operated {
            response.headers.remove(header::TRANSFER_ENCODING);
            response.headers.remove(header::CONNECTION);
        }
        match response.body {
            // Nearly always the endpoint's own stands.
            Body::Sized(length) if operated || !is_plain_length(&response.headers) => {
                response.headers.insert(header::CONTENT_LENGTH, length.into());
            }
            Body::Sized(_) => {}
            Body::Unsized => drop(response.headers.remove(header::CONTENT_LENGTH)),
            Body::Nothing => {}
        }
        if switch {
            let upgrade = upgrade.unwrap_or(HeaderValue::from_static("websocket"));
            response.headers.insert(header::UPGRADE, upgrade);
            response.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        }
        sign(response);
    }

    /// A response that has begun cannot be taken back: the connection ends in the middle of it.
    fn cut_short(&mut self, stop: Stop) {
        self.fate = Fate::Close;
        match stop {
            Stop::Failed(failure) => {
                self.record.ends(failure.flags(), failure.details(true));
            }
            Stop::Interrupted(Interrupt::ClientGone) => self.client_gone(),
            Stop::Interrupted(Interrupt::BadBody) => {
                self.record.ends(Flags::CLIENT_PROTOCOL, "http1.codec_error");
            }
            Stop::Interrupted(Interrupt::Deadline) => {
                self.record.ends(Flags::TIMEOUT, "response_timeout");
            }
            Stop::Interrupted(Interrupt::Stalled) => self.client_stalled(),
            Stop::Interrupted(Interrupt::Idle) => {
                self.context.reporter.metrics.clients.ended(Ended::StreamIdle);
                self.record.ends(Flags::STREAM_IDLE, "stream_idle_timeout");
            }
        }
    }
}

/// Whether the length is there, and said once.
fn is_plain_length(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let plain = |length: &HeaderValue| length.as_bytes().iter().all(u8::is_ascii_digit);
    lengths.next().is_some_and(plain) && lengths.next().is_none()
}
