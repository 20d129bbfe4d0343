//! One try: a connection, the request on it, and the head of a response.

use super::{
    asked::Asked,
    clock::{Clock, Timer},
    connect::connect,
    exchange::Exchange,
    failure::{Failure, Stop},
    forward::Plan,
    h1::Client,
    message::{Downstream, Response, Upstream},
    outgoing,
    relay::Relay,
    tries,
};
use crate::live::{EndpointLive, Free, InFlight, Room, Seat, Seating};
use http::StatusCode;
use std::{future::poll_fn, rc::Rc, time::Instant};

/// A try whose response has begun.
pub(super) struct Reply {
    /// The connection that it comes on.
    pub(super) up: Client,
    /// Its head.
    pub(super) response: Response,
    /// Where it comes from.
    pub(super) endpoint: Rc<EndpointLive>,
    /// Position of that.
    pub(super) at: usize,
    /// Counts the request until the response has ended.
    pub(super) in_flight: InFlight,
}

impl<'c, D: Downstream> Exchange<'c, D> {
    /// One try: a free connection that breaks without a word, before anything can have been done,
    /// is replaced by a new one within it.
    pub(super) async fn attempt(
        &mut self,
        plan: Plan<'c>,
        at: usize,
        asked: &Asked,
        clock: &mut Clock,
    ) -> Result<Reply, Stop> {
        let endpoint = Rc::clone(plan.target.endpoint(at).ok_or(Failure::Refused)?);
        let Some(in_flight) = plan.target.begin(&endpoint) else {
            return Err(self.overflow(plan, "requests"));
        };
        let room = match self.seat(&endpoint, plan, clock).await? {
            Seat::New(room) => room,
            Seat::Used(idle, room) => {
                let mut up = Client::new(Free::from_idle(idle, room));
                match self.ask(&mut up, plan, asked, clock).await {
                    Err(Stop::Failed(Failure::Terminated)) if self.may_ask_anew(&up) => {
                        up.into_room()
                    }
                    outcome => {
                        let response = outcome?;
                        return Ok(Reply { up, response, endpoint, at, in_flight });
                    }
                }
            }
        };
        let mut up = self.connect(&endpoint, room, plan, clock).await?;
        let response = self.ask(&mut up, plan, asked, clock).await?;
        Ok(Reply { up, response, endpoint, at, in_flight })
    }

    /// A connection that waits, or leave to make one; waits for that where connections are limited.
    async fn seat(
        &mut self,
        endpoint: &EndpointLive,
        plan: Plan<'c>,
        clock: &mut Clock,
    ) -> Result<Seat, Stop> {
        match plan.target.seat(endpoint) {
            Seating::Now(seat) => Ok(seat),
            Seating::Later(waiting) => {
                let turn = self.unless_stopped(waiting.turn(), clock).await?;
                turn.ok_or(Failure::Overflow.into())
            }
            Seating::Full => Err(self.overflow(plan, "pending")),
        }
    }

    fn overflow(&self, plan: Plan<'_>, limit: &str) -> Stop {
        let service = &*plan.target.cluster().service.host;
        self.context.reporter.metrics.overflows.with_label_values(&[service, limit]).inc();
        Failure::Overflow.into()
    }

    async fn connect(
        &mut self,
        endpoint: &EndpointLive,
        room: Room,
        plan: Plan<'c>,
        clock: &mut Clock,
    ) -> Result<Client, Stop> {
        let metrics = &self.context.reporter.metrics;
        let ends = (self.down.peer(), self.down.local());
        let connecting = connect(plan.target.cluster(), endpoint.address(), ends, metrics);
        let (io, conn) = self.unless_stopped(connecting, clock).await??;
        Ok(Client::new(Free::new(io, conn, room)))
    }

    /// Whether a request that broke a used connection can be sent again.
    fn may_ask_anew(&self, up: &Client) -> bool {
        let method = &self.down.request().method;
        !up.has_spoken() && self.upload.is_repeatable() && tries::is_idempotent(method)
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

    pub(super) fn relay<'a>(
        &'a mut self,
        up: &'a mut Client,
        clock: &'a mut Clock,
    ) -> Relay<'a, D, Client> {
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
