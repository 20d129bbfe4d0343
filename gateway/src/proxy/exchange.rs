//! The life of one request, from its head to its record.
//!
//! Head → checks → route → action → record. What forwarding does is in [`super::forward`].

use super::{
    answer::{Answer, SERVER},
    asked::{Asked, Origin},
    clock::Stall,
    headers,
    made::AtEdge,
    message::{Downstream, Response},
    record::Record,
    refusal::Refusal,
    scene::Scene,
    upload::Upload,
};
use crate::{
    context::{Context, Entered, Phase},
    flags::Flags,
    metrics::Ended,
    view::Serving,
};
use edgeway_core::{
    action::{Action, HeaderOps, Redirect, redirect::https_location},
    request::{Request, Scheme},
    table::{Decision, Route},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora_core::protocols::http::date::get_cached_date;
use std::{future::poll_fn, rc::Rc, sync::LazyLock, task::Poll};

/// Paths that say whether the gateway takes traffic, on every port, before any route.
pub(super) const HEALTH: [&str; 2] = ["/.well-known/edgeway/health", "/AWS.ALB/healthcheck"];

/// How much of a body that nobody wants is read so that the connection can be used again.
const SWALLOW: u64 = 64 * 1024;

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It serves the next request.
    Keep,
    /// It ends.
    Close,
    /// It ends at once, without what is still to be sent.
    Cut,
    /// It ends once the client has had time to read, for it may still be sending.
    Linger,
}

/// A request on its way.
pub(crate) struct Exchange<'c, D> {
    pub(super) context: &'c Context,
    pub(super) client: &'c Entered<'c>,
    pub(super) serving: &'c Rc<Serving>,
    pub(super) down: &'c mut D,
    pub(super) record: Record<'c>,
    pub(super) upload: Upload,
    pub(super) fate: Fate,
    /// Fields that replace the endpoint's in the response.
    pub(super) marks: Vec<(HeaderName, HeaderValue)>,
    /// A cookie that the client gets with the endpoint's response.
    pub(super) cookie: Option<HeaderValue>,
    /// The request concerns nobody: it is not recorded.
    silent: bool,
}

impl<'c, D: Downstream> Exchange<'c, D> {
    /// A request whose head has been read.
    pub(crate) fn new(
        context: &'c Context,
        client: &'c Entered<'c>,
        serving: &'c Rc<Serving>,
        down: &'c mut D,
    ) -> Self {
        Self {
            context,
            client,
            serving,
            down,
            record: Record::new(),
            upload: Upload::new(context.settings.edge.limits.retry_body),
            fate: Fate::Keep,
            marks: Vec::new(),
            cookie: None,
            silent: false,
        }
    }

    /// All of it.
    pub(crate) async fn run(&mut self) -> Fate {
        let origin = Origin {
            scheme: if self.client.conn().is_secure() { Scheme::Https } else { Scheme::Http },
            peer: self.down.peer().ip(),
            edge: &self.context.settings.edge,
        };
        self.client.begin_request();
        let asked = match self.down.refusal() {
            None => Asked::new(self.down.request(), origin),
            Some(refusal) => Err(refusal),
        };
        match &asked {
            Ok(asked) => self.serve(asked).await,
            Err(refusal) => self.refuse(*refusal).await,
        }
        self.record.request_bytes = self.upload.bytes();
        if !self.silent {
            let view = &self.serving.view;
            self.record.write(self.down, asked.as_ref().ok(), self.context, view);
        }
        self.fate
    }

    async fn serve(&mut self, asked: &Asked) {
        if HEALTH.contains(&&*asked.path) {
            return self.tell_health(asked).await;
        }
        if self.context.settings.load.memory.is_short() {
            self.context.reporter.metrics.clients.shed.inc();
            return self.answer(Answer::overloaded(), asked).await;
        }
        self.record.id = Some(self.new_id());
        let serving = self.serving;
        let decision = match self.client.hosts(serving, &asked.authority) {
            Some(hosts) => {
                let edge = self.at_edge(asked);
                hosts.route(&Request { made: Some(&edge), ..asked.request(self.down.request()) })
            }
            None => Decision::NoHost,
        };
        match decision {
            Decision::NoHost | Decision::NoRoute(_) => {
                self.answer(Answer::not_found(), asked).await;
            }
            Decision::HttpsRedirect(_) => {
                let location = https_location(&asked.request(self.down.request()));
                let status = StatusCode::MOVED_PERMANENTLY;
                self.answer(Answer::redirect(status, location), asked).await;
            }
            Decision::Route(_, route) => self.act(route, asked).await,
        }
    }

    /// The request behind the gateway's edge.
    pub(super) fn at_edge<'a>(&'a self, asked: &'a Asked) -> AtEdge<'a> {
        AtEdge {
            asked,
            fields: &self.down.request().headers,
            trust: &self.context.settings.edge.trust,
            peer: self.down.peer().ip(),
            id: self.record.id.as_ref(),
            certificate: self.client.conn().client_certificate(),
        }
    }

    async fn act(&mut self, route: &'c Route, asked: &Asked) {
        self.record.route = Some(route);
        match &route.action {
            Action::Forward(forward) => self.forward(forward, asked).await,
            Action::Redirect(redirect) => {
                let answer = self.redirect(redirect, asked);
                self.answer(answer, asked).await;
            }
            Action::Direct(direct) => self.answer(Answer::direct(direct, &NONE), asked).await,
        }
    }

