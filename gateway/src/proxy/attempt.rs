//! One try: a connection, the request on it, and the head of a response.

use super::{
    asked::Asked,
    clock::{Clock, Timer},
    connect::{Way, connect, stream},
    exchange::Exchange,
    failure::{Failure, Stop},
    forward::Plan,
    h1, h2,
    known::Known,
    message::{Downstream, Response, Upstream},
    outgoing,
    relay::Relay,
    tries,
    up::Up,
};
use crate::live::{EndpointLive, Free, InFlight, Seat, Seating};
use http::{StatusCode, Version};
use std::{future::poll_fn, rc::Rc, sync::Arc, time::Instant};
use tokio::time::timeout;

/// A try whose response has begun.
pub(super) struct Reply {
    /// The connection that it comes on.
    pub(super) up: Up,
    /// Its head.
    pub(super) response: Response,
    /// Which fields that has, of those that mean something to us.
    pub(super) known: Known,
    /// Where it comes from.
    pub(super) endpoint: Rc<EndpointLive>,
    /// Position of that.
    pub(super) at: usize,
    /// Counts the request until the response has ended.
    pub(super) in_flight: InFlight,
}

/// What a try is about, and the way it takes.
#[derive(Clone, Copy)]
struct Trying<'c, 'w> {
    plan: Plan<'c>,
    asked: &'w Asked,
    way: Way<'w>,
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
        let target = plan.target;
        let name =
            target.tls_name(|| Some(self.host(plan, asked))).map_err(|_| Failure::Refused)?;
        let ends = (asked.from(self.down.peer()), self.down.local());
        let way = Way { target, endpoint: &endpoint, ends, name: &name };
        let trying = Trying { plan, asked, way };
        let http2 = target.speaks_http2(self.down.request().version);
        let (up, response) = match (http2, asked.websocket) {
            (true, false) => self.attempt_stream(trying, clock).await?,
            (true, true) => match self.attempt_tunnel(trying, clock).await? {
                Some(reply) => reply,
                // The endpoint does not offer that: a connection of its own may still do.
                None => self.attempt_connection(trying, clock).await?,
            },
            (false, _) => self.attempt_connection(trying, clock).await?,
        };
        let known = Known::of(&response.headers);
        Ok(Reply { up, response, known, endpoint, at, in_flight })
    }

    /// Over HTTP/1.1.
    async fn attempt_connection(
        &mut self,
        trying: Trying<'c, '_>,
        clock: &mut Clock,
    ) -> Result<(Up, Response), Stop> {
        let Trying { plan, asked, way } = trying;
        let room = match self.seat(way, plan, clock).await? {
            Seat::New(room) => room,
            Seat::Used(idle, room) => {
                let mut up = Up::One(h1::Client::new(Free::from_idle(idle, room)));
                match self.ask(&mut up, plan, asked, clock).await {
                    Err(Stop::Failed(Failure::Terminated)) if self.may_ask_anew(&up) => match up {
                        Up::One(up) => up.into_room(),
                        Up::Two(_) => None,
                    },
                    outcome => return outcome.map(|response| (up, response)),
                }
            }
        };
        let context = self.context;
        let connecting = connect(way, false, &context.reporter.metrics);
        let (io, conn) = self.unless_stopped(connecting, clock).await??;
        let mut up = Up::One(h1::Client::new(Free::new(io, conn, room, way.name.clone())));
        let response = self.ask(&mut up, plan, asked, clock).await?;
        Ok((up, response))
    }

    /// Over HTTP/2.
    async fn attempt_stream(
        &mut self,
        trying: Trying<'c, '_>,
        clock: &mut Clock,
    ) -> Result<(Up, Response), Stop> {
        let Trying { plan, asked, way } = trying;
        let ready = way.endpoint.sessions().stream(&plan.target.cluster().policy, way.name);
        if let Some(stream) = ready {
            let mut up = Up::Two(Box::new(h2::Client::new(stream)));
            match self.ask(&mut up, plan, asked, clock).await {
                Err(Stop::Failed(Failure::Terminated)) if self.may_ask_anew(&up) => {}
                outcome => return outcome.map(|response| (up, response)),
            }
        }
        let context = self.context;
        let opening = stream(way, &context.reporter.metrics);
        let stream = self.unless_stopped(opening, clock).await??;
        let mut up = Up::Two(Box::new(h2::Client::new(stream)));
        let response = self.ask(&mut up, plan, asked, clock).await?;
        Ok((up, response))
    }

    /// A WebSocket as a stream over HTTP/2; `None` if the endpoint does not offer that.
    async fn attempt_tunnel(
        &mut self,
        trying: Trying<'c, '_>,
        clock: &mut Clock,
    ) -> Result<Option<(Up, Response)>, Stop> {
        let Trying { plan, asked, way } = trying;
        let context = self.context;
        let policy = &plan.target.cluster().policy;
        let opening = async {
            let ready = way.endpoint.sessions().stream(policy, way.name);
            let stream = match ready {
                Some(stream) => stream,
                None => stream(way, &context.reporter.metrics).await?,
            };
            let settled = timeout(policy.connect_timeout, stream.settled()).await;
            Ok::<_, Failure>((settled.is_ok() && stream.takes_tunnels()).then_some(stream))
        };
        let Some(stream) = self.unless_stopped(opening, clock).await?? else { return Ok(None) };
        let mut up = Up::Two(Box::new(h2::Client::new(stream)));
        let response = self.ask(&mut up, plan, asked, clock).await?;
        Ok(Some((up, response)))
    }

    /// A connection that waits, or leave to make one; waits for that where connections are limited.
    async fn seat(
        &mut self,
        way: Way<'_>,
        plan: Plan<'c>,
        clock: &mut Clock,
    ) -> Result<Seat, Stop> {
        match plan.target.seat(way.endpoint, way.name) {
            Seating::Now(seat) => Ok(seat),
            Seating::Later(waiting) => {
                let turn = self.unless_stopped(waiting.turn(), clock).await?;
                turn.map(|seat| seat.fit(way.name)).ok_or(Failure::Overflow.into())
            }
            Seating::Full => Err(self.overflow(plan, "pending")),
        }
    }

    fn overflow(&self, plan: Plan<'_>, limit: &str) -> Stop {
        let service = &*plan.target.cluster().service.host;
        self.context.reporter.metrics.overflows.with_label_values(&[service, limit]).inc();
        Failure::Overflow.into()
    }

    /// The host that an endpoint is asked for.
    fn host(&self, plan: Plan<'_>, asked: &Asked) -> Arc<str> {
        let request = asked.request(self.down.request());
        plan.forward.upstream(&request, plan.destination).authority.as_ref().into()
    }

    /// Whether a request that broke a used connection can be sent again.
    fn may_ask_anew(&self, up: &Up) -> bool {
        let method = &self.down.request().method;
        let harmless = up.is_unprocessed() || tries::is_idempotent(method);
        !up.has_spoken() && self.upload.is_repeatable() && harmless
    }

    /// Sends the request and waits for a response.
    async fn ask(
        &mut self,
        up: &mut Up,
        plan: Plan<'c>,
        asked: &Asked,
        clock: &mut Clock,
    ) -> Result<Response, Stop> {
        self.upload.restart();
        clock.attempt = Timer::new(plan.forward.retry.per_try_timeout);
        self.record.upstream = Some(Arc::clone(up.conn()));
        up.start(outgoing::head(self, plan, asked, clock));
        let sent = Instant::now();
        let mut relay = self.relay(up, clock);
        let response = poll_fn(|cx| relay.poll_head(cx)).await?;
        self.record.service_time = Some(sent.elapsed());
        if response.status == StatusCode::SWITCHING_PROTOCOLS && !asked.websocket {
            // Nobody asked for another protocol.
            return Err(Failure::Protocol.into());
        }
        let tunnel = asked.websocket && self.down.request().version == Version::HTTP_2;
        if tunnel && response.status.is_success() {
            // The client would take it for a WebSocket.
            return Err(Failure::Protocol.into());
        }
        Ok(response)
    }

    pub(super) fn relay<'a>(
        &'a mut self,
        up: &'a mut Up,
        clock: &'a mut Clock,
    ) -> Relay<'a, D, Up> {
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
