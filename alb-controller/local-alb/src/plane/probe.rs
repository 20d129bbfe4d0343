//! One health check of one target.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, TE, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Version as HttpVersion};
use http_body_util::{BodyExt, Full};

use super::clients::{Clients, Door};
use crate::state::health::{Failure, Finding};
use crate::state::load_balancer::Protocol;
use crate::state::target_group::{HealthCheck, Version};

/// What is checked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) door: Door,
    pub(crate) version: Version,
    pub(crate) check: HealthCheck,
}

/// Asks a target whether it is well.
pub(crate) async fn probe(clients: &Clients, probe: &Probe) -> Finding {
    let timeout = Duration::from_secs(probe.check.timeout.into());
    match tokio::time::timeout(timeout, ask(clients, probe)).await {
        Err(_) => Finding::Failed(Failure::Timeout),
        Ok(None) => Finding::Failed(Failure::Connection),
        Ok(Some(code)) if probe.check.codes.contain(code) => Finding::Passed,
        Ok(Some(code)) => Finding::Failed(Failure::Code(code)),
    }
}

/// The status that a target answers with; for gRPC, the status of the call.
async fn ask(clients: &Clients, probe: &Probe) -> Option<u16> {
    let request = request(probe)?;
    let http2 = probe.version != Version::Http1;
    let response = clients.once(probe.door, http2, request).await.ok()?;
    let (head, body) = response.into_parts();
    if probe.version != Version::Grpc {
        return Some(head.status.as_u16());
    }
    if head.status != StatusCode::OK {
        return None;
    }
    let grpc_status = |headers: &HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse().ok();
    if let Some(code) = grpc_status(&head.headers) {
        return Some(code);
    }
    let trailers = body.collect().await.ok()?.trailers().cloned()?;
    grpc_status(&trailers)
}

fn request(probe: &Probe) -> Option<Request<Full<Bytes>>> {
    let scheme = probe.check.protocol.scheme();
    let address = probe.door.address;
    let host = if address.port() == probe.check.protocol.default_port() {
        address.ip().to_string()
    } else {
        address.to_string()
    };
    let request = Request::builder().header(USER_AGENT, "ELB-HealthChecker/2.0");
    let path = &probe.check.path;
    let absolute = format!("{scheme}://{address}{path}");
    let request = match probe.version {
        Version::Http1 => {
            let request = request.uri(path).header(HOST, host).header(CONNECTION, "close");
            request.body(Full::default())
        }
        Version::Http2 => request.version(HttpVersion::HTTP_2).uri(absolute).body(Full::default()),
        Version::Grpc => request
            .version(HttpVersion::HTTP_2)
            .method(Method::POST)
            .uri(absolute)
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers")
            // One message without content.
            .body(Full::from(Bytes::from_static(&[0; 5]))),
    };
    request.ok()
}

impl Door {
    /// Where the health of a target is checked.
    pub(crate) fn of_check(check: &HealthCheck, mut address: std::net::SocketAddr) -> Self {
        if let Some(port) = check.port {
            address.set_port(port);
        }
        Self { address, tls: check.protocol == Protocol::Https }
    }
}
