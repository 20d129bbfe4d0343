//! The clients of AWS's services, and one way to call them all.

use super::{
    Cloud, Sight, Watched,
    arns::Arns,
    calls::Call,
    error::CloudError,
    ledger::Ledger,
    pace::{Pace, Rates},
};
use crate::metrics::Metrics;
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_ec2::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_elasticloadbalancingv2::error::{ProvideErrorMetadata, SdkError};
use edgeway_alb_core::{Desired, Lookups, Needs, Observed, Settings, Step, readiness::Fitnesses};
use edgeway_gateway::lease::Tenure;
use std::{error::Error, fmt, future::Future, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout_at},
};

/// How often a call that AWS has no room for is made again at once.
const ATTEMPTS: u32 = 10;
/// How often it is tried again at once where AWS cannot be reached.
const UNREACHABLE_ATTEMPTS: u32 = 2;
/// The first and the longest wait before that. Each is cut at random, so that calls that were refused
/// together do not come back together.
const WAITS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who we are to AWS.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Access {
    /// Whoever the environment, the profile or the machine says.
    #[default]
    Usual,
    /// These, for a stand-in that checks nothing.
    Fixed {
        /// The access key's id.
        key: String,
        /// The secret key.
        secret: String,
    },
}

/// Never shows a secret.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usual => "Usual",
            Self::Fixed { .. } => "Fixed",
        })
    }
}

/// Which AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// The region.
    pub region: String,
    /// Another place for all services.
    pub endpoint: Option<String>,
    /// Who we are there.
    pub access: Access,
    /// How fast it may be asked.
    pub rates: Rates,
    /// Where what is known of targets outlives a restart; nothing: nowhere.
    pub memory: Option<PathBuf>,
}

/// AWS, as one cluster's controller sees it. Clones see the same.
#[derive(Clone, Debug)]
pub struct Aws {
    pub(super) balancing: aws_sdk_elasticloadbalancingv2::Client,
    pub(super) network: aws_sdk_ec2::Client,
    pub(super) certificates: aws_sdk_acm::Client,
    pub(super) web_acls: aws_sdk_wafv2::Client,
    pub(super) shields: aws_sdk_shield::Client,
    pub(super) tagging: aws_sdk_resourcegroupstagging::Client,
    pub(super) settings: Settings,
    pub(super) arns: Arc<Mutex<Arns>>,
    pub(super) ledger: Arc<Ledger>,
    credentials: Option<SharedCredentialsProvider>,
    pace: Arc<Pace>,
    /// Whether nobody waits for what is called.
    gentle: bool,
    /// When something was last changed.
    changed: Arc<std::sync::Mutex<Option<Instant>>>,
    metrics: Metrics,
    /// Who does not lead changes nothing.
    tenure: Tenure,
}

impl Aws {
    /// Makes the clients. Nothing is called yet.
    pub async fn connect(connection: &Connection, settings: &Settings, metrics: Metrics) -> Self {
        let Connection { region, endpoint, access, rates, memory } = connection;
        // Retries are ours: they go by code, and through the pace.
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.clone()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).build());
        if let Some(endpoint) = endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Access::Fixed { key, secret } = access {
            loader =
                loader.credentials_provider(Credentials::new(key, secret, None, None, "edgeway"));
        }
        let mut config = loader.load().await;
        if endpoint.as_ref().is_some_and(|url| is_stand_in(url)) {
            config = with_credentials(config).await;
        }
        Self {
            balancing: aws_sdk_elasticloadbalancingv2::Client::new(&config),
            network: aws_sdk_ec2::Client::new(&config),
            certificates: aws_sdk_acm::Client::new(&config),
            web_acls: aws_sdk_wafv2::Client::new(&config),
            shields: aws_sdk_shield::Client::new(&config),
            tagging: aws_sdk_resourcegroupstagging::Client::new(&config),
            settings: settings.clone(),
            arns: Arc::default(),
            ledger: Arc::new(Ledger::open(memory.clone())),
            credentials: config.credentials_provider(),
            pace: Arc::new(Pace::new(*rates)),
            gentle: false,
            changed: Arc::default(),
            metrics,
            tenure: Tenure::always(),
        }
    }

    /// Changes nothing unless `tenure` holds.
    #[must_use]
    pub fn under(self, tenure: Tenure) -> Self {
        Self { tenure, ..self }
    }

    /// Makes a call when its time has come, and again where AWS only needs time.
    pub(super) async fn call<T, E, F>(
        &self,
        call: Call,
        attempt: impl Fn() -> F + Send,
    ) -> Result<T, CloudError>
    where
        F: Future<Output = Result<T, SdkError<E>>> + Send,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let mut wait = WAITS.0;
        let (mut left, mut unreachable) = (ATTEMPTS, UNREACHABLE_ATTEMPTS);
        loop {
            if self.gentle {
                self.pace.wait_gently(call.family()).await;
            } else {
                self.pace.wait(call.family()).await;
            }
            let error = match self.in_office(call, attempt()).await? {
                Ok(answer) => return Ok(answer),
                Err(error) => self.explained(CloudError::of(call, error)).await,
            };
            left -= 1;
            // Whoever cannot be reached will not be in a few seconds: the next pass tries again.
            if matches!(error, CloudError::Unreachable { .. }) {
                left = left.min(unreachable);
                unreachable = unreachable.saturating_sub(1);
            }
            if left == 0 || !is_passing(call, &error) {
                return Err(error);
            }
            if matches!(error, CloudError::Throttled { .. }) {
                self.pace.refused(call.family());
            }
            tracing::debug!(call = call.name(), ?wait, "{}", error.line());
            sleep(wait.mul_f64(rand::random_range(0.5..=1.0))).await;
            wait = (wait * 2).min(WAITS.1);
        }
    }
}