    fn redirect(&self, redirect: &'c Redirect, asked: &Asked) -> Answer<'c> {
        let location = redirect.location(&asked.request(self.down.request()));
        let status = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::FOUND);
        Answer::redirect(status, location).with_levels([&redirect.headers, &NONE])
    }

    async fn tell_health(&mut self, asked: &Asked) {
        self.silent = true;
        let status = match self.client.phase() {
            Phase::Open => StatusCode::OK,
            Phase::Draining | Phase::Closing => StatusCode::SERVICE_UNAVAILABLE,
        };
        self.answer(Answer::new(status, Flags::NONE, "health_check"), asked).await;
    }

    async fn refuse(&mut self, refusal: Refusal) {
        self.record.refused(refusal, self.context);
        self.fate = Fate::Linger;
        let answer = Answer::refused(refusal);
        let mut response = answer.response(Some(&self.down.request().method), false);
        sign(&mut response);
        self.down.respond(response, true);
        self.deliver(answer.body(false)).await;
    }

    /// Answers without an endpoint.
    pub(super) async fn answer(&mut self, answer: Answer<'c>, asked: &Asked) {
        self.swallow().await;
        let Answer { flags, levels, .. } = answer;
        let method = self.down.request().method.clone();
        let mut response = answer.response(Some(&method), asked.grpc);
        self.record.status = response.status.as_u16();
        if let Some(levels) = levels {
            self.operate_on_response(&mut response, levels, asked);
        }
        self.record.ends(flags, answer.details.clone());
        sign(&mut response);
        let close = self.ends_connection(asked) || !self.down.is_complete();
        self.set_fate(close);
        self.down.respond(response, close);
        self.deliver(answer.body(asked.grpc)).await;
    }

    /// Writes the whole body and sends everything.
    async fn deliver(&mut self, body: &[u8]) {
        self.down.send(body);
        self.down.finish(None);
        self.record.response_bytes = body.len() as u64;
        self.flush().await;
    }

    /// Sends everything that was written, to a client that takes it.
    pub(super) async fn flush(&mut self) {
        let down = &mut *self.down;
        let mut stall = Stall::new(self.context.settings.edge.limits.write_timeout);
        let flushed = poll_fn(|cx| match down.poll_flush(cx) {
            Poll::Ready(flushed) => Poll::Ready(Some(flushed)),
            Poll::Pending => stall.poll(down.pending() as u64, cx).map(|()| None),
        });
        match flushed.await {
            Some(Ok(())) => {}
            Some(Err(_)) => self.client_gone(),
            None => self.client_stalled(),
        }
    }

    /// Notes that the client takes nothing any more.
    pub(super) fn client_stalled(&mut self) {
        self.context.reporter.metrics.clients.ended(Ended::Write);
        self.record.ends(Flags::STREAM_IDLE, "downstream_write_timeout");
        self.fate = Fate::Cut;
    }

    /// Notes that the client left.
    pub(super) fn client_gone(&mut self) {
        if self.down.was_reset() {
            self.record.ends(Flags::CLIENT_RESET, "http2.remote_reset");
        } else {
            self.record.ends(Flags::CLIENT_GONE, "downstream_remote_disconnect");
        }
        self.fate = Fate::Close;
    }

    /// Whether this response must be the connection's last, whatever it is.
    pub(super) fn ends_connection(&self, asked: &Asked) -> bool {
        headers::wants_close(&self.down.request().headers, asked.known) || self.client.is_leaving()
    }

    /// What the connection does after a response that tells the client so.
    pub(super) fn set_fate(&mut self, close: bool) {
        self.fate = match (close, self.down.is_complete()) {
            (false, _) => Fate::Keep,
            (true, true) => Fate::Close,
            (true, false) => Fate::Linger,
        };
    }

    /// Does the response operations of a route; whether there are any.
    pub(super) fn operate_on_response(
        &self,
        response: &mut Response,
        levels: [&HeaderOps; 2],
        asked: &Asked,
    ) -> bool {
        let [first, second] = levels.map(|level| &level.response);
        if first.is_empty() && second.is_empty() {
            return false;
        }
        let before = response.headers.clone();
        let parts = self.down.request();
        let scene = Scene {
            version: parts.version,
            method: &parts.method,
            request: &parts.headers,
            asked,
            response: Some((response.status, &before)),
            record: &self.record,
            remote: self.down.peer(),
            local: self.down.local(),
        };
        headers::operate(&mut response.headers, [first, second], &scene);
        true
    }

    /// Reads what has come of a body that nobody wants, so that the connection can be kept.
    async fn swallow(&mut self) {
        let (down, upload) = (&mut *self.down, &mut self.upload);
        let before = upload.bytes();
        poll_fn(|cx| {
            while upload.bytes() - before < SWALLOW {
                match upload.poll_next(down, cx) {
                    Poll::Ready(Ok(Some(_))) => {}
                    Poll::Ready(Ok(None) | Err(_)) | Poll::Pending => break,
                }
            }
            Poll::Ready(())
        })
        .await;
    }

    fn new_id(&self) -> HeaderValue {
        let mut buffer = uuid::Uuid::encode_buffer();
        let id = self.context.chance.uuid().hyphenated().encode_lower(&mut buffer);
        HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

/// No operations.
static NONE: LazyLock<HeaderOps> = LazyLock::new(HeaderOps::default);

/// Puts our name on a response, and the date if it has none.
pub(super) fn sign(response: &mut Response) {
    response.headers.insert(header::SERVER, SERVER);
    response.headers.entry(header::DATE).or_insert_with(get_cached_date);
}
