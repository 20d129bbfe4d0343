//! Copies of requests for mirrors: sent and forgotten, at the expense of nobody.
//!
//! A mirror gets what the first try gets. The body is handed over part by part as the request's own
//! endpoint takes it; a mirror that falls too far behind loses its copy. What it answers is thrown
//! away, and how it fails is counted.

mod tee;

pub(crate) use tee::Tee;

use super::{
    asked::Asked,
    clock::{Clock, Timer},
    connect::{Way, connect, stream},
    exchange::Exchange,
    forward::Plan,
    h1, h2,
    message::{Body, Downstream, Response, Upstream},
    outgoing,
    up::Up,
};
use crate::{
    live::{EndpointLive, Free, InFlight, Seat, Seating, TlsName},
    metrics::Metrics,
    view::Target,
};
use edgeway_core::{
    action::{Mirror, fault::falls},
    outlier::Outcome,
    pick::Wish,
};
use http::{StatusCode, header};
use pingora_http::RequestHeader;
use std::{
    future::poll_fn,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tee::{Copy, Part};
use tokio::task::spawn_local;

/// Nothing more is written for a mirror that has this much pending.
const HIGH: usize = 64 * 1024;

/// How much of an answer is read so that the connection can be used again.
const MOST_DISCARDED: usize = 1024 * 1024;

/// How long a mirror may take to answer where the route has no timeout.
const PATIENCE: Duration = Duration::from_secs(15);

/// What became of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It was answered.
    Answered,
    /// The mirror could not be reached, or broke off, or was too slow to answer.
    Failed,
    /// It was given up: a limit was reached, or the mirror was too slow to take it.
    Dropped,
    /// The request itself was broken off by the client.
    Abandoned,
}

impl End {
    const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::Abandoned => "abandoned",
        }
    }
}

/// One copy on its way.
struct Shadow {
    target: Rc<Target>,
    endpoint: Rc<EndpointLive>,
    at: usize,
    copy: Copy,
    ends: (SocketAddr, Option<SocketAddr>),
    http2: bool,
    metrics: Arc<Metrics>,
    deadline: Timer,
    _in_flight: InFlight,
}

impl<D: Downstream> Exchange<'_, D> {
    /// Begins the copies of a request whose first try is about to begin.
    pub(super) fn mirror(&mut self, plan: Plan<'_>, asked: &Asked, clock: &Clock) {
        // A conversation cannot be copied.
        if asked.websocket {
            return;
        }
        let client = asked.from(self.down.peer());
        let mut head = None;
        for mirror in &plan.forward.mirrors {
            if falls(self.context.chance.draw(), mirror.share) {
                let head = head.get_or_insert_with(|| outgoing::head(self, plan, asked, clock));
                self.begin_copy(mirror, head.clone(), plan.forward.timeout, client);
            }
        }
    }

    fn begin_copy(
        &mut self,
        mirror: &Mirror,
        head: Box<RequestHeader>,
        timeout: Option<Duration>,
        client: SocketAddr,
    ) {
        let Some(target) = mirror.cluster.and_then(|ix| self.serving.view.target(ix)) else {
            return;
        };
        let metrics = &self.context.reporter.metrics;
        let given_up = |end: End| {
            let service = &*target.cluster().service.host;
            metrics.mirrored.with_label_values(&[service, end.label()]).inc();
        };
        if target.tls().is_err() {
            return given_up(End::Failed);
        }
        let Some(at) = target.pick(&self.context.chance, Wish::default()) else {
            return given_up(End::Failed);
        };
        let Some(endpoint) = target.endpoint(at) else { return given_up(End::Failed) };
        let in_flight = target.begin(endpoint);
        let pair = in_flight.and_then(|one| Some((one, tee::pair(&self.context.copies)?)));
        let Some((in_flight, (tee, copy))) = pair else { return given_up(End::Dropped) };
        self.upload.copy_to(tee);
        let shadow = Shadow {
            endpoint: Rc::clone(endpoint),
            target: Rc::clone(target),
            at,
            copy,
            ends: (client, self.down.local()),
            http2: target.speaks_http2(self.down.request().version),
            metrics: Arc::clone(metrics),
            deadline: Timer::new(Some(timeout.unwrap_or(PATIENCE))),
            _in_flight: in_flight,
        };
        spawn_local(shadow.run(head));
    }
}

impl Shadow {
    async fn run(mut self, head: Box<RequestHeader>) {
        let end = match self.send(head).await {
            Ok(()) => End::Answered,
            Err(end) => end,
        };
        let service = &*self.target.cluster().service.host;
        self.metrics.mirrored.with_label_values(&[service, end.label()]).inc();
    }

