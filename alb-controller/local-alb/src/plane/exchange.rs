//! One request from head to answer: refused, or judged by the rules and acted on.

use std::sync::Arc;
use std::time::SystemTime;

use http::header::{CONNECTION, HOST, LOCATION, TRANSFER_ENCODING, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, Version};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::Plane;
use super::access::Record;
use super::body::Body;
use super::desync::{Alone, Verdict, classify};
use super::evaluate::{Ask, rule_for};
use super::forward::{Refused, Route, SentHost, forward};
use super::headers::{Peer, TlsFacts, is_grpc, refusal, split_port, to_client};
use super::identity::{Pass, Stopped, Visit, logged, step};
use super::pages::{answer, page};
use super::redirect::{LONGEST, location};
use super::table::{Site, Table};
use super::tap::{Framing, is_known_encoding};
use crate::state::rule::{Action, ActionKind, Fixed, Rule, Transform};

/// What all requests of a connection have in common.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) plane: Arc<Plane>,
    /// The port of the listener.
    pub(crate) port: u16,
    /// The port that is really open.
    pub(crate) open_port: u16,
    pub(crate) peer: Peer,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) since: Instant,
}

/// The longest request target.
const LONGEST_TARGET: usize = 16 * 1024;

/// Answers a request.
pub(crate) async fn respond(front: &Front, mut request: Request<Incoming>) -> Response<Body> {
    let table = front.plane.table.load_full();
    let version = request.version();
    let http2 = version == Version::HTTP_2;
    let mut record = Record::new(SystemTime::now(), front.peer, front.tls.clone(), http2);
    let sites = table.ports.get(&front.port).map(Vec::as_slice).unwrap_or_default();
    let Some(oldest) = sites.first() else { return closing(page(503), version) };
    let host = sent_host(&request, oldest);
    describe(&mut record, &request, oldest, host.as_deref());
    let refused = screen(&request).or(host.is_none().then_some(400));
    let (Some(host), None) = (host, refused) else {
        let status = refused.unwrap_or(400);
        return closing(own(page(status), &mut record), version);
    };
    let (name, _) = split_port(&host);
    let name = name.to_ascii_lowercase();
    let (site, rule) = judge((oldest, sites), &request, &name, front);
    record.load_balancer.clone_from(&site.path);
    let verdict = mitigate(site, &mut request, &mut record);
    if verdict == Verdict::Refuse {
        return closing(own(page(400), &mut record), version);
    }
    let judged = Judged {
        table: &table,
        sites,
        site,
        priority: rule.map_or(0, |rule| rule.priority.into()),
        actions: rule.map_or(&site.default_actions, |rule| &rule.actions),
        transforms: rule.map_or(&[][..], |rule| &rule.transforms),
    };
    request.extensions_mut().insert(SentHost(host));
    let mut response = match vouch(front, &judged, &mut request, &mut record).await {
        Ok(pass) => {
            let mut response = carry_out(front, &judged, &name, request, record).await;
            pass.give(response.headers_mut());
            response
        }
        Err(Stopped { response, why }) => {
            record.error = why;
            own(response, &mut record)
        }
    };
    to_client(response.headers_mut(), site);
    if verdict == Verdict::PassAlone || front.since.elapsed() > site.settings.keep_alive {
        return closing(response, version);
    }
    response
}

/// A request's place, and what is to be done with it.
struct Judged<'t> {
    table: &'t Table,
    sites: &'t [Arc<Site>],
    site: &'t Site,
    /// 0 for the default rule.
    priority: i64,
    actions: &'t [Action],
    transforms: &'t [Transform],
}

/// Finds out who sends a request, if that is asked, and makes it tell so.
async fn vouch(
    front: &Front,
    judged: &Judged<'_>,
    request: &mut Request<Incoming>,
    record: &mut Record,
) -> Result<Pass, Stopped> {
    let identities = &front.plane.identities;
    let named = request.uri().authority().is_some() || request.headers().contains_key(HOST);
    let host = request.extensions().get::<SentHost>().map(|host| host.0.to_ascii_lowercase());
    let url = request.uri().path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
    let visit = Visit {
        host: host.as_deref().filter(|_| named),
        port: front.port,
        target: &url,
        headers: request.headers(),
        now: SystemTime::now(),
    };
    if let Some(taken) = identities.callback(judged.sites, &visit).await {
        // It is about no rule, and AWS logs none.
        record.actions.push("authenticate");
        return Err(taken);
    }
    record.priority = judged.priority;
    let Some(identity) = step(judged.actions) else { return Ok(Pass::default()) };
    record.actions.push(logged(identity.kind));
    let mut pass = identities.admit(identity, &judged.site.load_balancer, &visit).await?;
    pass.tell(request.headers_mut());
    Ok(pass)
}

/// Does what the rule says.
async fn carry_out(
    front: &Front,
    judged: &Judged<'_>,
    name: &str,
    request: Request<Incoming>,
    mut record: Record,
) -> Response<Body> {
    let Judged { table, site, actions, transforms, .. } = *judged;
    // What answers is the last.
    let Some(action) = actions.last() else { return own(page(500), &mut record) };
    record.actions.push(action.kind.name());
    match &action.kind {
        ActionKind::Forward(forwarding) => {
            let route = Route { table, site, forward: forwarding, transforms };
            let grpc = is_grpc(request.headers());
            match forward(front, route, request, record).await {
                Ok(response) => response,
                Err((refused, record)) => unanswered(refused, grpc, record),
            }
        }
        ActionKind::Fixed(fixed) => own(fixed_response(fixed), &mut record),
        ActionKind::Redirect(action) => {
            let target = location(action, site, &ask_of(&request, name, front));
            let response = own(redirected(&target, action.permanent), &mut record);
            record.redirect = Some(target);
            response
        }
        ActionKind::Identity(_) => own(page(500), &mut record),
    }
}

