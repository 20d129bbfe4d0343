//! Requests of the load balancer itself to identity providers.
//!
//! Certificates are checked by the roots of this machine. Plain HTTP is let through, which AWS
//! refuses: a provider on a laptop seldom has a certificate that anybody trusts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};

/// How long an answer may take; AWS says so for key sets.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client of identity providers.
#[derive(Clone, Debug)]
pub(crate) struct Web(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Silence {
    /// It took too long.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Timeout,
    /// It could not be reached, or broke off.
    #[error("no answer: {0}")]
    Broken(String),
    /// It says more than is taken in.
    #[error("the answer is too large")]
    TooLarge,
}

impl Web {
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        // A machine without any still has providers that speak plain HTTP.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector.build())))
    }

    /// The status and body of an answer of at most `limit` bytes.
    pub(crate) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<(StatusCode, Bytes), Silence> {
        let asking = async {
            let response = self.0.request(request).await.map_err(|why| broken(&why))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, limit).collect().await.map_err(|why| {
                if why.is::<LengthLimitError>() { Silence::TooLarge } else { broken(&*why) }
            })?;
            Ok((head.status, body.to_bytes()))
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(Silence::Timeout))
    }
}

/// An error with its causes, which tell more than itself.
fn broken(why: &dyn std::error::Error) -> Silence {
    let causes = std::iter::successors(Some(why), |why| why.source());
    Silence::Broken(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}