    async fn send(&mut self, head: Box<RequestHeader>) -> Result<(), End> {
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let mut up = self.connection(host.map(Into::into)).await?;
        up.start(head);
        let response = poll_fn(|cx| self.poll_head(&mut up, cx)).await;
        match &response {
            Ok(response) => {
                self.target.note(self.at, Outcome::Status(response.status.as_u16()));
            }
            Err(End::Failed) => self.target.note(self.at, Outcome::NoAnswer),
            Err(End::Answered | End::Dropped | End::Abandoned) => {}
        }
        let nothing_follows = response?.body == Body::Nothing;
        self.deadline.start();
        let whole = nothing_follows || self.discard(&mut up).await?;
        if whole {
            up.end(&self.endpoint, &self.target).await;
        }
        Ok(())
    }

    async fn connection(&mut self, host: Option<Arc<str>>) -> Result<Up, End> {
        let name = self.target.tls_name(|| host).map_err(|_| End::Failed)?;
        if self.http2 {
            return self.stream(&name).await;
        }
        let seat = match self.target.seat(&self.endpoint, &name) {
            Seating::Now(seat) => seat,
            Seating::Later(waiting) => {
                self.deadline.start();
                let deadline = poll_fn(|cx| self.deadline.poll(cx));
                tokio::select! {
                    turn = waiting.turn() => turn.ok_or(End::Dropped)?.fit(&name),
                    () = deadline => return Err(End::Dropped),
                }
            }
            Seating::Full => return Err(End::Dropped),
        };
        let free = match seat {
            Seat::Used(idle, room) => Free::from_idle(idle, room),
            Seat::New(room) => {
                let connected = connect(self.way(&name), false, &self.metrics).await;
                let (io, conn) = connected.map_err(|_| self.failed())?;
                Free::new(io, conn, room, name)
            }
        };
        Ok(Up::One(h1::Client::new(free)))
    }

    /// The same over HTTP/2.
    async fn stream(&self, name: &TlsName) -> Result<Up, End> {
        let ready = self.endpoint.sessions().stream(&self.target.cluster().policy, name);
        let stream = match ready {
            Some(stream) => stream,
            None => stream(self.way(name), &self.metrics).await.map_err(|_| self.failed())?,
        };
        Ok(Up::Two(Box::new(h2::Client::new(stream))))
    }

    fn way<'w>(&'w self, name: &'w TlsName) -> Way<'w> {
        Way { target: &self.target, endpoint: &self.endpoint, ends: self.ends, name }
    }

    /// Blames the endpoint.
    fn failed(&self) -> End {
        self.target.note(self.at, Outcome::NoAnswer);
        End::Failed
    }

    /// Passes on what of the request has come, until there is an answer.
    fn poll_head(&mut self, up: &mut Up, cx: &mut Context<'_>) -> Poll<Result<Response, End>> {
        if let Err(end) = self.pass_on(up, cx) {
            return Poll::Ready(Err(end));
        }
        loop {
            match up.poll_head(cx) {
                Poll::Ready(Ok(response)) if is_interim(response.status) => {}
                Poll::Ready(Ok(response)) => return Poll::Ready(Ok(response)),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Failed)),
                Poll::Pending => return self.deadline.poll(cx).map(|()| Err(End::Failed)),
            }
        }
    }

    fn pass_on(&mut self, up: &mut Up, cx: &mut Context<'_>) -> Result<(), End> {
        while !self.copy.is_over() {
            let next = if up.pending() >= HIGH && up.poll_flush(cx).is_pending() {
                // Nothing can be written, but it must not wait for ever.
                self.copy.poll_end(cx)
            } else {
                self.copy.poll_next(cx)
            };
            match next {
                Poll::Ready(Part::Data(data)) => up.send(&data),
                Poll::Ready(Part::End) => {
                    self.deadline.start();
                    if !self.copy.is_over() {
                        break;
                    }
                    up.finish(None);
                }
                Poll::Ready(Part::Lost) => return Err(End::Dropped),
                Poll::Ready(Part::Cut) => return Err(End::Abandoned),
                Poll::Pending => break,
            }
        }
        // Who takes no more may still answer.
        let _ = up.poll_flush(cx);
        Ok(())
    }

    /// Reads the answer; true if that was all of it.
    async fn discard(&mut self, up: &mut Up) -> Result<bool, End> {
        let mut read = 0;
        poll_fn(|cx| {
            while read <= MOST_DISCARDED {
                match up.poll_body(cx) {
                    Poll::Ready(Ok(Some(data))) => read += data.len(),
                    Poll::Ready(Ok(None)) => return Poll::Ready(Ok(true)),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Failed)),
                    Poll::Pending => return self.deadline.poll(cx).map(|()| Err(End::Failed)),
                }
            }
            Poll::Ready(Ok(false))
        })
        .await
    }
}

fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}
