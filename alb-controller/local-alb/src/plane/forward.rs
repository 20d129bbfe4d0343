//! Forwarding: a target group, a target in it, the request to it and its answer back.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::HOST;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version as HttpVersion};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::Plane;
use super::access::Record;
use super::body::{Activity, Body, Broken, Relay, Watched};
use super::clients::{Clients, Door, Unanswered};
use super::exchange::Front;
use super::live::InFlight;
use super::table::{Endpoint, Group, Site, Table};
use super::{cookies, headers, pick, rewrite, trace, upgrade};
use crate::state::load_balancer::Protocol;
use crate::state::rule::{Forward, Transform};
use crate::state::target_group::Version;

/// What a rule says about a request that it forwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'t> {
    pub(crate) table: &'t Table,
    pub(crate) site: &'t Site,
    pub(crate) forward: &'t Forward,
    pub(crate) transforms: &'t [Transform],
}

/// Why there is no answer of a target, as the status that is answered instead.
pub(crate) struct Refused(pub(crate) u16);

/// Sends a request to a target and gives back what it answers.
pub(crate) async fn forward(
    front: &Front,
    route: Route<'_>,
    mut request: Request<Incoming>,
    mut record: Record,
) -> Result<Response<Body>, (Refused, Record)> {
    let now = SystemTime::now();
    let (group, target) = match choose(&front.plane, route, &request, now) {
        Ok(chosen) => chosen,
        Err(refused) => return Err((refused, record)),
    };
    record.group = Some(group.arn.to_string());
    let client = headers::wants_upgrade(request.headers())
        .then(|| hyper::upgrade::on(&mut request))
        .filter(|_| group.version == Version::Http1);
    let activity = Activity::new();
    let prepared = prepare(front, route, (group, target), request, client.is_some());
    let Some(prepared) = prepared else { return Err((Refused(500), record)) };
    let prepared = prepared.map(|body| Watched::new(body, Arc::clone(&activity)));
    record.trace_id = text_of(&prepared, "x-amzn-trace-id");
    record.asking(target.address, &activity);
    let in_flight = front.plane.live.enter(&group.arn, &target.key);
    let idle = route.site.settings.idle;
    let watch = (&activity, &in_flight);
    let asking = ask(&front.plane.clients, (group, target), prepared, idle, watch);
    let mut response = match asking.await {
        Ok(response) => response,
        Err(refused) => return Err((refused, record)),
    };
    record.answered(response.status().as_u16());
    if headers::response_too_large(response.headers()) {
        return Err((Refused(502), record));
    }
    cookies::give(response.headers_mut(), route.forward, group, target, now);
    record.status = Some(response.status().as_u16());
    if let (StatusCode::SWITCHING_PROTOCOLS, Some(client)) = (response.status(), client) {
        let halt = front.plane.halt.clone();
        let (response, joined) = switch(response, client, idle, in_flight, record);
        tokio::spawn(halt.run_until_cancelled_owned(joined));
        return Ok(response);
    }
    headers::strip_hop_by_hop(response.headers_mut(), false);
    Ok(response.map(|body| Relay::new(body, idle, in_flight, record).boxed_unsync()))
}

/// The group by stickiness or weight, and the target in it by stickiness or turn.
fn choose<'t>(
    plane: &Plane,
    route: Route<'t>,
    request: &Request<Incoming>,
    now: SystemTime,
) -> Result<(&'t Group, &'t Endpoint), Refused> {
    let sent = request.headers();
    let group = cookies::group(route.forward, sent, now)
        .or_else(|| pick::group(route.forward, rand::random()))
        .and_then(|group| route.table.groups.get(&group.arn))
        .ok_or(Refused(503))?;
    let http2 = request.version() == HttpVersion::HTTP_2;
    let fits = match group.version {
        Version::Http1 => !headers::is_grpc(sent),
        Version::Http2 => http2,
        Version::Grpc => http2 && request.method() == Method::POST,
    };
    if !fits {
        return Err(Refused(464));
    }
    if group.optimized && headers::wants_upgrade(sent) {
        return Err(Refused(501));
    }
    let candidates = pick::candidates(group);
    let target = cookies::target(group, &candidates, sent, now)
        .or_else(|| pick::target(group, &plane.live, rand::random(), now))
        .ok_or(Refused(503))?;
    Ok((group, target))
}