/// What the load balancer's desync mitigation mode makes of a request.
fn mitigate(site: &Site, request: &mut Request<Incoming>, record: &mut Record) -> Verdict {
    if request.version() == Version::HTTP_2 {
        return Verdict::Pass;
    }
    let framing = request.extensions().get::<Framing>().copied().unwrap_or_default();
    record.class = classify(request.method(), request.headers(), framing);
    let verdict = site.settings.mitigation.verdict(record.class);
    if verdict == Verdict::PassAlone {
        request.extensions_mut().insert(Alone);
    }
    verdict
}

/// The load balancer that a request is for, and its rule. Load balancers that share a port are
/// told apart by their DNS name, or else by whose rule the request falls under; what falls under
/// none goes to the oldest.
fn judge<'t>(
    (oldest, sites): (&'t Site, &'t [Arc<Site>]),
    request: &Request<Incoming>,
    name: &str,
    front: &Front,
) -> (&'t Site, Option<&'t Rule>) {
    let ask = ask_of(request, name, front);
    let judged = |site: &'t Arc<Site>| (&**site, rule_for(site, &ask));
    // One that wants another protocol on the port does not take part.
    let mut sites = sites.iter().filter(|site| site.protocol == oldest.protocol);
    if let Some(named) = sites.clone().find(|site| site.dns_name == name) {
        return judged(named);
    }
    let ruled = sites.by_ref().map(judged).find(|(_, rule)| rule.is_some());
    ruled.unwrap_or((oldest, None))
}

fn ask_of<'a>(request: &'a Request<Incoming>, host: &'a str, front: &Front) -> Ask<'a> {
    Ask {
        host,
        path: request.uri().path(),
        query: request.uri().query(),
        method: request.method().as_str(),
        headers: request.headers(),
        source: front.peer.address,
    }
}

/// The host asked for: that of the URL before that of the header; without any, HTTP/1.0 means
/// the load balancer itself, and HTTP/1.1 is wrong.
fn sent_host(request: &Request<Incoming>, site: &Site) -> Option<String> {
    if let Some(authority) = request.uri().authority() {
        let authority = authority.as_str();
        let (_user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        return Some(host.to_owned());
    }
    match request.headers().get(HOST) {
        Some(host) => host.to_str().ok().filter(|host| !host.is_empty()).map(str::to_owned),
        None if request.version() == Version::HTTP_10 => Some(site.dns_name.clone()),
        None => None,
    }
}

/// Why a request is refused before any rule sees it, as the status that is answered.
fn screen(request: &Request<Incoming>) -> Option<u16> {
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > LONGEST_TARGET) {
        return Some(414);
    }
    match *request.method() {
        Method::TRACE => Some(405),
        Method::CONNECT => Some(400),
        _ if request.headers().get_all(TRANSFER_ENCODING).iter().any(is_foreign) => Some(501),
        _ => refusal(request.headers()),
    }
}

fn is_foreign(encoding: &HeaderValue) -> bool {
    !is_known_encoding(encoding.as_bytes())
}

fn fixed_response(fixed: &Fixed) -> Response<Body> {
    let kind = fixed.content_type.as_deref().unwrap_or("text/plain");
    let kind =
        if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.into() };
    let body = fixed.body.clone().unwrap_or_default();
    answer(fixed.status, HeaderValue::try_from(kind).ok(), body.into())
}

fn redirected(target: &str, permanent: bool) -> Response<Body> {
    let Some(value) =
        HeaderValue::from_bytes(target.as_bytes()).ok().filter(|_| target.len() <= LONGEST)
    else {
        return page(507);
    };
    let mut response = page(if permanent { 301 } else { 302 });
    response.headers_mut().insert(LOCATION, value);
    response
}

/// What is answered in place of a target; a client of gRPC understands it too.
fn unanswered(Refused(status): Refused, grpc: bool, mut record: Record) -> Response<Body> {
    let mut page = page(status);
    if grpc {
        let headers = page.headers_mut();
        headers.insert("grpc-status", HeaderValue::from_static("14"));
        headers.insert("grpc-message", HeaderValue::from_static("unavailable"));
    }
    own(page, &mut record)
}

/// Writes down an answer of our own.
fn own(response: Response<Body>, record: &mut Record) -> Response<Body> {
    use hyper::body::Body as _;
    record.status = Some(response.status().as_u16());
    let size = response.body().size_hint().exact().unwrap_or_default();
    record.sent(usize::try_from(size).unwrap_or_default());
    response
}

/// Says that the connection ends with this answer.
fn closing(mut response: Response<Body>, version: Version) -> Response<Body> {
    if version != Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn describe(record: &mut Record, request: &Request<Incoming>, site: &Site, host: Option<&str>) {
    let text =
        |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = host.unwrap_or("-");
    let (name, _) = split_port(host);
    let url = request.uri().path_and_query().map_or("-", |url| url.as_str());
    record.request = format!(
        "{} {}://{name}:{}{url} {:?}",
        request.method(),
        site.protocol.scheme(),
        site.port,
        request.version()
    );
    record.load_balancer.clone_from(&site.path);
    text(USER_AGENT).unwrap_or_default().clone_into(&mut record.user_agent);
    name.clone_into(&mut record.host);
}
