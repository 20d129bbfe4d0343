//! Forwarding: tries, each a choice, a connection, a request and a response, until one stands.

use super::{
    answer::Answer,
    asked::Asked,
    clock::{Clock, Timer},
    exchange::{Exchange, Fate, sign},
    failure::{Failure, Interrupt, Stop},
    filters::Filtered,
    h1::Client,
    headers::{self, X_ENVOY_SERVICE_TIME},
    message::{Body, Downstream, Response, Upstream},
    outgoing,
    relay::Relay,
    tries::{self, Tries, Verdict},
};
use crate::{
    flags::Flags,
    live::{EndpointLive, InFlight},
    view::Target,
};
use edgeway_core::{
    action::{Destination, Forward, HeaderOps},
    cluster::UpstreamTls,
    pick::Wish,
};
use http::{StatusCode, header};
use std::{
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

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

/// A try whose response has begun.
struct Reply {
    up: Client,
    response: Response,
    endpoint: Rc<EndpointLive>,
    _in_flight: InFlight,
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
        let answer = match target.cluster().policy.tls {
            UpstreamTls::Disabled => self.tries(plan, asked).await,
            UpstreamTls::Originate(_) | UpstreamTls::Unsupported => {
                Some(Answer::failed(Failure::Refused, false, false))
            }
        };
        if let Some(answer) = answer {
            let marks = std::mem::take(&mut self.marks);
            self.answer(answer.with_levels(levels).with_fields(marks), asked).await;
        }
    }

    /// Tries until an outcome stands; what we have to answer if it is not a response.
    async fn tries(&mut self, plan: Plan<'c>, asked: &Asked) -> Option<Answer<'c>> {
        let mut tries = Tries::new(&plan.forward.retry);
        let mut clock = Clock { request: Timer::new(plan.forward.timeout), attempt: Timer::Never };
        loop {
            let wish = Wish { tried: &tries.endpoints, ..Wish::default() };
            let Some(at) = plan.target.pick(&self.context.chance, wish) else {
                return Some(Answer::no_endpoint());
            };
            tries.begin(at);
            self.record.endpoint = Some(at);
            self.record.attempts = tries.made();
            let outcome = self.attempt(plan, at, asked, &mut clock).await;
            let verdict = match &outcome {
                Err(Stop::Interrupted(_)) => Verdict::Stands,
                Err(Stop::Failed(failure)) => tries.after_failure(*failure),
                Ok(reply) => tries.after_response(&reply.response),
            };
            match (verdict, outcome) {
                (Verdict::Again(longest), _) if self.upload.is_repeatable() => {
                    let pause = self.context.chance.shorter_than(longest);
                    if let Err(interrupt) = self.pause(pause, &mut clock).await {
                        return self.interrupted(interrupt);
                    }
                    let service = &*plan.target.cluster().service.host;
                    self.context.reporter.metrics.retries.with_label_values(&[service]).inc();
                }
                (verdict, Ok(reply)) => {
                    if verdict == Verdict::Exhausted {
                        self.record.flags |= Flags::RETRIES_EXHAUSTED;
                    }
                    self.bring_back(reply, plan, asked, &mut clock).await;
                    return None;
                }
                (_, Err(Stop::Interrupted(interrupt))) => return self.interrupted(interrupt),
                (verdict, Err(Stop::Failed(failure))) => {
                    let exhausted = verdict == Verdict::Exhausted;
                    return Some(Answer::failed(failure, tries.made() > 1, exhausted));
                }
            }
        }
    }

    /// One try: a free connection that breaks without a word, before anything can have been done,
    /// is replaced by a new one within it.
    async fn attempt(
        &mut self,
        plan: Plan<'c>,
        at: usize,
        asked: &Asked,
        clock: &mut Clock,
    ) -> Result<Reply, Stop> {
        let endpoint = Rc::clone(plan.target.endpoint(at).ok_or(Failure::Refused)?);
        let in_flight = endpoint.begin();
        if let Some(idle) = endpoint.take_idle() {
            let mut up = Client::reused(idle);
            match self.ask(&mut up, plan, asked, clock).await {
                Err(Stop::Failed(Failure::Terminated)) if self.may_ask_anew(&up) => {}
                outcome => {
                    let response = outcome?;
                    return Ok(Reply { up, response, endpoint, _in_flight: in_flight });
                }
            }
        }
        let mut up = self.connect(&endpoint, plan, clock).await?;
        let response = self.ask(&mut up, plan, asked, clock).await?;
        Ok(Reply { up, response, endpoint, _in_flight: in_flight })
    }

    /// Whether a request that broke a used connection can be sent again.
    fn may_ask_anew(&self, up: &Client) -> bool {
        let method = &self.down.request().method;
        !up.has_spoken() && self.upload.is_repeatable() && tries::is_idempotent(method)
    }

    async fn connect(
        &mut self,
        endpoint: &EndpointLive,
        plan: Plan<'c>,
        clock: &mut Clock,
    ) -> Result<Client, Stop> {
        let metrics = &self.context.reporter.metrics;
        let cluster = plan.target.cluster();
        let address = endpoint.address();
        let connecting =
            tokio::time::timeout(cluster.policy.connect_timeout, TcpStream::connect(address));
        let failure = match self.unless_stopped(connecting, clock).await? {
            Ok(Ok(stream)) => {
                metrics.upstream_connections.inc();
                // Without it, requests are late, but they are served.
                let _ = stream.set_nodelay(true);
                let (io, conn) = crate::io::open(stream, address);
                return Ok(Client::new(io, conn, 0));
            }
            Ok(Err(_)) => Failure::Refused,
            Err(_) => Failure::ConnectTimeout,
        };
        let reason = if failure == Failure::Refused { "refused" } else { "timeout" };
        metrics.connect_failures.with_label_values(&[&*cluster.service.host, reason]).inc();
        Err(failure.into())
    }

    /// Sends the request and waits for a response.
    async fn ask(
        &mut self,
        up: &mut Client,
        plan: Plan<'c>,
        asked: &Asked,
        clock: &mut Clock,
    ) -> Result<Response, Stop> {
        self.upload.restart();
        clock.attempt = Timer::new(plan.forward.retry.per_try_timeout);
        self.record.upstream = Some(std::sync::Arc::clone(up.conn()));
        up.start(outgoing::head(self, plan, asked, clock));
        let sent = Instant::now();
        let mut relay = self.relay(up, clock);
        let response = poll_fn(|cx| relay.poll_head(cx)).await?;
        self.record.service_time = Some(sent.elapsed());
        if response.status == StatusCode::SWITCHING_PROTOCOLS && !asked.websocket {
            // Nobody asked for another protocol.
            return Err(Failure::Protocol.into());
        }
        Ok(response)
    }

    /// Passes a response on.
    async fn bring_back(&mut self, reply: Reply, plan: Plan<'c>, asked: &Asked, clock: &mut Clock) {
        let Reply { mut up, mut response, endpoint, _in_flight } = reply;
        clock.attempt = Timer::Never;
        self.upload.commit();
        self.record.status = response.status.as_u16();
        self.record.grpc_status = tries::grpc_status(&response.headers);
        let switch = response.status == StatusCode::SWITCHING_PROTOCOLS;
        self.dress(&mut response, plan, asked, switch);
        let close = self.ends_connection() || (asked.websocket && !switch);
        self.set_fate(close);
        self.down.respond(&response, close && !switch);
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
                release(up, &endpoint, plan.target);
                self.flush().await;
                if !switch && !self.down.is_complete() {
                    self.fate = Fate::Linger;
                }
            }
            Err(stop) => self.cut_short(stop),
        }
    }

    /// Brings the head of an endpoint's response into the form in which the client gets it.
    fn dress(&self, response: &mut Response, plan: Plan<'c>, asked: &Asked, switch: bool) {
        let upgrade = response.headers.get(header::UPGRADE).cloned();
        headers::drop_connection_fields(&mut response.headers);
        if response.status == StatusCode::NO_CONTENT {
            response.headers.remove(header::CONTENT_LENGTH);
        }
        let time = self.record.service_time.unwrap_or_default();
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        response.headers.insert(&X_ENVOY_SERVICE_TIME, milliseconds.into());
        for (name, value) in &self.marks {
            response.headers.insert(name, value.clone());
        }
        self.operate_on_response(response, plan.levels(), asked);
        match response.body {
            Body::Sized(length) => {
                response.headers.insert(header::CONTENT_LENGTH, length.into());
            }
            Body::Unsized => drop(response.headers.remove(header::CONTENT_LENGTH)),
            Body::Nothing => {}
        }
        response.headers.remove(header::TRANSFER_ENCODING);
        response.headers.remove(header::CONNECTION);
        if switch {
            let upgrade = upgrade.unwrap_or(http::HeaderValue::from_static("websocket"));
            response.headers.insert(header::UPGRADE, upgrade);
            response.headers.insert(header::CONNECTION, http::HeaderValue::from_static("Upgrade"));
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
        }
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
    async fn unless_stopped<F: Future>(
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

    fn relay<'a>(&'a mut self, up: &'a mut Client, clock: &'a mut Clock) -> Relay<'a, D, Client> {
        Relay {
            down: self.down,
            up,
            upload: &mut self.upload,
            clock,
            sent: &mut self.record.response_bytes,
            grpc_status: &mut self.record.grpc_status,
            raw: false,
        }
    }
}

/// Keeps the connection to the endpoint for the next request, if it can be.
fn release(up: Client, endpoint: &EndpointLive, target: &Target) {
    let policy = &target.cluster().policy;
    if let Some((io, conn, uses)) = up.release() {
        let most = policy.max_requests_per_connection;
        if most == 0 || uses < most {
            endpoint.keep_idle(io, conn, uses, policy.idle_timeout);
        }
    }
}