impl Aws {
    /// Makes one attempt. What changes something is not begun without leading, and not waited for
    /// when another may lead.
    async fn in_office<T>(
        &self,
        call: Call,
        attempt: impl Future<Output = T>,
    ) -> Result<T, CloudError> {
        if !call.changes() {
            self.metrics.called(call);
            return Ok(attempt.await);
        }
        let end = self.tenure.end().filter(|_| self.tenure.holds());
        let end = end.ok_or(CloudError::Deposed { call })?;
        self.metrics.called(call);
        self.note_change();
        timeout_at(end, attempt).await.map_err(|_| CloudError::Deposed { call })
    }

    /// What is called next is no urgent call: the check for drift, which is none either, waits for it.
    pub(super) fn owe(&self) {
        self.pace.owe();
    }

    fn note_change(&self) {
        if let Ok(mut changed) = self.changed.lock() {
            *changed = Some(Instant::now());
        }
    }

    /// How long ago something was changed by us; nothing, if nothing was.
    pub(super) fn unchanged_for(&self) -> Option<Duration> {
        self.changed.lock().ok().and_then(|changed| changed.map(|at| at.elapsed()))
    }

    /// The SDK reports missing credentials as if AWS could not be reached.
    async fn explained(&self, error: CloudError) -> CloudError {
        if let (CloudError::Unreachable { .. }, Some(provider)) = (&error, &self.credentials)
            && let Err(missing) = provider.provide_credentials().await
        {
            return CloudError::NoCredentials { cause: Box::new(missing) };
        }
        error
    }
}

/// Reads where AWS is to be asked instead.
pub fn endpoint(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) => {
            Ok(text.to_owned())
        }
        Some(_) | None => Err("write a URL, such as http://127.0.0.1:4599".to_owned()),
    }
}

/// AWS itself is asked by HTTPS only.
pub(crate) fn is_stand_in(url: &str) -> bool {
    url.starts_with("http://")
}

/// A stand-in checks nobody: where there are no credentials, any will do.
async fn with_credentials(config: SdkConfig) -> SdkConfig {
    let found = match config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await.is_ok(),
        None => false,
    };
    if found {
        return config;
    }
    let any = Credentials::new("edgeway", "edgeway", None, None, "edgeway");
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(any)).build()
}

/// Whether a moment later the same call may work. What has just been made or cut loose takes its
/// time until all of AWS knows.
fn is_passing(call: Call, error: &CloudError) -> bool {
    match error {
        CloudError::Throttled { .. } | CloudError::Unreachable { .. } => true,
        CloudError::Stale { code, .. } => matches!(
            (call, code.as_str()),
            (Call::AssociateWebACL, "WAFUnavailableEntityException")
                | (
                    Call::CreateRule
                        | Call::AddListenerCertificates
                        | Call::ModifyListenerAttributes,
                    "ListenerNotFound"
                )
                | (Call::DeleteTargetGroup, "ResourceInUse")
                | (Call::DeleteSecurityGroup, "DependencyViolation")
                | (
                    Call::AuthorizeSecurityGroupIngress | Call::CreateLoadBalancer,
                    "InvalidGroup.NotFound"
                )
        ),
        CloudError::Denied { .. }
        | CloudError::NoCredentials { .. }
        | CloudError::Quota { .. }
        | CloudError::Refused { .. }
        | CloudError::Deposed { .. }
        | CloudError::Unknown(_) => false,
    }
}

// Boxed, since the futures of so many kinds of calls in one another are large.
impl Cloud for Aws {
    async fn look_up(&self, needs: &Needs) -> Result<Lookups, CloudError> {
        Box::pin(super::look_up::look_up(self, needs)).await
    }

    async fn observe(&self, desired: &Desired, sight: &Sight) -> Result<Observed, CloudError> {
        Box::pin(super::observe::observe(self, desired, sight)).await
    }

    async fn check(
        &self,
        watched: &Watched,
        observed: &mut Observed,
    ) -> Result<Fitnesses, CloudError> {
        Box::pin(super::check::check(self, watched, observed)).await
    }

    fn remember(&self, observed: &Observed) -> impl Future<Output = ()> + Send {
        super::ledger::remember(self, observed)
    }

    fn gently(&self) -> Self {
        Self { gentle: true, ..self.clone() }
    }

    async fn apply(&self, step: &Step) -> Result<Option<String>, CloudError> {
        Box::pin(super::write::apply(self, step)).await
    }
}