/// The request as the target gets it; nothing if a transform made it unusable.
fn prepare(
    front: &Front,
    route: Route<'_>,
    (group, target): (&Group, &Endpoint),
    request: Request<Incoming>,
    upgrade: bool,
) -> Option<Request<Incoming>> {
    let (mut head, body) = request.into_parts();
    let sent = head.extensions.get::<SentHost>().map(|host| host.0.clone())?;
    let host = headers::host(&sent, route.site, front.open_port);
    let host = rewrite::host(route.transforms, &host).ok()?;
    let url = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let url = rewrite::url(route.transforms, url).ok()?;
    headers::strip_hop_by_hop(&mut head.headers, upgrade);
    headers::to_target(&mut head.headers, route.site, front.peer, front.tls.as_ref());
    let trace_header = head.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
    let trace_id = trace::trace_id(trace_header, SystemTime::now(), rand::random());
    head.headers.insert("x-amzn-trace-id", trace_id.parse().ok()?);
    if group.version == Version::Http1 {
        head.version = HttpVersion::HTTP_11;
        head.uri = url.parse::<PathAndQuery>().ok()?.into();
        if !headers::set_host(&mut head.headers, &host) {
            return None;
        }
    } else {
        head.version = HttpVersion::HTTP_2;
        head.headers.remove(HOST);
        let authority = if host.is_empty() { target.address.to_string() } else { host.into() };
        head.uri = Uri::builder()
            .scheme(group.protocol.scheme())
            .authority(authority)
            .path_and_query(url.as_ref())
            .build()
            .ok()?;
    }
    Some(Request::from_parts(head, body))
}

/// The host that a client asked for, as it wrote it.
#[derive(Clone, Debug)]
pub(crate) struct SentHost(pub(crate) String);

/// Waits for the target's answer, for as long as something moves.
async fn ask(
    clients: &Clients,
    (group, target): (&Group, &Endpoint),
    request: Request<Watched>,
    idle: Duration,
    (activity, in_flight): (&Arc<Activity>, &InFlight),
) -> Result<Response<Incoming>, Refused> {
    let door = Door { address: target.address, tls: group.protocol == Protocol::Https };
    let answering = async {
        match group.version {
            Version::Http1 => clients.send1(door, request).await,
            Version::Http2 | Version::Grpc => clients.send2(door, request).await,
        }
    };
    let cut = in_flight.cut();
    let answered = tokio::select! {
        answered = answering => answered,
        () = activity.quiet_for(idle) => {
            // A client that stopped in the middle of its body, or a target that keeps silent.
            return Err(Refused(if activity.is_sent() { 504 } else { 408 }));
        }
        () = cut.cancelled() => return Err(Refused(502)),
    };
    answered.map_err(|why| {
        tracing::debug!(target = %door.address, group = %group.arn, "{why}");
        match why {
            Unanswered::Timeout => Refused(504),
            Unanswered::Broken(_) if activity.has_failed() => Refused(400),
            Unanswered::Connect(_) | Unanswered::Broken(_) => Refused(502),
        }
    })
}

/// The answer after which client and target speak to each other directly, and their talk.
fn switch(
    mut response: Response<Incoming>,
    client: OnUpgrade,
    idle: Duration,
    in_flight: InFlight,
    mut record: Record,
) -> (Response<Body>, impl Future<Output = ()> + Send + 'static) {
    record.upgraded = true;
    let target = hyper::upgrade::on(&mut response);
    headers::strip_hop_by_hop(response.headers_mut(), true);
    let joined = upgrade::join(client, target, idle, in_flight, record);
    (response.map(|body| body.map_err(Broken::Connection).boxed_unsync()), joined)
}

fn text_of<B>(request: &Request<B>, header: &str) -> String {
    let value = request.headers().get(header).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}
